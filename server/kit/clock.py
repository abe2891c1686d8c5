"""Time as an argument: nothing else on the server reads the machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; it may stand still between two calls, and be set back."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return datetime.now(UTC)
