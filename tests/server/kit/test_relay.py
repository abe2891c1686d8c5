"""The relay: due events reach their handler, and whatever a handler does is written down."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from server.demo.stores import Valkey, get_valkey
from server.kit import outbox
from server.kit.outbox import Again, Dead, Done, Lease, Outbox, OutboxState, Outcome
from server.kit.queue import Queue
from server.kit.relay import DEAD_KEPT, DELIVER, KEPT, PORTIONS_IN_HAND, Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, MovableClock

KIND = "parcel.deposited"
HANDLER_S = 15.0


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey(get_valkey()) as store:
        yield store


@pytest.fixture
async def queue(valkey: Valkey) -> AsyncIterator[Queue]:
    queue = Queue(valkey.url)
    yield queue
    await queue.close()


class Handler:
    """Answers with the outcomes it was given, one after the other, and remembers its leases."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.leases: list[Lease] = []

    async def __call__(self, held: Lease) -> Outcome:
        self.leases.append(held)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class House:
    """A relay over one database, with one kind of event."""

    def __init__(
        self, database: Database, queue: Queue, clock: MovableClock, ids: CountedIds
    ) -> None:
        self.database = database
        self.queue = queue
        self.clock = clock
        self.ids = ids
        # Ids are counted from one in each test, and the queue of this module is shared.
        self.salt = uuid.uuid4().int >> 64

    def make_relay(self, handler: Handler, *, handler_s: float = HANDLER_S) -> Relay:
        handlers = {KIND: handler}
        return Relay(self.database, self.queue, handlers, clock=self.clock, handler_s=handler_s)

    async def append(self, kind: str = KIND) -> uuid.UUID:
        event = uuid.UUID(int=self.ids.new().int ^ self.salt)
        async with self.database.write() as session:
            await outbox.append(
                session, id=event, kind=kind, subject=event, facts={}, at=self.clock.now()
            )
        return event

    async def read(self, event: uuid.UUID) -> Outbox | None:
        async with self.database.read() as session:
            return (await session.exec(select(Outbox).where(col(Outbox.id) == event))).one_or_none()

    async def has_offer(self, event: uuid.UUID) -> bool:
        """Whether the queue holds the event's job: it then takes no other of that key."""
        period = int(self.clock.now().timestamp() / (2 * HANDLER_S))
        key = f"ob:{event}:{period}"
        return not await self.queue.offer(DELIVER, str(event), key=key, lasts_s=60)


@pytest.fixture
def house(database: Database, queue: Queue, clock: MovableClock, ids: CountedIds) -> House:
    return House(database, queue, clock, ids)


async def test_due_event_is_offered_to_the_queue(house: House) -> None:
    event = await house.append()
    await house.make_relay(Handler()).look()
    assert await house.has_offer(event)


async def test_event_without_a_handler_is_not_offered(house: House) -> None:
    event = await house.append("parcel.of_the_future")
    await house.make_relay(Handler()).look()
    assert not await house.has_offer(event)


async def test_job_of_a_killed_worker_stands_in_the_way_no_longer_than_its_lease(
    house: House,
) -> None:
    event = await house.append()
    relay = house.make_relay(Handler())
    await relay.look()
    # Nobody runs the job, as if its worker had died with it in hand.
    house.clock.move(seconds=2 * HANDLER_S)
    assert not await house.has_offer(event)


async def test_handled_event_is_done(house: House) -> None:
    event = await house.append()
    handler = Handler(Done())
    await house.make_relay(handler).deliver(str(event))
    assert [held.id for held in handler.leases] == [event]
    row = await house.read(event)
    assert row is not None
    assert row.state is OutboxState.DONE


async def test_job_that_the_queue_repeats_calls_nobody(house: House) -> None:
    event = await house.append()
    handler = Handler(Done())
    relay = house.make_relay(handler)
    await relay.deliver(str(event))
    await relay.deliver(str(event))
    await relay.deliver(str(uuid.uuid4()))
    assert len(handler.leases) == 1


