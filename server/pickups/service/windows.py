"""Windows of one parcel: what its recipient is offered, what they chose, and whether it holds.

What is offered keeps every rule of the person, the hub and the goods. What is chosen need keep only
those that nobody can bend: open doors, and the end of the time to collect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schema.codes import ProblemCode
from server.hubs.dayslots import DaySlot, slot_of
from server.hubs.service import find_hub, get_timetable
from server.kit import outbox
from server.kit.auth import Actor, Permission, not_found
from server.kit.clock import local_instant
from server.kit.errors import BrokenPromise, Refusal
from server.parcels import queries as parcels
from server.parcels.service.reading import find_own_parcel
from server.parcels.states import ParcelState
from server.people.service.preferences import get_preferences
from server.pickups import queries
from server.pickups.rules import (
    LEAST,
    OFFERED,
    Mask,
    Origin,
    Past,
    Window,
    chance_of,
    propose,
)
from server.pickups.service.learning import foresee
from server.pickups.tables import PickupWindow

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.hubs.rules import Timetable
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.parcels.tables import Parcel
    from server.people.preferences import Language, Preferences, Span

WINDOW_OPEN = "pickup.window_open"
"""Outbox event at the start of a chosen window: its id is the choice, its subject the parcel, its
`version` the second in which the window begins, so that one start is told of once.
"""

LONGEST = timedelta(days=1)
"""A longer window plans nothing."""

WAITING = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB})

SWEEP = 1_000
"""Most old windows deleted in one go."""

_KEPT = timedelta(days=1)

_NOT_WAITING = Refusal(
    ProblemCode.WRONG_STATE, "The parcel does not wait to be collected now.", field="parcel"
)


@dataclass(frozen=True, slots=True)
class Offers:
    """At most three windows, and the language of the person who is to read why."""

    windows: list[Window]
    language: Language


@dataclass(frozen=True, slots=True)
class _Wait:
    """A parcel whose time to collect runs, and all that bounds it."""

    parcel: Parcel
    person_id: uuid.UUID
    hub: Hub
    hours: Timetable
    since: datetime
    through: datetime


async def offer_windows(
    session: Session, actor: Actor, parcel_id: uuid.UUID, *, now: datetime
) -> Offers | None:
    """The chosen window, if it still holds, and the likeliest others; three at most.

    None for all but the recipient; no window unless the parcel waits to be collected.
    """
    wait = await _find_wait(session, actor, parcel_id, now=now)
    if wait is None:
        return None
    preferences = await get_preferences(session, actor.person_id)
    if isinstance(wait, Refusal):
        return Offers([], preferences.language)
    mask = make_mask(wait.hours, preferences, span=(wait.since, wait.through), now=now)
    arrived = slot_of(wait.since, wait.hours.zone)
    made = await foresee(session, wait.person_id, wait.hub.id, arrived)
    likely = made.probabilities
    past = await queries.find_past(session, wait.person_id)
    slots = () if past is None else tuple(DaySlot(slot) for slot in past.slots)
    offered = propose(likely, arrived, mask=mask, past=Past(slots))
    row = await queries.find_window(session, parcel_id)
    if row is not None and holds(row, wait.parcel, now=now):
        span = (row.starts_at, row.ends_at)
        chance = chance_of(span, likely, arrived, mask=mask)
        others = [one for one in offered if one.end <= span[0] or one.start >= span[1]]
        offered = [Window(*span, chance, Origin.CHOSEN), *others][:OFFERED]
    return Offers(offered, preferences.language)


async def choose_window(
    session: Session, actor: Actor, parcel_id: uuid.UUID, *, span: Span, ids: Ids, now: datetime
) -> Window | Refusal:
    """Keeps this window in place of any other; it is told of at its start.

    WINDOW_IMPOSSIBLE where the hub is not open all the time, or where the time to collect ends
    before. Choosing the same again changes nothing.
    """
    if isinstance(await _find_wait(session, actor, parcel_id, now=now), _Wait):
        # Of two phones that choose at once one waits here, and replaces what the other chose.
        await parcels.lock_parcel(session, parcel_id)
    wait = await _find_wait(session, actor, parcel_id, now=now)
    if wait is None or isinstance(wait, Refusal):
        return wait or not_found(actor, "parcel")
    refusal = _check_span(wait, span, now=now)
    if refusal is not None:
        return refusal
    span = (span[0].astimezone(UTC), span[1].astimezone(UTC))
    chosen = Window(*span, probability=1.0, origin=Origin.CHOSEN)
    row = await queries.find_window(session, parcel_id)
    if row is not None and (row.starts_at, row.ends_at, row.hub_id) == (*span, wait.hub.id):
        return chosen
    choice = ids.new()
    row = row or PickupWindow(
        parcel_id=parcel_id,
        choice=choice,
        hub_id=wait.hub.id,
        chosen_at=now,
        starts_at=span[0],
        ends_at=span[1],
    )
    row.choice, row.hub_id, row.chosen_at = choice, wait.hub.id, now
    row.starts_at, row.ends_at = span
    session.add(row)
    await session.flush()
    await outbox.append(
        session,
        id=choice,
        kind=WINDOW_OPEN,
        subject=parcel_id,
        facts={"version": int(span[0].timestamp())},
        at=now,
        not_before=span[0],
    )
    return chosen


async def cancel_window(
    session: Session, actor: Actor, parcel_id: uuid.UUID
) -> uuid.UUID | Refusal:
    """Gives up what was chosen; the parcel. Without a choice there is nothing to do."""
    if actor.person_id is None or not actor.can(Permission.PREFERENCE_WRITE):
        return not_found(actor, "parcel")
    if await find_own_parcel(session, actor.person_id, parcel_id) is None:
        return not_found(actor, "parcel")
    await queries.delete_window(session, parcel_id)
    return parcel_id


async def find_open_window(
    session: Session, parcel: Parcel, choice: uuid.UUID, *, now: datetime
) -> PickupWindow | None:
    """The window of this choice, unless another was chosen since, or the parcel is elsewhere."""
    row = await queries.find_window(session, parcel.id)
    is_same = row is not None and row.choice == choice and holds(row, parcel, now=now)
    return row if is_same else None


async def forget_window(session: Session, parcel_id: uuid.UUID) -> None:
    """Drops the window of a parcel that was collected."""
    await queries.delete_window(session, parcel_id)


async def forget_windows_of(session: Session, person_id: uuid.UUID) -> None:
    """Drops every window that was chosen for a parcel of the person."""
    await queries.delete_windows_of(session, person_id)


async def forget_windows(session: Session, *, now: datetime) -> int:
    """Deletes at most a thousand windows that are over since a day; how many."""
    return await queries.prune_windows(session, before=now - _KEPT, limit=SWEEP)


def holds(row: PickupWindow, parcel: Parcel, *, now: datetime) -> bool:
    """Whether what was chosen can still be done: the parcel waits there until its end."""
    through = parcel.collect_by
    is_there = parcel.state in WAITING and parcel.hub_id == row.hub_id
    return is_there and through is not None and now < row.ends_at <= through


def make_mask(hours: Timetable, preferences: Preferences, *, span: Span, now: datetime) -> Mask:
    """All that a window must keep to: the wait, the hub, and what the person has said."""
    zone = preferences.zone(hours.zone.key)
    not_before = max(span[0], now)
    if preferences.hold_until is not None:
        not_before = max(not_before, local_instant(preferences.hold_until, 0, zone))
    return Mask(
        hours=hours,
        not_before=not_before,
        not_after=span[1],
        zone=zone,
        quiet=preferences.quiet,
        wanted=preferences.usual_windows,
    )


async def _find_wait(
    session: Session, actor: Actor, parcel_id: uuid.UUID, *, now: datetime
) -> _Wait | Refusal | None:
    """The actor's own parcel while its time runs; a refusal while it does not, None if not own."""
    person_id = actor.person_id
    if person_id is None or not actor.can(Permission.PARCEL_OPEN):
        return None
    placed = await find_own_parcel(session, person_id, parcel_id)
    if placed is None:
        return None
    parcel = placed.parcel
    since, through = parcel.available_from, parcel.collect_by
    if parcel.state not in WAITING or since is None or through is None:
        return _NOT_WAITING
    hub = await find_hub(session, parcel.hub_id)
    if hub is None:
        raise BrokenPromise(f"parcel {parcel.id} waits at a hub that does not exist")
    return _Wait(parcel, person_id, hub, await get_timetable(session, hub, now=now), since, through)


