"""Lockers, compartments, reservations and incidents as clients see them."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.types import Info

from schema.compartments import ClimateZone, Side, SizeClass, size_class
from schema.ids import LockerId, locker_text
from server.hubs.graph.types import Hub, as_hub
from server.hubs.loaders import hub_by_id
from server.kit.auth import Actor, Permission, Scope
from server.kit.errors import BrokenPromise
from server.kit.graph import Context, Node, NodeLoader, context_of, described, global_id
from server.lockers import tables
from server.lockers.incidents import STEPS, IncidentKind, NextStep, Severity
from server.lockers.loaders import compartments_by_locker, locker_by_id
from server.lockers.rules import DisplayStatus, LockerState
from server.lockers.service import reading
from server.lockers.service.reservations import Held, inner_of, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping

described(
    ClimateZone,
    description="The temperature a compartment is built to hold.",
    members={
        ClimateZone.AMBIENT: "As warm or cold as the place itself.",
        ClimateZone.CHILLED: "2 to 5 degrees Celsius.",
        ClimateZone.FROZEN: "Minus 18 degrees Celsius or colder.",
    },
)
described(
    Side,
    description="Which part of the locker a compartment is in, for a person in front of it.",
    members={
        Side.LEFT: "Left of the panel or of the middle.",
        Side.CENTRE: "In the middle.",
        Side.RIGHT: "Right of the panel or of the middle.",
    },
)
described(
    SizeClass,
    description="A size as people say it; the millimetres decide.",
    members={
        SizeClass.S: "Smaller than the box of class M.",
        SizeClass.M: "Takes a box of 380 x 190 x 640 mm.",
        SizeClass.L: "Takes a box of 380 x 410 x 640 mm.",
        SizeClass.XL: "Takes a box of 500 x 800 x 640 mm.",
    },
)
described(
    LockerState,
    description="What a locker is good for.",
    members={
        LockerState.PROVISIONING: "Enrolled; its doors are being tested.",
        LockerState.ONLINE: "Heard of lately.",
        LockerState.OFFLINE_OK: "Not heard of for a while; everything works.",
        LockerState.STALE: "Not heard of for long: no new deposits, pickups go on.",
        LockerState.DEGRADED: "Short of power, or too hot or cold.",
        LockerState.LOCKED_DOWN: "Stopped by two operators: only inspection and service.",
        LockerState.RETIRED: "Taken out of the network.",
    },
)
described(
    DisplayStatus,
    description="The state of a compartment in one word.",
    members={
        DisplayStatus.OUT_OF_SERVICE: "Broken.",
        DisplayStatus.QUARANTINED: "Closed for a check.",
        DisplayStatus.DOOR_OPEN: "The door stands open.",
        DisplayStatus.UNKNOWN: "Nobody knows what is inside, or whether the door is shut.",
        DisplayStatus.SANITISING: "Being disinfected.",
        DisplayStatus.CLIMATE_FAULT: "Not at its temperature.",
        DisplayStatus.OCCUPIED: "Holds a parcel.",
        DisplayStatus.RESERVED: "Kept for a parcel.",
        DisplayStatus.CLEANING_DUE: "To be cleaned first.",
        DisplayStatus.PREPARING: "Cooling down.",
        DisplayStatus.AVAILABLE: "Can be reserved.",
    },
)
described(
    Severity,
    description="How soon somebody must look.",
    members={
        Severity.CRITICAL: "At once.",
        Severity.HIGH: "Within hours.",
        Severity.NORMAL: "Within days.",
    },
)
described(
    IncidentKind,
    description="What is wrong.",
    members={
        IncidentKind.UNKNOWN_TOKEN: "A locker accepted a token that the server never issued.",
        IncidentKind.JOURNAL_FORK: "Two different journal entries have one number.",
        IncidentKind.UNEXPECTED_OPEN: "A door opened that nobody was let at.",
        IncidentKind.CLOSE_OVERDUE: "A door stood open for too long.",
        IncidentKind.OPEN_NOT_DETECTED: "A door did not open when it should.",
        IncidentKind.FOUND_EMPTY: "A compartment was empty before its holder opened it.",
        IncidentKind.OBJECTION: "A holder says that something is wrong with the parcel.",
        IncidentKind.LATE_FACT: "A fact came that overrides what people had decided.",
        IncidentKind.FACT_WITHOUT_ROW: "A fact that fits no state of its parcel.",
        IncidentKind.FACT_WITHOUT_PARCEL: "A fact about a stay that the server knows nothing of.",
        IncidentKind.COMPARTMENT_REPORTED: "Somebody closed a compartment for a check.",
        IncidentKind.COMPARTMENT_BROKEN: "Somebody took a compartment out of service.",
        IncidentKind.CONTENTS_UNEXPLAINED: "Something lies where no parcel is known to be.",
        IncidentKind.EMERGENCY_OPENING: "Two persons had doors opened that only holders open.",
        IncidentKind.OPENED_BY_STAFF: "A service key opened a parcel's door without two persons.",
        IncidentKind.CONSENT_BROKEN: "A parcel lies in a place that its recipient has ruled out.",
        IncidentKind.DISPUTE: "Somebody says that a collection was not right.",
        IncidentKind.EXCURSION: "A cooled compartment does not keep its temperature.",
    },
)


described(
    NextStep,
    description="A way on from something that is wrong.",
    members={
        NextStep.TRY_AGAIN: "Push the door in firmly and open again: what failed used nothing up.",
        NextStep.ASK_AT_HUB: "Ask at the hub: somebody can help while your phone or pass opens.",
        NextStep.WAIT_FOR_REPAIR: "Wait until a technician has opened the door.",
        NextStep.WAIT_FOR_DECISION: "Wait until somebody has looked into it.",
        NextStep.SHUT_DOOR: "Shut the door, if you are there.",
        NextStep.HELP_AT_DOOR: "Push the door in while its holder opens it, or type their pass.",
        NextStep.CALL_TECHNICIAN: "Have the door repaired; an occupied one takes two persons.",
        NextStep.INSPECT: "Look into the compartment, and say what is inside.",
        NextStep.INSPECT_LOCKER: "Look at the machine, its board and its seals.",
        NextStep.REPLACE_CONTROLLER: "Put in a new board with keys of its own.",
        NextStep.REPLACE_KEYS: "Have a root sign a key set without the key in other hands.",
        NextStep.FETCH_SOON: "Fetch the parcel while it is good, or share it with somebody.",
        NextStep.READ_JOURNAL: "Compare what the locker wrote with what people say.",
    },
)


class TimeQuality(StrEnum):
    """How far a locker's clock can be believed (DOMAIN 1.2)."""

    SYNCED = "SYNCED"
    DRIFTING = "DRIFTING"
    UNTRUSTED = "UNTRUSTED"


