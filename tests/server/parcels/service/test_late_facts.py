"""Facts that come late, mixed, or against what was decided: parcels end where they really are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from server.hubs.tables import Hub
from server.lockers.incidents import Fact, IncidentKind
from server.lockers.rules import Allocation
from server.lockers.tables import Compartment, Incident, Locker, Reservation
from server.parcels.rules import Situation
from server.parcels.service import depositing, facts, stays
from server.parcels.service.depositing import Putting
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.service.scenes import Opening
from server.parcels.states import ParcelState, Party, Removal, Trigger
from server.parcels.tables import Parcel, ParcelEvent, ParcelPause, StayParcel
from tests.fakes.journals import JournalingLocker
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Database, Session
    from tests.fakes.sources import CountedIds, SeededRandomness
    from tests.fakes.town import Town

S = ParcelState
NOW = START + timedelta(hours=8)


def at(minutes: int) -> datetime:
    """A moment of the day, by the lockers' clocks."""
    return START + timedelta(minutes=minutes)


@dataclass
class Day:
    """Two lockers, a parcel for each name, and facts in whatever order they are told."""

    database: Database
    town: Town
    ids: CountedIds
    randomness: SeededRandomness
    seq: int = 0

    async def add(self, name: str = "parcel", state: ParcelState = S.OUT_FOR_DELIVERY) -> None:
        async with self.database.write() as session:
            await self.town.add_parcel(session, name, state=state)

    async def mint(self, locker: str = "locker", name: str = "parcel") -> bytes:
        async with self.database.write() as session:
            stay = await stays.mint_stay(
                session,
                parcel_id=key_of(name),
                locker_id=key_of(locker),
                ids=self.ids,
                randomness=self.randomness,
                now=START,
            )
        return stay.name

    def fact(self, minutes: int, *, locker: str, comp: int, clock: int = 2) -> Fact:
        self.seq += 1
        return Fact(key_of(locker), self.seq, at(minutes), clock, comp)

    async def deposit(
        self,
        minutes: int,
        stay: bytes,
        *,
        locker: str = "locker",
        comp: int = 1,
        name: str = "parcel",
        left_by: Removal | None = None,
        clock: int = 2,
    ) -> None:
        async with self.database.write() as session:
            await facts.on_deposited(
                session,
                self.fact(minutes, locker=locker, comp=comp, clock=clock),
                stay=stay,
                putting=Putting(parcel_id=key_of(name), left_by=left_by),
                ids=self.ids,
                now=NOW,
            )

    async def add_to(self, minutes: int, stay: bytes, name: str, *, comp: int = 1) -> bool:
        async with self.database.write() as session:
            return await depositing.on_added(
                session,
                self.fact(minutes, locker="locker", comp=comp),
                stay=stay,
                putting=Putting(parcel_id=key_of(name)),
                ids=self.ids,
                now=NOW,
            )

    async def withdraw(
        self, minutes: int, stay: bytes, *, locker: str = "locker", comp: int = 1
    ) -> None:
        async with self.database.write() as session:
            fact = self.fact(minutes, locker=locker, comp=comp)
            await facts.on_withdrawn(session, fact, stay=stay, ids=self.ids, now=NOW)

    async def take(
        self,
        minutes: int,
        stay: bytes,
        *,
        removal: Removal | None = None,
        locker: str = "locker",
        comp: int = 1,
        clock: int = 2,
    ) -> None:
        async with self.database.write() as session:
            await facts.on_collected(
                session,
                self.fact(minutes, locker=locker, comp=comp, clock=clock),
                stay=stay,
                grade=1,
                opening=Opening(is_token_valid=True, is_holder_proved=True, removal=removal),
                ids=self.ids,
                now=NOW,
            )

    async def decide(
        self,
        minutes: int,
        trigger: Trigger,
        party: Party = Party.SRV,
        vouched: Situation | None = None,
    ) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            situation = situation_of(parcel, at(minutes), vouched)
            happened = Occurrence(trigger=trigger, party=party, at=at(minutes))
            moved = await move(session, parcel, happened, situation, ids=self.ids, now=NOW)
        assert moved is not None

    async def parcel(self, name: str = "parcel") -> Parcel:
        async with self.database.read() as session:
            return await session.get_one(Parcel, key_of(name))

    async def rows(self, name: str = "parcel") -> list[str]:
        async with self.database.read() as session:
            query = select(ParcelEvent).where(ParcelEvent.parcel_id == key_of(name))
            lines = await session.exec(query.order_by(col(ParcelEvent.number)))
            return [line.row for line in lines]

    async def incidents(self) -> list[IncidentKind]:
        async with self.database.read() as session:
            found = await session.exec(select(Incident).order_by(col(Incident.id)))
            return [one.kind for one in found]


