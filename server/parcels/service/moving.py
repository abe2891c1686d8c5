"""The one place where a parcel changes its state: the table decides, history and outbox follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.hubs.service import find_hub, get_timetable
from server.kit import outbox
from server.kit.errors import BrokenPromise
from server.parcels import queries
from server.parcels.deadlines import (
    COUNTER_HOLD,
    DISPUTE_WINDOW,
    HOLD,
    is_past,
    start_deadline,
)
from server.parcels.retention import KEPT_AT_LEAST
from server.parcels.rules import Move, Situation, find_move
from server.parcels.states import TERMINAL, ParcelState, Party, Trigger
from server.parcels.tables import (
    TEXT_CHARACTERS,
    Assurance,
    HoldEnded,
    LocationKind,
    Parcel,
    ParcelEvent,
    ParcelPause,
    PauseCause,
)

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.incidents import Fact
    from server.parcels.conflicts import Overruling

EVENTS = {
    ParcelState.CANCELLED: "parcel.cancelled",
    ParcelState.DEPOSITED: "parcel.deposited",
    ParcelState.READY_FOR_PICKUP: "parcel.ready",
    ParcelState.AT_HUB: "parcel.at_hub",
    ParcelState.COLLECTED: "parcel.collected",
    ParcelState.EXPIRED: "parcel.expired",
    ParcelState.ON_HOLD: "parcel.held",
    ParcelState.RETURNED: "parcel.returned",
    ParcelState.DISPUTED: "parcel.disputed",
}
"""Outbox events by the state that a parcel came to. The subject is the parcel."""

MOVED = "parcel.moved"
"""Outbox event: a parcel left a compartment other than into its holder's hands."""

DISPUTE_RESOLVED = "parcel.dispute_resolved"
"""Outbox event: it was decided what became of a parcel whose collection was disputed."""

SETTLING = "parcel.settling"
"""Outbox event, due when a collection that no sensor saw counts as unopposed."""

_HOLDING = {
    Trigger.UNEXPECTED_OPEN: PauseCause.DOOR_UNKNOWN,
    Trigger.CLOSE_OVERDUE: PauseCause.DOOR_UNKNOWN,
    Trigger.OBJECT: PauseCause.DISPUTE,
}
"""Why the time of a parcel stops that is held for this; for anything else, an incident."""

_CARRYING = frozenset({"P11b", "P14"})
"""Rows by which we carry away what waits already, to be collected somewhere else."""

_CARRIED = frozenset({ParcelState.IN_TRANSIT, ParcelState.OUT_FOR_DELIVERY, ParcelState.DEPOSITED})
"""States in which what was carried away has not come to wait again."""

_LEAVING = frozenset({"P4b", "P6", "P13", "P14", "P24", "P25", "P26"})
_GOING_ON = frozenset({Trigger.REVIVE, Trigger.RESOLVE_HOLD})
_PASSED = "P6b"
_DECIDED = "P30"
_HOLD_ENDED = {Trigger.REFUSE: HoldEnded.REFUSED}
_WAITING = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB})


@dataclass(frozen=True, slots=True)
class Report:
    """A foreign word for a parcel's state as it came, and what we made of it."""

    source_system: str
    source_code: str
    source_text: str | None
    mapped: ParcelState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened to a parcel: what, by whom, when, and why we believe it.

    `locker_id` and `seq` name the journal entry behind a fact.
    """

    trigger: Trigger
    party: Party
    at: datetime
    actor_id: uuid.UUID | None = None
    reason: str | None = None
    locker_id: uuid.UUID | None = None
    seq: int | None = None
    assurance: Assurance | None = None
    report: Report | None = None
    shown_by: Fact | None = None
    """The journal entry that shows it, where another line of the history is that entry's own."""
    incident_id: uuid.UUID | None = None
    """What somebody looks into because of it, where that was there before."""
    pause: PauseCause | None = None
    """Why the time to collect stops with it, where it stops: for a parcel that is held."""
    through: datetime | None = None
    """Until when the parcel waits from then on, where that is what happened."""


def situation_of(parcel: Parcel, at: datetime, vouched: Situation | None = None) -> Situation:
    """What the guards may ask about this parcel at that time, added to what the caller vouches."""
    through, collected_at = parcel.available_through, parcel.collected_at
    return replace(
        vouched or Situation(),
        is_in_compartment=parcel.stay_id is not None,
        is_pass_through=parcel.is_pass_through,
        is_from_counter=parcel.is_from_counter,
        is_temporary=parcel.location_kind is LocationKind.TEMPORARY,
        is_at_destination=is_at_destination(parcel),
        is_paused=parcel.pause_cause is not None,
        is_past_deadline=through is not None and is_past(through, at),
        is_past_safe_until=parcel.safe_until is not None and parcel.safe_until <= at,
        is_in_dispute_window=collected_at is not None and at <= collected_at + DISPUTE_WINDOW,
    )


def is_at_destination(parcel: Parcel) -> bool:
    """Whether it lies where its recipient will collect it; what is sent back has no such place."""
    is_there = parcel.stay_id is not None and parcel.hub_id == parcel.planned_hub_id
    return is_there and parcel.returns_id is None and parcel.recipient_id is not None