def _check_span(wait: _Wait, span: Span, *, now: datetime) -> Refusal | None:
    start, end = span
    if start.tzinfo is None or end.tzinfo is None:
        rule = "A time names its distance from UTC."
        return Refusal(ProblemCode.INPUT_INVALID, rule, field="start")
    if not LEAST <= end - start <= LONGEST or end - max(start, now) < LEAST:
        rule = "A window to come is half an hour to a day long."
        return Refusal(ProblemCode.INPUT_INVALID, rule, field="end")
    if end > wait.through or start < wait.since:
        why = "The time to collect is over before the window ends, or begins after it."
        if wait.since <= start and wait.through == wait.parcel.safe_until:
            why = "Your cooled goods are not sure to be good until the window ends."
        return Refusal(ProblemCode.WINDOW_IMPOSSIBLE, why, field="end")
    zone = ZoneInfo(wait.hub.time_zone)
    open_s = sum(
        ((ends - begins) for begins, ends in wait.hours.open_spans(start, end)), timedelta()
    )
    if open_s < end - start:
        day = start.astimezone(zone)
        why = f"{wait.hub.name} is closed for part of that time on {day:%Y-%m-%d}."
        return Refusal(ProblemCode.WINDOW_IMPOSSIBLE, why, field="start")
    return None