@pytest.fixture
async def day(database: Database, town: Town, ids: CountedIds, randomness: SeededRandomness) -> Day:
    async with database.write() as session:
        await add_mill(session, town)
    return Day(database, town, ids, randomness)


async def add_mill(session: Session, town: Town) -> None:
    """A second hub with a locker of one compartment."""
    hub = await session.get_one(Hub, town.hub_id)
    session.add(Hub(**{**hub.model_dump(), "id": key_of("mill"), "name": "Old Mill"}))
    await session.flush()
    machine = JournalingLocker("mill")
    row = await session.get_one(Locker, town.locker_id)
    unlike = {
        "id": key_of("mill locker"),
        "hub_id": key_of("mill"),
        "lid": machine.lid,
        "serial": "L-2",
        "noise_public": machine.noise_public,
        "sign_public": machine.key.public,
    }
    session.add(Locker(**{**row.model_dump(), **unlike}))
    await session.flush()
    door = await session.get_one(Compartment, key_of("door 1"))
    other: dict[str, object] = {"id": key_of("mill door"), "locker_id": key_of("mill locker")}
    session.add(Compartment(**{**door.model_dump(), **other}))


async def test_deposit_beats_a_failed_stop_that_was_reported_later(day: Day) -> None:
    await day.add()
    stay = await day.mint()
    await day.decide(30, Trigger.FAIL_STOP, Party.COU, Situation(has_reason=True))
    await day.deposit(10, stay)
    parcel = await day.parcel()
    assert (parcel.state, await day.rows()) == (S.DEPOSITED, ["P9", "CR", "P10"])
    assert await day.incidents() == [IncidentKind.LATE_FACT]
    async with day.database.read() as session:
        query = select(ParcelEvent).order_by(col(ParcelEvent.number))
        _, undone, done = (await session.exec(query)).all()
    assert (undone.source, undone.target, undone.seq) == (S.IN_TRANSIT, S.OUT_FOR_DELIVERY, None)
    assert undone.reason == "P9 overruled by entry 1 of the locker"
    assert (done.seq, done.at) == (1, at(10))


async def test_deposit_beats_a_counter_that_never_had_it(day: Day) -> None:
    await day.add()
    stay = await day.mint()
    await day.decide(30, Trigger.HAND_TO_HUB, Party.COU)
    await day.deposit(10, stay)
    parcel = await day.parcel()
    assert (parcel.state, parcel.is_from_counter) == (S.DEPOSITED, False)
    assert await day.rows() == ["P11", "CR", "P10"]


async def test_removal_beats_a_revival_that_came_too_late(day: Day) -> None:
    await day.add(state=S.ANNOUNCED)
    stay = await day.mint()
    await day.deposit(0, stay)
    async with day.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = S.EXPIRED
    await day.decide(60, Trigger.REVIVE, Party.OPR)
    await day.take(30, stay, removal=Removal.RETURN)
    assert (await day.parcel()).state is S.RETURNING
    assert await day.rows() == ["P10b", "P23", "CR", "P25"]
    assert await day.incidents() == [IncidentKind.LATE_FACT]


