"""Noting what the server does to keys, in the transaction that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.ids import OWN_CHAIN
from schema.journal import SALT_SIZE
from server.kit.db import at_commit
from server.kit.errors import BrokenPromise
from server.ledger import queries as ledger
from server.ledger.log.queries import Leaf
from server.ledger.log.service import queue_leaves
from server.ledger.own import queries
from server.ledger.own.rules import Fact, write_line

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Randomness
    from server.ledger.rules import Line
    from server.ledger.tables import JournalEntry

NOTED = "restante_noted"
"""Place in `session.info`: what this transaction does that the own chain is to tell."""


def note(session: Session, fact: Fact, *, now: datetime) -> None:
    """The fact becomes the next entry of the server's own chain with this very commit.

    So nothing that a fact tells of is ever in effect without its entry. The entries of all that a
    transaction notes are written as its last step: the chain is held for no longer than that.
    """
    session.info.setdefault(NOTED, []).append((fact, now))
    at_commit(session, _write)


async def list_history(
    session: Session, subject_id: uuid.UUID, *, after: int, limit: int
) -> Sequence[JournalEntry]:
    """Up to `limit` entries about this person's keys, or this dispute, behind number `after`."""
    return await queries.list_entries_about(session, subject_id, after=after, limit=limit)


async def erase_subject(session: Session, subject_id: uuid.UUID) -> None:
    """Erases the bodies of all entries about it; heads stay. Repeating changes nothing."""
    seqs = await queries.pop_subject(session, subject_id)
    await ledger.erase_entries(session, OWN_CHAIN, seqs)


async def _write(session: Session, randomness: Randomness) -> None:
    noted: list[tuple[Fact, datetime]] = session.info.pop(NOTED)
    chain = await ledger.hold_chain(session, OWN_CHAIN)
    first, head = chain.seq + 1, chain.head
    lines: list[Line] = []
    for seq, (fact, at) in enumerate(noted, first):
        salt = randomness.take(SALT_SIZE)
        lines.append(write_line(fact, seq=seq, prev_head=head, salt=salt, noted_at=at))
        head = lines[-1].head
    now = noted[-1][1]
    await ledger.insert_lines(session, lines, now=now)
    erased, subjects = [], {}
    for line, (fact, _) in zip(lines, noted, strict=True):
        if not fact.is_kept:
            erased.append(line.seq)
        elif subject := fact.person_id or fact.subject_id:
            subjects[line.seq] = subject
    await queries.insert_subjects(session, subjects)
    await ledger.erase_entries(session, OWN_CHAIN, erased)
    tip = lines[-1].seq
    if not await ledger.move_chain(session, OWN_CHAIN, expected=first - 1, seq=tip, head=head):
        raise BrokenPromise("the own chain moved although its row was held")
    leaves = [Leaf(OWN_CHAIN, line.seq, line.head) for line in lines]
    await queue_leaves(session, leaves, now=now)
