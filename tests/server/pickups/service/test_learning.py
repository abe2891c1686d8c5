"""What a collection teaches: the person's own, once, and nothing of those who do not want it."""

from __future__ import annotations

import contextlib
import math
import random
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select as core_select
from sqlmodel import col, select

from schema.codes import ProblemCode
from server.hubs.dayslots import slot_of
from server.hubs.tables import Hub
from server.kit.auth import ANONYMOUS
from server.kit.db import metadata
from server.kit.errors import Refusal
from server.kit.metrics import Metrics
from server.kit.outbox import Lease, Outbox
from server.parcels.states import Authority, ParcelState, Party, Trigger
from server.parcels.tables import Assurance, Parcel, ParcelEvent
from server.people.preferences import Preferences
from server.people.service.preferences import PREFERENCES_CHANGED, change_preferences
from server.pickups import habits, jobs, queries
from server.pickups.habits import HALF_LIFE_DAYS, SLOTS, Arrival, Counts, Level, Pool, size_of
from server.pickups.keys import EVERYBODY, OF_PERSON, Key, evidence_of, keys_for
from server.pickups.rules import REMEMBERED, delay_between
from server.pickups.scores import Score, restore_score, store_score
from server.pickups.service import folding, learning
from server.pickups.service.folding import read_windows
from server.pickups.tables import (
    ArrivalForecast,
    ForecastScore,
    HabitCounts,
    HabitPast,
    HabitPool,
    TaughtParcel,
)
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town

RECIPIENT = key_of("recipient")


async def collect(
    database: Database,
    town: Town,
    name: str,
    *,
    arrived: datetime,
    collected: datetime,
    by: uuid.UUID | None = RECIPIENT,
) -> Lease:
    """A parcel that was collected, and the event that tells so."""
    async with database.write() as session:
        parcel = await town.add_parcel(session, name, at=arrived)
        parcel.state, parcel.version = ParcelState.COLLECTED, 7
        parcel.available_from, parcel.collected_at = arrived, collected
        parcel.assurance = Assurance.A
        session.add(
            ParcelEvent(
                id=key_of(f"{name} line"),
                parcel_id=parcel.id,
                number=7,
                at=collected,
                recorded_at=collected,
                row="P16",
                trigger=Trigger.COLLECTED,
                source=ParcelState.READY_FOR_PICKUP,
                target=ParcelState.COLLECTED,
                authority=Authority.FACT,
                party=Party.AGT,
                actor_id=by,
            )
        )
        return Lease(
            id=key_of(f"{name} event"),
            kind="parcel.collected",
            subject=parcel.id,
            facts={"row": "P16", "version": 7},
            attempt=1,
            created_at=collected,
            until=collected + timedelta(minutes=1),
        )


class LessonIds:
    """The id of the lesson of an event: the same for the same event."""

    def __init__(self, event: uuid.UUID) -> None:
        self._event = event

    def new(self) -> uuid.UUID:
        return uuid.uuid5(self._event, "lesson")


async def count(database: Database, held: Lease, *, now: datetime) -> int:
    """The collection is noted, and then counted for everybody."""
    await jobs.on_parcel_collected(database, held, ids=LessonIds(held.id), now=now)
    return await jobs.fold_lessons(database)


async def rows_of(database: Database) -> dict[Key, Counts]:
    async with database.read() as session:
        rows = (await session.exec(select(HabitCounts))).all()
        return {Key(row.level, row.subject_id, row.part): queries.as_counts(row) for row in rows}


async def teach(
    database: Database, town: Town, clock: MovableClock, *, times: int = 1, name: str = "parcel"
) -> None:
    for number in range(times):
        arrived = clock.now() - timedelta(days=times - number)
        held = await collect(
            database,
            town,
            f"{name} {number}",
            arrived=arrived,
            collected=arrived + timedelta(hours=5),
        )
        await count(database, held, now=clock.now())


async def set_learns(
    database: Database, actor: Actor, clock: MovableClock, *, version: int, learns: bool
) -> None:
    wanted = replace(Preferences(), version=version, learns=learns)
    async with database.write() as session:
        changed = await change_preferences(session, actor, wanted=wanted, now=clock.now())
    assert isinstance(changed, Preferences)


