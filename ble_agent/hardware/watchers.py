"""Who wants to hear of doors; it knows nothing of how a door is observed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Scheduler
    from ble_agent.hardware.port import Door


class Watchers:
    """The listeners of one piece of hardware, told in the order of the changes."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._listeners: dict[object, Callable[[int, Door], None]] = {}

    def add(self, listener: Callable[[int, Door], None]) -> Callable[[], None]:
        """As `Probes.watch`; a listener added twice is told twice."""
        ticket = object()
        self._listeners[ticket] = listener
        return partial(self._drop, ticket)

    def tell(self, comp: int, door: Door) -> None:
        """One callback per listener: a fault in one is the loop's to report, not ours."""
        for ticket in tuple(self._listeners):
            self._scheduler.call_soon(partial(self._call, ticket, comp, door))

    def clear(self) -> None:
        """End all watches; changes already on their way are dropped."""
        self._listeners.clear()

    def _drop(self, ticket: object) -> None:
        self._listeners.pop(ticket, None)

    def _call(self, ticket: object, comp: int, door: Door) -> None:
        listener = self._listeners.get(ticket)
        if listener is not None:
            listener(comp, door)