async def move(
    session: Session,
    parcel: Parcel,
    occurrence: Occurrence,
    situation: Situation,
    *,
    ids: Ids,
    now: datetime,
) -> Move | None:
    """Moves a locked parcel along the table, or returns None and leaves it untouched."""
    found = find_move(parcel.state, occurrence.trigger, occurrence.party, situation)
    if found is not None:
        await record(session, parcel, found, occurrence, ids=ids, now=now)
    return found


async def record(
    session: Session,
    parcel: Parcel,
    found: Move,
    occurrence: Occurrence,
    *,
    ids: Ids,
    now: datetime,
) -> None:
    """Writes a move that the table has allowed: the row, its history, its event, in one commit."""
    before, paused = parcel.available_through, parcel.pause_cause
    parcel.state = found.target
    parcel.version += 1
    if found.row.name == _DECIDED:
        _decide(parcel)
    else:
        _apply(parcel, found, occurrence)
    is_untold = _is_untold(parcel, found)
    if found.target in _WAITING and parcel.available_from is None:
        await begin_waiting(session, parcel, occurrence.at)
    if occurrence.through is not None:
        parcel.available_through = occurrence.through
        parcel.deadline_version += 1
    _note_end(parcel, found, occurrence.at)
    session.add(parcel)
    event = _event(parcel, found, occurrence, ids=ids, now=now)
    if parcel.available_through != before:
        event.through_before, event.through_after = before, parcel.available_through
    session.add(event)
    if before is not None and found.row.name in _CARRYING:
        await _pause(session, parcel, PauseCause.TRANSFER, occurrence, ids=ids)
    elif paused is PauseCause.TRANSFER:
        await _carry_on(session, parcel, occurrence)
    await _keep_time(session, parcel, found, occurrence, ids=ids)
    if is_untold:
        parcel.pause_cause = PauseCause.NOTICE_UNDELIVERED
    await session.flush()
    kind = _find_event(found, is_untold=is_untold)
    if kind is not None and found.source is not found.target:
        await outbox.append(
            session,
            id=ids.new(),
            kind=kind,
            subject=parcel.id,
            facts={"row": found.row.name, "version": parcel.version},
            at=now,
        )


def _find_event(found: Move, *, is_untold: bool) -> str | None:
    """What others are told of a move, if anything."""
    if found.row.name == _DECIDED:
        # Not as if it had happened just now.
        return DISPUTE_RESOLVED
    if is_untold:
        # To those who serve the recipient it is a deposit like any other.
        return EVENTS[ParcelState.DEPOSITED]
    return MOVED if found.row.name in _LEAVING else EVENTS.get(found.target)


def _is_untold(parcel: Parcel, found: Move) -> bool:
    """Whether it is ready and nobody has said so yet: the time begins with the notice, as in P12.

    What was dropped off where it is collected (P6b), and what was held before it could be told of.
    """
    was_held = found.source is ParcelState.ON_HOLD and parcel.available_from is None
    is_ready = found.target is ParcelState.READY_FOR_PICKUP
    return found.row.name == _PASSED or (is_ready and was_held)


async def _keep_time(
    session: Session, parcel: Parcel, found: Move, occurrence: Occurrence, *, ids: Ids
) -> None:
    """The time stops from the evidence on while a parcel is held, and runs again afterwards; not
    yet if its recipient could not be told of it before.
    """
    is_held, was_held = (state is ParcelState.ON_HOLD for state in (found.target, found.source))
    if is_held and not was_held:
        cause = occurrence.pause or _HOLDING.get(occurrence.trigger, PauseCause.INCIDENT)
        await _pause(session, parcel, cause, occurrence, ids=ids)
    elif was_held and not is_held:
        if parcel.pause_cause is not PauseCause.NOTICE_UNDELIVERED:
            parcel.pause_cause = None
        await queries.end_pauses(session, parcel.id, at=occurrence.at)


async def _carry_on(session: Session, parcel: Parcel, occurrence: Occurrence) -> None:
    """What was carried away is still on its way, or its time runs again, or is of no matter."""
    if parcel.state in _CARRIED:
        parcel.pause_cause = PauseCause.TRANSFER
        return
    if parcel.pause_cause is PauseCause.TRANSFER:
        parcel.pause_cause = None
    await queries.end_pauses(session, parcel.id, at=occurrence.at)


async def _pause(
    session: Session, parcel: Parcel, cause: PauseCause, occurrence: Occurrence, *, ids: Ids
) -> None:
    """The time stands still from the evidence on, and rests on it."""
    if parcel.pause_cause is not PauseCause.NOTICE_UNDELIVERED:
        parcel.pause_cause = cause
    shown = occurrence.shown_by or occurrence
    pause = ParcelPause(
        id=ids.new(),
        parcel_id=parcel.id,
        cause=cause,
        started_at=occurrence.at,
        party=occurrence.party,
        reason=_cut(occurrence.reason),
        locker_id=shown.locker_id,
        seq=shown.seq,
        incident_id=occurrence.incident_id,
    )
    session.add(pause)
    await session.flush()


