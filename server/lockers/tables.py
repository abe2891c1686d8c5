"""Tables of lockers, compartments, enrolments, key sets, reservations and incidents."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from schema.compartments import ClimateZone, DoorState, Side
from server.kit.db import enum_text
from server.lockers.choice import ReservationPurpose
from server.lockers.closing import DoorVisit
from server.lockers.incidents import IncidentKind, Severity
from server.lockers.rules import Allocation, ClimateState, LockerState, ServiceState

SERIAL_CHARACTERS = 64
LABEL_CHARACTERS = 8


class Locker(SQLModel, table=True):
    """The machine. Sequence numbers, clock quality and last fact are what it reported last."""

    __tablename__ = "lockers"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    version: int = 1
    hub_id: uuid.UUID = Field(foreign_key="hubs.id", index=True)
    lid: bytes = Field(unique=True)
    serial: str = Field(max_length=SERIAL_CHARACTERS, unique=True)
    noise_public: bytes = Field(unique=True)
    sign_public: bytes = Field(unique=True)
    sealed_pin_secret: bytes
    """Id of our sealing key (2 bytes), then the secret in a sealed box to it."""
    has_keypad: bool = False
    """Whether it opens without a phone too, by what is typed at it."""
    state: LockerState = Field(sa_type=enum_text(LockerState))
    last_fact_at: datetime | None = None
    clock_quality: int | None = None
    revocation_seq: int = Field(default=0, sa_type=BigInteger)
    key_set_seq: int = Field(default=0, sa_type=BigInteger)
    configuration_seq: int = Field(default=0, sa_type=BigInteger)
    replaced_by: uuid.UUID | None = Field(default=None, foreign_key="lockers.id", unique=True)
    """The locker that stands in its place with another controller: from then on this one is not
    believed any more."""

    def live_topics(self) -> tuple[str, ...]:
        """Those who watch the locker, or its hub."""
        return (f"locker:{self.id}", f"hub:{self.hub_id}")


class Enrolment(SQLModel, table=True):
    """Permission for one locker to join a hub; only the code's hash is kept."""

    __tablename__ = "enrolments"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    created_by: uuid.UUID
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    serial: str = Field(max_length=SERIAL_CHARACTERS)
    code_hash: bytes = Field(unique=True)
    expires_at: datetime
    layout: list[dict[str, Any]] = Field(sa_type=JSON)
    has_keypad: bool = False
    replaces: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    """The locker whose compartments it takes over, instead of a layout of its own."""
    locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id", unique=True)
    """The locker that used it."""


