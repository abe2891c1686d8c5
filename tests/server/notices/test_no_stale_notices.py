"""Nobody is asked to fetch what is not there to be fetched, in whatever order things happen.

Facts and decisions come between an event's lease and its handling, and while a provider is silent;
the handlers are the worker's own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from schema.journal import ExcursionPhase, Kind
from schema.tokens import parse_token
from server.access.service.holds import HoldOutcome, resolve_hold
from server.kit.errors import Refusal
from server.notices.cadence import REMINDERS
from server.notices.delivery import Later
from server.notices.rules import NoticeKind
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.service import disputing
from server.parcels.service.extending import Wish, extend
from server.parcels.states import ParcelState, Party, Trigger
from server.pickups.service.windows import choose_window
from tests.fakes.town import build_town, key_of, phone_key, publish_key_set
from tests.server.notices.stage import DOOR, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.kit.db import Database
    from server.kit.outbox import Lease
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness

S, K = ParcelState, NoticeKind
PARCEL = key_of("parcel")
LEFT, BACK, FAULT = ExcursionPhase
STEPS = 90
SEEDS = (0, 10, 17, 18, 19, 25)
"""Lives in which reminders, windows, excursions, holds, disputes and decisions all come up."""

FETCH = REMINDERS | {
    K.READY,
    K.READY_AGAIN,
    K.WINDOW_OPEN,
    K.EXTENDED,
    K.HUB_CLOSED,
    K.EXCURSION,
    K.AT_COUNTER,
}
"""Kinds that ask their reader to come."""

THERE = frozenset({S.DEPOSITED, S.READY_FOR_PICKUP, S.AT_HUB, S.EXPIRED})
"""States in which somebody who comes finds it; in all others nobody may be asked to."""


def find_breaches(state: ParcelState, told: set[NoticeKind]) -> list[str]:
    """What was told of a parcel in this state although there is nothing to fetch."""
    return [] if state in THERE else [f"{kind} while {state}" for kind in sorted(told & FETCH)]


class Life:
    """One parcel's life, of which chance decides; every act is tried, and may not be possible."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.stage, self.chance = stage, chance
        self.breaches: list[str] = []
        self.seen: set[NoticeKind] = set()
        self.states: set[ParcelState] = set()

    async def live(self, *, is_cooled: bool) -> None:
        await (self.stage.be_ready_cooled() if is_cooled else self.stage.put_in())
        for _ in range(STEPS):
            await self.chance.choice(self.acts())()
            self.states.add(await self.stage.state())
        self.stage.push.answers.clear()
        self.stage.pass_time(minutes=10)
        while held := await self.stage.lease():
            await self.handle(held)

    def acts(self) -> list[Callable[[], Awaitable[object]]]:
        return [
            *[self.work] * 12,
            *[self.work_late] * 4,
            *[self.wait] * 12,
            *[self.falter, self.stage.sweep, self.extend, self.choose] * 2,
            *[self.warm, self.cool_down, self.release, self.dispute, self.decide] * 2,
            *[self.come_and_leave, self.be_let_in, self.collect],
            *[self.take_back, self.burst_open, self.go_back],
        ]

    async def work(self) -> None:
        held = await self.stage.lease()
        if held is not None:
            await self.handle(held)

    async def work_late(self) -> None:
        """Between the lease of an event and its handling something else happens."""
        held = await self.stage.lease()
        if held is not None:
            act = self.chance.choice([self.collect, self.warm, self.dispute, self.come_and_leave])
            await act()
            await self.handle(held)

    async def handle(self, held: Lease) -> None:
        """The state is looked at before: a notice may itself make the parcel ready."""
        before, told = await self.stage.state(), len(self.stage.push.sent)
        await self.stage.handle(held)
        kinds = {NoticeKind(one.data["kind"]) for one in self.stage.push.sent[told:]}
        self.seen |= kinds
        self.breaches += find_breaches(before, kinds)

    async def wait(self) -> None:
        self.stage.pass_time(minutes=self.chance.choice([1, 20, 90, 300, 720]))
        await self.stage.remind()

    async def falter(self) -> None:
        """The provider is silent for some time, or speaks again."""
        answers = self.stage.push.answers
        if answers:
            answers.clear()
        else:
            answers["fcm recipient"] = Later("quota", 60)

    async def token(self) -> bytes | None:
        parcel = await self.stage.parcel()
        if parcel.state not in {S.DEPOSITED, S.READY_FOR_PICKUP} or parcel.stay_id is None:
            return None
        try:
            return (await self.stage.unlock_bundle()).token.raw
        except AssertionError:
            return None  # its time is over

    async def be_let_in(self) -> None:
        token = await self.token()
        if token is not None:
            self.stage.machine.admit(token, DOOR, phone_key("recipient"))
            await self.stage.bring_all()

    async def come_and_leave(self) -> None:
        """The door was opened, and shut again with the parcel inside."""
        await self.be_let_in()
        if await self.stage.state() is S.COLLECTING:
            self.stage.machine.move_door(DOOR, before=True, after=True)
            await self.stage.bring_all()

    async def collect(self) -> None:
        token = await self.token()
        if token is not None and self.chance.random() < 0.4:
            machine = self.stage.machine
            machine.admit(token, DOOR, phone_key("recipient"))
            machine.move_door(DOOR, before=True, after=False)
            machine.write(Kind.COLLECTED, DOOR, parse_token(token).claims.stay, 1)
            await self.stage.bring_all()

    async def take_back(self) -> None:
        """Now and then the courier takes it out again."""
        token = await self.token()
        if token is not None and self.chance.random() < 0.2:
            self.stage.machine.write(Kind.WITHDRAWN, DOOR, parse_token(token).claims.stay)
            await self.stage.bring_all()

    async def warm(self) -> None:
        self.stage.say_climate(self.chance.choice([LEFT, LEFT, LEFT, FAULT]), 90)
        await self.stage.bring_all()

    async def cool_down(self) -> None:
        self.stage.say_climate(BACK, 40)
        await self.stage.bring_all()

    async def burst_open(self) -> None:
        if self.chance.random() < 0.3:
            self.stage.machine.write(Kind.UNEXPECTED_OPEN, DOOR)
            await self.stage.bring_all()

    async def extend(self) -> None:
        version = (await self.stage.parcel()).deadline_version
        async with self.stage.database.write() as session:
            await extend(
                session,
                self.stage.town.recipient,
                parcel_id=PARCEL,
                wish=Wish(version, 24),
                ids=self.stage.ids,
                now=self.stage.clock.now(),
            )

    async def choose(self) -> None:
        now = self.stage.clock.now()
        start = now.replace(minute=0, second=0, microsecond=0)
        async with self.stage.database.write() as session:
            await choose_window(
                session,
                self.stage.town.recipient,
                PARCEL,
                span=(start.replace(hour=14), start.replace(hour=16)),
                ids=self.stage.ids,
                now=now,
            )

    async def release(self) -> None:
        async with self.stage.database.write() as session:
            await resolve_hold(
                session,
                self.stage.town.operator,
                parcel_id=PARCEL,
                outcome=self.chance.choice(list(HoldOutcome)),
                reason="Looked at it",
                tools=self.stage.tools,
            )

    async def dispute(self) -> None:
        async with self.stage.database.write() as session:
            await disputing.dispute_collection(
                session,
                self.stage.town.recipient,
                parcel_id=PARCEL,
                reason=self.chance.choice(list(DisputeReason)),
                ids=self.stage.ids,
                now=self.stage.clock.now(),
            )

    async def decide(self) -> None:
        async with self.stage.database.write() as session:
            outcome = await disputing.resolve_dispute(
                session,
                self.stage.town.operator,
                parcel_id=PARCEL,
                outcome=self.chance.choice(list(DisputeOutcome)),
                reason="Looked",
                ids=self.stage.ids,
                now=self.stage.clock.now(),
            )
        assert isinstance(outcome, Refusal) or outcome.state is not S.DISPUTED

    async def go_back(self) -> None:
        """Now and then its courier takes it along, or it comes back to its sender."""
        if self.chance.random() < 0.5:
            await self.stage.step(Trigger.TAKE_FOR_RETURN, Party.COU)
            await self.stage.step(Trigger.SCAN_RETURN, Party.CAR)


@pytest.fixture
async def stage(
    database: Database,
    keyring: DerivedKeyring,
    ids: CountedIds,
    randomness: SeededRandomness,
    clock: MovableClock,
) -> Stage:
    async with database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    made = Stage(database, town, keyring, ids, randomness, clock)
    made.open()
    await made.add_push()
    return made


@pytest.mark.both_databases_in_ci
@pytest.mark.parametrize("seed", SEEDS)
async def test_nobody_is_asked_to_fetch_what_was_collected_or_is_not_there(
    stage: Stage, seed: int
) -> None:
    life = Life(stage, random.Random(seed))
    await life.live(is_cooled=seed % 2 == 1)
    assert life.breaches == []


@pytest.mark.parametrize("kind", sorted(FETCH))
def test_the_watch_itself_would_notice(kind: NoticeKind) -> None:
    assert all(find_breaches(state, {kind}) for state in S if state not in THERE)
    assert not any(find_breaches(state, {kind}) for state in THERE)
    assert not find_breaches(S.COLLECTED, set(K) - FETCH)
