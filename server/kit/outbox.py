"""The outbox: what must happen after a commit is a row of that commit, and stays until it has.

Owns the table, the leases and the retries. Knows neither the queue that carries the ids nor what
an event means. A handler may be called more than once: it is idempotent by the id of its event.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ColumnElement, Index, Text, and_, bindparam, delete, or_, text, update
from sqlmodel import Field, SQLModel, col, select

from server.kit.db import HAS_NEWS, enum_text, insert_all_new, insert_new, update_all
from server.kit.errors import BrokenPromise

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

Facts = Mapping[str, str | int | bool | None]
"""What a row tells besides its subject: ids and small numbers, never a secret."""

FACTS_CHARACTERS = 1_000
"""Longest JSON of the facts; more belongs into a table, with its id among the facts."""

LONGEST_PAUSE_S = 300
"""Cap of the growing pause between attempts: a provider that is back is found within minutes."""

MOST_ATTEMPTS = 300
"""Attempts before an event is given up: about a day at the longest pause."""

REASON_CHARACTERS = 200


class OutboxState(StrEnum):
    """How far an event is."""

    PENDING = "PENDING"
    """Waits for its time, for a worker, or is in the hands of one."""
    DONE = "DONE"
    """Its handler has finished."""
    DEAD = "DEAD"
    """Given up, with a reason; kept for a while for a person to see."""


PENDING = text("state = 'PENDING'")


class Outbox(SQLModel, table=True):
    """One event. `attempts` grows with each lease, so it also tells the leases apart.

    `timed_at` is when its times of waiting were written, by the clock of then (`kit.backlog` mends
    those of a clock that was set back). `revived_at` is when a person had it tried again, after
    `forgiven` attempts, which do not count any more.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "not_before", postgresql_where=PENDING, sqlite_where=PENDING),
        Index("ix_outbox_settled", "state", "settled_at"),
    )

    id: uuid.UUID = Field(primary_key=True)
    kind: str = Field(max_length=64)
    subject: uuid.UUID
    facts: dict[str, Any] = Field(sa_type=JSON)
    state: OutboxState = Field(default=OutboxState.PENDING, sa_type=enum_text(OutboxState))
    created_at: datetime
    not_before: datetime
    leased_until: datetime | None = None
    attempts: int = 0
    timed_at: datetime
    settled_at: datetime | None = None
    reason: str | None = Field(default=None, sa_type=Text)
    revived_at: datetime | None = None
    forgiven: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """An event in the hands of one worker. Once `until` has passed another may take it."""

    id: uuid.UUID
    kind: str
    subject: uuid.UUID
    facts: Facts
    attempt: int
    created_at: datetime
    until: datetime
    revived_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """Since when it waits: since it was appended, or since a person had it tried again."""
        return self.revived_at or self.created_at


@dataclass(frozen=True, slots=True)
class Done:
    """The event has had its effect, now or in an earlier attempt."""


@dataclass(frozen=True, slots=True)
class Again:
    """Not now: try after `after_s` if somebody told us how long, else after a growing pause."""

    reason: str
    after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """Trying again is of no use."""

    reason: str


Outcome = Done | Again | Dead
"""What a handler says about its event."""


