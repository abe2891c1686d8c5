"""Refusals, counted and written seldom: strangers must not fill the journal."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from ble_agent.errors import StateError, StoreFull
from schema.journal import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Cancellable, Scheduler
    from ble_agent.journal import Journal
    from schema.codec import Value
    from schema.codes import Code

logger = logging.getLogger(__name__)

FIRST_S, LONGEST_S = 60, 3600
"""A line comes after 1 minute, then 2, 4 .. 60 (PROTOCOL 8)."""

QUIET_S = 3600
"""After this long without a refusal the minutes begin anew."""


class Denials:
    """Counts since the last line are in memory only: a power cut forgets up to an hour of them."""

    def __init__(
        self, journal: Journal, scheduler: Scheduler, on_failure: Callable[[StateError], None]
    ) -> None:
        self._journal = journal
        self._scheduler = scheduler
        self._on_failure = on_failure
        self._counts: Counter[int] = Counter()
        self._since = 0
        self._last_s = 0.0
        self._wait_s = FIRST_S
        self._timer: Cancellable | None = None

    def count(self, code: Code) -> None:
        """Count one refusal; its line comes later, with others."""
        now_s = self._scheduler.time()
        if now_s - self._last_s > QUIET_S:
            self._wait_s = FIRST_S
        self._last_s = now_s
        if not self._counts:
            self._since = self._journal.clock.now()
        self._counts[int(code)] += 1
        if self._timer is None:
            self._timer = self._scheduler.call_later(self._wait_s, self._on_due)

    def flush(self) -> None:
        """Write what was counted, if anything, and begin anew; a full store keeps it counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._counts:
            counts: dict[int, Value] = dict(self._counts)
            try:
                with self._journal.record("denied") as record:
                    record.append(Kind.DENIED, [self._since, counts])
            except StoreFull as error:
                logger.warning("no room for the line of refusals: %s", error)
            else:
                self._counts.clear()

    def _on_due(self) -> None:
        self._wait_s = min(2 * self._wait_s, LONGEST_S)
        try:
            self.flush()
        except StateError as error:
            self._on_failure(error)
