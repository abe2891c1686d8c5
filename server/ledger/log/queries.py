"""SQL of the public log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, tuple_
from sqlmodel import col, delete, func, select, update

from schema.checkpoint.tiles import TileId
from schema.ids import LockerId
from server.kit.db import held, insert_all_new, insert_new, one_of, replace_all
from server.ledger.log.tables import LogCheckpoint, LogHead, LogLeaf, LogTile, WaitingLeaf

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from server.kit.db import Session

THE_HEAD = 1


class Leaf(NamedTuple):
    """What a leaf commits to: a locker, the number of an entry, and the journal's head after it."""

    lid: LockerId
    seq: int
    head: bytes


class Published(NamedTuple):
    """A head that everybody may see, and its note with the cosignatures it needs."""

    size: int
    root: bytes
    note: str


async def insert_waiting(session: Session, leaves: Sequence[Leaf], *, now: datetime) -> None:
    """Writes down leaves that the tree is to hold, none before what waits of the same journals.

    Whoever held the journal first may have asked for the time last, or a clock was set back.
    """
    if not leaves:
        return
    newest = select(func.max(col(WaitingLeaf.queued_at))).where(
        col(WaitingLeaf.lid).in_({leaf.lid for leaf in leaves})
    )
    newest_at = (await session.exec(newest)).one()
    queued_at = now if newest_at is None else max(now, newest_at)
    rows = [{**leaf._asdict(), "queued_at": queued_at} for leaf in leaves]
    await insert_all_new(session, WaitingLeaf, rows)


async def count_waiting(session: Session) -> tuple[int, datetime | None]:
    """How many leaves wait, and since when the oldest does."""
    query = select(func.count(), func.min(col(WaitingLeaf.queued_at))).select_from(WaitingLeaf)
    return (await session.exec(query)).one()


async def hold_size(session: Session) -> int:
    """How many leaves the tree has; nobody else lets it grow until the transaction ends."""
    await insert_new(session, LogHead, id=THE_HEAD, size=0)
    return (await session.exec(held(select(LogHead).where(LogHead.id == THE_HEAD)))).one().size


async def take_waiting(session: Session, *, size: int, limit: int) -> list[Leaf]:
    """Makes the oldest leaves that wait the next ones of a tree of `size`, whose head is held.

    The leaves of a locker keep the order of its journal. None of them leaves the database to get
    into the tree.
    """
    keys = col(WaitingLeaf.lid), col(WaitingLeaf.seq)
    order = col(WaitingLeaf.queued_at), *keys
    number = func.row_number().over(order_by=order) + (size - 1)
    oldest = select(number, *keys, col(WaitingLeaf.head)).order_by(*order).limit(limit)
    columns = [col(LogLeaf.number), col(LogLeaf.lid), col(LogLeaf.seq), col(LogLeaf.head)]
    await session.exec(insert(LogLeaf).from_select(columns, oldest))
    leaves = await list_leaves(session, first=size, count=limit)
    taken = select(LogLeaf.lid, LogLeaf.seq).where(LogLeaf.number >= size)
    # Without the connection the session would fetch each row that goes, to forget it.
    connection = await session.connection()
    await connection.execute(delete(WaitingLeaf).where(tuple_(*keys).in_(taken)))
    await set_size(session, size + len(leaves))
    return leaves


async def set_size(session: Session, size: int) -> None:
    """Notes how many leaves the tree has, whose head is held."""
    await session.exec(update(LogHead).where(col(LogHead.id) == THE_HEAD).values(size=size))


async def write_tiles(session: Session, tiles: Mapping[TileId, bytes]) -> None:
    """Writes tiles as they are now."""
    rows = [{**tile._asdict(), "hashes": hashes} for tile, hashes in tiles.items()]
    await replace_all(session, LogTile, rows)


async def read_tiles(session: Session, tiles: Collection[TileId]) -> dict[TileId, bytes]:
    """Those of the tiles that there are, as wide as they are now."""
    if not tiles:
        return {}
    wanted = one_of((col(LogTile.level), col(LogTile.number)), tiles)
    query = select(LogTile.level, LogTile.number, LogTile.hashes).where(wanted)
    return {TileId(level, number): hashes for level, number, hashes in await session.exec(query)}


async def insert_checkpoint(session: Session, checkpoint: LogCheckpoint) -> None:
    """Keeps a signed head for good."""
    session.add(checkpoint)
    await session.flush()


async def find_newest_checkpoint(session: Session) -> LogCheckpoint | None:
    """The head that was signed last, whoever may see it."""
    query = select(LogCheckpoint).order_by(col(LogCheckpoint.size).desc()).limit(1)
    return (await session.exec(query)).one_or_none()


async def find_published(session: Session) -> Published | None:
    """The largest head that was published."""
    query = (
        select(LogCheckpoint)
        .where(col(LogCheckpoint.published).is_not(None))
        .order_by(col(LogCheckpoint.size).desc())
        .limit(1)
    )
    row = (await session.exec(query)).one_or_none()
    return None if row is None else _as_published(row)


async def find_roots(session: Session, sizes: Collection[int]) -> dict[int, bytes]:
    """The roots that were signed, by size."""
    query = select(LogCheckpoint.size, LogCheckpoint.root).where(col(LogCheckpoint.size).in_(sizes))
    return dict((await session.exec(query)).all())


async def find_leaves(
    session: Session, entries: Collection[tuple[LockerId, int]]
) -> tuple[dict[tuple[LockerId, int], int], Published | None]:
    """The numbers of the leaves of these entries, but for those that wait, and the newest
    published head, which holds them all.
    """
    newest = (
        select(func.max(col(LogCheckpoint.size)))
        .where(col(LogCheckpoint.published).is_not(None))
        .scalar_subquery()
    )
    query = (
        select(LogLeaf.lid, LogLeaf.seq, LogLeaf.number, LogCheckpoint)
        .join(LogCheckpoint, col(LogCheckpoint.size) == newest)
        .where(
            one_of((col(LogLeaf.lid), col(LogLeaf.seq)), entries),
            col(LogLeaf.number) < col(LogCheckpoint.size),
        )
    )
    rows = (await session.exec(query)).all()
    head = _as_published(rows[0][3]) if rows else None
    return {(LockerId(lid), seq): number for lid, seq, number, _ in rows}, head


async def list_leaves(session: Session, *, first: int, count: int) -> list[Leaf]:
    """So many leaves from this number on, as far as there are any."""
    columns = col(LogLeaf.lid), col(LogLeaf.seq), col(LogLeaf.head)
    wanted = col(LogLeaf.number).between(first, first + count - 1)
    rows = await session.exec(select(*columns).where(wanted).order_by(col(LogLeaf.number)))
    return [*map(Leaf._make, rows)]


def _as_published(row: LogCheckpoint) -> Published:
    return Published(row.size, row.root, row.published or "")
