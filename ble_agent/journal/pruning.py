"""When acknowledged lines go: after 30 days, or as space asks for it, which takes readings too."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ble_agent.errors import StateError, StoreFull
from ble_agent.journal import PRUNE_AT_ONCE
from ble_agent.policy.admission import ROOM_FOR_DEPOSITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Cancellable, Scheduler
    from ble_agent.journal import Journal
    from ble_agent.journal.readings import Readings
    from ble_agent.store import Store

logger = logging.getLogger(__name__)

EVERY_S = 3600

STEP_S = 0.05
"""Between two steps phones are served: a month of lines is hundreds of syncs on a slow card."""

TIGHT_ROOM = 1.5 * ROOM_FOR_DEPOSITS
"""Share of storage below which age does not count: before a deposit would have to be refused."""


class Pruning:
    """Prunes each hour, and at once when an acknowledgement has come; a step at a time."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        readings: Readings,
        scheduler: Scheduler,
        on_failure: Callable[[StateError], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._readings = readings
        self._scheduler = scheduler
        self._on_failure = on_failure
        self._hourly: Cancellable | None = None
        self._next_step: Cancellable | None = None

    def start(self) -> None:
        """Prune now and from now on."""
        self._hourly = self._scheduler.call_later(EVERY_S, self.start)
        self._go_on()

    def stop(self) -> None:
        """Leave the journal as it is."""
        for timer in filter(None, (self._hourly, self._next_step)):
            timer.cancel()

    def run(self) -> None:
        """Drop what may go, no more than space asks for of what is not yet old.

        On return room is no longer tight, if that can be had: somebody may wait to leave a
        parcel. The other steps follow by themselves. A disk without room even for that is left
        until the next hour, or the next acknowledgement.
        """
        if self._next_step is not None:
            self._next_step.cancel()
            self._next_step = None
        try:
            self._drop()
        except StoreFull as error:
            logger.warning("the journal cannot be pruned for want of room: %s", error)

    def _drop(self) -> None:
        is_more = self._step()
        while is_more and self._is_tight():
            is_more = self._step()
        if is_more:
            self._next_step = self._scheduler.call_later(STEP_S, self._go_on)

    def _step(self) -> bool:
        """Drop a portion; whether more may go. Readings go when no acknowledged line is left."""
        is_tight = self._is_tight()
        if self._journal.prune(is_tight=is_tight) == PRUNE_AT_ONCE:
            return True
        return is_tight and self._readings.shed(PRUNE_AT_ONCE) == PRUNE_AT_ONCE

    def _is_tight(self) -> bool:
        return self._store.room() < TIGHT_ROOM

    def _go_on(self) -> None:
        try:
            self.run()
        except StateError as error:
            self._on_failure(error)
