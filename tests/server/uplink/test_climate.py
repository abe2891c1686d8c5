"""Cooling that fails, from the journal to the parcel: state, limit, incident, hold, notice."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from schema.journal import CONFIRM_S, ExcursionPhase, Kind, parse_entry
from server.access.service.bundles import make_unlock_bundle
from server.access.service.holds import HoldOutcome, resolve_hold
from server.climate.jobs import hold_spoiled
from server.climate.rules import BUDGET, Lying, Spoiling, Word, find_limit
from server.climate.service import EXCURSION_BEGAN, SAFETY_CHANGED
from server.climate.tables import ClimateFact
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.rules import ClimateState
from server.lockers.tables import Compartment, CompartmentEvent, Incident
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, ParcelPause, PauseCause
from server.people.roles import Role
from server.uplink.deliver import Taken
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from datetime import datetime

    from tests.server.uplink.conftest import Story

LEFT, BACK, FAULT = ExcursionPhase
CHILLED, FROZEN = ClimateZone.CHILLED, ClimateZone.FROZEN
CONFIRMATION = timedelta(seconds=CONFIRM_S)
DOOR = 3


class Cold:
    """One cooled compartment of the story's locker."""

    def __init__(self, story: Story) -> None:
        self.story = story

    async def fit(self, zone: ClimateZone, climate: ClimateState = ClimateState.READY) -> None:
        async with self.story.database.write() as session:
            door = await session.get_one(Compartment, key_of(f"door {DOOR}"))
            door.climate_zone, door.climate = zone, climate

    async def put_in(self, zone: ClimateZone = CHILLED, name: str = "parcel") -> None:
        """A parcel goes in and its recipient is told."""
        await self.story.deposit(DOOR, name=name)
        async with self.story.database.write() as session:
            (await session.get_one(Parcel, key_of(name))).climate_zone = zone
        await self.story.bring_all()
        now = self.story.clock.now()
        async with self.story.database.write() as session:
            await on_ready_accepted(
                session, parcel_id=key_of(name), at=now, ids=self.story.ids, now=now
            )

    def pass_time(self, **span: float) -> None:
        self.story.clock.move(**span)
        self.story.machine.now = int(self.story.clock.now().timestamp())

    def say(self, phase: ExcursionPhase, decidegrees: int, comp: int = DOOR) -> int:
        return self.story.machine.write(Kind.EXCURSION, comp, int(phase), decidegrees)

    async def tell(self, phase: ExcursionPhase, decidegrees: int, comp: int = DOOR) -> datetime:
        """The locker writes it, and somebody brings it; since when it was so."""
        self.say(phase, decidegrees, comp)
        await self.story.bring_all()
        return self.story.clock.now() - CONFIRMATION

    async def sweep(self) -> int:
        story = self.story
        return await hold_spoiled(story.database, ids=story.ids, now=story.clock.now())

    async def door(self) -> Compartment:
        async with self.story.database.read() as session:
            return await session.get_one(Compartment, key_of(f"door {DOOR}"))

    async def open_incidents(self) -> list[tuple[str, timedelta]]:
        """What somebody must still look at, and within which time."""
        async with self.story.database.read() as session:
            rows = await session.exec(select(Incident).where(col(Incident.resolved_at).is_(None)))
            return [(row.kind.value, row.due_at - row.opened_at) for row in rows]

    async def events(self, kind: str) -> list[dict[str, object]]:
        async with self.story.database.read() as session:
            query = select(Outbox).where(Outbox.kind == kind).order_by(col(Outbox.id))
            return [dict(row.facts) for row in await session.exec(query)]


@pytest.fixture
async def cold(story: Story) -> Cold:
    made = Cold(story)
    await made.fit(CHILLED)
    return made


async def test_a_compartment_is_fit_for_goods_once_it_is_cold(cold: Cold) -> None:
    await cold.fit(CHILLED, ClimateState.PREPARING)
    await cold.tell(BACK, 40)
    assert (await cold.door()).climate is ClimateState.READY
    assert await cold.open_incidents() == []


