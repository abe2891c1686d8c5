"""Random weeks of waiting parcels: whoever is reminded still waits, is awake, and hears it once."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from server.kit.outbox import Lease, Outbox
from server.notices.delivery import Later
from server.notices.service.reminding import REMINDER_DUE, plan_next
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, PauseCause
from server.people.preferences import DailySpan
from server.people.service.preferences import change_preferences, get_preferences
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.notices.push import PushMessage
    from tests.server.notices.service.conftest import Ward

HISTORIES, STEPS, PARCELS = 4, 70, 4
HOUR = timedelta(hours=1)
LAST_WORDS = {"REMIND_3", "COOL_3"}
QUIETS = (None, DailySpan(22 * 60, 8 * 60), DailySpan(13 * 60, 15 * 60), DailySpan(60, 12 * 60))
ZONES = (None, "America/St_Johns", "Pacific/Auckland")


class Book:
    """What is so, kept by hand beside the database."""

    def __init__(self) -> None:
        self.waits: dict[str, bool] = {}
        self.told: Counter[tuple[str, str, int]] = Counter()
        self.versions: dict[str, int] = {}
        self.ends: dict[str, datetime] = {}
        self.quiet: DailySpan | None = QUIETS[1]
        self.zone = "Europe/Tallinn"

    def is_quiet(self, at: datetime) -> bool:
        """By the clock on the recipient's wall."""
        wall = at.astimezone(ZoneInfo(self.zone))
        minute = wall.hour * 60 + wall.minute
        if self.quiet is None:
            return False
        start, end = self.quiet.starts_minute, self.quiet.ends_minute
        return start <= minute < end if start < end else minute >= start or minute < end

    def check(self, messages: Sequence[PushMessage], now: datetime) -> None:
        """Every message that went out just now was in its right."""
        for message in messages:
            kind = message.data["kind"]
            name = next(one for one in self.waits if str(key_of(one)) == message.data["subject"])
            assert self.waits[name], "it waits no more"
            assert now < self.ends[name]
            assert kind in LAST_WORDS or not self.is_quiet(now)
            self.told[name, kind, self.versions[name]] += 1
        assert max(self.told.values(), default=1) == 1, "told twice"


class Week:
    """One random history."""

    def __init__(self, ward: Ward, seed: int) -> None:
        self.ward, self.chance, self.book = ward, random.Random(seed), Book()

    async def live(self) -> None:
        """Some parcels, and what happens to them and to the worker."""
        for number in range(PARCELS):
            name = f"parcel {number}"
            hours = self.chance.choice((30, 72, 168))
            await self.ward.wait(name, hours=hours)
            self.book.waits[name], self.book.versions[name] = True, 1
            self.book.ends[name] = self.ward.clock.now() + hours * HOUR
        acts = (self.end, self.pause, self.extend, self.prefer, self.break_provider)
        for _ in range(STEPS):
            self.ward.clock.move(minutes=self.chance.choice((7, 55, 180, 600, -30, 1_500)))
            if self.chance.random() < 0.35:
                await self.chance.choice(acts)()
            if self.chance.random() < 0.8:
                await self.ward.look()
            await self.tell()

    async def tell(self) -> None:
        """What the worker does with all that was handed out, some of it twice and late."""
        query = select(Outbox).where(Outbox.kind == REMINDER_DUE).order_by(col(Outbox.id))
        async with self.ward.database.read() as session:
            rows = list((await session.exec(query)).all())
        self.chance.shuffle(rows)
        for row in rows:
            if self.chance.random() < 0.8:
                before, now = len(self.ward.push.sent), self.ward.clock.now()
                lease = Lease(row.id, row.kind, row.subject, row.facts, 1, row.created_at, now)
                await self.ward.jobs.on_reminder_due(lease)
                if "fcm" not in self.ward.push.answers:
                    self.book.check(self.ward.push.sent[before:], now)

    def pick(self) -> str:
        return self.chance.choice(list(self.book.waits))

    async def end(self) -> None:
        """Somebody comes for a parcel, or its time is over."""
        name = self.pick()
        state = self.chance.choice((ParcelState.COLLECTING, ParcelState.COLLECTED))
        await self.ward.change(name, state=state, collected_at=self.ward.clock.now())
        self.book.waits[name] = False

    async def pause(self) -> None:
        """A locker breaks down; nobody plans anything."""
        name = self.pick()
        await self.ward.change(name, pause_cause=PauseCause.LOCKER_FAULT)
        self.book.waits[name] = False

    async def extend(self) -> None:
        """A time that goes on, or begins again; the plan follows at once, or never."""
        name = self.pick()
        async with self.ward.database.write() as session:
            parcel = await session.get_one(Parcel, key_of(name))
            if parcel.state is not ParcelState.READY_FOR_PICKUP:
                return
            through = max(parcel.available_through or self.ward.clock.now(), self.ward.clock.now())
            parcel.available_through, parcel.pause_cause = through + 24 * HOUR, None
            parcel.deadline_version += 1
            self.book.ends[name] = parcel.available_through
            self.book.versions[name], self.book.waits[name] = parcel.deadline_version, True
        if self.chance.random() < 0.7:
            async with self.ward.database.write() as session:
                await plan_next(session, [key_of(name)], now=self.ward.clock.now())

    async def prefer(self) -> None:
        """Other quiet hours, another zone; the plan follows, or not yet."""
        actor, now = self.ward.town.recipient, self.ward.clock.now()
        async with self.ward.database.write() as session:
            old = await get_preferences(session, actor.person_id)
            zone, quiet = self.chance.choice(ZONES), self.chance.choice(QUIETS)
            wanted = replace(old, time_zone=zone, quiet=quiet)
            await change_preferences(session, actor, wanted=wanted, now=now)
        self.book.quiet, self.book.zone = quiet, zone or "Europe/Tallinn"
        if self.chance.random() < 0.5:
            await self.ward.hear_preferences()

    async def break_provider(self) -> None:
        """The provider is silent, or answers again."""
        if self.ward.push.answers.pop("fcm", None) is None:
            self.ward.push.answers["fcm"] = Later("quota", 60)


@pytest.mark.both_databases_in_ci
@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_whoever_is_reminded_still_waits_is_awake_and_hears_it_once(
    ward: Ward, seed: int
) -> None:
    week = Week(ward, seed)
    await week.live()
    assert week.book.told, "a history in which nobody is told anything proves nothing"
