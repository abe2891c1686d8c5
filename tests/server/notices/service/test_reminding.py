"""Reminders of waiting parcels: handed out once, when due, and not once they are overtaken."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import col, select

from schema.compartments import ClimateZone
from server.kit.outbox import Again, Done, Lease, Outbox
from server.notices.delivery import Later
from server.notices.jobs import NoticeJobs
from server.notices.service.reminding import REMINDER_DUE, hand_out, plan_next
from server.notices.service.telling import Teller
from server.notices.tables import Reminder
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, PauseCause
from server.people.rules import PushKind
from server.people.tables import Device
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.town import Town, build_town, key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.notices.rules import NoticeKind
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

HOUR = timedelta(hours=1)


class Ward:
    """Parcels that wait in the town, and the worker's look at them."""

    def __init__(
        self,
        database: Database,
        town: Town,
        jobs: NoticeJobs,
        push: ListedPush,
        clock: MovableClock,
    ) -> None:
        self.database, self.town, self.jobs = database, town, jobs
        self.push, self.clock = push, clock

    async def wait(self, name: str = "parcel", *, hours: int = 72, **changes: Any) -> None:
        """A parcel that is ready from now on."""
        now = self.clock.now()
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session, name, state=ParcelState.READY_FOR_PICKUP)
            parcel.available_from, parcel.available_through = now, now + hours * HOUR
            parcel.deadline_version = 1
            for field, value in changes.items():
                setattr(parcel, field, value)
        async with self.database.write() as session:
            await plan_next(session, key_of(name), now=now)

    async def change(self, name: str = "parcel", **changes: Any) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of(name))
            for field, value in changes.items():
                setattr(parcel, field, value)

    async def next_at(self, name: str = "parcel") -> tuple[NoticeKind, datetime] | None:
        async with self.database.read() as session:
            row = await session.get(Reminder, key_of(name))
        return None if row is None else (row.kind, row.due_at)

    async def look(self) -> int:
        return await self.jobs.remind()

    async def handed_out(self) -> list[str]:
        query = select(Outbox).where(Outbox.kind == REMINDER_DUE).order_by(col(Outbox.created_at))
        async with self.database.read() as session:
            return [str(row.facts["kind"]) for row in await session.exec(query)]

    async def tell_all(self) -> list[object]:
        """What the worker does with every event that a look wrote."""
        query = select(Outbox).where(Outbox.kind == REMINDER_DUE).order_by(col(Outbox.created_at))
        async with self.database.read() as session:
            rows = (await session.exec(query)).all()
        return [
            await self.jobs.on_reminder_due(
                Lease(row.id, row.kind, row.subject, row.facts, 1, row.created_at, row.created_at)
            )
            for row in rows
        ]

    async def live_through(self, hours: float, *, step_minutes: int = 30) -> list[str]:
        """Looks as time passes, tells what is due; the kinds that a phone got."""
        for _ in range(int(hours * 60 / step_minutes)):
            self.clock.move(minutes=step_minutes)
            await self.look()
            await self.tell_all()
        return [one.data["kind"] for one in self.push.sent]


@pytest.fixture
async def ward(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> Ward:
    async with database.write() as session:
        town = await build_town(session)
        device = await session.get_one(Device, key_of("recipient phone"))
        device.push_kind, device.push_target = PushKind.FCM_TOKEN, "fcm"
    push = ListedPush()
    teller = Teller(
        database,
        push=push,
        letters=ListedLetters(),
        keyring=keyring,
        ids=ids,
        clock=clock,
        public_url="https://hubs.example.org",
    )
    jobs = NoticeJobs(database, teller, keyring=keyring, ids=ids, clock=clock)
    return Ward(database, town, jobs, push, clock)


async def test_a_wait_of_three_days_is_told_of_three_times(ward: Ward) -> None:
    await ward.wait()
    assert await ward.live_through(72) == ["REMIND_1", "REMIND_2", "REMIND_3"]
    assert await ward.next_at() is None


async def test_a_look_that_is_repeated_hands_nothing_out_twice(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=24)
    assert await ward.look() == 1
    assert await ward.look() == 0
    assert await ward.handed_out() == ["REMIND_1"]


async def test_two_looks_at_once_hand_each_out_once(ward: Ward) -> None:
    for number in range(5):
        await ward.wait(f"parcel {number}")
    ward.clock.move(hours=24)
    await asyncio.gather(ward.look(), ward.look())
    await ward.look()
    assert await ward.handed_out() == ["REMIND_1"] * 5


@pytest.mark.parametrize(
    "overtaken",
    [
        {"state": ParcelState.COLLECTING},
        {"state": ParcelState.EXPIRED},
        {"pause_cause": PauseCause.LOCKER_FAULT},
        {"deadline_version": 2},
    ],
    ids=lambda it: next(iter(it)),
)
async def test_nobody_is_reminded_of_what_waits_no_more(
    ward: Ward, overtaken: dict[str, Any]
) -> None:
    await ward.wait()
    ward.clock.move(hours=24)
    await ward.look()
    await ward.change(**overtaken)
    assert await ward.tell_all() == [Done()]
    assert ward.push.sent == []


async def test_what_is_no_longer_waiting_leaves_no_row(ward: Ward) -> None:
    await ward.wait()
    await ward.change(state=ParcelState.COLLECTING)
    ward.clock.move(hours=24)
    assert await ward.look() == 1
    assert await ward.handed_out() == []
    assert await ward.next_at() is None


async def test_a_new_deadline_is_planned_anew(ward: Ward) -> None:
    await ward.wait()
    first = await ward.next_at()
    await ward.change(available_through=ward.clock.now() + 120 * HOUR, deadline_version=2)
    async with ward.database.write() as session:
        await plan_next(session, key_of("parcel"), now=ward.clock.now())
    assert await ward.next_at() == first
    assert await ward.live_through(120) == ["REMIND_1", "REMIND_2", "REMIND_3"]


async def test_after_an_outage_only_the_newest_of_what_was_due_is_told(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=70)
    await ward.look()
    assert await ward.handed_out() == ["REMIND_3"]
    await ward.look()
    assert await ward.handed_out() == ["REMIND_3"]


async def test_an_outage_beyond_the_end_tells_nothing(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=73)
    await ward.look()
    assert await ward.handed_out() == []
    assert await ward.next_at() is None


async def test_a_clock_that_is_set_back_tells_nothing_twice(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=25)
    await ward.look()
    ward.clock.move(hours=-20)
    assert await ward.live_through(92) == ["REMIND_1", "REMIND_2", "REMIND_3"]


async def test_many_are_handed_out_in_portions(ward: Ward) -> None:
    for number in range(7):
        await ward.wait(f"parcel {number}")
    ward.clock.move(hours=24)
    seen = []
    for _ in range(4):
        async with ward.database.write() as session:
            seen.append(await hand_out(session, now=ward.clock.now(), limit=3))
    assert seen == [3, 3, 1, 0]
    assert len(await ward.handed_out()) == 7


async def test_cooled_goods_are_told_of_sooner(ward: Ward) -> None:
    await ward.wait(hours=24, climate_zone=ClimateZone.CHILLED)
    assert await ward.live_through(24) == ["COOL_1", "COOL_2", "COOL_3"]


async def test_a_provider_that_is_silent_is_asked_again(ward: Ward) -> None:
    await ward.wait()
    ward.push.answers["fcm"] = Later("quota", 17)
    ward.clock.move(hours=24)
    await ward.look()
    assert await ward.tell_all() == [Again("quota", 17)]