async def test_rows_are_what_counting_in_memory_gives(
    database: Database, town: Town, clock: MovableClock
) -> None:
    """Fifty collections through the database, and the same through the arithmetic alone."""
    async with database.read() as session:
        zone = ZoneInfo((await session.get_one(Hub, town.hub_id)).time_zone)
    dice, pool, rows = random.Random(3), Pool(), dict[Key, Counts]()
    for number in range(50):
        arrived = clock.now() + timedelta(hours=7 * number)
        collected = arrived + timedelta(hours=dice.randint(0, 60))
        held = await collect(
            database, town, f"number {number}", arrived=arrived, collected=collected
        )
        await count(database, held, now=collected)
        start, end = slot_of(arrived, zone), slot_of(collected, zone)
        arrival, day = Arrival(start[0].toordinal(), int(start[1])), end[0].toordinal()
        keys, delay = keys_for(RECIPIENT, town.hub_id, arrival), delay_between(start, end)
        made = habits.forecast(evidence_of(keys, rows), pool, arrival)
        habits.learn(pool, made, delay, day=day)
        for key in keys:
            size = size_of(key.level)
            outcome = int(end[1]) if size == SLOTS else delay
            row = rows.setdefault(key, Counts(size, day=day))
            row.add(outcome, day=day, half_life_days=HALF_LIFE_DAYS[key.level])
    kept = await rows_of(database)
    assert kept.keys() == rows.keys()
    assert len(kept) <= 7 * 2 + 2 + 23
    for key, counts in rows.items():
        assert (kept[key].values, kept[key].total) == (counts.values, counts.total)
    async with database.read() as session:
        assert await queries.find_pool(session) == pool
        past = await session.get_one(HabitPast, RECIPIENT)
    assert len(past.slots) == REMEMBERED


async def test_an_event_that_comes_again_counts_once(
    database: Database, town: Town, clock: MovableClock
) -> None:
    held = await collect(
        database, town, "parcel", arrived=clock.now(), collected=clock.now() + timedelta(hours=2)
    )
    for _ in range(3):
        await count(database, held, now=clock.now())
    kept = await rows_of(database)
    assert {counts.total for counts in kept.values()} == {1.0}


@pytest.mark.parametrize("by", [key_of("delegate"), key_of("clerk"), None])
async def test_what_somebody_else_took_is_nobodys_habit(
    database: Database, town: Town, clock: MovableClock, by: uuid.UUID | None
) -> None:
    held = await collect(
        database, town, "parcel", arrived=clock.now(), collected=clock.now(), by=by
    )
    await count(database, held, now=clock.now())
    assert await rows_of(database) == {}