async def append(
    session: AsyncSession,
    *,
    id: uuid.UUID,  # noqa: A002 - the name of the column
    kind: str,
    subject: uuid.UUID,
    facts: Facts,
    at: datetime,
    not_before: datetime | None = None,
) -> None:
    """Add an event to the caller's transaction, to be handled from `not_before` on.

    An id that exists already is left as it is, so a repeated use-case that derives its ids tells
    its event once. Raises `BrokenPromise` when the facts are larger than facts should be.
    """
    _check_size(kind, facts)
    is_new = await insert_new(
        session,
        Outbox,
        id=id,
        kind=kind,
        subject=subject,
        facts=dict(facts),
        state=OutboxState.PENDING,
        created_at=at,
        not_before=not_before or at,
        timed_at=at,
        attempts=0,
        forgiven=0,
    )
    if is_new and (not_before is None or not_before <= at):
        session.info[HAS_NEWS] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One of many events that are told at once, due at once."""

    id: uuid.UUID
    kind: str
    subject: uuid.UUID
    facts: Facts


async def append_all(session: AsyncSession, events: Sequence[Event], *, at: datetime) -> None:
    """Add many events in one statement, each under the rules of `append`; all of them or none."""
    for event in events:
        _check_size(event.kind, event.facts)
    rows: list[dict[str, Any]] = [
        {
            "id": event.id,
            "kind": event.kind,
            "subject": event.subject,
            "facts": dict(event.facts),
            "state": OutboxState.PENDING,
            "created_at": at,
            "not_before": at,
            "timed_at": at,
            "attempts": 0,
            "forgiven": 0,
        }
        for event in events
    ]
    if rows:
        await insert_all_new(session, Outbox, rows)
        session.info[HAS_NEWS] = True


async def list_due(
    session: AsyncSession, *, kinds: Collection[str], now: datetime, limit: int
) -> list[uuid.UUID]:
    """Ids of events that may be leased now, the longest waiting first.

    Kinds that are not named stay where they are: an old worker leaves them to a newer one.
    """
    due = and_(col(Outbox.kind).in_(kinds), _is_free(now))
    order = (col(Outbox.not_before), col(Outbox.id))
    return list(
        (await session.exec(select(Outbox.id).where(due).order_by(*order).limit(limit))).all()
    )


async def lease(
    session: AsyncSession, event: uuid.UUID, *, now: datetime, for_s: float
) -> Lease | None:
    """Take the event for `for_s` seconds, or None: it is settled, not due, or in other hands.

    The attempt is counted before anything happens: if we crash after this commit, the lease runs
    out and the event is taken again.
    """
    leases = await lease_all(session, [event], now=now, for_s=for_s)
    return leases[0] if leases else None


async def lease_all(
    session: AsyncSession, events: Collection[uuid.UUID], *, now: datetime, for_s: float
) -> list[Lease]:
    """Take those of the events that `lease` would, in one statement."""
    free = select(col(Outbox.id)).where(col(Outbox.id).in_(events), _is_free(now))
    until = now + timedelta(seconds=for_s)
    taken = await session.exec(
        update(Outbox)
        .where(col(Outbox.id).in_(free.with_for_update(skip_locked=True)))
        .values(leased_until=until, timed_at=now, attempts=col(Outbox.attempts) + 1)
        .returning(
            col(Outbox.id),
            col(Outbox.kind),
            col(Outbox.subject),
            col(Outbox.facts),
            col(Outbox.attempts),
            col(Outbox.created_at),
            col(Outbox.revived_at),
        )
    )
    return [
        Lease(event, kind, subject, facts, attempt, created_at, until, revived_at)
        for event, kind, subject, facts, attempt, created_at, revived_at in taken.all()
    ]


async def settle_all(
    session: AsyncSession, settled: Sequence[tuple[Lease, Outcome]], *, now: datetime
) -> None:
    """Write down what became of many leased events, each fenced as by `settle`."""
    done = [held for held, outcome in settled if isinstance(outcome, Done)]
    if done:
        rows = [{"of_id": held.id, "of_attempt": held.attempt} for held in done]
        await update_all(
            session,
            Outbox,
            and_(
                col(Outbox.id) == bindparam("of_id"),
                col(Outbox.state) == OutboxState.PENDING,
                col(Outbox.attempts) == bindparam("of_attempt"),
            ),
            rows,
            state=OutboxState.DONE,
            settled_at=now,
            reason=None,
            leased_until=None,
        )
    for held, outcome in settled:
        if not isinstance(outcome, Done):
            await settle(session, held, outcome, now=now)


async def settle(session: AsyncSession, held: Lease, outcome: Outcome, *, now: datetime) -> bool:
    """Write down what became of a leased event; False if it is no longer ours.

    Fenced by the attempt: a worker that comes back after its lease ran out changes nothing. A
    handler may settle in the transaction that holds its effect; to settle again is then harmless.
    """
    changes: dict[str, Any] = {"leased_until": None}
    match outcome:
        case Done():
            changes |= {"state": OutboxState.DONE, "settled_at": now, "reason": None}
        case Dead(reason):
            changes |= {"state": OutboxState.DEAD, "settled_at": now}
            changes["reason"] = reason[:REASON_CHARACTERS]
        case Again(reason, after_s):
            pause_s = pause_after(held.attempt) if after_s is None else after_s
            changes |= {"not_before": now + timedelta(seconds=pause_s), "timed_at": now}
            changes["reason"] = reason[:REASON_CHARACTERS]
    ours = and_(
        col(Outbox.id) == held.id,
        col(Outbox.state) == OutboxState.PENDING,
        col(Outbox.attempts) == held.attempt,
    )
    settled = await session.exec(
        update(Outbox).where(ours).values(**changes).returning(col(Outbox.id))
    )
    return settled.one_or_none() is not None


async def bury_exhausted(
    session: AsyncSession, *, now: datetime, attempts: int = MOST_ATTEMPTS
) -> int:
    """Give up events attempted so often, also those that take every worker down with them.

    Returns how many; the last known reason stays with them.
    """
    tries = col(Outbox.attempts) - col(Outbox.forgiven)
    worn = and_(_is_free(now), tries >= attempts)
    buried = await session.exec(
        update(Outbox)
        .where(worn)
        .values(state=OutboxState.DEAD, settled_at=now, leased_until=None)
        .returning(col(Outbox.id))
    )
    return len(buried.all())


async def prune(
    session: AsyncSession, *, done_before: datetime, dead_before: datetime, limit: int
) -> int:
    """Delete at most `limit` events settled before the instant of their state; how many.

    Dead ones stay for longer, since a person should see them.
    """
    settled = col(Outbox.settled_at)
    is_old = or_(
        and_(col(Outbox.state) == OutboxState.DONE, settled < done_before),
        and_(col(Outbox.state) == OutboxState.DEAD, settled < dead_before),
    )
    old = select(col(Outbox.id)).where(is_old).limit(limit)
    gone = await session.exec(
        delete(Outbox).where(col(Outbox.id).in_(old)).returning(col(Outbox.id))
    )
    return len(gone.all())


async def forget_reasons(session: AsyncSession, subjects: Collection[uuid.UUID]) -> None:
    """Removes what went wrong with events about these subjects: a provider may have named them."""
    told = (col(Outbox.subject).in_(subjects), col(Outbox.reason).is_not(None))
    await session.exec(update(Outbox).where(*told).values(reason=None))


def pause_after(attempt: int) -> int:
    """Seconds to wait after the failed attempt of this number: 2, 4, 8, ... up to the cap."""
    return int(min(LONGEST_PAUSE_S, 2 ** min(attempt, 16)))


def _is_free(now: datetime) -> ColumnElement[bool]:
    unheld = or_(col(Outbox.leased_until).is_(None), col(Outbox.leased_until) <= now)
    waiting = col(Outbox.state) == OutboxState.PENDING
    return and_(waiting, col(Outbox.not_before) <= now, unheld)


def _check_size(kind: str, facts: Facts) -> None:
    if len(json.dumps(dict(facts))) > FACTS_CHARACTERS:
        raise BrokenPromise(f"facts of {kind} are longer than {FACTS_CHARACTERS} characters")