async def test_handler_that_raises_is_called_again_later(house: House) -> None:
    event = await house.append()
    handler = Handler(LookupError("the provider answered nonsense"), Done())
    relay = house.make_relay(handler)
    await relay.deliver(str(event))
    row = await house.read(event)
    assert row is not None
    assert row.reason == "LookupError"
    house.clock.move(seconds=outbox.pause_after(1))
    await relay.deliver(str(event))
    assert [held.attempt for held in handler.leases] == [1, 2]


async def test_handler_that_hangs_is_cut_and_tried_again(house: House) -> None:
    event = await house.append()

    class Hanging(Handler):
        async def __call__(self, held: Lease) -> Outcome:
            await asyncio.Event().wait()
            return await super().__call__(held)

    await house.make_relay(Hanging(Done()), handler_s=0.01).deliver(str(event))
    row = await house.read(event)
    assert row is not None
    assert (row.state, row.reason) == (OutboxState.PENDING, "TimeoutError")


async def test_worker_takes_no_more_into_its_hands_than_it_can_hold(house: House) -> None:
    events = [await house.append() for _ in range(PORTIONS_IN_HAND + 2)]
    may_end = asyncio.Event()
    in_hand: list[int] = []
    full = asyncio.Event()

    class Busy(Handler):
        async def __call__(self, held: Lease) -> Outcome:
            self.leases.append(held)
            if len(self.leases) == PORTIONS_IN_HAND:
                full.set()
            await may_end.wait()
            return Done()

    handler = Busy()
    relay = house.make_relay(handler)
    async with asyncio.TaskGroup() as jobs:
        for event in events:
            jobs.create_task(relay.deliver(str(event)))
        await full.wait()
        for event in events:
            row = await house.read(event)
            assert row is not None
            in_hand.append(row.attempts)
        may_end.set()
    assert sorted(in_hand) == [0, 0] + [1] * PORTIONS_IN_HAND
    assert len(handler.leases) == len(events)


@pytest.mark.parametrize("outcome", [Again("quota", after_s=17), Dead("no such person")])
async def test_what_a_handler_says_is_written_down(house: House, outcome: Again | Dead) -> None:
    event = await house.append()
    await house.make_relay(Handler(outcome)).deliver(str(event))
    row = await house.read(event)
    assert row is not None
    assert row.reason == outcome.reason
    assert (row.state is OutboxState.DEAD) is isinstance(outcome, Dead)


async def test_done_events_are_deleted_after_their_time(house: House) -> None:
    event = await house.append()
    relay = house.make_relay(Handler(Done()))
    await relay.deliver(str(event))
    await relay.tidy()
    assert await house.read(event) is not None
    house.clock.move(seconds=KEPT.total_seconds() + 1)
    await relay.tidy()
    assert await house.read(event) is None


async def test_dead_events_are_kept_for_longer_and_then_deleted(house: House) -> None:
    event = await house.append()
    relay = house.make_relay(Handler(Dead("nobody there")))
    await relay.deliver(str(event))
    house.clock.move(seconds=KEPT.total_seconds() + 1)
    await relay.tidy()
    assert await house.read(event) is not None
    house.clock.move(seconds=DEAD_KEPT.total_seconds())
    await relay.tidy()
    assert await house.read(event) is None


async def test_event_that_fails_for_ever_is_given_up(house: House) -> None:
    event = await house.append()
    relay = house.make_relay(Handler())
    async with house.database.write() as session:
        for _ in range(outbox.MOST_ATTEMPTS):
            await outbox.lease(session, event, now=house.clock.now(), for_s=0)
    await relay.tidy()
    row = await house.read(event)
    assert row is not None
    assert row.state is OutboxState.DEAD
    assert row.settled_at is not None
    assert row.settled_at - house.clock.now() < timedelta(seconds=1)
