"""Tables of parcels, their stays, their history, and the facts already taken."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from schema.compartments import ClimateZone
from server.kit.db import enum_text
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.identity import IdentityProof
from server.parcels.states import Authority, ParcelState, Party, Trigger

TRACKING_CHARACTERS = 64
CONTACT_CHARACTERS = 254
"""The longest e-mail address (RFC 5321, s. 4.5.3.1.3)."""
NAME_CHARACTERS = 120
CODE_CHARACTERS = 64
TEXT_CHARACTERS = 300
"""Longest text of a foreign status or a reason; the rest is cut."""


class LocationKind(StrEnum):
    """What kind of place a parcel is at or goes to."""

    PLANNED = "PLANNED"
    """The hub that was chosen for it."""
    TEMPORARY = "TEMPORARY"
    """Another locker, until there is room."""
    HUB_COUNTER = "HUB_COUNTER"
    """Behind the counter of its hub."""


class HoldEnded(StrEnum):
    """Why nobody can collect the parcel any more."""

    DEADLINE = "DEADLINE"
    """The time was over."""
    REFUSED = "REFUSED"
    """The recipient did not want it."""
    POLICY = "POLICY"
    """A rule of the network said so."""


class PauseCause(StrEnum):
    """Why the time to collect does not run (DOMAIN 1.2)."""

    LOCKER_FAULT = "LOCKER_FAULT"
    LOCKER_STALE = "LOCKER_STALE"
    DOOR_UNKNOWN = "DOOR_UNKNOWN"
    HUB_CLOSED = "HUB_CLOSED"
    OUTAGE = "OUTAGE"
    NOTICE_UNDELIVERED = "NOTICE_UNDELIVERED"
    INCIDENT = "INCIDENT"
    DISPUTE = "DISPUTE"
    TRANSFER = "TRANSFER"


class EvidenceKind(StrEnum):
    """What says that a parcel's time must not run."""

    JOURNAL = "JOURNAL"
    """An entry that a locker wrote and signed."""
    INCIDENT = "INCIDENT"
    """Something that somebody looks into."""
    CLOSURE = "CLOSURE"
    """A closure of the hub that nobody had planned."""
    OUTAGE = "OUTAGE"
    """A span without a sign of life of the service."""
    NOTICE = "NOTICE"
    """The fate of the notice that nobody took."""
    DECISION = "DECISION"
    """Somebody's word, which is in the parcel's history."""


class Assurance(StrEnum):
    """How sure it is that the holder took the parcel (DOMAIN 1.2)."""

    A = "A"
    """The holder proved their key, and the sensor saw it full before and empty after."""
    B = "B"
    """The holder proved their key; no sensor, and no objection."""
    C = "C"
    """Somebody else's word: a pass, a counter, a resolution."""


