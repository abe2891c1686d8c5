"""Trusted time with a stated quality: what signed things have said, plus the time since.

It never asks the system for the date, and it keeps nothing on disk: whoever changes the clock
commits the new floor first and lets the clock adopt the change afterwards.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Quality(IntEnum):
    """How far the time of day can be believed; the number travels in every hello."""

    FLOOR_ONLY = 0
    """It is at least this late: no member of staff is served, only a recipient with a stay."""
    BATTERY = 1
    """A battery-backed clock has run on since a server set it."""
    SYNCED = 2
    """A server's time statement, bound to a hello of this process, has set it."""


class Cancellable(Protocol):
    """A callback that waits for its turn."""

    def cancel(self) -> None:
        """Keep the callback from running. Cancelling twice, or too late, does nothing."""


class Scheduler(Protocol):
    """The part of an asyncio event loop that our timers use; tests move one by hand."""

    def time(self) -> float:
        """Seconds from an arbitrary start, never backwards."""

    def call_soon(self, callback: Callable[[], object], /) -> Cancellable:
        """Run on the loop after the callbacks already waiting, never inside this call."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Cancellable:
        """Run on the loop once `delay` seconds have passed; later if the loop is busy."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> Cancellable:
        """`call_soon` for other threads."""


def measure_uptime_s() -> float:
    """Seconds since the machine started, sleep included.

    Python's monotonic clock stands still while a Linux machine sleeps; trusted time that did
    the same would let an expired token live on.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class ClockState:
    """One belief about the time: at `since_s` on the uptime clock it was `at`.

    `at` and `floor` are Unix seconds. Changes give a new state and touch nothing; they may be
    chained (several statements in one request) and thrown away when a commit fails.
    """

    floor: int
    at: int
    since_s: float
    quality: Quality

    def now(self, uptime_s: float) -> int:
        """Unix seconds at `uptime_s`; at quality 0 only a lower bound."""
        return self.at + max(0, int(uptime_s - self.since_s))

    def raised(self, iat: int, *, uptime_s: float) -> ClockState:
        """After an applied statement, or an accepted token whose key may sync, issued at `iat`.

        Never lowers the floor. At quality 1 and 2 the clock itself stays, and the floor rises
        to the present at most, so that a key with a date in the future moves nothing. At
        quality 0 an `iat` ahead of the clock carries it along, and time runs on from there:
        uptime from before the rise is not added, it would put the clock ahead of the truth.
        """
        now = self.now(uptime_s)
        if self.quality is not Quality.FLOOR_ONLY:
            return replace(self, floor=max(self.floor, min(iat, now)))
        floor = max(self.floor, iat)
        if iat <= now:
            return replace(self, floor=floor)
        return ClockState(floor=floor, at=iat, since_s=uptime_s, quality=self.quality)

    def set_to(self, at: int, *, uptime_s: float) -> ClockState:
        """After a time statement bound to this request's hello: clock and floor, also backwards."""
        return ClockState(floor=at, at=at, since_s=uptime_s, quality=Quality.SYNCED)


class TrustedClock:
    """The one present `ClockState` of a process, and the uptime it is read against.

    Changing the time takes three steps: derive a state (`clock.state.raised(...)`), commit its
    floor, `adopt` it. If we crash, or the commit fails, before the last step, the clock still
    shows what the disk holds.
    """

    def __init__(
        self,
        floor: int,
        *,
        uptime: Callable[[], float] = measure_uptime_s,
        battery_at: int | None = None,
    ) -> None:
        """Start from the durable `floor` at quality 0.

        `battery_at` is the reading of a battery-backed clock that a server has once set, for
        hardware that has one: quality 1. One that stands before the floor has lost its time
        and is not believed.
        """
        self._uptime = uptime
        self._started_s = uptime()
        if battery_at is not None and battery_at >= floor:
            quality, at = Quality.BATTERY, battery_at
        else:
            quality, at = Quality.FLOOR_ONLY, floor
        self._state = ClockState(floor=floor, at=at, since_s=self._started_s, quality=quality)

    @property
    def state(self) -> ClockState:
        """What is believed now; derive changes from it and never keep it across an `adopt`."""
        return self._state

    @property
    def floor(self) -> int:
        """Unix seconds that the disk holds too: a restart begins here."""
        return self._state.floor

    @property
    def quality(self) -> Quality:
        """Never above 0 in a new process, unless it was given a battery-backed reading."""
        return self._state.quality

    def now(self) -> int:
        """Unix seconds by the present state; backwards only by a time statement."""
        return self._state.now(self._uptime())

    def uptime_s(self) -> float:
        """The reading against which states are derived."""
        return self._uptime()

    def elapsed_ms(self) -> int:
        """Milliseconds since this process started its clock, whatever the date: `mono_ms`."""
        return int((self._uptime() - self._started_s) * 1000)

    def adopt(self, state: ClockState) -> None:
        """Make `state`, derived from the present one and by now durable, the present one."""
        self._state = state
