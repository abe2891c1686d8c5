"""What waits in the outbox and what was given up: read in pages, tried again, and mended after a
clock was set back.

Knows no kind of event. What it changes is handled by the worker, like any other event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, update
from sqlmodel import col, select

from server.kit.backlog_words import MOST_LISTED
from server.kit.outbox import Outbox, OutboxState

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session

MOST_REVIVED = 500
"""Events that one transaction has tried again; whoever wants more repeats it."""

MOST_MENDED = 1_000

CLOCK_SLACK = timedelta(minutes=1)
"""As far as clocks of several machines may differ without anything to mend."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of one kind waits, and how long its oldest event has been due."""

    kind: str
    state: OutboxState
    count: int
    oldest_due_at: datetime | None


async def list_events(
    session: Session, state: OutboxState, *, after: Outbox | None = None, limit: int = MOST_LISTED
) -> Sequence[Outbox]:
    """At most `limit` events in this state, the oldest first, from the one after `after` on."""
    query = select(Outbox).where(Outbox.state == state)
    if after is not None:
        same = and_(col(Outbox.created_at) == after.created_at, col(Outbox.id) > after.id)
        query = query.where(or_(col(Outbox.created_at) > after.created_at, same))
    query = query.order_by(col(Outbox.created_at), col(Outbox.id)).limit(min(limit, MOST_LISTED))
    return (await session.exec(query)).all()


async def find_event(session: Session, event: uuid.UUID) -> Outbox | None:
    """The event, as long as it is kept."""
    return await session.get(Outbox, event)


async def revive(session: Session, event: uuid.UUID, *, now: datetime) -> bool:
    """Have a dead event tried again at once; False if it is not dead.

    That counts as an attempt, so a worker that was stopped in an earlier one can settle nothing.
    """
    return bool(await _revive(session, [event], now))


async def revive_all(session: Session, *, now: datetime) -> int:
    """Have dead events tried again, at most `MOST_REVIVED` at once; how many they are."""
    dead = select(Outbox.id).where(Outbox.state == OutboxState.DEAD).limit(MOST_REVIVED)
    return await _revive(session, (await session.exec(dead)).all(), now)


async def _revive(session: Session, events: Sequence[uuid.UUID], now: datetime) -> int:
    revived = await session.exec(
        update(Outbox)
        .where(col(Outbox.id).in_(events), col(Outbox.state) == OutboxState.DEAD)
        .values(
            state=OutboxState.PENDING,
            not_before=now,
            timed_at=now,
            revived_at=now,
            settled_at=None,
            attempts=col(Outbox.attempts) + 1,
            forgiven=col(Outbox.attempts) + 1,
        )
        .returning(col(Outbox.id))
    )
    return len(revived.all())


async def measure(session: Session, *, now: datetime) -> list[Backlog]:
    """What is pending or dead, by kind; of what is pending, since when the oldest is due."""
    due = and_(col(Outbox.state) == OutboxState.PENDING, col(Outbox.not_before) <= now)
    query = (
        select(
            Outbox.kind,
            Outbox.state,
            func.count(),
            func.min(col(Outbox.not_before)).filter(due),
        )
        .where(col(Outbox.state).in_([OutboxState.PENDING, OutboxState.DEAD]))
        .group_by(col(Outbox.kind), col(Outbox.state))
        .order_by(col(Outbox.kind), col(Outbox.state))
    )
    rows = (await session.exec(query)).all()
    return [Backlog(kind, OutboxState(state), count, due) for kind, state, count, due in rows]


async def mend_times(session: Session, *, now: datetime) -> int:
    """Move what was timed by a clock that has been set back since; how many events that were.

    Their leases end, for a worker that holds one would be believed for as long as the clock was
    ahead; what was due then is due now, and a pause is as long as it was meant to be.
    """
    ahead = and_(col(Outbox.state) == OutboxState.PENDING, col(Outbox.timed_at) > now + CLOCK_SLACK)
    rows = (
        await session.exec(
            select(Outbox.id, Outbox.not_before, Outbox.timed_at).where(ahead).limit(MOST_MENDED)
        )
    ).all()
    for event, not_before, timed_at in rows:
        values: dict[str, Any] = {"timed_at": now, "leased_until": None}
        values["not_before"] = now + max(not_before - timed_at, timedelta())
        same = and_(col(Outbox.id) == event, col(Outbox.timed_at) == timed_at)
        await session.exec(update(Outbox).where(same).values(**values))
    return len(rows)
