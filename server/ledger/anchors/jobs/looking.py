"""What time does to anchors: one look at the chain, and what follows from it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.kit.errors import ChainError
from server.ledger.anchors import queries, service
from server.ledger.anchors.tables import AnchorState

if TYPE_CHECKING:
    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.metrics import Metrics
    from server.ledger.anchors.port import Anchor, Plan

logger = logging.getLogger(__name__)


async def anchor_log(
    database: Database, anchor: Anchor, plan: Plan, *, clock: Clock, at_once: bool = False
) -> None:
    """Queues a head if it is time, reads the chain, and sends what is due.

    May run at any time, several times at once, and after a crash anywhere: nothing is anchored
    twice. A chain that is silent is asked again at the next look.
    """
    async with database.write() as session:
        await service.queue_head(session, plan, now=clock.now(), at_once=at_once)
    async with database.read() as session:
        since = await service.find_start(session, plan.contract)
    try:
        reading = await anchor.read(since=since)
    except ChainError as error:
        logger.warning("the chain cannot be read: %s", error)
        return
    async with database.write() as session:
        send = await service.take_in(session, plan, reading, now=clock.now())
    if send is None:
        return
    signed = anchor.sign(send.size, send.root, nonce=send.nonce, fee=send.fee)
    async with database.write() as session:
        if not await service.note_sent(session, plan.contract, send, signed, now=clock.now()):
            return
    # If we crash here, the next look makes the same transaction and sends it.
    try:
        await anchor.publish(signed.raw)
    except ChainError as error:
        logger.warning("anchor of %d leaves: %s", send.size, error)
        async with database.write() as session:
            await service.note_refused(
                session, plan.contract, send, reason=f"{error}", now=clock.now()
            )


def read_anchors(metrics: Metrics, database: Database) -> None:
    """Tell how many heads are on their way, on a chain, or there without being ours."""
    heads = metrics.gauge("anchors", "Heads of the log for a blockchain, by state.", "state")
    largest = metrics.gauge("anchored_leaves", "Leaves of the largest head on a blockchain.")

    async def read() -> None:
        async with database.read() as session:
            counts = await queries.count_by_state(session)
        for state in AnchorState:
            heads.labels(state.value.lower()).set(counts.get(state, (0, 0))[0])
        largest.set(counts.get(AnchorState.CONFIRMED, (0, 0))[1])

    metrics.add_reading(read)
