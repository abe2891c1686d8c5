"""SQL of the public log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, tuple_
from sqlmodel import and_, col, delete, func, select, update

from schema.checkpoint.tiles import TileId
from schema.ids import LockerId
from server.kit.db import held, insert_all_new, insert_new, replace_all
from server.ledger.log.tables import LogCheckpoint, LogHead, LogLeaf, LogTile, WaitingLeaf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from server.kit.db import Session

THE_HEAD = 1


class Leaf(NamedTuple):
    """What a leaf commits to: a locker, the number of an entry, and the journal's head after it."""

    lid: LockerId
    seq: int
    head: bytes


async def insert_waiting(session: Session, leaves: Iterable[Leaf], *, now: datetime) -> None:
    """Writes down leaves that the tree is to hold."""
    rows = [{**leaf._asdict(), "queued_at": now} for leaf in leaves]
    if rows:
        await insert_all_new(session, WaitingLeaf, rows)


async def count_waiting(session: Session) -> tuple[int, datetime | None]:
    """How many leaves wait, and since when the oldest does."""
    query = select(func.count(), func.min(col(WaitingLeaf.queued_at))).select_from(WaitingLeaf)
    return (await session.exec(query)).one()


async def list_waiting(session: Session, *, limit: int) -> list[Leaf]:
    """Leaves that wait, the oldest first, those of a locker in the order of its journal."""
    order = col(WaitingLeaf.queued_at), col(WaitingLeaf.lid), col(WaitingLeaf.seq)
    columns = col(WaitingLeaf.lid), col(WaitingLeaf.seq), col(WaitingLeaf.head)
    rows = await session.exec(select(*columns).order_by(*order).limit(limit))
    return [Leaf(LockerId(lid), seq, head) for lid, seq, head in rows]


async def hold_size(session: Session) -> int:
    """How many leaves the tree has; nobody else lets it grow until the transaction ends."""
    await insert_new(session, LogHead, id=THE_HEAD, size=0)
    return (await session.exec(held(select(LogHead).where(LogHead.id == THE_HEAD)))).one().size


async def append_leaves(session: Session, leaves: Sequence[Leaf], *, size: int) -> None:
    """Makes waiting leaves the next ones of a tree of `size`, whose head is held."""
    rows = [{"number": number, **leaf._asdict()} for number, leaf in enumerate(leaves, size)]
    await insert_all_new(session, LogLeaf, rows)
    taken = and_(col(WaitingLeaf.lid) == bindparam("of"), col(WaitingLeaf.seq) == bindparam("at"))
    connection = await session.connection()
    await connection.execute(
        delete(WaitingLeaf).where(taken), [{"of": leaf.lid, "at": leaf.seq} for leaf in leaves]
    )
    await session.exec(
        update(LogHead).where(col(LogHead.id) == THE_HEAD).values(size=size + len(leaves))
    )


async def write_tiles(session: Session, tiles: Mapping[TileId, bytes]) -> None:
    """Writes tiles as they are now."""
    rows = [{**tile._asdict(), "hashes": hashes} for tile, hashes in tiles.items()]
    await replace_all(session, LogTile, rows)


async def read_tiles(session: Session, tiles: Collection[TileId]) -> dict[TileId, bytes]:
    """Those of the tiles that there are, as wide as they are now."""
    if not tiles:
        return {}
    key = tuple_(col(LogTile.level), col(LogTile.number))
    query = select(LogTile.level, LogTile.number, LogTile.hashes).where(key.in_(tiles))
    return {TileId(level, number): hashes for level, number, hashes in await session.exec(query)}


async def insert_checkpoint(session: Session, checkpoint: LogCheckpoint) -> None:
    """Keeps a signed head for good."""
    session.add(checkpoint)
    await session.flush()


async def find_newest_checkpoint(session: Session) -> LogCheckpoint | None:
    """The head that was signed last."""
    query = select(LogCheckpoint).order_by(col(LogCheckpoint.size).desc()).limit(1)
    return (await session.exec(query)).one_or_none()


async def find_leaves(
    session: Session, entries: Collection[tuple[LockerId, int]]
) -> tuple[dict[tuple[LockerId, int], int], LogCheckpoint | None]:
    """The numbers of the leaves of these entries, but for those that wait, and the newest signed
    head, which holds them all.
    """
    newest = select(func.max(col(LogCheckpoint.size))).scalar_subquery()
    query = (
        select(LogLeaf.lid, LogLeaf.seq, LogLeaf.number, LogCheckpoint)
        .join(LogCheckpoint, col(LogCheckpoint.size) == newest)
        .where(tuple_(col(LogLeaf.lid), col(LogLeaf.seq)).in_(entries))
    )
    rows = (await session.exec(query)).all()
    head = rows[0][3] if rows else None
    return {(LockerId(lid), seq): number for lid, seq, number, _ in rows}, head


async def list_leaves(session: Session, *, first: int, count: int) -> list[Leaf]:
    """So many leaves from this number on, as far as there are any."""
    columns = col(LogLeaf.lid), col(LogLeaf.seq), col(LogLeaf.head)
    wanted = col(LogLeaf.number).between(first, first + count - 1)
    rows = await session.exec(select(*columns).where(wanted).order_by(col(LogLeaf.number)))
    return [Leaf(LockerId(lid), seq, head) for lid, seq, head in rows]
