"""Random weeks of one parcel: nobody loses an hour to our fault, nobody keeps a door for ever.

What is compared is what a clock on the wall would say: for how long the parcel could truly be had.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from schema.compartments import ClimateZone
from server.hubs.drafts import Hours
from server.hubs.rules import Closure
from server.hubs.service import HOURS_CHANGED, update_hub_hours
from server.kit.clock import local_instant
from server.kit.errors import Refusal
from server.kit.outbox import Lease
from server.parcels.deadlines import HOLD, MOST_EXTENDED_HOURS, MOST_PAUSED
from server.parcels.jobs import expire_parcels, on_hours_changed, watch_service
from server.parcels.rules import Situation
from server.parcels.service.extending import Wish, extend
from server.parcels.service.timing import BEAT
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState, Party, Removal, Trigger
from server.parcels.tables import Beat, LocationKind, Parcel
from server.people.roles import Role
from tests.fakes.waits import HOUR, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

STEPS = 28
SEEDS = range(6)
DAY = timedelta(days=1)
AMBIENT = HOLD[ClimateZone.AMBIENT]

Span = tuple[datetime, datetime]


@dataclass
class Ledger:
    """What a fair clock has to go by, kept by hand."""

    since: datetime
    owed: timedelta = AMBIENT
    had: list[Span] = field(default_factory=list)
    """When the parcel could be had, as far as its state and the service say."""
    ours: list[Span] = field(default_factory=list)
    """When it could not by our fault, or was thought so at some time."""
    shut: set[date] = field(default_factory=set)
    """Days on which the hub was or is closed, and nobody had planned it."""
    ever_shut: set[date] = field(default_factory=set)


def length(spans: list[Span]) -> timedelta:
    """Of their union."""
    total, reached = timedelta(0), None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total, reached = total + (end - begin), end
    return total


class History:
    """One random life of a parcel in the town."""

    def __init__(self, wait: Wait, seed: int, zone: ZoneInfo) -> None:
        self.wait, self.dice, self.zone = wait, random.Random(seed), zone
        self.at = wait.at(0)
        self.ledger = Ledger(self.at)
        self.coming: list[Closure] = []
        self.seq = 1

    async def begin(self) -> None:
        await self.wait.begin(location_kind=LocationKind.TEMPORARY)
        await self.alive()

    async def run(self) -> None:
        """So many things happen; then time passes until it has expired for good."""
        happenings = [
            self.pass_time,
            self.pass_time,
            self.break_door,
            self.close,
            self.take_back,
            self.go_down,
            self.extend,
            self.carry_on,
        ]
        for _ in range(STEPS):
            await self.dice.choice(happenings)()
            await self.check_bound()
        if (await self.wait.parcel()).state is ParcelState.ON_HOLD:
            await self.mend()
        for is_last in (False, False, True):
            await self.expire()
            await self.check_expired()
            if not is_last:
                # Only now somebody writes that the hub was shut the day before, or still is.
                await self.pass_time()
                await self.close(since=self.dice.choice((-2, -1)))
                await self.check_bound()

    async def expire(self) -> None:
        """Time passes until it has expired."""
        for _ in range(300):
            if (await self.wait.parcel()).state is ParcelState.EXPIRED:
                return
            await self.pass_time()
        raise AssertionError("it never expires")

    async def pass_time(self, hours: int | None = None) -> None:
        """The service works, and looks at the end for what has expired."""
        state = (await self.wait.parcel()).state
        start, self.at = self.at, self.at + (hours or self.dice.randint(1, 12)) * HOUR
        await self.alive()
        if state is ParcelState.READY_FOR_PICKUP:
            self.ledger.had.append((start, self.at))
        elif state is ParcelState.ON_HOLD:
            self.ledger.ours.append((start, self.at))
        elif state is ParcelState.EXPIRED:
            # It is ours if it turns out that it should not have expired.
            self.ledger.ours.append((start, self.at))
        await expire_parcels(self.wait.database, ids=self.wait.ids, now=self.at)

    async def break_door(self) -> None:
        """It is held, or mended if it is."""
        state = (await self.wait.parcel()).state
        if state is ParcelState.ON_HOLD:
            await self.mend()
        elif state is ParcelState.READY_FOR_PICKUP:
            self.seq += 1
            await self.wait.hold(self.hours, seq=self.seq)

    async def mend(self) -> None:
        await self.wait.release(self.hours)

    async def close(self, since: int | None = None) -> None:
        """The hub writes that it is, was since yesterday, or will be shut."""
        today = self.at.astimezone(self.zone).date()
        first = today + timedelta(days=self.dice.randint(-1, 2) if since is None else since)
        closure = Closure(first, first + timedelta(days=self.dice.randint(0, 1)), "", False)
        if since is None and closure.last_day < today:
            return
        self.coming = [one for one in self.coming if one.last_day >= today] + [closure]
        days = {first, closure.last_day}
        self.ledger.shut |= days
        self.ledger.ever_shut |= days
        await self.write_hours()

    async def take_back(self) -> None:
        """What is still to come, today with it, is no closure any more."""
        today = self.at.astimezone(self.zone).date()
        self.ledger.shut = {day for day in self.ledger.shut if day < today}
        self.coming = []
        await self.write_hours()

    async def go_down(self) -> None:
        """Nothing of ours works for some hours; then a worker comes back."""
        state = (await self.wait.parcel()).state
        start, self.at = self.at, self.at + self.dice.randint(1, 20) * HOUR
        self.ledger.ours.append((start, self.at))
        await watch_service(self.wait.database, ids=self.wait.ids, now=self.at)
        if state is ParcelState.READY_FOR_PICKUP:
            await expire_parcels(self.wait.database, ids=self.wait.ids, now=self.at)

    async def extend(self) -> None:
        """The recipient asks for more time, while it is not over."""
        parcel = await self.wait.parcel()
        if parcel.state is not ParcelState.READY_FOR_PICKUP:
            return
        wish = Wish(parcel.deadline_version, self.dice.randint(1, 48))
        async with self.wait.database.write() as session:
            outcome = await extend(
                session,
                self.wait.town.recipient,
                parcel_id=parcel.id,
                wish=wish,
                ids=self.wait.ids,
                now=self.at,
            )
        if not isinstance(outcome, Refusal):
            self.ledger.owed += wish.hours * HOUR

    async def carry_on(self) -> None:
        """It is taken to another locker, where all its time begins anew."""
        parcel = await self.wait.parcel()
        if parcel.state is not ParcelState.READY_FOR_PICKUP or self.dice.random() < 0.7:
            return
        moved = Situation(removal=Removal.ONWARD)
        self.seq += 1
        hours = self.hours
        await self.wait.step(Trigger.REMOVED, Party.AGT, hours, moved, seq=1000 + self.seq)
        self.at += 3 * HOUR
        await self.alive()
        await self.wait.step(Trigger.DEPOSITED, Party.AGT, self.hours, seq=2000 + self.seq)
        async with self.wait.database.write() as session:
            (await session.get_one(Parcel, parcel.id)).location_kind = LocationKind.TEMPORARY
            await on_ready_accepted(
                session, parcel_id=parcel.id, at=self.at, ids=self.wait.ids, now=self.at
            )
        since = (await self.wait.parcel()).available_from
        assert since is not None
        shut, ever = self.ledger.shut, self.ledger.ever_shut
        self.ledger = Ledger(since, shut=shut, ever_shut=ever)

    async def alive(self) -> None:
        """The worker has been at work until now."""
        async with self.wait.database.write() as session:
            await session.merge(Beat(name=BEAT, at=self.at))

    async def write_hours(self) -> None:
        async with self.wait.database.write() as session:
            await update_hub_hours(
                session,
                self.wait.town.actor("manager", Role.HUB_MANAGER),
                hub_id=self.wait.town.hub_id,
                hours=Hours((), tuple(self.coming)),
                ids=self.wait.ids,
                now=self.at,
            )
        event = Lease(
            self.wait.ids.new(), HOURS_CHANGED, self.wait.town.hub_id, {}, 1, self.at, self.at
        )
        await on_hours_changed(self.wait.database, event, ids=self.wait.ids, now=self.at)

    async def check_bound(self) -> None:
        """Nobody may keep the compartment for longer than was owed and what stood in between."""
        parcel = await self.wait.parcel()
        if parcel.available_through is None:
            return
        stood = length([*self.ledger.ours, *self._days(self.ledger.ever_shut)])
        latest = self.ledger.since + self.ledger.owed + min(stood, MOST_PAUSED)
        # An end in closed hours moves behind the next opening.
        latest += len(self.ledger.ever_shut) * DAY + 2 * HOUR
        assert parcel.available_through <= latest
        assert self.ledger.owed <= AMBIENT + MOST_EXTENDED_HOURS * HOUR

    async def check_expired(self) -> None:
        """It has expired, and could be had for all the time that was owed."""
        parcel = await self.wait.parcel()
        assert parcel.state is ParcelState.EXPIRED
        assert parcel.available_through is not None
        stood = length([*self.ledger.ours, *self._days(self.ledger.ever_shut)])
        if stood >= MOST_PAUSED:
            return
        shut = self._days(self.ledger.shut)
        whole = length([*self.ledger.had, *shut])
        assert whole - length(shut) >= self.ledger.owed

    def _days(self, days: set[date]) -> list[Span]:
        return list(self._spans(days))

    def _spans(self, days: set[date]) -> Iterator[Span]:
        for day in sorted(days):
            span = (local_instant(day, 0, self.zone), local_instant(day + DAY, 0, self.zone))
            if span[1] > self.ledger.since:
                yield max(span[0], self.ledger.since), span[1]

    @property
    def hours(self) -> float:
        return (self.at - self.wait.at(0)) / HOUR


@pytest.fixture
async def wait(database: Database, town: Town, ids: CountedIds) -> Wait:
    return Wait(database, town, ids)


@pytest.mark.both_databases_in_ci
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_random_week_takes_time_from_anybody_or_gives_it_for_ever(
    wait: Wait, seed: int
) -> None:
    history = History(wait, seed, await wait.zone())
    await history.begin()
    await history.run()