async def test_withdrawal_beats_expiry_and_hold(day: Day) -> None:
    await day.add()
    stay = await day.mint()
    await day.deposit(0, stay)
    await day.decide(10, Trigger.SETTLE_NOTICE)
    over = Situation(is_past_deadline=True)
    async with day.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.available_through = at(20) - timedelta(hours=3)
    await day.decide(20, Trigger.EXPIRE, vouched=over)
    await day.decide(30, Trigger.HOLD, vouched=Situation(has_reason=True))
    await day.withdraw(2, stay)
    parcel = await day.parcel()
    assert (parcel.state, parcel.hold_ended, parcel.stay_id) == (S.OUT_FOR_DELIVERY, None, None)
    assert (await day.rows())[-2:] == ["CR", "P13"]
    assert parcel.pause_cause is None
    async with day.database.read() as session:
        pause = (await session.exec(select(ParcelPause))).one()
    assert (pause.started_at, pause.ended_at) == (at(30), at(30))


async def test_without_a_trusted_clock_nothing_is_overruled(day: Day) -> None:
    await day.add(state=S.ANNOUNCED)
    stay = await day.mint()
    await day.deposit(0, stay)
    async with day.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = S.EXPIRED
    await day.decide(60, Trigger.REVIVE, Party.OPR)
    await day.take(30, stay, removal=Removal.RETURN, clock=0)
    assert (await day.parcel()).state is S.READY_FOR_PICKUP
    assert await day.incidents() == [IncidentKind.FACT_WITHOUT_ROW]


async def test_second_parcel_joins_and_leaves_with_the_first(day: Day) -> None:
    await day.add()
    await day.add("second")
    stay = await day.mint()
    await day.deposit(0, stay)
    assert await day.add_to(5, stay, "second")
    assert not await day.add_to(6, stay, "second")
    first, second = await day.parcel(), await day.parcel("second")
    assert (second.state, second.stay_id) == (S.DEPOSITED, first.stay_id)
    await day.take(60, stay)
    for name in ("parcel", "second"):
        assert (await day.parcel(name)).state is S.COLLECTED
    assert await day.incidents() == []


async def test_withdrawal_takes_out_everything(day: Day) -> None:
    await day.add()
    await day.add("second")
    stay = await day.mint()
    await day.deposit(0, stay)
    await day.add_to(5, stay, "second")
    await day.withdraw(6, stay)
    for name in ("parcel", "second"):
        assert (await day.parcel(name)).state is S.OUT_FOR_DELIVERY


async def test_stay_begins_with_the_parcel_that_was_brought_and_not_with_its_neighbour(
    day: Day,
) -> None:
    await day.add()
    await day.add("second")
    stay = await day.mint()
    await day.deposit(0, stay, name="second")
    assert (await day.parcel()).state is S.OUT_FOR_DELIVERY
    assert (await day.parcel("second")).state is S.DEPOSITED
    await day.take(5, stay)
    assert (await day.parcel()).state is S.OUT_FOR_DELIVERY


async def test_nothing_joins_a_stay_that_does_not_run(day: Day) -> None:
    await day.add()
    stay = await day.mint()
    assert not await day.add_to(5, stay, "parcel")
    await day.deposit(6, stay)
    await day.take(7, stay)
    assert not await day.add_to(8, stay, "parcel")
    assert await day.incidents() == []


async def carried_on(day: Day, order: tuple[int, ...]) -> tuple[S, uuid.UUID | None, list[str]]:
    """Dropped off at one locker, removed there, deposited at the other; told in this order."""
    await day.add(state=S.AWAITING_DROPOFF)
    async with day.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.planned_hub_id = key_of("mill")
    here, there = await day.mint(), await day.mint("mill locker")
    await day.deposit(0, here)
    told = (
        lambda: day.take(10, here, removal=Removal.ONWARD),
        lambda: day.deposit(20, there, locker="mill locker", left_by=Removal.ONWARD),
    )
    for number in order:
        await told[number]()
    found = await day.parcel()
    return found.state, found.hub_id, await day.rows()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_parcel_carried_from_locker_to_locker_ends_there_in_any_order(
    day: Day, order: tuple[int, ...]
) -> None:
    state, hub, rows = await carried_on(day, order)
    assert (state, hub) == (S.DEPOSITED, key_of("mill"))
    assert rows == ["P4", "P6", "P10b"]
    assert await day.incidents() == []
    async with day.database.read() as session:
        door = await session.get_one(Compartment, key_of("door 1"))
        inside = await session.exec(select(StayParcel).where(col(StayParcel.left_at).is_(None)))
        assert len(inside.all()) == 1
    assert door.allocation is Allocation.FREE


