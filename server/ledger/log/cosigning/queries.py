"""SQL of what witnesses said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, delete, func, select, update

from server.kit.db import held, insert_new
from server.ledger.log.cosigning.tables import LogCosignature, WitnessTrouble
from server.ledger.log.tables import LogCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session


async def find_last_size(session: Session, witness: str) -> int:
    """The largest head that this witness is known to have cosigned; 0 if it never did."""
    query = select(func.max(col(LogCosignature.size))).where(LogCosignature.witness == witness)
    return (await session.exec(query)).one() or 0


async def list_cosignatures(
    session: Session, witnesses: Sequence[str], *, size: int
) -> dict[str, str]:
    """The signature lines of these witnesses for the head of this size, at most one of each."""
    query = select(LogCosignature.witness, LogCosignature.line).where(
        col(LogCosignature.witness).in_(witnesses), LogCosignature.size == size
    )
    return dict((await session.exec(query)).all())


async def insert_cosignature(session: Session, row: LogCosignature) -> bool:
    """Keeps a verified cosignature; False if the witness's word for this head is there already."""
    return await insert_new(session, LogCosignature, **row.model_dump())


async def hold_checkpoint(session: Session, size: int) -> LogCheckpoint | None:
    """The signed head of this size, which nobody else publishes until the transaction ends."""
    query = held(select(LogCheckpoint).where(LogCheckpoint.size == size))
    return (await session.exec(query)).one_or_none()


async def is_signed(session: Session, size: int) -> bool:
    """Whether the log has ever signed a head of this size."""
    query = select(LogCheckpoint.size).where(LogCheckpoint.size == size)
    return (await session.exec(query)).one_or_none() is not None


async def find_oldest_unpublished(session: Session, *, above: int) -> datetime | None:
    """When the first head was signed that is larger than the newest published one."""
    query = (
        select(LogCheckpoint.signed_at)
        .where(LogCheckpoint.size > above)
        .order_by(col(LogCheckpoint.size))
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


async def list_troubles(session: Session) -> Sequence[WitnessTrouble]:
    """Troubles with witnesses; a policy names no more than 32 of them."""
    query = select(WitnessTrouble).order_by(col(WitnessTrouble.since_at)).limit(100)
    return (await session.exec(query)).all()


async def note_trouble(session: Session, row: WitnessTrouble) -> None:
    """Notes a trouble, or that it goes on; a split view stays one, whatever is noted later."""
    if await insert_new(session, WitnessTrouble, **row.model_dump()):
        return
    query = select(WitnessTrouble).where(WitnessTrouble.witness == row.witness)
    known = (await session.exec(held(query))).one()
    change = update(WitnessTrouble).where(col(WitnessTrouble.witness) == row.witness)
    await session.exec(
        change.values(
            is_split=known.is_split or row.is_split,
            size=row.size,
            reason=known.reason if known.is_split and not row.is_split else row.reason,
            last_at=row.last_at,
            times=known.times + 1,
        )
    )


async def forget_troubles(session: Session, witness: str | None, *, even_splits: bool) -> int:
    """Forgets what was held against this witness, or any; how many rows that were."""
    change = delete(WitnessTrouble)
    if witness is not None:
        change = change.where(col(WitnessTrouble.witness) == witness)
    if not even_splits:
        change = change.where(col(WitnessTrouble.is_split).is_(False))
    return int((await session.exec(change)).rowcount)
