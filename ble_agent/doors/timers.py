"""One timer a door: whatever happens there next replaces what was awaited before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Cancellable, Scheduler


class Timers:
    """At most one callback waits for each door."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: dict[int, Cancellable] = {}

    def now_s(self) -> float:
        """The scheduler's time."""
        return self._scheduler.time()

    def set(self, comp: int, delay_s: float, callback: Callable[[], None]) -> None:
        """Run `callback` after `delay_s`, and not what this door waited for until now."""
        self.cancel(comp)
        self._waiting[comp] = self._scheduler.call_later(delay_s, callback)

    def cancel(self, comp: int) -> None:
        """Nothing is awaited at this door any more."""
        timer = self._waiting.pop(comp, None)
        if timer is not None:
            timer.cancel()

    def cancel_all(self) -> None:
        """Nothing is awaited at any door any more."""
        for comp in list(self._waiting):
            self.cancel(comp)
