"""One compartment for one parcel, however many ask at once."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.compartments import DoorState, SizeMm
from server.kit.db import metadata
from server.kit.errors import Refusal
from server.lockers import jobs
from server.lockers.choice import Need, ReservationPurpose
from server.lockers.incidents import Fact
from server.lockers.rules import Allocation, Change, LockerState
from server.lockers.service import facts, reading, reservations
from server.lockers.service.reservations import Held, Wish
from server.lockers.tables import Compartment, Locker, Reservation
from tests.fakes.stores import empty
from tests.fakes.town import COMPARTMENTS, build_town, key_of

if TYPE_CHECKING:
    from server.kit.db import Database, Session
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town

SMALL = Need(size=SizeMm(100, 100, 100))
HUGE = Need(size=SizeMm(900, 900, 900))


def wish(name: str, need: Need = SMALL) -> Wish:
    return Wish(parcel_id=key_of(name), need=need, purpose=ReservationPurpose.STOP, created_by=None)


async def reserve(
    database: Database, town: Town, wanted: Wish, *, ids: CountedIds, clock: MovableClock
) -> Held | Refusal:
    async with database.write() as session:
        lockers = await reservations.lock_lockers(session, hub_id=town.hub_id)
        return await reservations.reserve(session, lockers, wanted, ids=ids, now=clock.now())


async def release(database: Database, town: Town, name: str, *, clock: MovableClock) -> bool:
    async with database.write() as session:
        await reservations.lock_lockers(session, hub_id=town.hub_id)
        return await reservations.release(session, key_of(name), now=clock.now())


async def live(session: Session) -> list[Reservation]:
    query = select(Reservation).where(col(Reservation.ended_at).is_(None))
    return list((await session.exec(query)).all())


async def test_reserving_again_renews_the_same_place(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    first = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    clock.move(minutes=10)
    again = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert isinstance(first, Held)
    assert isinstance(again, Held)
    assert again.reservation.id == first.reservation.id
    assert again.reservation.expires_at - first.reservation.expires_at == (
        clock.now() - first.reservation.created_at
    )


async def test_full_locker_and_oversize_are_refused(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    outcome = await reserve(database, town, wish("huge", HUGE), ids=ids, clock=clock)
    assert isinstance(outcome, Refusal)
    for number in range(COMPARTMENTS):
        held = await reserve(database, town, wish(f"p{number}"), ids=ids, clock=clock)
        assert isinstance(held, Held)
    late = await reserve(database, town, wish("late"), ids=ids, clock=clock)
    assert isinstance(late, Refusal)
    assert {outcome.code, late.code} == {ProblemCode.NO_COMPARTMENT}


async def test_expired_place_goes_to_the_next_who_asks(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    for number in range(COMPARTMENTS):
        await reserve(database, town, wish(f"p{number}"), ids=ids, clock=clock)
    clock.move(minutes=15)
    late = await reserve(database, town, wish("late"), ids=ids, clock=clock)
    assert isinstance(late, Held)
    async with database.read() as session:
        assert [one.parcel_id for one in await live(session)] == [key_of("late")]


async def test_job_frees_what_expired_and_nothing_else(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    await reserve(database, town, wish("old"), ids=ids, clock=clock)
    clock.move(minutes=10)
    await reserve(database, town, wish("young"), ids=ids, clock=clock)
    clock.move(minutes=5)
    assert await jobs.expire_reservations(database, now=clock.now()) == 1
    assert await jobs.expire_reservations(database, now=clock.now()) == 0
    async with database.read() as session:
        assert [one.parcel_id for one in await live(session)] == [key_of("young")]
        doors = (await reading.list_compartments(session, [town.locker_id]))[town.locker_id]
    assert Counter(door.allocation for door in doors) == {
        Allocation.FREE: COMPARTMENTS - 1,
        Allocation.RESERVED: 1,
    }


async def test_used_compartment_is_not_freed_when_its_reservation_runs_out(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    held = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert isinstance(held, Held)
    async with database.write() as session:
        door = await session.get_one(Compartment, held.compartment.id)
        door.allocation = Allocation.OCCUPIED
    clock.move(hours=1)
    assert await jobs.expire_reservations(database, now=clock.now()) == 1
    async with database.read() as session:
        door = await session.get_one(Compartment, held.compartment.id)
    assert door.allocation is Allocation.OCCUPIED


async def test_released_place_is_free_and_releasing_again_says_so(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    held = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert isinstance(held, Held)
    assert await release(database, town, "p", clock=clock)
    assert not await release(database, town, "p", clock=clock)
    async with database.read() as session:
        door = await session.get_one(Compartment, held.compartment.id)
    assert door.allocation is Allocation.FREE


async def test_nothing_is_given_up_while_the_door_stands_open(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    held = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert isinstance(held, Held)

    async def set_door(door: DoorState) -> None:
        async with database.write() as session:
            (await session.get_one(Compartment, held.compartment.id)).door = door

    async def cancel() -> Refusal | None:
        async with database.write() as session:
            return await reservations.cancel(session, key_of("p"), now=clock.now())

    await set_door(DoorState.OPEN)
    clock.move(hours=1)
    again = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert again == await cancel() == reservations.DOOR_OPEN
    assert await jobs.expire_reservations(database, now=clock.now()) == 0
    await set_door(DoorState.CLOSED)
    assert await cancel() is None
    assert await cancel() is None


async def test_stale_locker_takes_nothing(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    async with database.write() as session:
        (await session.get_one(Locker, town.locker_id)).state = LockerState.STALE
    outcome = await reserve(database, town, wish("p"), ids=ids, clock=clock)
    assert isinstance(outcome, Refusal)
    assert "takes no parcels" in outcome.message


async def test_locker_of_another_hub_is_not_locked(database: Database, town: Town) -> None:
    async with database.write() as session:
        assert not await reservations.lock_lockers(
            session, hub_id=uuid.UUID(int=1), locker_id=town.locker_id
        )


async def test_facts_and_cancellations_at_once_do_not_wait_for_each_other(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    async def store(held: Held, seq: int) -> None:
        fact = Fact(town.locker_id, seq, clock.now(), 2, held.compartment.number)
        async with database.write() as session:
            await facts.change_allocation(session, fact, Change.STORE)
        async with database.write() as session:
            await facts.change_allocation(session, fact, Change.EMPTY)

    async def cancel(name: str) -> None:
        async with database.write() as session:
            await reservations.cancel(session, key_of(name), now=clock.now())

    for round_ in range(8):
        held = await reserve(database, town, wish("p"), ids=ids, clock=clock)
        assert isinstance(held, Held)
        await asyncio.gather(store(held, round_), cancel("p"))
        async with database.read() as session:
            assert await live(session) == []
            door = await session.get_one(Compartment, held.compartment.id)
        assert door.allocation is Allocation.FREE


STEPS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["reserve", "release", "wait"])),
    min_size=8,
    max_size=24,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_eight_tasks_at_once_never_share_a_compartment(
    database: Database, ids: CountedIds, clock: MovableClock, steps: list[tuple[str, str]]
) -> None:
    await empty_all(database)
    async with database.write() as session:
        town = await build_town(session)

    async def act(mine: list[tuple[str, str]]) -> None:
        for name, step in mine:
            if step == "reserve":
                await reserve(database, town, wish(name), ids=ids, clock=clock)
            elif step == "release":
                await release(database, town, name, clock=clock)
            else:
                clock.move(minutes=6)

    await asyncio.gather(*(act(steps[task::8]) for task in range(8)))
    async with database.read() as session:
        standing = await live(session)
        doors = (await reading.list_compartments(session, [town.locker_id]))[town.locker_id]
    assert len({one.compartment_id for one in standing}) == len(standing)
    assert len({one.parcel_id for one in standing}) == len(standing)
    kept = {door.id for door in doors if door.allocation is Allocation.RESERVED}
    assert kept == {one.compartment_id for one in standing}


async def empty_all(database: Database) -> None:
    if database.is_sqlite:
        async with database.write() as session:
            for table in reversed(metadata.sorted_tables):
                await session.exec(table.delete())
    else:
        await empty(database)
