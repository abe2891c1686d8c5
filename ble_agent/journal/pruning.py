"""When acknowledged lines of the journal go: after 30 days, or sooner as space asks for it."""

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
    from ble_agent.store import Store

logger = logging.getLogger(__name__)

EVERY_S = 3600

TIGHT_ROOM = 1.5 * ROOM_FOR_DEPOSITS
"""Share of storage below which age does not count: before a deposit would have to be refused."""


class Pruning:
    """Prunes each hour, and at once when an acknowledgement has come."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        scheduler: Scheduler,
        on_failure: Callable[[StateError], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._scheduler = scheduler
        self._on_failure = on_failure
        self._timer: Cancellable | None = None

    def start(self) -> None:
        """Prune now and from now on."""
        self._timer = self._scheduler.call_later(EVERY_S, self.start)
        try:
            self.run()
        except StoreFull as error:
            logger.warning("the journal cannot be pruned for want of room: %s", error)
        except StateError as error:
            self._on_failure(error)

    def stop(self) -> None:
        """Leave the journal as it is."""
        if self._timer is not None:
            self._timer.cancel()

    def run(self) -> None:
        """Drop what may go, in steps; no more than space asks for of what is not yet old."""
        while self._journal.prune(is_tight=self._store.room() < TIGHT_ROOM) == PRUNE_AT_ONCE:
            pass
