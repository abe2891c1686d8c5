"""Time as an argument: nothing else on the server reads the machine's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LAST_INSTANT_S = 253_402_300_799
"""The end of the year 9999 in Unix seconds, beyond which no database or client reads a time."""


def instant_of(unix_s: int) -> datetime:
    """The instant of a Unix second, aware and in UTC; a later one than there can be is the last."""
    return datetime.fromtimestamp(min(unix_s, LAST_INSTANT_S), UTC)


def local_instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant of a local minute; one that summer time skips counts as if it did not."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    return (midnight + timedelta(minutes=minute)).astimezone(UTC)


class Clock(Protocol):
    """Tells the time; it may stand still between two calls, and be set back."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return datetime.now(UTC)