class Compartment(SQLModel, table=True):
    """One door and the room behind it."""

    __tablename__ = "compartments"
    __table_args__ = (
        UniqueConstraint("locker_id", "number"),
        UniqueConstraint("locker_id", "label"),
        CheckConstraint("number BETWEEN 1 AND 255", name="number"),
        Index(
            "ix_compartments_uncooled",
            "climate",
            postgresql_where=text("climate = 'FAULT'"),
            sqlite_where=text("climate = 'FAULT'"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    version: int = 1
    locker_id: uuid.UUID = Field(foreign_key="lockers.id")
    number: int
    label: str = Field(max_length=LABEL_CHARACTERS)
    side: Side = Field(sa_type=enum_text(Side))
    row: int
    column: int
    width_mm: int
    height_mm: int
    depth_mm: int
    sill_height_mm: int
    climate_zone: ClimateZone = Field(sa_type=enum_text(ClimateZone))
    allocation: Allocation = Field(sa_type=enum_text(Allocation))
    door: DoorState = Field(sa_type=enum_text(DoorState))
    service: ServiceState = Field(sa_type=enum_text(ServiceState))
    climate: ClimateState = Field(sa_type=enum_text(ClimateState))
    doubted_at: datetime | None = None
    """When nobody knew any more what is inside (C8), by the locker's clock."""
    closed_at: datetime | None = None
    """Since when it is quarantined or broken; None once it is in service again."""

    def live_topics(self) -> tuple[str, ...]:
        """Those who watch the locker."""
        return (f"locker:{self.locker_id}",)


class DoorCheck(SQLModel, table=True):
    """A door that staff opened and shut without a stay: what was sensed, and by what right.

    It begins with the locker's DOOR_OPENED and is whole once the door was shut.
    """

    __tablename__ = "door_checks"
    __table_args__ = (
        UniqueConstraint("locker_id", "opened_seq"),
        Index("ix_door_checks_compartment_id", "compartment_id", "id"),
    )

    id: uuid.UUID = Field(primary_key=True)
    compartment_id: uuid.UUID = Field(foreign_key="compartments.id")
    locker_id: uuid.UUID = Field(foreign_key="lockers.id")
    opened_seq: int = Field(sa_type=BigInteger)
    visit: DoorVisit = Field(sa_type=enum_text(DoorVisit))
    person_id: uuid.UUID | None = None
    granted_at: datetime
    """From when on somebody had the right: what was decided later is not proved by it."""
    occupied_before: bool | None = None
    closed_at: datetime | None = None
    closed_seq: int | None = Field(default=None, sa_type=BigInteger)
    occupied_after: bool | None = None


class CompartmentEvent(SQLModel, table=True):
    """One line of what was decided about a compartment; never changed."""

    __tablename__ = "compartment_events"
    __table_args__ = (
        UniqueConstraint("compartment_id", "row", "locker_id", "seq"),
        Index("ix_compartment_events_compartment_id", "compartment_id", "id"),
    )

    id: uuid.UUID = Field(primary_key=True)
    compartment_id: uuid.UUID = Field(foreign_key="compartments.id")
    at: datetime
    """When it happened: the locker's time for a fact."""
    recorded_at: datetime
    row: str = Field(max_length=4)
    """The line of DOMAIN 2.2 that was taken."""
    before: str = Field(max_length=32)
    after: str = Field(max_length=32)
    actor_id: uuid.UUID | None = None
    """Who decided; None for a rule of the server or a fact."""
    reason: str = Field(default="", sa_type=Text)
    locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    seq: int | None = Field(default=None, sa_type=BigInteger)
    """With the locker: the journal entry behind it."""
    incident_id: uuid.UUID | None = Field(default=None, foreign_key="incidents.id")


class SignedKeySet(SQLModel, table=True):
    """A key set that a root signed, for one locker or for all (`audience` is `*`)."""

    __tablename__ = "key_sets"

    id: uuid.UUID = Field(primary_key=True)
    received_at: datetime
    audience: bytes
    seq: int = Field(sa_type=BigInteger, unique=True)
    """Drawn from one counter, whoever it is for (PROTOCOL 2)."""
    issued_at: datetime
    statement: bytes


class Reservation(SQLModel, table=True):
    """A compartment kept for a parcel. While it is live neither has another."""

    __tablename__ = "reservations"
    __table_args__ = (
        Index(
            "uq_reservations_live_compartment",
            "compartment_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_reservations_live_parcel",
            "parcel_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_reservations_due",
            "expires_at",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    compartment_id: uuid.UUID = Field(foreign_key="compartments.id")
    parcel_id: uuid.UUID
    purpose: ReservationPurpose = Field(sa_type=enum_text(ReservationPurpose))
    created_by: uuid.UUID | None = None
    expires_at: datetime
    ended_at: datetime | None = None


class OccupancySlot(SQLModel, table=True):
    """How full a hub's lockers were in one slot of one local day: sums over the looks at them."""

    __tablename__ = "occupancy_slots"
    __table_args__ = (Index(None, "day"),)

    hub_id: uuid.UUID = Field(primary_key=True, foreign_key="hubs.id")
    day: date = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    last_look: int = Field(sa_type=BigInteger)
    """Number of the newest look; a look of the same number or an earlier one counts no more."""
    looks: int
    in_use: int
    """Compartments that were kept, full or in doubt, added up over the looks."""
    usable: int
    """Compartments that were in service, likewise."""


class Incident(SQLModel, table=True):
    """Something wrong in the world. A fact opens at most one of a kind about a subject."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id", "locker_id", "seq"),
        Index(
            "ix_incidents_open",
            "due_at",
            postgresql_where=text("resolved_at IS NULL"),
            sqlite_where=text("resolved_at IS NULL"),
        ),
        Index(
            "ix_incidents_open_subject",
            "subject_id",
            postgresql_where=text("resolved_at IS NULL"),
            sqlite_where=text("resolved_at IS NULL"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    opened_at: datetime
    kind: IncidentKind = Field(sa_type=enum_text(IncidentKind))
    severity: Severity = Field(sa_type=enum_text(Severity))
    due_at: datetime
    hub_id: uuid.UUID | None = Field(default=None, foreign_key="hubs.id", index=True)
    subject_id: uuid.UUID
    """The parcel, compartment or locker that it is about."""
    locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    seq: int | None = Field(default=None, sa_type=BigInteger)
    """With the locker: the journal entry behind it."""
    detail: str = Field(default="", sa_type=Text)
    resolved_at: datetime | None = None
    resolution: str = Field(default="", sa_type=Text)
    """What ended it, in a few words; empty while it is open."""
    resolved_by: uuid.UUID | None = None
    """Who said so; None where the world itself put it right."""