_QUALITIES = (TimeQuality.UNTRUSTED, TimeQuality.DRIFTING, TimeQuality.SYNCED)
"""By the number that the protocol uses."""

described(
    TimeQuality,
    description="How far a locker's clock can be believed.",
    members={
        TimeQuality.SYNCED: "Set by the server's signed time.",
        TimeQuality.DRIFTING: "Battery-backed since it was set.",
        TimeQuality.UNTRUSTED: "Only a floor: the latest signed instant seen.",
    },
)


@strawberry.type(description="One door and the room behind it.")
class Compartment:
    """Found by its place, told by its label."""

    number: int = strawberry.field(description="Its number in the locker, from 1.")
    label: str = strawberry.field(description="What is printed on the door.")
    side: Side = strawberry.field(description="Part of the locker.")
    row: int = strawberry.field(description="Row, from 1 at the top.")
    column: int = strawberry.field(description="Column, from 1 at the left.")
    width_mm: int = strawberry.field(description="Width of the room.")
    height_mm: int = strawberry.field(description="Height of the room.")
    depth_mm: int = strawberry.field(description="Depth of the room.")
    size_class: SizeClass = strawberry.field(description="The size as people say it.")
    sill_height_mm: int = strawberry.field(description="Height of the sill above the floor.")
    climate_zone: ClimateZone = strawberry.field(description="The temperature it holds.")
    status: DisplayStatus = strawberry.field(description="Its state in one word.")


@strawberry.type(description="A locker: the machine, never a door of it.")
class Locker(Node):
    """Public like its hub, but for its compartments."""

    row: strawberry.Private[tables.Locker]
    locker_id: str = strawberry.field(
        description="Its id in the protocol, 11 characters; part of what it advertises."
    )
    serial: str = strawberry.field(description="Serial number on the machine.")
    has_keypad: bool = strawberry.field(
        description="Whether it opens without a phone, by what is typed at it."
    )
    state: LockerState = strawberry.field(description="What it is good for.")
    last_fact_at: datetime | None = strawberry.field(
        description="The locker's time of the newest journal entry that the server has."
    )
    time_quality: TimeQuality | None = strawberry.field(
        description="How far its clock could be believed then."
    )

    @strawberry.field(description="The hub it stands at.")
    async def hub(self, info: Info[Context, None]) -> Hub:
        """Every locker has one."""
        row = await hub_by_id(context_of(info)).load(self.row.hub_id)
        if row is None:
            message = f"locker {self.row.id} stands at no hub"
            raise BrokenPromise(message)
        return as_hub(row)

    @strawberry.field(
        description="Its compartments by number; null for all but staff, couriers and operators."
    )
    async def compartments(self, info: Info[Context, None]) -> list[Compartment] | None:
        """Which doors are full is nobody else's business."""
        context = context_of(info)
        if not _sees_compartments(context.actor, self.row.hub_id):
            return None
        rows = await compartments_by_locker(context).load(self.row.id)
        return [as_compartment(row) for row in rows]