class Stay(SQLModel, table=True):
    """One period of one compartment being used for one deposit and what is added to it.

    Minted with the deposit token, begun by the locker's fact, ended by another and never again.
    """

    __tablename__ = "stays"
    __table_args__ = (
        Index(
            "uq_stays_running",
            "compartment_id",
            unique=True,
            postgresql_where=text("begun_at IS NOT NULL AND ended_at IS NULL"),
            sqlite_where=text("begun_at IS NOT NULL AND ended_at IS NULL"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    name: bytes = Field(unique=True)
    """The 8 random bytes of the protocol."""
    created_at: datetime
    locker_id: uuid.UUID = Field(foreign_key="lockers.id", index=True)
    compartment_id: uuid.UUID | None = Field(default=None, foreign_key="compartments.id")
    begun_at: datetime | None = None
    ended_at: datetime | None = None


_HOLDABLE = (
    "state IN ('DROPPED_OFF', 'DEPOSITED', 'READY_FOR_PICKUP', 'EXPIRED')"
    " AND safe_until IS NOT NULL"
)


class Parcel(SQLModel, table=True):
    """One parcel. `version` grows with each line of its history."""

    __tablename__ = "parcels"
    __table_args__ = (
        UniqueConstraint("carrier_id", "tracking_no"),
        Index(None, "recipient_id", "id"),
        Index(None, "sender_id", "id"),
        Index(None, "hub_id", "id"),
        Index(None, "carrier_id", "id"),
        CheckConstraint("state <> 'COLLECTED' OR collected_at IS NOT NULL", name="collected"),
        Index(
            "ix_parcels_waiting",
            "available_through",
            postgresql_where=text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
            sqlite_where=text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
        ),
        Index(
            "ix_parcels_to_come",
            "dropoff_through",
            postgresql_where=text("state = 'AWAITING_DROPOFF'"),
            sqlite_where=text("state = 'AWAITING_DROPOFF'"),
        ),
        Index(
            "ix_parcels_forgetting",
            "forget_at",
            postgresql_where=text("forget_at IS NOT NULL"),
            sqlite_where=text("forget_at IS NOT NULL"),
        ),
        Index(
            "ix_parcels_spoiling",
            "safe_until",
            postgresql_where=text(_HOLDABLE),
            sqlite_where=text(_HOLDABLE),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    version: int = 0
    code: str = Field(max_length=16, unique=True)
    """What people read to each other; says nothing about the contents."""
    carrier_id: uuid.UUID = Field(foreign_key="carriers.id")
    tracking_no: str = Field(max_length=TRACKING_CHARACTERS)
    content_hash: bytes
    """Of what was announced, to tell a repeated announcement from a changed one."""
    recipient_id: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    recipient_contact: str | None = Field(default=None, max_length=CONTACT_CHARACTERS)
    """The address the carrier gave, normalised; None once erased."""
    recipient_name: str | None = Field(default=None, max_length=NAME_CHARACTERS)
    sender_id: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    """Who brings it to a locker; None where a carrier had it from elsewhere."""
    returns_id: uuid.UUID | None = Field(default=None, foreign_key="parcels.id")
    """The collected parcel that its recipient sends back in it."""
    dropoff_through: datetime | None = None
    """Until when its sender may bring it."""
    width_mm: int
    height_mm: int
    depth_mm: int
    weight_g: int | None = None
    climate_zone: ClimateZone = Field(sa_type=enum_text(ClimateZone))
    is_perishable: bool = False
    is_age_restricted: bool = False
    is_fragile: bool = False
    cod_amount: int | None = Field(default=None, sa_type=BigInteger)
    """What the recipient has to pay on receipt, in the smallest unit of the currency."""
    cod_currency: str | None = Field(default=None, max_length=3)
    state: ParcelState = Field(sa_type=enum_text(ParcelState))
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    """Where it is to be collected, or lies now."""
    planned_hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    """Where it was announced to go."""
    location_kind: LocationKind = Field(sa_type=enum_text(LocationKind))
    stay_id: uuid.UUID | None = Field(default=None, foreign_key="stays.id", index=True)
    """The stay that it is in; None once that has ended."""
    is_pass_through: bool = False
    is_from_counter: bool = False
    available_from: datetime | None = None
    available_through: datetime | None = None
    deadline_version: int = 0
    safe_until: datetime | None = None
    """Until when what is cooled is good, by what lockers told; None while nothing speaks against
    it. It never pauses, and is another clock than the right to collect.
    """
    safe_locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    safe_seq: int | None = Field(default=None, sa_type=BigInteger)
    """With the locker: the journal entry that says so."""
    pause_cause: PauseCause | None = Field(default=None, sa_type=enum_text(PauseCause))
    hold_ended: HoldEnded | None = Field(default=None, sa_type=enum_text(HoldEnded))
    settles_at: datetime | None = None
    """When a collection that no sensor saw counts, unless its holder objects before."""
    settling_assurance: Assurance | None = Field(default=None, sa_type=enum_text(Assurance))
    collected_at: datetime | None = None
    assurance: Assurance | None = Field(default=None, sa_type=enum_text(Assurance))
    over_at: datetime | None = None
    """When it came to a state that no intent leaves."""
    forget_at: datetime | None = None
    """When somebody is to look whether its names may still be kept (`parcels.retention`)."""

    @property
    def collect_by(self) -> datetime | None:
        """The last moment to fetch it: of its two clocks the earlier; None while no time runs."""
        if self.available_through is None or self.safe_until is None:
            return self.available_through
        return min(self.available_through, self.safe_until)

    def live_topics(self) -> tuple[str, ...]:
        """Those who watch the parcel, or the hub where it is."""
        return (f"parcel:{self.id}", f"hub:{self.hub_id}")


class StayParcel(SQLModel, table=True):
    """Which parcels a stay was minted for, and which of them it came to hold."""

    __tablename__ = "stay_parcels"

    stay_id: uuid.UUID = Field(primary_key=True, foreign_key="stays.id")
    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id", index=True)
    put_in_at: datetime | None = None
    """When a door closed on it; None for one that was not brought, or not to this stay."""
    left_at: datetime | None = None
    """When it was out again: at the end of the stay, or known to be elsewhere before that."""


class ParcelEvent(SQLModel, table=True):
    """One line of a parcel's history; never changed. `number` counts from 1 without a hole."""

    __tablename__ = "parcel_events"
    __table_args__ = (
        UniqueConstraint("parcel_id", "number"),
        UniqueConstraint("parcel_id", "locker_id", "seq"),
        Index(
            "ix_parcel_events_unread",
            "source_system",
            "source_code",
            postgresql_where=text("source_code IS NOT NULL AND mapped IS NULL"),
            sqlite_where=text("source_code IS NOT NULL AND mapped IS NULL"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id")
    number: int
    at: datetime
    """When it happened: the locker's time for a fact."""
    recorded_at: datetime
    row: str = Field(max_length=4)
    """The line of the parcel table that was taken."""
    trigger: Trigger = Field(sa_type=enum_text(Trigger))
    source: ParcelState | None = Field(default=None, sa_type=enum_text(ParcelState))
    target: ParcelState = Field(sa_type=enum_text(ParcelState))
    authority: Authority = Field(sa_type=enum_text(Authority))
    party: Party = Field(sa_type=enum_text(Party))
    actor_id: uuid.UUID | None = None
    """The person or carrier behind it, where one is known."""
    reason: str | None = Field(default=None, sa_type=Text)
    locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    seq: int | None = Field(default=None, sa_type=BigInteger)
    """With the locker: the journal entry that caused it."""
    source_system: str | None = Field(default=None, max_length=CODE_CHARACTERS)
    source_code: str | None = Field(default=None, max_length=CODE_CHARACTERS)
    source_text: str | None = Field(default=None, sa_type=Text)
    mapped: ParcelState | None = Field(default=None, sa_type=enum_text(ParcelState))
    through_before: datetime | None = None
    """With the next: until when it waited before and after, on a line that changed that."""
    through_after: datetime | None = None


class ParcelFact(SQLModel, table=True):
    """A journal entry that the parcels have heard of, moved anything or not."""

    __tablename__ = "parcel_facts"

    locker_id: uuid.UUID = Field(primary_key=True, foreign_key="lockers.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime
    trigger: Trigger = Field(sa_type=enum_text(Trigger))
    stay: bytes | None = None


class Handover(SQLModel, table=True):
    """That staff gave a parcel to its recipient over the counter, and how they knew them.

    The kind of document is kept, and nothing else of it.
    """

    __tablename__ = "handovers"
    __table_args__ = (Index("ix_handovers_parcel_id_at", "parcel_id", "at"),)

    id: uuid.UUID = Field(primary_key=True)
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id")
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    at: datetime
    staff_id: uuid.UUID = Field(foreign_key="people.id")
    proof: IdentityProof = Field(sa_type=enum_text(IdentityProof))
    is_age_checked: bool
    is_cod_paid: bool


class Assistance(SQLModel, table=True):
    """That somebody of the hub helped a holder at the door of a stay."""

    __tablename__ = "assistances"
    __table_args__ = (Index("ix_assistances_stay_id_at", "stay_id", "at"),)

    id: uuid.UUID = Field(primary_key=True)
    stay_id: uuid.UUID = Field(foreign_key="stays.id")
    at: datetime
    staff_id: uuid.UUID = Field(foreign_key="people.id")


class ParcelPause(SQLModel, table=True):
    """A span in which a parcel's time to collect does not run; closures and outages are not here,
    for they concern many parcels at once.
    """

    __tablename__ = "parcel_pauses"
    __table_args__ = (Index(None, "parcel_id", "started_at"),)

    id: uuid.UUID = Field(primary_key=True)
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id")
    cause: PauseCause = Field(sa_type=enum_text(PauseCause))
    started_at: datetime
    """The earliest evidence, not when we heard of it."""
    ended_at: datetime | None = None
    party: Party = Field(sa_type=enum_text(Party))
    """Who or what stopped it."""
    reason: str | None = Field(default=None, sa_type=Text)
    locker_id: uuid.UUID | None = Field(default=None, foreign_key="lockers.id")
    seq: int | None = Field(default=None, sa_type=BigInteger)
    """With the locker: the journal entry that it rests on."""
    incident_id: uuid.UUID | None = Field(default=None, foreign_key="incidents.id")
    """What it rests on where no journal told of it."""


class ParcelExtension(SQLModel, table=True):
    """More time that a parcel's recipient asked for, or that somebody gave them."""

    __tablename__ = "parcel_extensions"
    __table_args__ = (Index(None, "parcel_id", "at"),)

    id: uuid.UUID = Field(primary_key=True)
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id")
    at: datetime
    given_by: uuid.UUID | None = None
    is_by_recipient: bool
    hours: int
    through_before: datetime
    through_after: datetime
    rule_version: int
    """The version of the hub's rule that allowed it; 0 for the network's."""
    limit_percent: int | None = None
    """The expected occupancy from which on it would have been refused; None where none mattered."""
    expected_percent: int | None = None
    """What was expected at most, and whether a forecast said so or the present did."""
    is_forecast: bool = False


class Dispute(SQLModel, table=True):
    """That somebody says a collection was not right: who, why, and what was decided.

    The recipient, the sender and the courier may each say so once.
    """

    __tablename__ = "disputes"
    __table_args__ = (UniqueConstraint("parcel_id", "party"),)

    id: uuid.UUID = Field(primary_key=True)
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id")
    party: Party = Field(sa_type=enum_text(Party))
    opened_by: uuid.UUID = Field(foreign_key="people.id")
    opened_at: datetime
    reason: DisputeReason = Field(sa_type=enum_text(DisputeReason))
    compartment_id: uuid.UUID | None = Field(default=None, foreign_key="compartments.id")
    """Where it was collected, if that was kept as it was left."""
    incident_id: uuid.UUID | None = Field(default=None, foreign_key="incidents.id")
    resolved_at: datetime | None = None
    resolved_by: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    outcome: DisputeOutcome | None = Field(default=None, sa_type=enum_text(DisputeOutcome))
    resolution: str | None = Field(default=None, sa_type=Text)
    """Why, as whoever decided it wrote."""


class Outage(SQLModel, table=True):
    """A span in which the service did not work: its workers have no beat in it."""

    __tablename__ = "outages"

    id: uuid.UUID = Field(primary_key=True)
    started_at: datetime
    ended_at: datetime = Field(index=True)


class Beat(SQLModel, table=True):
    """That the service worked at this moment; one row."""

    __tablename__ = "beats"

    name: str = Field(primary_key=True, max_length=16)
    at: datetime
