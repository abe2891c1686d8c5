"""SQL of anchors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import and_, col, func, select, update

from server.kit.db import held, insert_new, replace_all
from server.ledger.anchors.port import Fee
from server.ledger.anchors.rules import Offer
from server.ledger.anchors.tables import AnchorState, LogAnchor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from schema.checkpoint.anchors import Contract
    from server.kit.db import Session
    from server.ledger.log.queries import Published

OPEN = (AnchorState.QUEUED, AnchorState.SENT)


async def insert_head(
    session: Session, contract: Contract, checkpoint: Published, *, now: datetime
) -> bool:
    """Queues a head unless it was queued before."""
    return await insert_new(
        session,
        LogAnchor,
        chain_id=contract.chain_id,
        contract=contract.address,
        size=checkpoint.size,
        root=checkpoint.root,
        state=AnchorState.QUEUED,
        queued_at=now,
        not_before=now,
        attempts=0,
    )


async def find_newest(session: Session, contract: Contract) -> LogAnchor | None:
    """The largest head of the log's own that was ever queued there."""
    query = select(LogAnchor).where(_in(contract), col(LogAnchor.state) != AnchorState.FOREIGN)
    return (await session.exec(query.order_by(col(LogAnchor.size).desc()).limit(1))).one_or_none()


async def hold_open(session: Session, contract: Contract) -> LogAnchor | None:
    """The smallest head that is still on its way; nobody else moves it until the end."""
    query = select(LogAnchor).where(_in(contract), col(LogAnchor.state).in_(OPEN))
    query = query.order_by(col(LogAnchor.size)).limit(1)
    return (await session.exec(held(query))).one_or_none()


async def count_placed(session: Session, contract: Contract) -> int:
    """How many heads of the contract are known to be settled."""
    query = select(func.max(col(LogAnchor.place))).where(_in(contract))
    last = (await session.exec(query)).one()
    return 0 if last is None else int(last) + 1


async def list_placed(session: Session, contract: Contract, *, first: int) -> list[LogAnchor]:
    """Rows of heads that were settled at this place or after it."""
    query = select(LogAnchor).where(_in(contract), col(LogAnchor.place) >= first)
    return [*(await session.exec(query.order_by(col(LogAnchor.place))))]


async def write_rows(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as the chain tells them, each in the place of the one of its size."""
    await replace_all(session, LogAnchor, rows)


async def move_offer(
    session: Session, contract: Contract, size: int, *, tried: int, **values: Any
) -> bool:
    """Changes a head that is on its way, unless somebody else has `tried` since."""
    mine = and_(
        _in(contract),
        col(LogAnchor.size) == size,
        col(LogAnchor.attempts) == tried,
        col(LogAnchor.state).in_(OPEN),
    )
    result = await session.exec(update(LogAnchor).where(mine).values(**values))
    return bool(result.rowcount)


async def requeue_from(session: Session, contract: Contract, *, place: int, now: datetime) -> None:
    """Heads from this place on are no longer on the chain: ours are to be sent anew.

    What was never ours stays known.
    """
    gone = and_(_in(contract), col(LogAnchor.place) >= place)
    ours = and_(gone, col(LogAnchor.state) == AnchorState.CONFIRMED)
    queued = {"state": AnchorState.QUEUED, "not_before": now}
    await session.exec(update(LogAnchor).where(ours).values(place=None, block_at=None, **queued))
    await session.exec(update(LogAnchor).where(gone).values(place=None))


async def list_queued_at(
    session: Session, contract: Contract, sizes: Collection[int]
) -> dict[int, datetime]:
    """When heads of these sizes were queued, as far as they were."""
    query = select(LogAnchor.size, LogAnchor.queued_at)
    query = query.where(_in(contract), col(LogAnchor.size).in_(sizes))
    return dict((await session.exec(query)).all())


async def find_covering(session: Session, contract: Contract, *, leaf: int) -> LogAnchor | None:
    """The first confirmed head that holds this leaf."""
    query = select(LogAnchor).where(
        _in(contract), col(LogAnchor.state) == AnchorState.CONFIRMED, col(LogAnchor.size) > leaf
    )
    return (await session.exec(query.order_by(col(LogAnchor.size)).limit(1))).one_or_none()


async def list_newest(
    session: Session, contract: Contract, *, limit: int, state: AnchorState | None = None
) -> list[LogAnchor]:
    """The largest heads, in this state or whatever became of them."""
    query = select(LogAnchor).where(_in(contract)).order_by(col(LogAnchor.size).desc()).limit(limit)
    if state is not None:
        query = query.where(col(LogAnchor.state) == state)
    return [*(await session.exec(query))]


async def count_by_state(session: Session) -> dict[AnchorState, tuple[int, int]]:
    """How many heads are in each state, and the largest of them, over all contracts."""
    state = col(LogAnchor.state)
    query = select(state, func.count(), func.max(col(LogAnchor.size))).group_by(state)
    return {one: (count, largest) for one, count, largest in await session.exec(query)}


def offer_of(row: LogAnchor) -> Offer:
    """What a row says of its transaction."""
    fee = None
    if row.fee_wei is not None and row.tip_wei is not None:
        fee = Fee(row.fee_wei, row.tip_wei)
    return Offer(
        size=row.size,
        root=row.root,
        attempts=row.attempts,
        not_before=row.not_before,
        nonce=row.nonce,
        fee=fee,
        sent_at=row.sent_at,
    )


def _in(contract: Contract) -> ColumnElement[bool]:
    return and_(
        col(LogAnchor.chain_id) == contract.chain_id, col(LogAnchor.contract) == contract.address
    )