async def test_an_excursion_is_an_incident_of_an_hour_and_ends_by_itself(cold: Cold) -> None:
    await cold.tell(LEFT, 80)
    assert (await cold.door()).climate is ClimateState.EXCURSION
    assert await cold.open_incidents() == [("EXCURSION", timedelta(hours=1))]
    await cold.tell(LEFT, 90)
    assert len(await cold.story.incidents()) == 1
    cold.pass_time(hours=2)
    await cold.tell(BACK, 45)
    assert (await cold.door()).climate is ClimateState.READY
    assert await cold.open_incidents() == []
    async with cold.story.database.read() as session:
        rows = await session.exec(select(CompartmentEvent).order_by(col(CompartmentEvent.seq)))
        lines = [(row.row, row.before, row.after, row.reason) for row in rows]
    assert lines == [
        ("C18", "READY", "EXCURSION", "8.0 degrees Celsius"),
        ("C18", "EXCURSION", "READY", "4.5 degrees Celsius"),
    ]


async def test_a_cooling_that_failed_is_looked_at_though_it_is_cold_again(cold: Cold) -> None:
    await cold.tell(LEFT, 80)
    await cold.tell(FAULT, 120)
    assert (await cold.door()).climate is ClimateState.FAULT
    await cold.tell(BACK, 40)
    assert (await cold.door()).climate is ClimateState.READY
    assert [kind for kind, _ in await cold.open_incidents()] == ["EXCURSION"]


async def test_goods_have_four_hours_by_another_clock_than_the_right_to_collect(
    cold: Cold,
) -> None:
    await cold.put_in()
    before = await cold.story.parcel()
    cold.pass_time(hours=1)
    since = await cold.tell(LEFT, 80)
    parcel = await cold.story.parcel()
    assert parcel.safe_until == since + BUDGET
    assert (parcel.safe_locker_id, parcel.safe_seq) == (
        cold.story.town.locker_id,
        len(cold.story.machine.entries),
    )
    assert parcel.available_through == before.available_through
    assert parcel.collect_by == parcel.safe_until
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    cold.pass_time(hours=1)
    await cold.tell(BACK, 40)
    parcel = await cold.story.parcel()
    assert (parcel.safe_until, parcel.safe_seq) == (None, None)
    assert parcel.collect_by == before.available_through
    assert await cold.events(EXCURSION_BEGAN) == [{"version": parcel_seq(cold, -1)}]
    assert len(await cold.events(SAFETY_CHANGED)) == 2


def parcel_seq(cold: Cold, back: int) -> int:
    return len(cold.story.machine.entries) + back


async def test_goods_that_were_warm_for_too_long_are_held_and_their_time_stops(
    cold: Cold,
) -> None:
    await cold.put_in()
    cold.pass_time(hours=1)
    since = await cold.tell(LEFT, 80)
    cold.pass_time(hours=3)
    assert await cold.sweep() == 0
    cold.pass_time(hours=1)
    assert await cold.sweep() == 1
    assert await cold.sweep() == 0
    parcel = await cold.story.parcel()
    assert (parcel.state, parcel.pause_cause) == (ParcelState.ON_HOLD, PauseCause.LOCKER_FAULT)
    async with cold.story.database.read() as session:
        pause = (await session.exec(select(ParcelPause))).one()
    assert (pause.started_at, pause.reason) == (since + BUDGET, Spoiling.TOO_WARM)
    assert (pause.locker_id, pause.seq) == (cold.story.town.locker_id, parcel.safe_seq)
    cold.pass_time(minutes=30)
    await cold.tell(BACK, 40)
    assert (await cold.story.parcel()).safe_until == since + BUDGET
    assert [kind for kind, _ in await cold.open_incidents()] == ["EXCURSION"]