@strawberry.type(description="A compartment that is kept for a parcel.")
class Reservation:
    """It ends by itself."""

    compartment: Compartment = strawberry.field(description="Which one.")
    expires_at: datetime = strawberry.field(description="Until when.")
    locker_row_id: strawberry.Private[uuid.UUID]

    @strawberry.field(description="The locker it is in.")
    async def locker(self, info: Info[Context, None]) -> Locker:
        """Every compartment has one."""
        row = await locker_by_id(context_of(info)).load(self.locker_row_id)
        if row is None:
            message = f"locker {self.locker_row_id} of a compartment is not there"
            raise BrokenPromise(message)
        return as_locker(row)


@strawberry.type(description="Something wrong in the world that somebody must look at.")
class Incident(Node):
    """Opened by a fact or by a person; shown to whoever resolves it."""

    kind: IncidentKind = strawberry.field(description="What is wrong.")
    severity: Severity = strawberry.field(description="How soon somebody must look.")
    opened_at: datetime = strawberry.field(description="When the server noticed.")
    due_at: datetime = strawberry.field(description="Until when somebody must have looked.")
    subject: str = strawberry.field(description="Row id of the parcel, compartment or locker.")
    journal_seq: str | None = strawberry.field(
        description="Number of the locker's journal entry behind it."
    )
    detail: str = strawberry.field(description="What is known, in a few words.")
    next_steps: list[NextStep] = strawberry.field(
        description="What whoever looks after it can do, the nearest first."
    )
    resolved_at: datetime | None = strawberry.field(description="When it was over; null if open.")
    resolution: str = strawberry.field(description="What ended it; empty while it is open.")


def as_locker(row: tables.Locker) -> Locker:
    """The locker as GraphQL tells it."""
    quality = row.clock_quality
    return Locker(
        id=global_id("Locker", row.id),
        row=row,
        locker_id=locker_text(LockerId(row.lid)),
        serial=row.serial,
        has_keypad=row.has_keypad,
        state=row.state,
        last_fact_at=row.last_fact_at,
        time_quality=None if quality is None else _QUALITIES[quality],
    )


def as_compartment(row: tables.Compartment) -> Compartment:
    """The compartment as GraphQL tells it."""
    return Compartment(
        number=row.number,
        label=row.label,
        side=row.side,
        row=row.row,
        column=row.column,
        width_mm=row.width_mm,
        height_mm=row.height_mm,
        depth_mm=row.depth_mm,
        size_class=size_class(inner_of(row)),
        sill_height_mm=row.sill_height_mm,
        climate_zone=row.climate_zone,
        status=status_of(row),
    )


def as_reservation(held: Held) -> Reservation:
    """The reservation as GraphQL tells it."""
    return Reservation(
        compartment=as_compartment(held.compartment),
        expires_at=held.reservation.expires_at,
        locker_row_id=held.compartment.locker_id,
    )


def as_incident(row: tables.Incident) -> Incident:
    """The incident as GraphQL tells it."""
    return Incident(
        id=global_id("Incident", row.id),
        kind=row.kind,
        severity=row.severity,
        opened_at=row.opened_at,
        due_at=row.due_at,
        subject=str(row.subject_id),
        journal_seq=None if row.seq is None else str(row.seq),
        detail=row.detail,
        next_steps=[*STEPS[row.kind]],
        resolved_at=row.resolved_at,
        resolution=row.resolution,
    )


def _sees_compartments(actor: Actor, hub_id: uuid.UUID) -> bool:
    """Hub staff at their hubs, operators everywhere, and those who bring parcels anywhere."""
    brings = actor.subjects(Permission.RESERVATION_CREATE, Scope.ROUTE, Scope.CARRIER)
    return bool(brings) or actor.can(Permission.COMPARTMENT_INSPECT, hub=hub_id)


async def _load_locker(context: Context, key: uuid.UUID) -> Any:
    row = await locker_by_id(context).load(key)
    return None if row is None else as_locker(row)


async def _load_incident(context: Context, key: uuid.UUID) -> Any:
    async with context.database.read() as session:
        row = await reading.find_incident(session, context.actor, key)
    return None if row is None else as_incident(row)


NODE_TYPES: tuple[type, ...] = (Locker, Incident)
NODES: Mapping[str, NodeLoader] = {"Locker": _load_locker, "Incident": _load_incident}