async def test_who_wants_no_habits_teaches_nothing(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await set_learns(database, town.recipient, clock, version=0, learns=False)
    await teach(database, town, clock, times=3)
    assert await rows_of(database) == {}
    async with database.read() as session:
        assert (await session.exec(select(HabitPast))).first() is None
        assert (await session.exec(select(HabitPool))).first() is None


async def test_opting_out_erases_what_was_learned(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await teach(database, town, clock, times=3)
    await set_learns(database, town.recipient, clock, version=0, learns=False)
    async with database.read() as session:
        told = select(Outbox).where(Outbox.kind == PREFERENCES_CHANGED)
        event = (await session.exec(told)).one()
    held = Lease(
        id=event.id,
        kind=event.kind,
        subject=event.subject,
        facts=event.facts,
        attempt=1,
        created_at=event.created_at,
        until=event.created_at + timedelta(minutes=1),
    )
    await jobs.on_preferences_changed(database, held)
    assert await traces(database, RECIPIENT, but={"taught_parcels"}) == []
    await teach(database, town, clock, name="later")
    assert not [key for key in await rows_of(database) if key.level in OF_PERSON]


async def test_who_wants_it_again_before_it_is_erased_keeps_it(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await teach(database, town, clock)
    await set_learns(database, town.recipient, clock, version=0, learns=False)
    await set_learns(database, town.recipient, clock, version=1, learns=True)
    async with database.write() as session:
        assert not await learning.stop_learning(session, RECIPIENT)
    assert await rows_of(database) != {}


async def traces(database: Database, person_id: uuid.UUID, *, but: set[str]) -> list[str]:
    """Every place among what pickups keep in which the person's id stands."""
    texts = {str(person_id), person_id.hex}
    found = []
    names = {"habit_counts", "habit_pasts", "habit_pools", "taught_parcels", "pickup_windows"}
    names |= {"lessons", "arrival_forecasts", "forecast_scores"}
    async with database.read() as session:
        for table in metadata.sorted_tables:
            if table.name not in names - but:
                continue
            connection = await session.connection()
            rows = [str(row) for row in (await connection.execute(core_select(table))).all()]
            found += [table.name for row in rows if any(text in row for text in texts)]
    return found


async def test_forgetting_leaves_no_trace_of_the_person(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await teach(database, town, clock, times=4)
    assert await traces(database, RECIPIENT, but=set()) != []
    async with database.write() as session:
        assert await learning.forget_habits(session, town.recipient) == RECIPIENT
    assert await traces(database, RECIPIENT, but=set()) == []
    kept = await rows_of(database)
    assert {key.level for key in kept} == {Level.EVERYONE, Level.ALL_HOURS}
    assert {key.subject_id for key in kept} == {EVERYBODY}


async def test_a_hubs_counts_stay_where_many_made_them(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await teach(database, town, clock)
    async with database.write() as session:
        statement = select(HabitCounts).where(col(HabitCounts.level) == Level.HUB)
        row = (await session.exec(statement)).one()
        row.total, row.counted = 40.0, [40.0, *[0.0] * 14]
        session.add(row)
    async with database.write() as session:
        await learning.erase(session, RECIPIENT)
    assert [key.level for key in await rows_of(database) if key.level is Level.HUB] == [Level.HUB]
    assert await traces(database, RECIPIENT, but=set()) == []


async def test_another_persons_habits_stay(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await teach(database, town, clock)
    before = await rows_of(database)
    async with database.write() as session:
        await learning.forget_habits(session, town.stranger)
    assert await rows_of(database) == before


async def test_nobody_known_has_nothing_to_forget(database: Database) -> None:
    async with database.write() as session:
        refused = await learning.forget_habits(session, ANONYMOUS)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.SIGNED_OUT


async def test_marks_of_parcels_are_deleted_in_the_end(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    await teach(database, town, clock)
    assert await jobs.tidy_pickups(database, now=clock.now() + timedelta(days=59)) == 0
    assert await jobs.tidy_pickups(database, now=clock.now() + timedelta(days=61)) == 1
    async with database.read() as session:
        assert (await session.exec(select(TaughtParcel))).first() is None


async def test_collections_wait_for_nobody_and_are_counted_in_their_order(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    """Thirty, while somebody else is counting, weigh afterwards what they weigh one by one."""
    async with database.read() as session:
        zone = ZoneInfo((await session.get_one(Hub, town.hub_id)).time_zone)
    slots = []
    for number in range(30):
        arrived = clock.now() + timedelta(hours=9 * number)
        collected = arrived + timedelta(hours=5)
        held = await collect(database, town, f"n {number}", arrived=arrived, collected=collected)
        slots.append(slot_of(collected, zone))
        async with contextlib.AsyncExitStack() as counting:
            if not database.is_sqlite:  # SQLite has one writer whatever it writes
                await queries.lock_pool(await counting.enter_async_context(database.write()))
            await jobs.on_parcel_collected(database, held, ids=ids, now=clock.now())
    assert not [key for key in await rows_of(database) if key.level not in OF_PERSON]
    assert await jobs.fold_lessons(database) == 30
    assert await jobs.fold_lessons(database) == 0
    one_by_one = Counts(SLOTS)
    for day, slot in slots:
        half_life_days = HALF_LIFE_DAYS[Level.ALL_HOURS]
        one_by_one.add(int(slot), day=day.toordinal(), half_life_days=half_life_days)
    kept = (await rows_of(database))[Key(Level.ALL_HOURS, EVERYBODY, 0)]
    assert kept.values == one_by_one.values


async def test_what_was_foreseen_at_arrival_is_scored_when_it_came_true(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    await teach(database, town, clock, times=5)
    arrived = clock.now()
    held = await collect(
        database, town, "new", arrived=arrived, collected=arrived + timedelta(hours=5)
    )
    ready = Lease(ids.new(), "parcel.ready", held.subject, {}, 1, arrived, arrived)
    for state in (ParcelState.READY_FOR_PICKUP, ParcelState.COLLECTED):
        async with database.write() as session:
            (await session.get_one(Parcel, held.subject)).state = state
        await jobs.on_parcel_ready(database, ready, now=arrived)
    async with database.read() as session:
        shown = (await session.exec(select(ArrivalForecast))).one().probabilities
    for _ in range(2):
        await count(database, held, now=arrived + timedelta(hours=5))
    async with database.read() as session:
        assert (await session.exec(select(ArrivalForecast))).first() is None
        (row,) = (await session.exec(select(ForecastScore))).all()
    score = restore_score(row.kept)
    outcome = max(range(len(shown)), key=lambda delay: shown[delay])
    assert (score.cases, score.first, score.among_top) == (1, 1, 1)
    assert score.surprise == pytest.approx(-math.log(shown[outcome]))
    assert score.figures()["ece"] == pytest.approx(1 - shown[outcome])


async def test_nothing_is_foreseen_for_keeps_of_who_wants_nothing_learned(
    database: Database, town: Town, clock: MovableClock
) -> None:
    await set_learns(database, town.recipient, clock, version=0, learns=False)
    async with database.write() as session:
        parcel = await town.add_parcel(session, "new", state=ParcelState.READY_FOR_PICKUP)
        parcel.available_from = clock.now()
        assert not await learning.note_forecast(session, parcel.id, now=clock.now())
        assert not await learning.note_forecast(session, key_of("none"), now=clock.now())


async def test_scores_and_forecasts_are_told_as_metrics_and_deleted_in_the_end(
    database: Database, town: Town, clock: MovableClock
) -> None:
    today = clock.now().date().toordinal()
    score = Score()
    for outcome in (0, 0, 1):
        score.add([0.6, 0.3, 0.1], outcome)
    async with database.write() as session:
        await town.add_parcel(session, "new")
        for day in (today, today - 1):
            session.add(ForecastScore(day=day, kept=store_score(score)))
        await queries.insert_forecast(session, key_of("new"), at=clock.now(), probabilities=[1.0])
    metrics = Metrics()
    read_windows(metrics, database)
    told = (await metrics.tell()).decode()
    assert "restante_windows_cases 6.0" in told
    assert 'restante_windows{figure="top1"} 0.66' in told
    assert 'restante_windows{figure="top3"} 1.0' in told
    late = clock.now() + timedelta(days=folding.KEPT_DAYS + 1)
    assert await jobs.tidy_pickups(database, now=late) == 3