async def overrule(
    session: Session,
    parcel: Parcel,
    found: Overruling,
    occurrence: Occurrence,
    *,
    ids: Ids,
    now: datetime,
) -> None:
    """Takes back what a late fact contradicts, then makes its move: two lines, told of once."""
    parcel.state = found.undo.target
    parcel.version += 1
    if parcel.state is not ParcelState.EXPIRED:
        parcel.hold_ended = None
    if found.undo.source is ParcelState.ON_HOLD:
        # Else the pause of a hold that never was would run on, into the next wait.
        await _keep_time(session, parcel, found.undo, occurrence, ids=ids)
    names = ", ".join(step.row for step in found.overruled)
    # The journal entry belongs to the line that it moves; this one is its consequence.
    undoing = replace(
        occurrence,
        trigger=Trigger.OVERRULE,
        actor_id=None,
        seq=None,
        reason=f"{names} overruled by entry {occurrence.seq} of the locker",
    )
    session.add(_event(parcel, found.undo, undoing, ids=ids, now=now))
    await record(session, parcel, found.move, occurrence, ids=ids, now=now)


async def begin_waiting(session: Session, parcel: Parcel, at: datetime) -> None:
    """Starts the time to collect at this instant, by the hours of the parcel's hub (P12, P24)."""
    hub = await find_hub(session, parcel.hub_id)
    if hub is None:
        message = f"parcel {parcel.id} is at hub {parcel.hub_id}, which does not exist"
        raise BrokenPromise(message)
    hours = await get_timetable(session, hub, now=at)
    is_counter = parcel.state is ParcelState.AT_HUB
    hold = COUNTER_HOLD if is_counter else HOLD[parcel.climate_zone]
    deadline = start_deadline(at, hold=hold, hours=hours)
    parcel.available_from = deadline.available_from
    parcel.available_through = deadline.available_through
    parcel.deadline_version += 1


def _apply(parcel: Parcel, found: Move, occurrence: Occurrence) -> None:
    """What a move changes besides the state."""
    parcel.settles_at = parcel.settling_assurance = None
    match found.target:
        case ParcelState.COLLECTED:
            parcel.collected_at = occurrence.at
            parcel.assurance = occurrence.assurance or Assurance.C
        case ParcelState.DEPOSITED:
            parcel.is_from_counter = found.source in _WAITING
            parcel.is_pass_through = False
            _stop_waiting(parcel)
        case ParcelState.AT_HUB:
            parcel.location_kind = LocationKind.HUB_COUNTER
            if occurrence.trigger not in _GOING_ON:
                _stop_waiting(parcel)
        case ParcelState.EXPIRED:
            parcel.hold_ended = _HOLD_ENDED.get(occurrence.trigger, HoldEnded.DEADLINE)
        case ParcelState.READY_FOR_PICKUP:
            parcel.hold_ended = None
            if found.row.name == _PASSED:
                parcel.is_pass_through = True
        case ParcelState.AWAITING_DROPOFF | ParcelState.OUT_FOR_DELIVERY | ParcelState.IN_TRANSIT:
            parcel.is_pass_through = False
            parcel.location_kind, parcel.hub_id = LocationKind.PLANNED, parcel.planned_hub_id
            _stop_waiting(parcel)
        case _:
            pass


def _decide(parcel: Parcel) -> None:
    """What a decision on a dispute changes besides the state: a collection stands as it was, and
    what was found inside was never collected, and waits anew.
    """
    if parcel.state is ParcelState.READY_FOR_PICKUP:
        parcel.collected_at = parcel.assurance = parcel.hold_ended = None
        _stop_waiting(parcel)


def _note_end(parcel: Parcel, found: Move, at: datetime) -> None:
    """It is over, or not any more; what is said of one that is over does not begin that anew."""
    if found.target not in TERMINAL:
        parcel.over_at = parcel.forget_at = None
    elif found.source not in TERMINAL:
        parcel.over_at, parcel.forget_at = at, at + KEPT_AT_LEAST


def _stop_waiting(parcel: Parcel) -> None:
    parcel.available_from = parcel.available_through = parcel.pause_cause = None


def _event(
    parcel: Parcel, found: Move, occurrence: Occurrence, *, ids: Ids, now: datetime
) -> ParcelEvent:
    event = ParcelEvent(
        id=ids.new(),
        parcel_id=parcel.id,
        number=parcel.version,
        at=occurrence.at,
        recorded_at=now,
        row=found.row.name,
        trigger=occurrence.trigger,
        source=found.source,
        target=found.target,
        authority=found.row.authority,
        party=occurrence.party,
        actor_id=occurrence.actor_id,
        reason=_cut(occurrence.reason),
        locker_id=occurrence.locker_id,
        seq=occurrence.seq,
    )
    if occurrence.report is not None:
        event.source_system = occurrence.report.source_system
        event.source_code = occurrence.report.source_code
        event.source_text = _cut(occurrence.report.source_text)
        event.mapped = occurrence.report.mapped
    return event


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:TEXT_CHARACTERS]
