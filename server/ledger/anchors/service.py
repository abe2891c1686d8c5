"""What becomes of a head on its way to a chain. Each function is a part of one transaction.

The row comes before anything is sent, and what the chain says comes before what the row says: a
look after a crash, a lost answer or a reorganisation is the same as any other.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from server.ledger.anchors import queries
from server.ledger.anchors.rules import find_send, is_anchor_due, is_spent, pause_after
from server.ledger.anchors.tables import AnchorState, LogAnchor
from server.ledger.log.queries import find_roots
from server.ledger.log.service import find_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schema.checkpoint.anchors import Contract
    from server.kit.db import Session
    from server.ledger.anchors.port import ChainHead, Plan, Reading, Signed
    from server.ledger.anchors.rules import Send

logger = logging.getLogger(__name__)

MOST_REASON = 300


async def queue_head(
    session: Session, plan: Plan, *, now: datetime, at_once: bool = False
) -> int | None:
    """Queues the newest published head if it is time and the log has grown; its size, or None.

    While one is on its way no other is: after a long silence of the chain the newest is enough.
    """
    if await queries.hold_open(session, plan.contract) is not None:
        return None
    checkpoint = await find_checkpoint(session)
    last = await queries.find_newest(session, plan.contract)
    if checkpoint is None or (last is not None and last.size >= checkpoint.size):
        return None
    last_at = None if last is None else last.queued_at
    if not at_once and not is_anchor_due(last_at, every=plan.every, now=now):
        return None
    is_new = await queries.insert_head(session, plan.contract, checkpoint, now=now)
    return checkpoint.size if is_new else None


async def find_start(session: Session, contract: Contract) -> int:
    """The place from which the chain is to be read: the last that is known is read once more."""
    return max(0, await queries.count_placed(session, contract) - 1)


async def take_in(session: Session, plan: Plan, reading: Reading, *, now: datetime) -> Send | None:
    """Notes what the chain holds, and tells what is to be sent now.

    A head that the log never signed stays as an alarm. One that a reorganisation took from the
    chain is sent anew.
    """
    await _note_vanished(session, plan.contract, reading, now=now)
    await _note_settled(session, plan.contract, reading, now=now)
    if reading.first + len(reading.heads) < reading.count:
        return None  # the next look reads on
    while (row := await queries.hold_open(session, plan.contract)) is not None:
        offer = queries.offer_of(row)
        if row.size in {head.size for head in reading.heads}:
            return None  # it waits for its depth
        if reading.heads and reading.heads[-1].size > row.size:
            if reading.settled < reading.count:
                return None  # a reorganisation may still make room
            await _move(session, plan.contract, row, state=AnchorState.PASSED)
            continue
        if row.state is AnchorState.SENT and is_spent(offer, reading):
            reason = "a block took the transaction, and the contract did not"
            await _note_failure(session, plan.contract, row, reason=reason, now=now)
            return None
        return find_send(offer, reading, cap_wei=plan.cap_wei, now=now)
    return None


async def note_sent(
    session: Session, contract: Contract, send: Send, signed: Signed, *, now: datetime
) -> bool:
    """Writes down a transaction before it goes out; False when somebody else was faster."""
    row = await queries.hold_open(session, contract)
    if row is None or (row.size, row.attempts) != (send.size, send.attempts):
        return False
    is_new = row.tx_hash != signed.hash or row.sent_at is None
    await _move(
        session,
        contract,
        row,
        state=AnchorState.SENT,
        nonce=send.nonce,
        fee_wei=send.fee.most_wei,
        tip_wei=send.fee.tip_wei,
        tx_hash=signed.hash,
        sent_at=now if is_new else row.sent_at,
    )
    return True


async def note_refused(
    session: Session, contract: Contract, send: Send, *, reason: str, now: datetime
) -> None:
    """A transaction was not taken, as far as is known: it is tried again later."""
    row = await queries.hold_open(session, contract)
    if row is not None and (row.size, row.attempts) == (send.size, send.attempts):
        pause = pause_after(row.attempts)
        await _move(
            session,
            contract,
            row,
            attempts=row.attempts + 1,
            not_before=now + pause,
            reason=reason[:MOST_REASON],
        )


async def find_covering(session: Session, contract: Contract, *, leaf: int) -> LogAnchor | None:
    """The first head on the chain that holds this leaf; None while there is none."""
    return await queries.find_covering(session, contract, leaf=leaf)


async def list_newest(session: Session, contract: Contract, *, limit: int) -> list[LogAnchor]:
    """The largest heads that were to be anchored, or that the chain holds."""
    return await queries.list_newest(session, contract, limit=limit)


async def list_alarms(session: Session, contract: Contract, *, limit: int) -> list[LogAnchor]:
    """Heads on the chain that the log never signed."""
    return await queries.list_newest(session, contract, limit=limit, state=AnchorState.FOREIGN)


async def _note_failure(
    session: Session, contract: Contract, row: LogAnchor, *, reason: str, now: datetime
) -> None:
    logger.warning("anchor of %d leaves: %s", row.size, reason)
    await _move(
        session,
        contract,
        row,
        state=AnchorState.QUEUED,
        attempts=row.attempts + 1,
        not_before=now + pause_after(row.attempts),
        nonce=None,
        reason=reason,
    )


async def _move(session: Session, contract: Contract, row: LogAnchor, **values: Any) -> None:
    await queries.move_offer(session, contract, row.size, tried=row.attempts, **values)


async def _note_vanished(
    session: Session, contract: Contract, reading: Reading, *, now: datetime
) -> None:
    there = dict(enumerate(reading.heads, reading.first))
    for row in await queries.list_placed(session, contract, first=reading.first):
        assert row.place is not None
        head = there.get(row.place)
        is_unread = head is None and row.place < reading.count
        if is_unread or (head is not None and (head.size, head.root) == (row.size, row.root)):
            continue
        logger.error("the chain took back the anchor of %d leaves, which was settled", row.size)
        await queries.requeue_from(session, contract, place=row.place, now=now)
        return


async def _note_settled(
    session: Session, contract: Contract, reading: Reading, *, now: datetime
) -> None:
    settled = reading.heads[: max(0, reading.settled - reading.first)]
    placed = await queries.list_placed(session, contract, first=reading.first)
    known = {row.place for row in placed}
    fresh = [
        (place, head) for place, head in enumerate(settled, reading.first) if place not in known
    ]
    if not fresh:
        return
    sizes = [head.size for _, head in fresh]
    roots = await find_roots(session, sizes)
    queued = await queries.list_queued_at(session, contract, sizes)
    rows = []
    for place, head in fresh:
        is_ours = roots.get(head.size) == head.root
        queued_at = queued.get(head.size, now)
        rows.append(_row_of(contract, place, head, is_ours=is_ours, queued_at=queued_at))
    await queries.write_rows(session, rows)
    for line in _alarms(rows):
        logger.error(line)


def _row_of(
    contract: Contract, place: int, head: ChainHead, *, is_ours: bool, queued_at: datetime
) -> dict[str, Any]:
    return {
        "chain_id": contract.chain_id,
        "contract": contract.address,
        "size": head.size,
        "root": head.root,
        "state": AnchorState.CONFIRMED if is_ours else AnchorState.FOREIGN,
        "queued_at": queued_at,
        "not_before": queued_at,
        "attempts": 0,
        "place": place,
        "block_at": datetime.fromtimestamp(head.at, UTC),
    }


def _alarms(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        if row["state"] is AnchorState.FOREIGN:
            yield (
                f"ALARM: the chain holds a head of {row['size']} leaves that this log never signed"
                f" (root {row['root'].hex()}): somebody else has the key, or the log was set back"
            )
