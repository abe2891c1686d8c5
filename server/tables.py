"""Every table of the house in one place, so that importing this makes `kit.db.metadata` whole."""

from __future__ import annotations

from server.access.tables import (
    EmergencyOpening,
    Grant,
    GuestLink,
    IssuedPass,
    IssuedToken,
    PassedOn,
    RegisteredToken,
    SignedStatement,
    StaffOpening,
    StatementCounter,
)
from server.climate.tables import ClimateFact
from server.hubs.tables import Hub, HubClosure, HubOpening, Partner
from server.kit.outbox import Outbox
from server.kit.proofs import UsedProof
from server.ledger.tables import ChainHead, ContradictingEntry, JournalEntry, LockerReading
from server.lockers.tables import (
    Compartment,
    CompartmentEvent,
    DoorCheck,
    Enrolment,
    Incident,
    Locker,
    OccupancySlot,
    Reservation,
    SignedKeySet,
)
from server.notices.tables import Notice, Reminder
from server.parcels.tables import (
    Assistance,
    Beat,
    Handover,
    Outage,
    Parcel,
    ParcelEvent,
    ParcelExtension,
    ParcelFact,
    ParcelPause,
    Stay,
    StayParcel,
)
from server.people.tables import (
    ApiKey,
    Carrier,
    ContactAddress,
    Device,
    Membership,
    Person,
    SignInRequest,
    StoredPreferences,
)
from server.pickups.tables import (
    HabitCounts,
    HabitPast,
    HabitPool,
    PickupWindow,
    TaughtParcel,
)

TABLES = (
    UsedProof,
    Outbox,
    JournalEntry,
    ChainHead,
    ContradictingEntry,
    LockerReading,
    Person,
    ContactAddress,
    Device,
    SignInRequest,
    Membership,
    StoredPreferences,
    Carrier,
    ApiKey,
    Partner,
    Hub,
    HubOpening,
    HubClosure,
    Locker,
    Enrolment,
    Compartment,
    SignedKeySet,
    Reservation,
    Incident,
    DoorCheck,
    CompartmentEvent,
    OccupancySlot,
    Stay,
    Parcel,
    StayParcel,
    ParcelEvent,
    ParcelFact,
    Handover,
    Assistance,
    ParcelPause,
    ParcelExtension,
    Outage,
    Beat,
    HabitCounts,
    HabitPast,
    HabitPool,
    TaughtParcel,
    PickupWindow,
    ClimateFact,
    Grant,
    EmergencyOpening,
    StaffOpening,
    IssuedPass,
    GuestLink,
    IssuedToken,
    PassedOn,
    RegisteredToken,
    SignedStatement,
    StatementCounter,
    Notice,
    Reminder,
)
"""All tables, lowest part of the house first."""
