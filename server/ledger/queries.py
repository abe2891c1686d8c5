"""SQL of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import and_, col, delete, func, select, update

from schema.journal import FIRST_PREV_HEAD, Kind
from server.kit.db import held, insert_new
from server.ledger.rules import Link, about
from server.ledger.tables import (
    ChainHead,
    ContradictingEntry,
    JournalEntry,
    LockerReading,
    SignedHead,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession
    from sqlmodel.sql.expression import SelectOfScalar

    from schema.ids import LockerId
    from schema.readings import Reading
    from server.ledger.rules import Line, Place


AT_ONCE = 500
"""Names or numbers in one statement: databases take only so many values."""


async def hold_chain(session: AsyncSession, lid: LockerId) -> ChainHead:
    """The locker's chain head, made if need be, with its row held until the transaction ends."""
    await insert_new(session, ChainHead, lid=lid, seq=0, head=FIRST_PREV_HEAD)
    return (await session.exec(held(select(ChainHead).where(ChainHead.lid == lid)))).one()


async def find_chain(session: AsyncSession, lid: LockerId) -> ChainHead | None:
    """The locker's chain head, if it ever delivered anything."""
    return (await session.exec(select(ChainHead).where(ChainHead.lid == lid))).one_or_none()


async def move_chain(
    session: AsyncSession, lid: LockerId, *, expected: int, seq: int, head: bytes
) -> bool:
    """Moves the chain head on from `expected`; False when it stands elsewhere."""
    moved = await session.exec(
        update(ChainHead)
        .where(col(ChainHead.lid) == lid, col(ChainHead.seq) == expected)
        .values(seq=seq, head=head)
    )
    return moved.rowcount == 1


async def mark_fork(session: AsyncSession, lid: LockerId, place: Place, *, now: datetime) -> None:
    """Keeps what contradicts the chain, and with it the end of all trust."""
    await session.exec(update(ChainHead).where(col(ChainHead.lid) == lid).values(forked_at=now))
    await _set_aside(session, lid, place.seq, place.head, raw=place.raw, now=now)


async def set_waiting_aside(session: AsyncSession, lid: LockerId, *, now: datetime) -> None:
    """Entries behind a gap, which have had no effect yet, and heads that were signed beyond it are
    evidence and not journal any more.
    """
    tip = select(col(ChainHead.seq)).where(ChainHead.lid == lid).scalar_subquery()
    waiting = and_(col(JournalEntry.lid) == lid, col(JournalEntry.seq) > tip)
    for row in (await session.exec(select(JournalEntry).where(waiting))).all():
        await _set_aside(session, lid, row.seq, row.head, raw=row.raw, now=now)
    await session.exec(delete(JournalEntry).where(waiting))
    beyond = and_(col(SignedHead.lid) == lid, col(SignedHead.seq) > tip)
    for told in (await session.exec(select(SignedHead).where(beyond))).all():
        await _set_aside(session, lid, told.seq, told.head, raw=b"", now=now)
    await session.exec(delete(SignedHead).where(beyond))


async def judge(
    session: AsyncSession, lid: LockerId, *, by: uuid.UUID, reason: str, now: datetime
) -> None:
    """Somebody has inspected the locker: what contradicts is judged, and the chain goes on."""
    await session.exec(
        update(ContradictingEntry)
        .where(col(ContradictingEntry.lid) == lid, col(ContradictingEntry.judged_at).is_(None))
        .values(judged_at=now, judged_by=by, reason=reason)
    )
    await session.exec(update(ChainHead).where(col(ChainHead.lid) == lid).values(forked_at=None))


async def is_judged(session: AsyncSession, lid: LockerId, place: Place) -> bool:
    """Whether this has contradicted the chain before, and was judged."""
    query = select(ContradictingEntry.seq).where(
        ContradictingEntry.lid == lid,
        ContradictingEntry.seq == place.seq,
        ContradictingEntry.head == place.head,
        col(ContradictingEntry.judged_at).is_not(None),
    )
    return (await session.exec(query)).one_or_none() is not None


async def find_links(
    session: AsyncSession, lid: LockerId, *, first: int, last: int
) -> dict[int, Link]:
    """Heads of the stored entries from `first` to `last`, by number."""
    columns = col(JournalEntry.seq), col(JournalEntry.head), col(JournalEntry.prev_head)
    rows = await session.exec(
        select(*columns).where(JournalEntry.lid == lid, col(JournalEntry.seq).between(first, last))
    )
    return {seq: Link(head, prev_head) for seq, head, prev_head in rows}


