"""The outbox on both databases: nothing is lost, nothing is handled by two at once."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from server.kit import outbox
from server.kit.db import HAS_NEWS
from server.kit.errors import BrokenPromise
from server.kit.outbox import Again, Dead, Done, Outbox, OutboxState

if TYPE_CHECKING:
    from server.kit.db import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
LEASE_S = 30.0


def event_id(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


async def append(
    database: Database,
    number: int = 1,
    *,
    kind: str = "parcel.deposited",
    facts: outbox.Facts | None = None,
    at: datetime = NOON,
    not_before: datetime | None = None,
) -> uuid.UUID:
    """Append one event and return its id."""
    event = event_id(number)
    facts = {"stay": "ab"} if facts is None else facts
    subject = event_id(900)
    async with database.write() as session:
        await outbox.append(
            session, id=event, kind=kind, subject=subject, facts=facts, at=at, not_before=not_before
        )
    return event


async def lease(database: Database, event: uuid.UUID, now: datetime = NOON) -> outbox.Lease | None:
    async with database.write() as session:
        return await outbox.lease(session, event, now=now, for_s=LEASE_S)


async def get_lease(database: Database, event: uuid.UUID, now: datetime = NOON) -> outbox.Lease:
    held = await lease(database, event, now)
    assert held is not None
    return held


async def settle(
    database: Database, held: outbox.Lease, outcome: outbox.Outcome, now: datetime = NOON
) -> bool:
    async with database.write() as session:
        return await outbox.settle(session, held, outcome, now=now)


async def read_row(database: Database, event: uuid.UUID) -> Outbox:
    async with database.read() as session:
        return (await session.exec(select(Outbox).where(col(Outbox.id) == event))).one()


async def list_due(database: Database, now: datetime = NOON, limit: int = 10) -> list[uuid.UUID]:
    async with database.read() as session:
        return await outbox.list_due(session, kinds=["parcel.deposited"], now=now, limit=limit)


async def test_event_of_a_rolled_back_transaction_does_not_exist(database: Database) -> None:
    async def append_and_fail() -> None:
        async with database.write() as session:
            await outbox.append(
                session, id=event_id(1), kind="x", subject=event_id(2), facts={}, at=NOON
            )
            raise LookupError

    with pytest.raises(LookupError):
        await append_and_fail()
    assert await lease(database, event_id(1)) is None


async def test_event_appended_twice_is_one_event_with_its_first_facts(database: Database) -> None:
    event = await append(database, facts={"stay": "first"})
    await append(database, facts={"stay": "second"})
    assert (await get_lease(database, event)).facts == {"stay": "first"}


async def test_only_a_new_event_that_is_due_is_news(database: Database) -> None:
    async def append_one(event: int, not_before: datetime | None) -> bool:
        async with database.write() as session:
            await outbox.append(
                session,
                id=event_id(event),
                kind="x",
                subject=event_id(900),
                facts={},
                at=NOON,
                not_before=not_before,
            )
            return HAS_NEWS in session.info

    assert await append_one(1, None)
    assert not await append_one(1, None)
    assert not await append_one(2, NOON + timedelta(minutes=1))


async def test_many_events_are_added_together_or_not_at_all(database: Database) -> None:
    facts = ({"kind": "REMIND_1"}, {"kind": "x" * 2_000})
    events = [
        outbox.Event(id=event_id(n), kind="reminder.due", subject=event_id(9), facts=one)
        for n, one in enumerate(facts, 1)
    ]
    with pytest.raises(BrokenPromise, match=r"reminder\.due"):
        async with database.write() as session:
            await outbox.append_all(session, events, at=NOON)
    assert await list_due(database) == []
    for _ in range(2):
        async with database.write() as session:
            await outbox.append_all(session, events[:1], at=NOON)
    async with database.read() as session:
        assert len((await session.exec(select(Outbox))).all()) == 1


async def test_facts_that_are_too_large_are_refused(database: Database) -> None:
    with pytest.raises(BrokenPromise, match=r"parcel\.deposited"):
        await append(database, facts={"text": "x" * outbox.FACTS_CHARACTERS})


async def test_lease_tells_what_was_appended_and_counts_its_attempt(database: Database) -> None:
    event = await append(database)
    held = await get_lease(database, event)
    assert held == outbox.Lease(
        id=event,
        kind="parcel.deposited",
        subject=event_id(900),
        facts={"stay": "ab"},
        attempt=1,
        created_at=NOON,
        until=NOON + timedelta(seconds=LEASE_S),
    )


async def test_event_in_other_hands_is_not_leased_until_the_lease_runs_out(
    database: Database,
) -> None:
    event = await append(database)
    held = await get_lease(database, event)
    assert await lease(database, event) is None
    assert await list_due(database) == []
    again = await get_lease(database, event, held.until)
    assert again.attempt == 2


async def test_many_workers_at_once_lease_each_event_once(database: Database) -> None:
    events = [await append(database, number) for number in range(1, 9)]
    leases = await asyncio.gather(*(lease(database, event) for event in events * 4))
    held = [one.id for one in leases if one is not None]
    assert sorted(held) == events


async def test_event_is_not_due_before_its_time(database: Database) -> None:
    event = await append(database, not_before=LATER)
    assert await list_due(database) == []
    assert await lease(database, event) is None
    assert await list_due(database, LATER) == [event]


async def test_longest_waiting_events_come_first_and_the_list_is_capped(
    database: Database,
) -> None:
    for number, minute in ((1, 3), (2, 1), (3, 2)):
        await append(database, number, at=NOON + timedelta(minutes=minute))
    assert await list_due(database, LATER, limit=2) == [event_id(2), event_id(3)]


async def test_kind_without_a_handler_is_left_for_a_newer_worker(database: Database) -> None:
    event = await append(database, kind="parcel.of_the_future")
    assert await list_due(database) == []
    assert (await read_row(database, event)).state is OutboxState.PENDING


async def test_done_event_is_never_leased_again(database: Database) -> None:
    event = await append(database)
    assert await settle(database, await get_lease(database, event), Done())
    assert await lease(database, event, LATER) is None
    row = await read_row(database, event)
    assert (row.state, row.settled_at) == (OutboxState.DONE, NOON)


async def test_worker_whose_lease_was_taken_over_settles_nothing(database: Database) -> None:
    event = await append(database)
    slow = await get_lease(database, event)
    quick = await get_lease(database, event, slow.until)
    assert not await settle(database, slow, Dead("too late to say"))
    assert await settle(database, quick, Done())
    assert (await read_row(database, event)).state is OutboxState.DONE


async def test_failed_attempt_waits_a_growing_pause(database: Database) -> None:
    event = await append(database)
    await settle(database, await get_lease(database, event), Again("no answer"))
    assert await list_due(database, NOON + timedelta(seconds=1)) == []
    second = await get_lease(database, event, NOON + timedelta(seconds=2))
    await settle(database, second, Again("no answer"), second.until)
    row = await read_row(database, event)
    assert row.not_before == second.until + timedelta(seconds=4)
    assert row.reason == "no answer"


async def test_pause_that_a_provider_asks_for_is_kept(database: Database) -> None:
    event = await append(database)
    await settle(database, await get_lease(database, event), Again("quota", after_s=17))
    assert (await read_row(database, event)).not_before == NOON + timedelta(seconds=17)


def test_pauses_double_up_to_the_cap() -> None:
    assert [outbox.pause_after(attempt) for attempt in (1, 2, 8, 9, 10_000)] == [
        2,
        4,
        256,
        300,
        300,
    ]


async def test_dead_event_keeps_its_reason_and_stays(database: Database) -> None:
    event = await append(database)
    await settle(database, await get_lease(database, event), Dead("no such person" + "!" * 900))
    row = await read_row(database, event)
    assert row.state is OutboxState.DEAD
    assert row.reason is not None
    assert row.reason.startswith("no such person")
    assert len(row.reason) == outbox.REASON_CHARACTERS
    assert await lease(database, event, LATER) is None


async def test_event_that_takes_every_worker_down_is_given_up(database: Database) -> None:
    event = await append(database)
    first = await get_lease(database, event)
    last = await get_lease(database, event, first.until)
    async with database.write() as session:
        assert await outbox.bury_exhausted(session, now=NOON, attempts=2) == 0
        assert await outbox.bury_exhausted(session, now=last.until, attempts=2) == 1
    assert (await read_row(database, event)).state is OutboxState.DEAD


async def test_only_old_settled_events_are_pruned_and_in_portions(database: Database) -> None:
    for number in (1, 2, 3):
        await settle(database, await get_lease(database, await append(database, number)), Done())
    await settle(database, await get_lease(database, await append(database, 4)), Dead("seen"))
    await append(database, 5)

    async def prune(done_before: datetime, dead_before: datetime, limit: int) -> int:
        async with database.write() as session:
            return await outbox.prune(
                session, done_before=done_before, dead_before=dead_before, limit=limit
            )

    assert await prune(NOON, NOON, 10) == 0
    assert [await prune(LATER, NOON, 2) for _ in range(3)] == [2, 1, 0]
    assert [await prune(LATER, LATER, 2) for _ in range(2)] == [1, 0]