async def test_deposit_elsewhere_tells_of_a_withdrawal_that_is_still_to_come(day: Day) -> None:
    await day.add()
    here, there = await day.mint(), await day.mint("mill locker")
    await day.deposit(0, here)
    await day.deposit(20, there, locker="mill locker")
    assert await day.incidents() == [IncidentKind.LATE_FACT]
    await day.withdraw(2, here)
    parcel = await day.parcel()
    assert (parcel.state, parcel.hub_id) == (S.DEPOSITED, key_of("mill"))
    assert await day.rows() == ["P10", "P13", "P10"]
    assert await day.incidents() == [IncidentKind.LATE_FACT]


async def test_two_deposits_in_one_locker_contradict_each_other(day: Day) -> None:
    await day.add()
    first = await day.mint()
    await day.deposit(0, first)
    second = await day.mint()
    await day.deposit(5, second, comp=2)
    await day.take(30, second, comp=2)
    assert ((await day.parcel()).state, await day.rows()) == (S.DEPOSITED, ["P10"])
    assert await day.incidents() == [IncidentKind.FACT_WITHOUT_ROW]
    await day.take(60, first)
    assert (await day.parcel()).state is S.COLLECTED


async def test_old_news_of_another_locker_move_nothing(day: Day) -> None:
    await day.add()
    here, there = await day.mint(), await day.mint("mill locker")
    await day.deposit(20, there, locker="mill locker")
    await day.deposit(0, here)
    await day.withdraw(2, here)
    parcel = await day.parcel()
    assert (parcel.state, parcel.hub_id) == (S.DEPOSITED, key_of("mill"))
    assert await day.rows() == ["P10"]
    assert await day.incidents() == []


async def test_parcel_whose_door_was_taken_is_kept_another(day: Day) -> None:
    await day.add()
    await day.add("other")
    async with day.database.write() as session:
        other = await session.get_one(Parcel, key_of("other"))
        await day.town.reserve(session, other, 1)
    await day.deposit(0, await day.mint())
    async with day.database.read() as session:
        query = select(Reservation).where(col(Reservation.ended_at).is_(None))
        kept = (await session.exec(query)).one()
        door = await session.get_one(Compartment, kept.compartment_id)
    assert (kept.parcel_id, door.number) == (key_of("other"), 2)


async def test_drop_off_where_it_is_collected_is_ready_and_untold(day: Day) -> None:
    await day.add(state=S.AWAITING_DROPOFF)
    stay = await day.mint()
    await day.deposit(0, stay)
    parcel = await day.parcel()
    assert (parcel.state, parcel.is_pass_through) == (S.READY_FOR_PICKUP, True)
    assert parcel.pause_cause == "NOTICE_UNDELIVERED"
    await day.withdraw(1, stay)
    parcel = await day.parcel()
    assert (parcel.state, parcel.is_pass_through) == (S.AWAITING_DROPOFF, False)
    assert await day.rows() == ["P4", "P6b", "P4b"]


@pytest.mark.parametrize("field", ["returns_id", "recipient_id"])
async def test_what_goes_back_is_never_ready_where_it_was_dropped(day: Day, field: str) -> None:
    await day.add(state=S.AWAITING_DROPOFF)
    await day.add("former")
    async with day.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        setattr(parcel, field, key_of("former") if field == "returns_id" else None)
    await day.deposit(0, await day.mint())
    assert (await day.parcel()).state is S.DROPPED_OFF