async def insert_signed_head(session: AsyncSession, told: SignedHead) -> bool:
    """Keeps a signed head unless there is one of this number; whether it did."""
    return await insert_new(session, SignedHead, **told.model_dump())


async def find_signed_heads(
    session: AsyncSession, lid: LockerId, seqs: Collection[int]
) -> dict[int, SignedHead]:
    """The signed heads of these entries, by number."""
    query = select(SignedHead).where(SignedHead.lid == lid, col(SignedHead.seq).in_(seqs))
    return {row.seq: row for row in (await session.exec(query)).all()}


async def erase_entries(session: AsyncSession, lid: LockerId, seqs: Sequence[int]) -> None:
    """Takes the bytes, and so the salts, of these entries away; their heads stay."""
    for start in range(0, len(seqs), AT_ONCE):
        part = col(JournalEntry.seq).in_(seqs[start : start + AT_ONCE])
        await session.exec(
            update(JournalEntry).where(col(JournalEntry.lid) == lid, part).values(raw=None)
        )


async def erase_entries_about(
    session: AsyncSession, *, stays: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    """As above, of all entries that had their effect and name one of these stays or tokens."""
    tip = select(col(ChainHead.seq)).where(ChainHead.lid == JournalEntry.lid).scalar_subquery()
    for column, names in ((col(JournalEntry.stay), stays), (col(JournalEntry.cti), tokens)):
        for start in range(0, len(names), AT_ONCE):
            theirs = (column.in_(names[start : start + AT_ONCE]), col(JournalEntry.seq) <= tip)
            await session.exec(update(JournalEntry).where(*theirs).values(raw=None, cti=None))


async def list_contradicting(
    session: AsyncSession, lids: Collection[bytes]
) -> Sequence[ContradictingEntry]:
    """What contradicted the journals of these lockers, and was not erased."""
    query = select(ContradictingEntry).where(
        col(ContradictingEntry.lid).in_(lids), col(ContradictingEntry.raw) != b""
    )
    return (await session.exec(query)).all()


async def insert_lines(session: AsyncSession, lines: Iterable[Line], *, now: datetime) -> None:
    """Adds entries that are not stored yet."""
    rows = [_row(line, now) for line in lines]
    if rows:
        session.add_all(rows)
        await session.flush()


async def list_waiting(
    session: AsyncSession, lid: LockerId, *, after: int, limit: int
) -> Sequence[tuple[int, bytes | None]]:
    """Numbers and bytes of stored entries behind the chain head, in order; there may be gaps."""
    rows = await session.exec(
        select(JournalEntry.seq, JournalEntry.raw)
        .where(JournalEntry.lid == lid, JournalEntry.seq > after)
        .order_by(col(JournalEntry.seq))
        .limit(limit)
    )
    return rows.all()


async def list_entries(
    session: AsyncSession, lid: LockerId, *, after: int, limit: int
) -> Sequence[JournalEntry]:
    """Entries of the unbroken journal behind `after`, in order."""
    rows = await session.exec(
        _in_chain(lid).where(JournalEntry.seq > after).order_by(col(JournalEntry.seq)).limit(limit)
    )
    return rows.all()


async def list_entries_at(
    session: AsyncSession, lid: LockerId, seqs: Sequence[int]
) -> Sequence[JournalEntry]:
    """The entries of these numbers, in order."""
    rows = await session.exec(
        _in_chain(lid).where(col(JournalEntry.seq).in_(seqs)).order_by(col(JournalEntry.seq))
    )
    return rows.all()


async def list_readings(
    session: AsyncSession, lid: LockerId, channels: Sequence[int], *, span: range, limit: int
) -> Sequence[LockerReading]:
    """Readings of these channels in a span of Unix seconds, the newest first."""
    rows = await session.exec(
        select(LockerReading)
        .where(
            LockerReading.lid == lid,
            LockerReading.t >= span.start,
            LockerReading.t < span.stop,
            col(LockerReading.channel).in_(channels),
        )
        .order_by(col(LockerReading.t).desc(), col(LockerReading.channel), col(LockerReading.kind))
        .limit(limit)
    )
    return rows.all()


async def list_stay_marks(
    session: AsyncSession, lid: LockerId, stay: bytes
) -> Sequence[JournalEntry]:
    """The entries that name the stay: its deposit and its end, in order."""
    rows = await session.exec(
        _in_chain(lid).where(JournalEntry.stay == stay).order_by(col(JournalEntry.seq))
    )
    return rows.all()


async def find_acceptance(
    session: AsyncSession, lid: LockerId, comp: int, *, before: int
) -> JournalEntry | None:
    """The newest ACCEPTED for this compartment with a number below `before`."""
    return (await session.exec(_newest_at(lid, comp, Kind.ACCEPTED, before=before))).one_or_none()


async def count_failed_openings(
    session: AsyncSession, lid: LockerId, comp: int, *, upto: int
) -> int:
    """How often this door did not open, up to that entry, since it opened last."""
    opened = (
        select(func.max(col(JournalEntry.seq)))
        .where(
            JournalEntry.lid == lid,
            JournalEntry.comp == comp,
            JournalEntry.seq < upto,
            JournalEntry.kind == Kind.DOOR_OPENED.value,
        )
        .scalar_subquery()
    )
    failed = select(func.count()).where(
        JournalEntry.lid == lid,
        JournalEntry.comp == comp,
        JournalEntry.seq <= upto,
        col(JournalEntry.seq) > func.coalesce(opened, 0),
        JournalEntry.kind == Kind.OPEN_NOT_DETECTED.value,
    )
    return (await session.exec(failed)).one()


async def find_last_opening(
    session: AsyncSession, lid: LockerId, comp: int, *, before: int
) -> JournalEntry | None:
    """The newest DOOR_OPENED of this compartment with a number below `before`."""
    return (
        await session.exec(_newest_at(lid, comp, Kind.DOOR_OPENED, before=before))
    ).one_or_none()


async def has_closed(session: AsyncSession, lid: LockerId, comp: int, *, after: int) -> bool:
    """Whether the door of this compartment was shut after that entry."""
    closed = (
        _in_chain(lid)
        .where(
            JournalEntry.comp == comp,
            JournalEntry.seq > after,
            JournalEntry.kind == Kind.DOOR_CLOSED.value,
        )
        .limit(1)
    )
    return (await session.exec(closed)).one_or_none() is not None


async def list_compartment_entries(
    session: AsyncSession, lid: LockerId, comp: int, *, first: int, last: int, limit: int
) -> Sequence[JournalEntry]:
    """What the journal says of one compartment from `first` to `last`, in order."""
    rows = await session.exec(
        _in_chain(lid)
        .where(JournalEntry.comp == comp, col(JournalEntry.seq).between(first, last))
        .order_by(col(JournalEntry.seq))
        .limit(limit)
    )
    return rows.all()


async def insert_readings(
    session: AsyncSession, lid: LockerId, readings: Iterable[Reading], *, now: datetime
) -> None:
    """Adds readings; one whose locker, time, channel and kind are stored changes nothing."""
    rows: list[dict[str, Any]] = [
        {
            "lid": lid,
            "t": reading.t,
            "channel": reading.channel,
            "kind": reading.kind,
            "value": reading.value,
            "received_at": now,
        }
        for reading in readings
    ]
    if rows:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        await session.exec(dialect.insert(LockerReading).on_conflict_do_nothing(), params=rows)


async def _set_aside(
    session: AsyncSession, lid: LockerId, seq: int, head: bytes, *, raw: bytes | None, now: datetime
) -> None:
    await insert_new(
        session,
        ContradictingEntry,
        lid=lid,
        seq=seq,
        head=head,
        raw=raw,
        found_at=now,
        reason="",
    )


def _newest_at(
    lid: LockerId, comp: int, kind: Kind, *, before: int
) -> SelectOfScalar[JournalEntry]:
    """The newest entry of this kind about a compartment, with a number below `before`."""
    return (
        select(JournalEntry)
        .where(
            JournalEntry.lid == lid,
            JournalEntry.comp == comp,
            JournalEntry.seq < before,
            JournalEntry.kind == kind.value,
        )
        .order_by(col(JournalEntry.seq).desc())
        .limit(1)
    )


def _in_chain(lid: LockerId) -> SelectOfScalar[JournalEntry]:
    """Entries of the locker that have nothing missing before them."""
    tip = select(col(ChainHead.seq)).where(ChainHead.lid == lid).scalar_subquery()
    return select(JournalEntry).where(JournalEntry.lid == lid, JournalEntry.seq <= tip)


def _row(line: Line, now: datetime) -> JournalEntry:
    entry, named = line.entry, about(line.entry)
    return JournalEntry(
        lid=entry.lid,
        seq=entry.seq,
        t=entry.t,
        clockq=entry.clockq,
        kind=entry.kind,
        boot=entry.boot,
        prev_head=entry.prev_head,
        head=line.head,
        comp=named.comp,
        stay=named.stay,
        cti=named.cti,
        raw=line.raw,
        received_at=now,
    )
