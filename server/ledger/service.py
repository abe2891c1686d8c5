"""Appending what lockers signed, and reading it back as evidence.

Knows no vertical: what an entry means is told by whoever takes `Appended.ready` further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.ids import LIMIT, LockerId
from schema.journal import parse_entry
from schema.readings import Reading
from server.kit.errors import BrokenPromise
from server.ledger import queries
from server.ledger.log.queries import Leaf
from server.ledger.log.service import queue_leaves
from server.ledger.rules import (
    ENDS_OF_STAY,
    HeadAlone,
    Line,
    about,
    find_fork,
    read_line,
    read_lines,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from schema.envelopes import Contents
    from server.kit.db import Session
    from server.ledger.rules import Place
    from server.ledger.tables import JournalEntry, SignedHead

READY_AT_ONCE = 2_000
"""Entries that one transaction takes into the chain; the rest follows with the next envelope."""

EVIDENCE_ENTRIES = 200
"""Entries told of one stay; a stay of everyday use has about a dozen."""


@dataclass(frozen=True, slots=True)
class ChainTip:
    """How far a journal is stored without a gap."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one envelope's entries.

    `ready` are the entries, from this envelope or from former ones, that have nothing missing
    before them any more: the caller gives each its effect in this very transaction.
    """

    stored: int
    known: int
    ready: tuple[Line, ...]
    tip: ChainTip


@dataclass(frozen=True, slots=True)
class Forked:
    """The locker contradicts its own journal; nothing was taken.

    `is_new`: not seen before, and all trust ends with it. `is_judged`: seen before, and the locker
    was inspected since; it goes on being believed.
    """

    seq: int
    is_new: bool
    is_judged: bool = False


async def append(session: Session, contents: Contents, *, now: datetime) -> Appended | Forked:
    """Store what a locker signed in the caller's transaction, entries once by (locker, seq).

    Repeats change nothing. Entries behind a gap are stored and wait. Other bytes under a number
    that is taken, or beside an entry they do not fit, are a fork. Malformed when the entries are no
    unbroken piece of a chain. What is ready waits from this commit on for the public log.
    """
    lid, first = contents.lid, contents.first
    lines = read_lines(contents.entries, lid=lid, first=first, head=contents.head)
    chain = await queries.hold_chain(session, lid)
    if chain.forked_at is not None:
        return Forked(chain.seq, is_new=False)
    stored = await queries.find_links(session, lid, first=first - 1, last=first + len(lines))
    fork = find_fork(lines, stored) or await _find_denied(session, lid, lines)
    if fork is not None:
        return await _judge_fork(session, lid, fork, now=now)
    fresh = [line for line in lines if line.seq not in stored]
    await queries.insert_lines(session, fresh, now=now)
    ready, tip = await _advance(session, lid, ChainTip(chain.seq, chain.head))
    await queue_leaves(session, [Leaf(lid, line.seq, line.head) for line in ready], now=now)
    return Appended(len(fresh), len(lines) - len(fresh), ready, tip)


async def observe_readings(
    session: Session, lid: LockerId, readings: Sequence[Reading], *, now: datetime
) -> None:
    """Keep measured values, each once by (locker, t, channel, kind); a repeat changes nothing."""
    await queries.insert_readings(session, lid, readings, now=now)


async def list_readings(
    session: Session, lid: LockerId, channels: Sequence[int], *, span: range, limit: int
) -> Sequence[Reading]:
    """The newest readings of these channels in a span of Unix seconds, the oldest of them first."""
    rows = await queries.list_readings(session, lid, channels, span=span, limit=limit)
    return [Reading(row.t, row.channel, row.kind, row.value) for row in reversed(rows)]


async def keep_signed_head(session: Session, told: SignedHead, *, now: datetime) -> bool | Forked:
    """Keep a head that its locker has signed, and whose signature the caller has verified.

    True if it is new. One that the journal contradicts is a fork: the locker said two things.
    """
    lid = LockerId(told.lid)
    chain = await queries.hold_chain(session, lid)
    if chain.forked_at is not None:
        return Forked(chain.seq, is_new=False)
    stored = await queries.find_links(session, lid, first=told.seq, last=told.seq)
    known = await queries.find_signed_heads(session, lid, [told.seq])
    heads = {*(one.head for one in stored.values()), *(one.head for one in known.values())}
    if heads - {told.head}:
        return await _judge_fork(session, lid, HeadAlone(told.seq, told.head), now=now)
    return await queries.insert_signed_head(session, told)


async def find_signatures(
    session: Session, lid: LockerId, seqs: Collection[int]
) -> dict[int, bytes]:
    """The locker's own signatures on the heads of these entries, of those that anybody brought."""
    found = await queries.find_signed_heads(session, lid, seqs)
    return {seq: one.signature for seq, one in found.items()}


async def find_tip(session: Session, lid: LockerId) -> ChainTip | None:
    """How far the locker's journal is stored; None before its first envelope."""
    chain = await queries.find_chain(session, lid)
    return None if chain is None else ChainTip(chain.seq, chain.head)


async def is_distrusted(session: Session, lid: LockerId) -> bool:
    """Whether the locker once contradicted its own journal and was not inspected since."""
    chain = await queries.find_chain(session, lid)
    return chain is not None and chain.forked_at is not None


