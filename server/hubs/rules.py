"""When a hub is open and how far away it is. Knows no database: zone and hours are arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from server.kit.clock import local_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60
SEARCH_DAYS = 366
"""How far ahead the next opening is looked for; a hub closed for longer has none."""

EARTH_RADIUS_M = 6_371_009
"""Mean radius of the Earth (IUGG)."""


class HubKind(StrEnum):
    """What a hub offers."""

    LOCKER = "LOCKER"
    """Compartments only; nobody need be there."""
    SERVICE_POINT = "SERVICE_POINT"
    """A staffed counter, with or without a locker."""
    DEPOT = "DEPOT"
    """A carrier's own site; recipients do not come here."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One span of one weekday, in minutes of local time, Monday is 0.

    ValueError unless it begins before it ends, within the day. A night is two spans: until minute
    1440, and from minute 0 of the next day.
    """

    weekday: int
    opens_minute: int
    closes_minute: int

    def __post_init__(self) -> None:
        """Refuse a weekday or a span that no week has."""
        if not 0 <= self.weekday <= 6:
            message = f"a weekday is 0 (Monday) to 6, not {self.weekday}"
            raise ValueError(message)
        if not 0 <= self.opens_minute < self.closes_minute <= DAY_MINUTES:
            message = f"a span lies within 0 to {DAY_MINUTES} and begins before it ends"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Closure:
    """Days on which the hub stays shut whatever the week says, both ends included."""

    first_day: date
    last_day: date
    reason: str = ""
    is_planned: bool = True
    shifts_deadlines: bool = True

    def __post_init__(self) -> None:
        """Refuse an end before the beginning."""
        if self.last_day < self.first_day:
            message = "a closure ends on or after its first day"
            raise ValueError(message)


def join_closures(closures: Sequence[Closure]) -> list[Closure]:
    """The same days shut, with as few closures as can say so: of each kind those that overlap or
    follow each other are one, with the reason of the earliest.
    """
    joined: list[Closure] = []
    kind = attrgetter("is_planned", "shifts_deadlines")
    for one in sorted(closures, key=lambda it: (kind(it), it.first_day, it.last_day)):
        last = joined[-1] if joined and kind(joined[-1]) == kind(one) else None
        if last is None or one.first_day > last.last_day + timedelta(days=1):
            joined.append(one)
        elif one.last_day > last.last_day:
            joined[-1] = replace(last, last_day=one.last_day)
    return joined


@dataclass(frozen=True, slots=True)
class Timetable:
    """The hours of one hub. Without any weekly span the hub never closes but on its closures."""

    zone: ZoneInfo
    week: Sequence[Opening] = ()
    closures: Sequence[Closure] = ()

    def is_open(self, at: datetime) -> bool:
        """Whether the hub is open at this instant; the end of a span no longer belongs to it."""
        day = at.astimezone(self.zone).date()
        return any(opens <= at < closes for opens, closes in self._spans(day))

    def next_opening(self, at: datetime) -> datetime | None:
        """`at` itself while the hub is open, else its next opening; None if not within 366 days."""
        day = at.astimezone(self.zone).date()
        for ahead in range(SEARCH_DAYS + 1):
            for opens, closes in self._spans(day + timedelta(days=ahead)):
                if at < closes:
                    return max(at, opens)
        return None

    def open_spans(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """The open pieces between two instants, in order; at most `SEARCH_DAYS` days of them."""
        first = start.astimezone(self.zone).date()
        days = min((end.astimezone(self.zone).date() - first).days, SEARCH_DAYS)
        pieces = [
            (max(opens, start), min(closes, end))
            for ahead in range(days + 1)
            for opens, closes in self._spans(first + timedelta(days=ahead))
        ]
        return [(opens, closes) for opens, closes in pieces if opens < closes]

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        """The open spans of one local day as instants, in order."""
        if any(closure.first_day <= day <= closure.last_day for closure in self.closures):
            return []
        week = self.week or tuple(Opening(weekday, 0, DAY_MINUTES) for weekday in range(7))
        spans = [
            (
                local_instant(day, opening.opens_minute, self.zone),
                local_instant(day, opening.closes_minute, self.zone),
            )
            for opening in week
            if opening.weekday == day.weekday()
        ]
        # A span inside the hour that summer time skips ends before it begins.
        return sorted((opens, closes) for opens, closes in spans if opens < closes)


def check_week(week: Sequence[Opening]) -> None:
    """ValueError when two spans of one weekday overlap."""
    ordered = sorted(week, key=lambda one: (one.weekday, one.opens_minute))
    for former, latter in pairwise(ordered):
        if former.weekday == latter.weekday and latter.opens_minute < former.closes_minute:
            message = f"two spans of weekday {former.weekday} overlap"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Position:
    """A place on the Earth in degrees (WGS 84); ValueError outside of it."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Refuse what is not on the globe, NaN too."""
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            message = "a latitude is -90 to 90 and a longitude -180 to 180 degrees"
            raise ValueError(message)

    def distance_m(self, other: Position) -> float:
        """Metres along a great circle (haversine), up to 0.5 % off: the Earth is no ball."""
        north, other_north = math.radians(self.latitude), math.radians(other.latitude)
        east = math.radians(other.longitude - self.longitude)
        half = (
            math.sin((other_north - north) / 2) ** 2
            + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
        )
        return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))
