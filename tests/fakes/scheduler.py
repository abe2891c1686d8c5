"""A scheduler whose time stands still until a test moves it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False)
class ManualTimer:
    """One waiting callback, ordered by when it is due and then by when it was asked for."""

    at_s: float
    order: int
    callback: Callable[[], object]
    cancelled: bool = False

    def __lt__(self, other: ManualTimer) -> bool:
        return (self.at_s, self.order) < (other.at_s, other.order)

    def cancel(self) -> None:
        """Drop the callback; it stays in the queue until its time has passed."""
        self.cancelled = True


class ManualScheduler:
    """`Scheduler` for tests: runs everything that is due in `advance`, in the test's thread.

    What a callback schedules within the time being passed runs in the same call. Like the real
    loop it runs nothing inside `call_soon`, and callbacks due at one moment in order.
    """

    def __init__(self, time_s: float = 0.0) -> None:
        self._time_s = time_s
        self._order = count()
        self._waiting: list[ManualTimer] = []

    def time(self) -> float:
        """Seconds moved so far, from the given start."""
        return self._time_s

    def call_soon(self, callback: Callable[[], object], /) -> ManualTimer:
        """Due at once, run by the next `advance`."""
        return self.call_later(0.0, callback)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> ManualTimer:
        """Due `delay` seconds from the present that `advance` has reached."""
        timer = ManualTimer(self._time_s + max(0.0, delay), next(self._order), callback)
        heapq.heappush(self._waiting, timer)
        return timer

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> ManualTimer:
        """As `call_soon`, for the one other thread that a test has joined before it advances."""
        return self.call_soon(callback)

    def advance(self, seconds: float = 0.0) -> None:
        """Let `seconds` pass; with 0 run what is due already."""
        until_s = self._time_s + seconds
        while self._waiting and self._waiting[0].at_s <= until_s:
            timer = heapq.heappop(self._waiting)
            self._time_s = max(self._time_s, timer.at_s)
            if not timer.cancelled:
                timer.callback()
        self._time_s = until_s

    def pending(self) -> int:
        """How many callbacks still wait: a closed object should leave none."""
        return sum(not timer.cancelled for timer in self._waiting)
