"""How long a parcel waits (DOMAIN 5.1 and 5.3). Knows hours of opening only as a timetable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone

if TYPE_CHECKING:
    from server.hubs.rules import Timetable

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

OBJECTION_S = 60
"""Seconds in which the holder may object to a collection that no sensor saw (P16)."""

DISPUTE_WINDOW = timedelta(days=14)
"""How long a collection may be disputed (DOMAIN 5.1)."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """From when and until when a parcel can be collected."""

    available_from: datetime
    available_through: datetime


def start_deadline(at: datetime, *, hold: timedelta, hours: Timetable) -> Deadline:
    """The deadline of a parcel whose recipient was told at `at`.

    It starts with the first moment the hub can be reached, and never ends in closed hours. A hub
    that does not open again within a year keeps the plain sum: the operator must move the parcel.
    """
    available_from = hours.next_opening(at) or at
    return Deadline(available_from, _into_open_hours(available_from + hold, hours))


def resume_deadline(through: datetime, *, paused: timedelta, hours: Timetable) -> datetime:
    """The end of the time to collect after it stood still so long; never in closed hours."""
    return _into_open_hours(through + paused, hours)


def is_past(available_through: datetime, at: datetime) -> bool:
    """Whether deadline and grace are over (P22)."""
    return at > available_through + GRACE


def _into_open_hours(end: datetime, hours: Timetable) -> datetime:
    opening = hours.next_opening(end)
    if opening is None or opening == end:
        return end
    return opening + AFTER_OPENING
