"""SQL of the server's own chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, delete, select

from schema.ids import OWN_CHAIN
from server.kit.db import insert_all_new
from server.ledger.own.tables import OwnSubject
from server.ledger.tables import JournalEntry

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from server.kit.db import Session


async def insert_subjects(session: Session, subjects: Mapping[int, uuid.UUID]) -> None:
    """Notes whom entries are about, by their numbers."""
    rows = [{"seq": seq, "subject_id": subject_id} for seq, subject_id in subjects.items()]
    if rows:
        await insert_all_new(session, OwnSubject, rows)


async def list_entries_about(
    session: Session, subject_id: uuid.UUID, *, after: int, limit: int
) -> Sequence[JournalEntry]:
    """Entries about this subject behind number `after`, in order."""
    query = (
        select(JournalEntry)
        .join(OwnSubject, col(OwnSubject.seq) == col(JournalEntry.seq))
        .where(
            JournalEntry.lid == OWN_CHAIN,
            OwnSubject.subject_id == subject_id,
            col(OwnSubject.seq) > after,
        )
        .order_by(col(OwnSubject.seq))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def pop_subject(session: Session, subject_id: uuid.UUID) -> Sequence[int]:
    """The numbers of all entries about it, which nothing connects with it any more."""
    theirs = col(OwnSubject.subject_id) == subject_id
    gone = await session.exec(delete(OwnSubject).where(theirs).returning(col(OwnSubject.seq)))
    return gone.scalars().all()