async def test_a_failed_cooling_holds_what_is_inside_at_once(cold: Cold) -> None:
    await cold.put_in()
    await cold.tell(FAULT, 40)
    parcel = await cold.story.parcel()
    assert (parcel.state, parcel.pause_cause) == (ParcelState.ON_HOLD, PauseCause.LOCKER_FAULT)
    assert parcel.available_through is not None


async def test_what_is_put_into_a_failed_cooling_is_held_too(cold: Cold) -> None:
    await cold.tell(FAULT, 90)
    await cold.story.deposit(DOOR)
    async with cold.story.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).climate_zone = CHILLED
    await cold.story.bring_all()
    assert await cold.story.state() is ParcelState.ON_HOLD


async def test_what_is_put_in_during_an_excursion_counts_from_then(cold: Cold) -> None:
    await cold.tell(LEFT, 80)
    cold.pass_time(hours=3)
    await cold.put_in()
    parcel = await cold.story.parcel()
    put_in_at = cold.story.clock.now()
    # The door was closed on it before its zone was known: the next word looks again.
    await cold.tell(LEFT, 90)
    assert (await cold.story.parcel()).safe_until == put_in_at + BUDGET
    assert parcel.state is ParcelState.READY_FOR_PICKUP


async def test_ambient_goods_in_a_cooled_compartment_suffer_nothing(cold: Cold) -> None:
    await cold.put_in(ClimateZone.AMBIENT)
    await cold.tell(LEFT, 80)
    await cold.tell(FAULT, 120)
    parcel = await cold.story.parcel()
    assert (parcel.state, parcel.safe_until) == (ParcelState.READY_FOR_PICKUP, None)
    assert await cold.events(EXCURSION_BEGAN) == []
    assert await cold.sweep() == 0


async def test_frozen_goods_are_held_once_they_thaw(cold: Cold) -> None:
    await cold.fit(FROZEN)
    await cold.put_in(FROZEN)
    cold.pass_time(hours=1)
    await cold.tell(LEFT, -150)
    assert (await cold.story.parcel()).safe_until is None
    assert len(await cold.events(EXCURSION_BEGAN)) == 1
    since = await cold.tell(FAULT, -110)
    parcel = await cold.story.parcel()
    assert (parcel.state, parcel.safe_until) == (ParcelState.ON_HOLD, since)


async def test_words_about_doors_without_cooling_are_kept_and_no_more(cold: Cold) -> None:
    await cold.tell(LEFT, 80, comp=1)
    await cold.tell(FAULT, 80, comp=99)
    assert await cold.story.incidents() == []
    async with cold.story.database.read() as session:
        assert (await session.exec(select(ClimateFact))).all() == []


async def test_whoever_comes_for_spoiled_food_reads_not_to_eat_it(cold: Cold) -> None:
    await cold.put_in()
    await cold.tell(FAULT, 90)
    async with cold.story.database.write() as session:
        refused = await make_unlock_bundle(
            session,
            cold.story.town.recipient,
            parcel_id=key_of("parcel"),
            tools=cold.story.tools,
        )
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.CLIMATE_HOLD
    assert "Don't eat it" in refused.message
    assert refused.next is not None


async def test_a_token_ends_no_later_than_the_goods_are_good(cold: Cold) -> None:
    await cold.put_in()
    before = (await cold.story.unlock_bundle()).token.exp
    cold.pass_time(hours=1)
    since = await cold.tell(LEFT, 80)
    after = (await cold.story.unlock_bundle()).token.exp
    assert after == int((since + BUDGET).timestamp()) < before


