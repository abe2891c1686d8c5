"""How long a parcel waits (DOMAIN 5.1 and 5.3). Knows hours of opening only as a timetable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from schema.compartments import ClimateZone
from server.kit.clock import local_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from server.hubs.rules import Closure, Timetable

HOLD = MappingProxyType(
    {
        ClimateZone.AMBIENT: timedelta(hours=72),
        ClimateZone.CHILLED: timedelta(hours=24),
        ClimateZone.FROZEN: timedelta(hours=24),
    }
)
"""Time to collect, by climate zone (DOMAIN 5.1)."""

COUNTER_HOLD = timedelta(days=7)
"""Time to collect at a counter (DOMAIN 5.1)."""

GRACE = timedelta(hours=2)
"""After the deadline, before anything happens (DOMAIN 5.1)."""

AFTER_OPENING = timedelta(hours=2)
"""A deadline that falls into closed hours moves so far behind the next opening (DOMAIN 5.3)."""

DROPOFF_LIFE = timedelta(days=5)
"""How long a sender may bring what they have offered (P2)."""

RETURN_WINDOW = timedelta(days=30)
"""How long after its collection a parcel can be sent back: as long as its data are kept (5.4)."""

EXTENSION_HOURS = 48
"""What a recipient gets more at most when they ask (DOMAIN 5.1)."""

MOST_EXTENDED_HOURS = 7 * 24
"""All that is given in one wait, by whatever rule of the hub (DOMAIN 5.1)."""

MOST_PAUSED = timedelta(days=30)
"""Longer than this nobody waits for a repair: whoever looks after the hub must decide by then."""

OBJECTION_S = 60
"""Seconds in which the holder may object to a collection that no sensor saw (P16)."""

DISPUTE_WINDOW = timedelta(days=14)
"""How long a collection may be disputed (DOMAIN 5.1)."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """From when and until when a parcel can be collected."""

    available_from: datetime
    available_through: datetime


class Pause(NamedTuple):
    """A span in which the time to collect does not run; without an end it still goes on."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pause did to the end of a wait; `index` is its place among those that were given.

    `through_after` is None while it goes on.
    """

    index: int
    through_before: datetime
    through_after: datetime | None


def start_deadline(at: datetime, *, hold: timedelta, hours: Timetable) -> Deadline:
    """The deadline of a parcel whose recipient was told at `at`.

    It starts with the first moment the hub can be reached, and never ends in closed hours. A hub
    that does not open again within a year keeps the plain sum: the operator must move the parcel.
    """
    available_from = hours.next_opening(at) or at
    shut = closed_days(hours.closures, hours.zone)
    return Deadline(
        available_from, end_of_wait(available_from, time=hold, pauses=shut, hours=hours)
    )


def end_of_wait(
    available_from: datetime, *, time: timedelta, pauses: Sequence[Pause], hours: Timetable
) -> datetime:
    """When a wait that began then has had so much time, the pauses left out; in open hours.

    Pauses that overlap count once, what lies before the wait or after its end does not count, and
    nor does what goes beyond 30 days of pauses. One without an end counts up to that bound.
    """
    walked = _walk(available_from, time, pauses)
    end = max((after for _, _, after in walked), default=available_from + time)
    return _into_open_hours(end, hours)


def explain_wait(
    available_from: datetime, *, time: timedelta, pauses: Sequence[Pause], hours: Timetable
) -> list[Counted]:
    """How each pause that counts moved the end, in their order: the last one led to
    `end_of_wait`, of the same arguments, unless it still goes on.
    """
    return [
        Counted(
            index,
            _into_open_hours(before, hours),
            None if pauses[index].end is None else _into_open_hours(after, hours),
        )
        for index, before, after in _walk(available_from, time, pauses)
    ]


def _walk(
    available_from: datetime, time: timedelta, pauses: Sequence[Pause]
) -> Iterator[tuple[int, datetime, datetime]]:
    """Each pause that counts, with the plain end before and after it."""
    end, left = available_from + time, MOST_PAUSED
    reached = available_from
    for index, pause in sorted(enumerate(pauses), key=lambda one: one[1].start):
        start = max(pause.start, reached)
        if start >= end or not left:
            return
        length = left if pause.end is None else min(pause.end - start, left)
        if length > timedelta(0):
            yield index, end, end + length
            end, left, reached = end + length, left - length, start + length


def closed_days(closures: Sequence[Closure], zone: ZoneInfo) -> list[Pause]:
    """The pauses that unplanned closures of a hub are: whole local days, both ends included."""
    return [
        Pause(
            local_instant(one.first_day, 0, zone),
            local_instant(one.last_day + timedelta(days=1), 0, zone),
        )
        for one in closures
        if one.shifts_deadlines and not one.is_planned
    ]


def is_past(available_through: datetime, at: datetime) -> bool:
    """Whether deadline and grace are over (P22)."""
    return at > available_through + GRACE


def _into_open_hours(end: datetime, hours: Timetable) -> datetime:
    opening = hours.next_opening(end)
    if opening is None or opening == end:
        return end
    return opening + AFTER_OPENING
