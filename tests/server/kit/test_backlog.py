"""The backlog: dead events live again once, pages have an end, a clock set back costs nothing."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from server.kit import backlog, outbox
from server.kit.backlog import Backlog
from server.kit.outbox import Again, Dead, Done, Outbox, OutboxState

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.kit.outbox import Outcome

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AHEAD = NOON + timedelta(days=3)
KIND = "parcel.deposited"
LEASE_S = 30.0


async def append(
    database: Database,
    number: int,
    *,
    kind: str = KIND,
    at: datetime = NOON,
    not_before: datetime | None = None,
) -> uuid.UUID:
    event = uuid.UUID(int=number)
    async with database.write() as session:
        await outbox.append(
            session,
            id=event,
            kind=kind,
            subject=event,
            facts={},
            at=at,
            not_before=not_before,
        )
    return event


async def take(database: Database, event: uuid.UUID, now: datetime = NOON) -> outbox.Lease | None:
    async with database.write() as session:
        return await outbox.lease(session, event, now=now, for_s=LEASE_S)


async def handle(
    database: Database, event: uuid.UUID, outcome: Outcome, now: datetime = NOON
) -> outbox.Lease:
    held = await take(database, event, now)
    assert held is not None
    async with database.write() as session:
        assert await outbox.settle(session, held, outcome, now=now)
    return held


async def read(database: Database, event: uuid.UUID) -> Outbox:
    async with database.read() as session:
        row = await backlog.find_event(session, event)
    assert row is not None
    return row


async def revive(database: Database, event: uuid.UUID, now: datetime = NOON) -> bool:
    async with database.write() as session:
        return await backlog.revive(session, event, now=now)


async def mend(database: Database, now: datetime) -> int:
    async with database.write() as session:
        return await backlog.mend_times(session, now=now)


async def test_dead_event_is_tried_again_at_once_as_if_it_were_new(database: Database) -> None:
    event = await append(database, 1)
    await handle(database, event, Dead("no such phone"))
    later = NOON + timedelta(days=2)
    assert await revive(database, event, later)
    held = await take(database, event, later)
    assert held is not None
    assert (held.since, held.attempt) == (later, 3)


async def test_only_a_dead_event_is_tried_again(database: Database) -> None:
    waiting, done = await append(database, 1), await append(database, 2)
    await handle(database, done, Done())
    assert not await revive(database, waiting)
    assert not await revive(database, done)
    assert not await revive(database, uuid.UUID(int=3))


async def test_worker_that_was_stopped_settles_nothing_of_a_revived_event(
    database: Database,
) -> None:
    event = await append(database, 1)
    stopped = await handle(database, event, Dead("given up"))
    await revive(database, event)
    async with database.write() as session:
        assert not await outbox.settle(session, stopped, Done(), now=NOON)


async def test_attempts_before_a_revival_do_not_wear_an_event_out(database: Database) -> None:
    event = await append(database, 1)
    for _ in range(3):
        await handle(database, event, Again("away", 0))
    async with database.write() as session:
        assert await outbox.bury_exhausted(session, now=NOON, attempts=3) == 1
    await revive(database, event)
    async with database.write() as session:
        assert await outbox.bury_exhausted(session, now=NOON, attempts=3) == 0
    assert (await read(database, event)).state is OutboxState.PENDING


async def test_all_dead_events_are_tried_again(database: Database) -> None:
    events = [await append(database, number) for number in range(3)]
    for event in events[:2]:
        await handle(database, event, Dead("given up"))
    async with database.write() as session:
        assert await backlog.revive_all(session, now=NOON) == 2
    async with database.write() as session:
        assert await backlog.revive_all(session, now=NOON) == 0


async def test_pages_go_on_where_the_last_one_ended(database: Database) -> None:
    events = [
        await append(database, number, at=NOON + timedelta(seconds=number // 2))
        for number in range(5)
    ]
    seen: list[uuid.UUID] = []
    last = None
    async with database.read() as session:
        while page := await backlog.list_events(session, OutboxState.PENDING, after=last, limit=2):
            assert len(page) <= 2
            last = page[-1]
            seen += [row.id for row in page]
    assert seen == events


async def test_backlog_is_measured_by_kind_and_by_what_is_due(database: Database) -> None:
    await append(database, 1)
    await append(database, 2, at=NOON + timedelta(seconds=9))
    await append(database, 3, kind="parcel.reminder", not_before=AHEAD)
    await handle(database, await append(database, 4), Dead("given up"))
    await handle(database, await append(database, 5), Done())
    async with database.read() as session:
        measured = await backlog.measure(session, now=NOON + timedelta(minutes=1))
    assert measured == [
        Backlog(KIND, OutboxState.DEAD, 1, None),
        Backlog(KIND, OutboxState.PENDING, 2, NOON),
        Backlog("parcel.reminder", OutboxState.PENDING, 1, None),
    ]


async def test_lease_of_a_clock_that_was_ahead_ends_when_it_is_set_back(
    database: Database,
) -> None:
    event = await append(database, 1)
    assert await take(database, event, AHEAD) is not None
    assert await take(database, event, NOON) is None, "believed for three days"
    assert await mend(database, NOON) == 1
    assert await take(database, event, NOON) is not None
    assert await mend(database, NOON) == 0


async def test_pause_told_by_a_clock_that_was_ahead_is_as_long_as_it_was_meant(
    database: Database,
) -> None:
    event = await append(database, 1)
    await handle(database, event, Again("away", after_s=40), AHEAD)
    await mend(database, NOON)
    assert (await read(database, event)).not_before == NOON + timedelta(seconds=40)


async def test_event_of_a_clock_that_was_ahead_is_due_once_it_is_set_back(
    database: Database,
) -> None:
    event = await append(database, 1, at=AHEAD)
    later = await append(database, 2, at=AHEAD, not_before=AHEAD + timedelta(hours=5))
    await mend(database, NOON)
    assert await take(database, event, NOON) is not None
    assert (await read(database, later)).not_before == NOON + timedelta(hours=5)


async def test_what_is_planned_for_later_stays_planned(database: Database) -> None:
    event = await append(database, 1, not_before=AHEAD)
    assert await mend(database, NOON) == 0
    assert (await read(database, event)).not_before == AHEAD