async def test_nobody_hands_spoiled_goods_out_again_behind_their_door(cold: Cold) -> None:
    await cold.put_in()

    async def resolve() -> ParcelState | str:
        async with cold.story.database.write() as session:
            outcome = await resolve_hold(
                session,
                cold.story.town.actor("operator", Role.OPERATOR),
                parcel_id=key_of("parcel"),
                outcome=HoldOutcome.READY_FOR_PICKUP,
                reason="Looked at it",
                tools=cold.story.tools,
            )
        return outcome.message if isinstance(outcome, Refusal) else outcome.state

    await cold.tell(LEFT, 80)
    cold.pass_time(hours=1)
    await cold.tell(FAULT, 90)
    assert await resolve() == "The cooling of the door that it lies behind has failed."
    cold.pass_time(hours=1)
    await cold.tell(BACK, 40)
    assert await resolve() is ParcelState.READY_FOR_PICKUP
    assert (await cold.story.parcel()).pause_cause is None
    await cold.tell(LEFT, 80)
    cold.pass_time(hours=3)
    await cold.sweep()
    await cold.tell(BACK, 40)
    assert await cold.story.state() is ParcelState.ON_HOLD
    assert await resolve() == "It was out of its temperature for too long."


async def test_a_parcel_that_was_being_opened_is_held_by_the_next_look(cold: Cold) -> None:
    await cold.put_in()
    async with cold.story.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = ParcelState.COLLECTING
    await cold.tell(FAULT, 90)
    assert await cold.story.state() is ParcelState.COLLECTING
    assert await cold.sweep() == 0
    async with cold.story.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = ParcelState.READY_FOR_PICKUP
    assert await cold.sweep() == 1
    assert await cold.story.state() is ParcelState.ON_HOLD


async def test_an_end_that_only_a_floor_dates_counts_from_when_we_hear_of_it(
    cold: Cold,
) -> None:
    await cold.put_in()
    cold.pass_time(hours=1)
    since = await cold.tell(LEFT, 80)
    floor = cold.story.machine.now
    cold.pass_time(hours=5)
    cold.story.machine.now, cold.story.machine.clockq = floor, 0
    cold.say(BACK, 40)
    await cold.story.bring_all()
    assert (await cold.story.parcel()).safe_until == since + BUDGET


@pytest.mark.parametrize("seed", range(6))
async def test_however_the_words_arrive_the_goods_are_good_until_the_same(
    cold: Cold, seed: int
) -> None:
    """Envelopes late, twice and in any order end like a locker that was always heard at once."""
    chance = random.Random(seed)
    await cold.put_in()
    first = len(cold.story.machine.entries) + 1
    told = list[Taken]()
    for _ in range(chance.randint(3, 9)):
        cold.pass_time(minutes=chance.randint(16, 90))
        phase = chance.choice([LEFT, BACK, BACK, LEFT, FAULT])
        cold.say(phase, 40 if phase is BACK else chance.choice([10, 80, 90]))
    last = len(cold.story.machine.entries)
    cuts = sorted({first, *chance.sample(range(first, last + 1), 2), last + 1})
    pieces = [cold.story.seal(begin, end - 1) for begin, end in pairwise(cuts)]
    pieces += chance.choices(pieces, k=2)
    chance.shuffle(pieces)
    for piece in pieces:
        outcome = await cold.story.bring(piece)
        assert isinstance(outcome, Taken)
        told.append(outcome)
    late = await cold.story.parcel()
    expected = await replay(cold, first)
    assert late.safe_until == expected
    async with cold.story.database.read() as session:
        facts = (await session.exec(select(ClimateFact))).all()
    assert len(facts) == last - first + 1


async def replay(cold: Cold, first: int) -> datetime | None:
    """The limit of goods that lay there all the while, from the journal alone."""
    words = []
    for seq, raw in enumerate(cold.story.machine.entries[first - 1 :], first):
        entry = parse_entry(raw)
        when = START + timedelta(seconds=entry.t - int(START.timestamp()))
        _, phase, decidegrees = entry.body
        assert isinstance(phase, int)
        assert isinstance(decidegrees, int)
        words.append(Word(when, ExcursionPhase(phase), decidegrees, cold.story.town.locker_id, seq))
    found = find_limit(CHILLED, [Lying(START, None, words)])
    return None if found is None else found.at
