"""How full a hub's lockers are, were and will be. Counts compartments, knows nobody's parcel.

A look is taken every few minutes; a slot is the mean of the looks that fell into it. A look that
was missed is missing, and nothing else: looks have numbers, so a repeated one counts once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.hubs import service as hubs
from server.hubs.dayslots import DaySlot, slot_after, slot_of
from server.lockers import queries
from server.lockers.choice import CALM
from server.lockers.occupancy import WEEK, Expectation, Look, expect_day

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable
    from datetime import date, datetime

    from server.kit.db import Session
    from server.lockers.tables import OccupancySlot

LOOK_S = 300
"""Seconds from look to look."""

LOOKS = 200
"""Hubs looked at in one transaction."""

KEPT_DAYS = 140
"""What the forecast looks at (`lockers.occupancy`); older slots are deleted."""

SWEEP = 1_000
"""Most old slots deleted in one go."""

LEAST_SEEN = 0.5
"""With fewer of the last four weeks' slots seen there is no forecast."""

RECENT_DAYS = 4 * WEEK


@dataclass(frozen=True, slots=True)
class SlotForecast:
    """One slot of a hub, and the share of its compartments expected to be in use."""

    start: datetime
    end: datetime
    expected: Expectation


async def take_looks(
    session: Session, *, after: uuid.UUID | None, now: datetime, limit: int = LOOKS
) -> uuid.UUID | None:
    """Counts the next hubs by id, at most `limit`; where to go on, or None after the last.

    If we crash between two portions, the rest have no look of this number; the next ones do.
    """
    looks = await queries.list_looks(session, after=after, limit=limit)
    number = int(now.timestamp()) // LOOK_S
    rows = []
    for hub_id, zone, look in looks:
        day, slot = slot_of(now, ZoneInfo(zone))
        key = {"hub_id": hub_id, "day": day, "slot": int(slot), "last_look": number}
        rows.append(key | {"looks": 1, "in_use": look.in_use, "usable": look.usable})
    await queries.add_looks(session, rows)
    return looks[-1][0] if len(looks) == limit else None


async def forget_old(session: Session, *, now: datetime) -> int:
    """Deletes at most a thousand slots that no forecast looks at any more; how many."""
    before = now.date() - timedelta(days=KEPT_DAYS + 1)
    return await queries.prune_occupancy(session, before=before, limit=SWEEP)


async def find_share(session: Session, hub_id: uuid.UUID) -> float | None:
    """The share of a hub's usable compartments in use now; None where none is usable."""
    look = await queries.find_look(session, hub_id)
    return None if look is None else look.share


async def expect_at_most(
    session: Session, hub_id: uuid.UUID, *, since: datetime, until: datetime, now: datetime
) -> float | None:
    """The share that is not exceeded in nine cases of ten in any slot of a span.

    The upper end of the intervals, as far ahead as anything is foreseen. None without a forecast.
    """
    slots = await foresee_slots(session, hub_id, since=since, until=until, now=now)
    return max((slot.expected.high for slot in slots), default=None)


async def is_calm(session: Session, hub_id: uuid.UUID, *, until: datetime, now: datetime) -> bool:
    """Whether from now on to an instant nine times in ten at most `CALM` of the hub is in use.

    False without a forecast.
    """
    slots = await foresee_slots(session, hub_id, since=now, until=until, now=now)
    return bool(slots) and all(slot.expected.high <= CALM for slot in slots)


async def foresee_slots(
    session: Session, hub_id: uuid.UUID, *, since: datetime, until: datetime, now: datetime
) -> list[SlotForecast]:
    """The slots from one instant to another.

    None without half of the slots of the last weeks, for what is past, beyond a week ahead, and for
    a hub that does not exist.
    """
    hub = await hubs.find_hub(session, hub_id)
    if hub is None:
        return []
    zone = ZoneInfo(hub.time_zone)
    today = now.astimezone(zone).date()
    last = today - timedelta(days=1)
    first = today - timedelta(days=KEPT_DAYS)
    past = _whole_days(
        await queries.list_occupancy(session, hub.id, first=first, last=last), last=last
    )
    if past is None:
        return []
    # Compartments come and go: the past is told as shares of what there was, in today's number.
    look = await queries.find_look(session, hub.id)
    usable = 1.0 if look is None else look.usable
    counts = [[share * usable for share in day] for day in past]
    days: dict[date, list[Expectation]] = {}
    slots, start = [], slot_of(since, zone)
    for step in range((WEEK + 1) * len(DaySlot)):
        day, slot, span = slot_after(start, step, zone)
        ahead = (day - last).days
        if span[0] > until or not 1 <= ahead <= WEEK:
            break
        if day not in days:
            days[day] = expect_day(counts, ahead=ahead)
        slots.append(SlotForecast(*span, _as_shares(days[day][slot], usable)))
    return slots


def _whole_days(rows: Iterable[OccupancySlot], *, last: date) -> list[list[float]] | None:
    """Each day's shares from the first that was seen to `last`; None where too little was seen.

    A slot that nobody looked at counts as it did a week before, or else as the mean of all.
    """
    seen: dict[date, dict[int, float]] = defaultdict(dict)
    for row in rows:
        seen[row.day][row.slot] = Look(row.in_use, row.usable).share
    if not seen:
        return None
    length = (last - min(seen)).days + 1
    recent = [last - timedelta(days=back) for back in range(min(length, RECENT_DAYS))]
    known = sum(len(seen[day]) for day in recent if day in seen)
    if length < WEEK or known < LEAST_SEEN * len(recent) * len(DaySlot):
        return None
    every = [share for day in seen.values() for share in day.values()]
    mean = sum(every) / len(every)
    days: list[list[float]] = []
    for back in range(length - 1, -1, -1):
        day = seen.get(last - timedelta(days=back), {})
        before = days[-WEEK] if len(days) >= WEEK else [mean] * len(DaySlot)
        days.append([day.get(slot, before[slot]) for slot in DaySlot])
    return days


def _as_shares(counted: Expectation, usable: float) -> Expectation:
    """Nothing is fuller than full."""
    return Expectation(
        *(min(1.0, value / usable) for value in (counted.mean, counted.low, counted.high))
    )
