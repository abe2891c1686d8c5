"""Parts of a hub's local day, the grain in which habits and occupancy are counted."""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from server.kit.clock import local_instant

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from server.people.preferences import Span


class DaySlot(IntEnum):
    """A part of the local day."""

    NIGHT = 0
    """Midnight to 8."""
    MORNING = 1
    """8 to 10."""
    FORENOON = 2
    """10 to 12."""
    NOON = 3
    """12 to 14."""
    AFTERNOON = 4
    """14 to 17."""
    EVENING = 5
    """17 to 20."""
    LATE_EVENING = 6
    """20 to midnight."""


_STARTS = (0, 8 * 60, 10 * 60, 12 * 60, 14 * 60, 17 * 60, 20 * 60)
"""First minute of each slot."""


def slot_of(at: datetime, zone: ZoneInfo) -> tuple[date, DaySlot]:
    """The local day and the part of it in which an instant lies."""
    local = at.astimezone(zone)
    return local.date(), DaySlot(bisect_right(_STARTS, local.hour * 60 + local.minute) - 1)


def slot_after(
    start: tuple[date, DaySlot], steps: int, zone: ZoneInfo
) -> tuple[date, DaySlot, Span]:
    """The slot so many steps later: its day, which one it is, and its instants."""
    days, slot = divmod(start[1] + steps, len(DaySlot))
    day = start[0] + timedelta(days=days)
    ends = _STARTS[slot + 1] if slot + 1 < len(DaySlot) else 24 * 60
    span = (local_instant(day, _STARTS[slot], zone), local_instant(day, ends, zone))
    return day, DaySlot(slot), span
