"""Time as an argument: nothing else on the server reads the machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

LAST_INSTANT_S = 253_402_300_799
"""The end of the year 9999 in Unix seconds, beyond which no database or client reads a time."""


def instant_of(unix_s: int) -> datetime:
    """The instant of a Unix second, aware and in UTC; a later one than there can be is the last."""
    return datetime.fromtimestamp(min(unix_s, LAST_INSTANT_S), UTC)


class Clock(Protocol):
    """Tells the time; it may stand still between two calls, and be set back."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return datetime.now(UTC)
