"""Heads are shown, cosignatures kept and heads published, each once it is certain and durable."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.checkpoint.notes import parse_note
from schema.codec import Malformed
from server.ledger.log.cosigning import queries
from server.ledger.log.cosigning.answers import find_cosignature
from server.ledger.log.cosigning.tables import LogCosignature, WitnessTrouble
from server.ledger.log.queries import count_waiting, find_newest_checkpoint, find_published

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.clock import Clock
    from server.kit.db import Database, Session
    from server.kit.metrics import Metrics
    from server.ledger.log.cosigning.answers import Cosigned
    from server.ledger.log.cosigning.policy import Seer, Witnessing
    from server.ledger.log.tables import LogCheckpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log has come. `oldest_at`: since when something waits to be published."""

    signed: int
    published: int
    waiting: int
    oldest_at: datetime | None


async def list_missing(session: Session, head: LogCheckpoint, witnessing: Witnessing) -> list[Seer]:
    """Who has not cosigned this head yet, but for those that have refused it."""
    names = [seer.id for seer in witnessing.seers]
    known = await queries.list_cosignatures(session, names, size=head.size)
    refused = {row.witness for row in await list_troubles(session) if row.size == head.size}
    return [seer for seer in witnessing.seers if seer.id not in known.keys() | refused]


async def find_last_size(session: Session, seer: Seer) -> int:
    """From which size on the witness needs a proof, as far as we know."""
    return await queries.find_last_size(session, seer.id)


async def keep_cosignature(
    session: Session, head: LogCheckpoint, answer: Cosigned, *, seer: Seer, now: datetime
) -> str:
    """Keeps the witness's word once it is verified; why not, or nothing if it is kept.

    What was held against the witness is forgotten, but for a split view.
    """
    try:
        found = find_cosignature(
            parse_note(head.note.encode()), answer.lines, key=seer.key, now=now
        )
    except Malformed as error:
        return f"{error}"
    if found is None:
        return "no signature of its key"
    line, seen_at = found
    row = LogCosignature(
        witness=seer.id, size=head.size, line=f"{line}", seen_at=seen_at, kept_at=now
    )
    await queries.insert_cosignature(session, row)
    await queries.forget_troubles(session, seer.id, even_splits=False)
    return ""


async def publish(session: Session, size: int, witnessing: Witnessing) -> bool:
    """Publishes the head of this size if enough have seen it; whether anything changed.

    What is published stays so: later cosignatures are added, and none is taken away.
    """
    head = await queries.hold_checkpoint(session, size)
    if head is None:
        return False
    names = [seer.id for seer in witnessing.seers]
    lines = await queries.list_cosignatures(session, names, size=size)
    note = witnessing.compose(head.note, lines)
    if note is None or len(note) <= len(head.published or ""):
        return False
    head.published = note
    session.add(head)
    await session.flush()
    return True


async def is_explained(session: Session, size: int, *, head: LogCheckpoint) -> bool:
    """Whether a witness may honestly hold a head of this size: one that the log has signed.

    A larger one than was shown may be signed by now, by another worker.
    """
    return size <= head.size or await queries.is_signed(session, size)


async def note_trouble(
    session: Session, head: LogCheckpoint, *, seer: Seer, reason: str, is_split: bool, now: datetime
) -> None:
    """Writes down why a witness refuses, and says it aloud: a split view as an error."""
    row = WitnessTrouble(
        witness=seer.id,
        is_split=is_split,
        size=head.size,
        reason=reason,
        since_at=now,
        last_at=now,
        times=1,
    )
    await queries.note_trouble(session, row)
    details = {"witness": seer.name, "size": head.size, "reason": reason}
    if is_split:
        logger.error("SPLIT VIEW: a witness knows another log under our name", extra=details)
    else:
        logger.warning("a witness refuses our head", extra=details)


async def list_troubles(session: Session) -> Sequence[WitnessTrouble]:
    """What witnesses hold against us, the oldest first."""
    return await queries.list_troubles(session)


async def forget_troubles(session: Session) -> int:
    """Forgets all troubles, split views too, once an operator has looked into them; how many."""
    return await queries.forget_troubles(session, None, even_splits=True)


def read_log(metrics: Metrics, database: Database, clock: Clock) -> None:
    """Tell how far the log has come, for how long something waits, and who knows another log."""
    sizes = metrics.gauge("log_size", "Leaves under the newest head.", "head")
    waiting = metrics.gauge("log_waiting", "Leaves that no head holds yet.")
    age = metrics.gauge("log_unpublished_seconds", "How long the oldest waits to be published.")
    troubles = metrics.gauge("log_troubles", "Witnesses that refuse our heads.", "kind")

    async def read() -> None:
        async with database.read() as session:
            state = await measure(session)
            rows = await list_troubles(session)
        sizes.labels("signed").set(state.signed)
        sizes.labels("published").set(state.published)
        waiting.set(state.waiting)
        since = state.oldest_at
        age.set(0.0 if since is None else max(0.0, (clock.now() - since).total_seconds()))
        splits = sum(row.is_split for row in rows)
        troubles.labels("split").set(splits)
        troubles.labels("refused").set(len(rows) - splits)

    metrics.add_reading(read)


async def describe_log(session: Session, *, now: datetime) -> tuple[list[str], bool]:
    """How the log is, a sentence a line, and whether any witness knows another one."""
    state, rows = await measure(session), await list_troubles(session)
    since = state.oldest_at
    waits = "nothing waits" if since is None else f"the oldest waits for {(now - since)}"
    lines = [
        f"signed: {state.signed} leaves; published: {state.published}; waiting: {state.waiting}",
        f"to be published: {waits}",
        *(
            f"{'SPLIT VIEW' if row.is_split else 'refused'}: {row.witness}: {row.reason} "
            f"(head of {row.size}, since {row.since_at:%Y-%m-%d %H:%M}, {row.times} times)"
            for row in rows
        ),
    ]
    return lines, any(row.is_split for row in rows)


async def measure(session: Session) -> LogState:
    """How far the log has come, by its own word."""
    waiting, oldest_at = await count_waiting(session)
    newest = await find_newest_checkpoint(session)
    published = await find_published(session)
    size = 0 if published is None else published.size
    signed_at = await queries.find_oldest_unpublished(session, above=size)
    since = [at for at in (oldest_at, signed_at) if at is not None]
    signed = 0 if newest is None else newest.size
    return LogState(signed, size, waiting, min(since, default=None))