async def trust_again(
    session: Session, lid: LockerId, *, by: uuid.UUID, reason: str, now: datetime
) -> bool:
    """The journal goes on from where it stands here; False if the locker was not distrusted.

    What stands counts, and has had its effect. What contradicted it, and what waits behind a gap,
    is kept as evidence: a locker that goes on from there brings the latter again.
    """
    chain = await queries.hold_chain(session, lid)
    if chain.forked_at is None:
        return False
    await queries.set_waiting_aside(session, lid, now=now)
    await queries.judge(session, lid, by=by, reason=reason, now=now)
    return True


async def list_entries(
    session: Session, lid: LockerId, *, after: int, limit: int
) -> Sequence[JournalEntry]:
    """Up to `limit` entries of the unbroken journal with a number above `after`, in order."""
    return await queries.list_entries(session, lid, after=after, limit=limit)


async def list_entries_at(
    session: Session, places: Sequence[tuple[LockerId, int]]
) -> list[JournalEntry]:
    """The entries at these places, journal by journal in the order in which they come first."""
    found: list[JournalEntry] = []
    for lid in dict.fromkeys(lid for lid, _ in places):
        seqs = [seq for one, seq in places if one == lid]
        found += await queries.list_entries_at(session, lid, seqs)
    return found


async def find_acceptance(
    session: Session, lid: LockerId, comp: int, *, before: int
) -> Line | None:
    """The acceptance behind what happened at this compartment: the newest before that entry.

    None as well once that was erased: then nobody knows any more who was let in.
    """
    row = await queries.find_acceptance(session, lid, comp, before=before)
    return None if row is None or row.raw is None else read_line(row.raw)


async def find_acceptance_seq(
    session: Session, lid: LockerId, comp: int, *, before: int
) -> int | None:
    """The number of that acceptance, erased or not."""
    row = await queries.find_acceptance(session, lid, comp, before=before)
    return None if row is None else row.seq


async def count_failed_openings(session: Session, lid: LockerId, comp: int, *, upto: int) -> int:
    """How often in a row this door did not open, up to and with that entry."""
    return await queries.count_failed_openings(session, lid, comp, upto=upto)


async def find_last_opening(
    session: Session, lid: LockerId, comp: int, *, before: int
) -> Line | None:
    """The newest opening of this door before that entry."""
    row = await queries.find_last_opening(session, lid, comp, before=before)
    return None if row is None or row.raw is None else read_line(row.raw)


async def has_closed(session: Session, lid: LockerId, comp: int, *, after: int) -> bool:
    """Whether this door was shut after that entry, as far as the journal is known."""
    return await queries.has_closed(session, lid, comp, after=after)


async def erase_about(
    session: Session, *, stays: Sequence[bytes], tokens: Sequence[bytes], lids: Collection[bytes]
) -> None:
    """Erases the bodies of entries that name one of these stays or tokens; their heads stay.

    Also of what these lockers said in contradiction of their journals. Repeating changes nothing.
    What still waits behind a gap has had no effect yet, and is left.
    """
    await queries.erase_entries_about(session, stays=stays, tokens=tokens)
    for row in await queries.list_contradicting(session, lids):
        named = about(parse_entry(row.raw or b""))
        if named.stay in stays or named.cti in tokens:
            row.raw = None
            session.add(row)


async def list_evidence(session: Session, lid: LockerId, stay: bytes) -> Sequence[JournalEntry]:
    """What the journal says of one stay, in order: from the acceptance of its deposit to its end.

    A stay that goes on is told up to now. Empty before the deposit has arrived.
    """
    marks = await queries.list_stay_marks(session, lid, stay)
    if not marks:
        return []
    start, comp = marks[0], marks[0].comp
    if comp is None:
        raise BrokenPromise(f"entry {start.seq} names a stay but no compartment")
    accepted = await queries.find_acceptance(session, lid, comp, before=start.seq)
    end = next((mark.seq for mark in marks if mark.kind in ENDS_OF_STAY), LIMIT)
    return await queries.list_compartment_entries(
        session,
        lid,
        comp,
        first=start.seq if accepted is None else accepted.seq,
        last=end,
        limit=EVIDENCE_ENTRIES,
    )


async def _find_denied(session: Session, lid: LockerId, lines: Sequence[Line]) -> Line | None:
    """The first line of which the locker has signed another head before."""
    signed = await queries.find_signed_heads(session, lid, [line.seq for line in lines])
    denied = (line for line in lines if line.seq in signed and signed[line.seq].head != line.head)
    return next(denied, None)


async def _judge_fork(session: Session, lid: LockerId, place: Place, *, now: datetime) -> Forked:
    if await queries.is_judged(session, lid, place):
        return Forked(place.seq, is_new=False, is_judged=True)
    await queries.mark_fork(session, lid, place, now=now)
    return Forked(place.seq, is_new=True)


async def _advance(
    session: Session, lid: LockerId, tip: ChainTip
) -> tuple[tuple[Line, ...], ChainTip]:
    """The entries that follow the chain head without a gap, and the head moved behind them."""
    ready: list[Line] = []
    for seq, raw in await queries.list_waiting(session, lid, after=tip.seq, limit=READY_AT_ONCE):
        if seq != tip.seq + 1 + len(ready) or raw is None:
            break
        ready.append(read_line(raw))
    if not ready:
        return (), tip
    moved = ChainTip(ready[-1].seq, ready[-1].head)
    if not await queries.move_chain(session, lid, expected=tip.seq, seq=moved.seq, head=moved.head):
        raise BrokenPromise("the chain head moved although its row was held")
    return tuple(ready), moved
