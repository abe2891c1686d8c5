"""Looks at how full a hub is: counted once, kept for the forecast, silent without a past."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select, update

from schema.compartments import SizeMm
from server.hubs.dayslots import slot_after, slot_of
from server.hubs.tables import Hub
from server.lockers import jobs, queries
from server.lockers.choice import Need, ReservationPurpose
from server.lockers.rules import Allocation, ServiceState
from server.lockers.service import occupancy, reservations
from server.lockers.service.occupancy import KEPT_DAYS, LOOK_S, expect_at_most, foresee_slots
from server.lockers.service.reservations import Held, Wish
from server.lockers.tables import Compartment, Locker, OccupancySlot
from tests.fakes.occupancies import write_past, zone_of
from tests.fakes.town import COMPARTMENTS, key_of

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.kit.errors import Refusal
    from server.lockers.occupancy import Expectation
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town

LOOK = timedelta(seconds=LOOK_S)


async def occupy(database: Database, town: Town, *numbers: int) -> None:
    async with database.write() as session:
        await session.exec(
            update(Compartment)
            .where(col(Compartment.locker_id) == town.locker_id)
            .values(allocation=Allocation.FREE)
        )
        await session.exec(
            update(Compartment)
            .where(col(Compartment.number).in_(numbers))
            .values(allocation=Allocation.OCCUPIED)
        )


async def slots(database: Database) -> list[OccupancySlot]:
    async with database.read() as session:
        order = (col(OccupancySlot.day), col(OccupancySlot.slot))
        return list((await session.exec(select(OccupancySlot).order_by(*order))).all())


async def expected(
    database: Database, town: Town, *, at: datetime, now: datetime
) -> Expectation | None:
    async with database.read() as session:
        found = await foresee_slots(session, town.hub_id, since=at, until=at, now=now)
    return found[0].expected if found else None


async def test_a_slot_is_the_mean_of_its_looks(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await occupy(database, town, 1)
    await jobs.note_occupancy(database, now=clock.now())
    await occupy(database, town, 1, 2, 3)
    await jobs.note_occupancy(database, now=clock.now() + LOOK)
    [row] = await slots(database)
    day, slot = slot_of(clock.now(), await zone_of(database, town))
    assert (row.hub_id, row.day, row.slot) == (town.hub_id, day, slot)
    assert (row.looks, row.in_use, row.usable) == (2, 4, 2 * COMPARTMENTS)


async def test_a_look_that_is_repeated_or_late_counts_once(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await occupy(database, town, 1)
    await jobs.note_occupancy(database, now=clock.now() + LOOK)
    before = [row.model_dump() for row in await slots(database)]
    await occupy(database, town, 1, 2)
    for late in (clock.now() + LOOK, clock.now()):
        await jobs.note_occupancy(database, now=late)
    assert [row.model_dump() for row in await slots(database)] == before


async def test_broken_doors_and_hubs_without_any_are_not_counted(
    database: Database, town: Town, clock: MovableClock
) -> None:
    async with database.write() as session:
        broken = update(Compartment).values(service=ServiceState.OUT_OF_SERVICE)
        await session.exec(broken.where(col(Compartment.number) == 1))
    await jobs.note_occupancy(database, now=clock.now())
    assert [row.usable for row in await slots(database)] == [COMPARTMENTS - 1]
    async with database.write() as session:
        await session.exec(broken)
        assert await occupancy.find_share(session, town.hub_id) is None
    await jobs.note_occupancy(database, now=clock.now() + LOOK)
    assert [row.looks for row in await slots(database)] == [1]


async def test_hubs_are_looked_at_in_portions(
    database: Database, town: Town, clock: MovableClock
) -> None:
    async with database.write() as session:
        hub = await session.get_one(Hub, town.hub_id)
        machine = await session.get_one(Locker, town.locker_id)
        for name in ("second", "third"):
            session.add(Hub(**hub.model_dump(exclude={"id"}), id=key_of(name)))
        await session.flush()
        for name in ("second", "third"):
            twin = machine.model_dump(exclude={"id", "hub_id", "lid", "serial"})
            twin |= {"noise_public": name.encode(), "sign_public": name.encode()}
            session.add(
                Locker(
                    **twin,
                    id=key_of(f"{name} locker"),
                    hub_id=key_of(name),
                    lid=name.encode(),
                    serial=name,
                )
            )
        await session.flush()
        door = (await queries.list_compartments(session, [town.locker_id]))[0]
        for name in ("second", "third"):
            changes = {"id": key_of(f"{name} door"), "locker_id": key_of(f"{name} locker")}
            session.add(Compartment(**door.model_dump() | changes))
    after, portions = None, 0
    while portions == 0 or after is not None:
        async with database.write() as session:
            after = await occupancy.take_looks(session, after=after, now=clock.now(), limit=2)
        portions += 1
    assert portions == 2
    assert {row.hub_id for row in await slots(database)} == {
        town.hub_id,
        key_of("second"),
        key_of("third"),
    }


async def test_old_slots_are_forgotten(database: Database, town: Town, clock: MovableClock) -> None:
    await write_past(database, town, now=clock.now(), share=0.5, days=KEPT_DAYS + 4)
    await jobs.note_occupancy(database, now=clock.now())
    oldest = min(row.day for row in await slots(database))
    today = clock.now().date()
    assert today - timedelta(days=KEPT_DAYS + 2) < oldest <= today - timedelta(days=KEPT_DAYS)


async def test_days_that_were_alike_are_expected_again(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.5, days=30)
    for ahead in (timedelta(), timedelta(days=2), timedelta(days=6)):
        found = await expected(database, town, at=now + ahead, now=now)
        assert found is not None
        assert found.mean == pytest.approx(0.5)
        assert 0 <= found.low <= found.mean <= found.high <= 1


async def test_the_fullest_slot_of_a_span_says_what_is_not_exceeded(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.25, days=30)
    zone = await zone_of(database, town)
    day, slot = slot_of(now + timedelta(days=2), zone)
    async with database.write() as session:
        busy = update(OccupancySlot).values(in_use=10 * COMPARTMENTS)
        weekday = [day - timedelta(days=7 * back) for back in range(1, 5)]
        await session.exec(
            busy.where(col(OccupancySlot.slot) == slot, col(OccupancySlot.day).in_(weekday))
        )
    async with database.read() as session:
        high = [
            await expect_at_most(session, town.hub_id, since=now, until=until, now=now)
            for until in (now + timedelta(days=1), now + timedelta(days=3))
        ]
        slots = await foresee_slots(
            session, town.hub_id, since=now, until=now + timedelta(days=3), now=now
        )
    assert high[0] is not None
    assert high[1] == max(one.expected.high for one in slots) > high[0]


async def test_a_few_looks_missed_change_nothing(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.5, days=30, skip=3)
    found = await expected(database, town, at=now + timedelta(days=1), now=now)
    assert found is not None
    assert found.mean == pytest.approx(0.5)


@pytest.mark.parametrize(("days", "skip"), [(0, 0), (6, 0), (1, 0)])
async def test_without_a_past_nothing_is_said(
    database: Database, town: Town, clock: MovableClock, days: int, skip: int
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.5, days=days, skip=skip)
    assert await expected(database, town, at=now, now=now) is None


async def test_a_past_that_was_mostly_missed_says_nothing(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now - timedelta(days=20), share=0.5, days=40)
    assert await expected(database, town, at=now, now=now) is None


async def test_what_is_past_or_far_ahead_is_not_foreseen(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.5, days=30)
    assert await expected(database, town, at=now - timedelta(days=2), now=now) is None
    assert await expected(database, town, at=now + timedelta(days=9), now=now) is None
    async with database.read() as session:
        nowhere = key_of("nowhere")
        assert await foresee_slots(session, nowhere, since=now, until=now, now=now) == []
        assert await expect_at_most(session, nowhere, since=now, until=now, now=now) is None


async def test_a_hub_that_grew_is_foreseen_by_its_share(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.75, days=30)
    async with database.write() as session:
        await session.exec(
            update(Compartment)
            .where(col(Compartment.number) > 2)
            .values(service=ServiceState.OUT_OF_SERVICE)
        )
    found = await expected(database, town, at=now, now=now)
    assert found is not None
    assert found.mean == pytest.approx(0.75)


async def test_slots_are_foreseen_one_after_the_other(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await write_past(database, town, now=now, share=0.5, days=30)
    zone = await zone_of(database, town)
    async with database.read() as session:
        found = await occupancy.foresee_slots(
            session, town.hub_id, since=now, until=now + timedelta(days=1), now=now
        )
    start = slot_of(now, zone)
    spans = [slot_after(start, step, zone)[2] for step in range(len(found))]
    assert [(slot.start, slot.end) for slot in found] == spans
    assert found[0].start <= now < found[0].end
    assert found[-1].start <= now + timedelta(days=1) < found[-1].end


async def hold_early(
    database: Database, town: Town, *, ids: CountedIds, clock: MovableClock
) -> Held | Refusal:
    need = Need(size=SizeMm(100, 100, 100))
    wanted = Wish(
        parcel_id=key_of("early"), need=need, purpose=ReservationPurpose.LOADED, created_by=None
    )
    async with database.write() as session:
        lockers = await reservations.lock_lockers(session, hub_id=town.hub_id)
        return await reservations.reserve(session, lockers, wanted, ids=ids, now=clock.now())


@pytest.mark.parametrize(("share", "is_held"), [(0.0, True), (0.9, False), (None, False)])
async def test_a_hold_asks_the_forecast_how_much_to_leave(
    database: Database,
    town: Town,
    ids: CountedIds,
    clock: MovableClock,
    share: float | None,
    is_held: bool,
) -> None:
    """Thirty doors of one size, three of them free: twelve in a hundred would be four."""
    if share is not None:
        await write_past(database, town, now=clock.now(), share=share, days=60)
    async with database.write() as session:
        pattern = (await queries.list_compartments(session, [town.locker_id]))[0]
        session.add_all(
            Compartment(
                **pattern.model_dump(exclude={"id", "number", "label", "allocation"}),
                id=key_of(f"door {number}"),
                number=number,
                label=str(number),
                allocation=Allocation.OCCUPIED if number > 13 else Allocation.FREE,
            )
            for number in range(11, 41)
        )
        await session.exec(
            update(Compartment)
            .where(col(Compartment.number) < 11)
            .values(service=ServiceState.OUT_OF_SERVICE)
        )
    outcome = await hold_early(database, town, ids=ids, clock=clock)
    assert isinstance(outcome, Held) is is_held
