"""Parcels that wait for their recipient, and the worker that reminds them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import col, select

from server.kit.outbox import Done, Lease, Outbox
from server.notices.jobs import NoticeJobs
from server.notices.service.reminding import REMINDER_DUE, plan_next
from server.notices.service.telling import Teller
from server.notices.tables import Reminder
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.preferences import Preferences
from server.people.rules import PushKind
from server.people.service.preferences import (
    PREFERENCES_CHANGED,
    change_preferences,
    get_preferences,
)
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
        self.heard: list[datetime] = []

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
            await plan_next(session, [key_of(name)], now=now)

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

    async def hear_preferences(self) -> None:
        """What the worker does with the newest event of changed preferences."""
        now = self.clock.now()
        event = Lease(key_of("event"), PREFERENCES_CHANGED, key_of("recipient"), {}, 1, now, now)
        assert await self.jobs.on_preferences_changed(event) == Done()

    async def prefer(self, **wishes: Any) -> None:
        """The recipient chooses anew, and the worker hears of it."""
        actor = self.town.recipient
        async with self.database.write() as session:
            old = await get_preferences(session, actor.person_id)
            changed = await change_preferences(
                session, actor, wanted=replace(old, **wishes), now=self.clock.now()
            )
            assert isinstance(changed, Preferences)
        await self.hear_preferences()

    async def live_through(self, hours: float, *, step_minutes: int = 30) -> list[str]:
        """Looks as time passes, tells what is due; the kinds that a phone got."""
        for _ in range(int(hours * 60 / step_minutes)):
            self.clock.move(minutes=step_minutes)
            await self.look()
            before = len(self.push.sent)
            await self.tell_all()
            self.heard += [self.clock.now()] * (len(self.push.sent) - before)
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
