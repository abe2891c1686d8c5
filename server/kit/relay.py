"""Brings the events of the outbox to their handlers: looks for due ones, leases, calls, settles.

Knows no kind of event. The queue in between may lose or repeat anything; the outbox alone decides.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from server.kit import backlog, outbox
from server.kit.gather import Gather
from server.kit.outbox import Again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.outbox import Lease, Outcome
    from server.kit.queue import Queue

    Handler = Callable[[Lease], Awaitable[Outcome]]

logger = logging.getLogger(__name__)

DELIVER = "deliver"
"""Name of the job that handles one event."""

PORTION = 100
"""Events of one job, which are leased and settled together."""

PORTIONS_IN_HAND = 2
"""Jobs of one worker that hold leases at the same time. A handler's time begins with its lease: a
worker that took more than it can finish in that time would lose all of it, and begin again.
"""

MOST_AT_ONCE = 500
"""Events that one look hands over; the next look, a second later, takes the rest."""

OFFER_LASTS_S = 60

KEPT = timedelta(days=7)
"""How long a done event can still be looked at (bodies of notices: DOMAIN 5.4)."""

DEAD_KEPT = timedelta(days=90)
"""How long an event that was given up can be looked at (proof events: DOMAIN 5.4)."""

PRUNED_AT_ONCE = 1_000


class Relay:
    """The path from a committed event to its handler.

    A handler has `handler_s` to finish and its lease is longer, so that no two run for one event
    unless a process was stopped in between.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock,
        handler_s: float = 15.0,
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._clock = clock
        self._handler_s = handler_s
        self._lease_s = 2 * handler_s
        self._room = asyncio.Semaphore(PORTIONS_IN_HAND)
        self._settle = Gather(self._settle_all)

    async def look(self) -> None:
        """Hand every due event to the queue; those already there are not doubled.

        The time of a lease is part of a job's key: the job of a worker that was killed does not
        stand in the way for longer than its lease would.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            due = await outbox.list_due(
                session, kinds=self._handlers.keys(), now=now, limit=MOST_AT_ONCE
            )
        period = int(now.timestamp() / self._lease_s)
        for start in range(0, len(due), PORTION):
            words = [str(event) for event in due[start : start + PORTION]]
            key = f"ob:{words[0]}:{period}"
            await self._queue.offer(DELIVER, *words, key=key, lasts_s=OFFER_LASTS_S)

    async def deliver(self, *events: str) -> None:
        """Handle those of the events that are due and in no other hands, side by side; begins when
        this worker has its hands free.

        If we crash after the lease, or while the handler runs, the event is taken again when the
        lease is over; if we crash after its effect but before it is settled, the handler is called
        once more.
        """
        ids = [uuid.UUID(event) for event in events]
        async with self._room:
            now = self._clock.now()
            async with self._database.write() as session:
                leases = await outbox.lease_all(session, ids, now=now, for_s=self._lease_s)
            await asyncio.gather(*(self._carry(held) for held in leases))

    async def tidy(self) -> None:
        """Give up what was attempted too often, delete a portion of what was done long ago, and
        mend what a clock that was ahead has timed.
        """
        now = self._clock.now()
        async with self._database.write() as session:
            mended = await backlog.mend_times(session, now=now)
            buried = await outbox.bury_exhausted(session, now=now)
            await outbox.prune(
                session, done_before=now - KEPT, dead_before=now - DEAD_KEPT, limit=PRUNED_AT_ONCE
            )
        if mended:
            logger.warning("the clock was set back: %d events wait anew", mended)
        if buried:
            logger.error("%d events were attempted too often and given up", buried)

    async def _carry(self, held: Lease) -> None:
        outcome = await self._handle(held)
        await self._settle((held, outcome))

    async def _settle_all(self, settled: Sequence[tuple[Lease, Outcome]]) -> Sequence[None]:
        async with self._database.write() as session:
            await outbox.settle_all(session, settled, now=self._clock.now())
        return [None] * len(settled)

    async def _handle(self, held: Lease) -> Outcome:
        try:
            async with asyncio.timeout(self._handler_s):
                return await self._handlers[held.kind](held)
        except Exception as error:
            logger.exception("event %s (%s) failed", held.id, held.kind)
            return Again(type(error).__name__)
