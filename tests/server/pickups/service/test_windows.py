"""Windows of a parcel: within every rule, kept when chosen, and gone when they make no sense."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete
from sqlmodel import select

from schema.codes import ProblemCode
from server.hubs.tables import Hub, HubClosure, HubOpening
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.preferences import DailySpan, Preferences, UsualWindow
from server.people.service.preferences import change_preferences
from server.people.tables import StoredPreferences
from server.pickups import jobs
from server.pickups.rules import LEAST, OFFERED, Origin, Window
from server.pickups.service import planning, windows
from server.pickups.service.windows import WINDOW_OPEN, Offers
from server.pickups.tables import PickupWindow
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town

PARCEL = key_of("parcel")
HOUR = timedelta(hours=1)
ALWAYS = Preferences(quiet=None)


async def put_ready(database: Database, town: Town, *, since: datetime, through: datetime) -> None:
    async with database.write() as session:
        parcel = await town.add_parcel(session)
        parcel.state = ParcelState.READY_FOR_PICKUP
        parcel.available_from, parcel.available_through = since, through


async def prefer(database: Database, town: Town, wanted: Preferences, now: datetime) -> None:
    async with database.write() as session:
        row = await session.get(StoredPreferences, town.recipient.person_id)
        seen = replace(wanted, version=0 if row is None else row.version)
        changed = await change_preferences(session, town.recipient, wanted=seen, now=now)
        assert isinstance(changed, Preferences), changed


async def offer(database: Database, town: Town, now: datetime) -> Offers:
    async with database.read() as session:
        offers = await windows.offer_windows(session, town.recipient, PARCEL, now=now)
    assert offers is not None
    return offers


async def choose(
    database: Database,
    town: Town,
    span: tuple[datetime, datetime],
    *,
    ids: CountedIds,
    now: datetime,
) -> Window | Refusal:
    async with database.write() as session:
        return await windows.choose_window(
            session, town.recipient, PARCEL, span=span, ids=ids, now=now
        )


def code_of(outcome: object) -> ProblemCode | None:
    return outcome.code if isinstance(outcome, Refusal) else None


async def test_a_stranger_to_the_hub_is_offered_what_others_do(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    offers = await offer(database, town, now)
    assert 0 < len(offers.windows) <= OFFERED
    assert {one.origin for one in offers.windows} == {Origin.DEFAULT}
    assert sum(one.probability for one in offers.windows) <= 1


async def test_only_the_recipient_is_offered_anything(
    database: Database, town: Town, clock: MovableClock
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    for actor in (town.stranger, town.courier, town.operator):
        async with database.read() as session:
            assert await windows.offer_windows(session, actor, PARCEL, now=now) is None


@pytest.mark.parametrize("state", [ParcelState.DEPOSITED, ParcelState.COLLECTED])
async def test_nothing_is_offered_for_a_parcel_that_does_not_wait(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds, state: ParcelState
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        parcel.state, parcel.collected_at = state, now
    assert (await offer(database, town, now)).windows == []
    outcome = await choose(database, town, (now, now + HOUR), ids=ids, now=now)
    assert code_of(outcome) is ProblemCode.WRONG_STATE


def random_preferences(dice: random.Random, today: date) -> Preferences:
    def span() -> DailySpan:
        starts = dice.randrange(0, 1440, 30)
        return DailySpan(starts, (starts + dice.randrange(30, 18 * 60, 30)) % 1440 or 1440)

    return Preferences(
        time_zone=dice.choice([None, "Europe/Tallinn", "America/New_York"]),
        quiet=dice.choice([None, span()]),
        hold_until=dice.choice([None, today + timedelta(days=dice.randint(0, 3))]),
        usual_windows=tuple(
            UsualWindow(tuple(dice.sample(range(7), dice.randint(1, 7))), span())
            for _ in range(dice.choice([0, 0, 1, 3]))
        ),
    )


def lies_in(span: DailySpan, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    if span.starts_minute < span.ends_minute:
        return span.starts_minute <= minute < span.ends_minute
    return minute >= span.starts_minute or minute < span.ends_minute


def is_usual(usual: UsualWindow, local: datetime) -> bool:
    minute, over = (
        local.hour * 60 + local.minute,
        usual.span.ends_minute <= usual.span.starts_minute,
    )
    began = local.date() - timedelta(days=over and minute < usual.span.ends_minute)
    return lies_in(usual.span, local) and began.weekday() in usual.weekdays


async def test_no_window_breaks_a_rule_of_person_hub_or_goods(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    """Random hours, closures, deadlines and preferences, looked at quarter by quarter."""
    dice, now, seen = random.Random(11), clock.now(), 0
    await put_ready(database, town, since=now, through=now)
    async with database.read() as session:
        zone = ZoneInfo((await session.get_one(Hub, town.hub_id)).time_zone)
    for _ in range(40):
        since = now - timedelta(hours=dice.randint(0, 30))
        through = now + timedelta(hours=dice.randint(0, 90))
        week = [(day, dice.randint(0, 800), dice.randint(801, 1440)) for day in range(7)]
        closed = dice.choice(
            [None, now.astimezone(zone).date() + timedelta(days=dice.randint(0, 2))]
        )
        async with database.write() as session:
            parcel = await session.get_one(Parcel, PARCEL)
            parcel.available_from, parcel.available_through = since, through
            for table in (HubOpening, HubClosure, StoredPreferences):
                await session.exec(delete(table))
            session.add_all(
                HubOpening(
                    id=ids.new(),
                    hub_id=town.hub_id,
                    weekday=day,
                    opens_minute=opens,
                    closes_minute=closes,
                )
                for day, opens, closes in week
            )
            if closed is not None:
                session.add(
                    HubClosure(
                        id=ids.new(),
                        hub_id=town.hub_id,
                        first_day=closed,
                        last_day=closed,
                        reason="",
                        is_planned=True,
                        shifts_deadlines=True,
                    )
                )
        wanted = random_preferences(dice, now.date())
        await prefer(database, town, wanted, now)
        own_zone = wanted.zone(zone.key)
        for window in (await offer(database, town, now)).windows:
            seen += 1
            assert max(now, since) <= window.start
            assert window.end <= through
            assert window.end - window.start >= LEAST
            at = window.start
            while at < window.end:
                local, own = at.astimezone(zone), at.astimezone(own_zone)
                minute = local.hour * 60 + local.minute
                assert local.date() != closed
                assert any(
                    day == local.weekday() and opens <= minute < closes
                    for day, opens, closes in week
                )
                assert wanted.quiet is None or not lies_in(wanted.quiet, own)
                assert wanted.hold_until is None or own.date() >= wanted.hold_until
                usual = wanted.usual_windows
                assert not usual or any(is_usual(one, own) for one in usual)
                at += timedelta(minutes=5)
    assert seen > 20


async def test_what_was_chosen_comes_first_and_is_told_of_at_its_start(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await prefer(database, town, ALWAYS, now)
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    span = (now + 5 * HOUR, now + 7 * HOUR)
    outcome = await choose(database, town, span, ids=ids, now=now)
    assert isinstance(outcome, Window)
    offers = (await offer(database, town, now)).windows
    assert [one.origin for one in offers].count(Origin.CHOSEN) == 1
    assert (offers[0].start, offers[0].end) == span
    assert offers[0].origin is Origin.CHOSEN
    assert 0 < offers[0].probability < 1
    assert all(one.end <= span[0] or one.start >= span[1] for one in offers[1:])
    async with database.read() as session:
        row = await session.get_one(PickupWindow, PARCEL)
        event = (await session.exec(select(Outbox).where(Outbox.kind == WINDOW_OPEN))).one()
    assert (event.id, event.subject, event.not_before) == (row.choice, PARCEL, span[0])


async def test_the_same_choice_again_is_told_of_once_and_another_replaces_it(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    first, second = (now + HOUR, now + 2 * HOUR), (now + 3 * HOUR, now + 4 * HOUR)
    for span in (first, first, second):
        await choose(database, town, span, ids=ids, now=now)
    async with database.read() as session:
        events = (await session.exec(select(Outbox).where(Outbox.kind == WINDOW_OPEN))).all()
        parcel = await session.get_one(Parcel, PARCEL)
        at = second[0]
        found = [
            await windows.find_open_window(session, parcel, event.id, now=at)
            for event in sorted(events, key=lambda one: one.not_before)
        ]
    assert [row is not None for row in found] == [False, True]


async def test_a_window_in_which_the_hub_is_closed_or_time_is_over_is_refused(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    through = now + timedelta(days=2)
    await put_ready(database, town, since=now, through=through)
    async with database.write() as session:
        hub = await session.get_one(Hub, town.hub_id)
        day = (now + timedelta(days=1)).astimezone(ZoneInfo(hub.time_zone)).date()
        session.add(
            HubClosure(
                id=ids.new(),
                hub_id=town.hub_id,
                first_day=day,
                last_day=day,
                reason="",
                is_planned=True,
                shifts_deadlines=True,
            )
        )
        name = hub.name
    noon = now + timedelta(days=1)
    closed = await choose(database, town, (noon, noon + HOUR), ids=ids, now=now)
    assert code_of(closed) is ProblemCode.WINDOW_IMPOSSIBLE
    assert isinstance(closed, Refusal)
    assert name in closed.message
    for span in ((through, through + HOUR), (through - HOUR / 2, through + HOUR / 2)):
        late = await choose(database, town, span, ids=ids, now=now)
        assert code_of(late) is ProblemCode.WINDOW_IMPOSSIBLE


async def test_a_window_that_is_no_time_is_refused(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    naive = now.replace(tzinfo=None)
    for span in (
        (now + HOUR, now),
        (now, now + LEAST / 2),
        (now, now + timedelta(days=2)),
        (now - HOUR, now + LEAST / 2),
        (naive, naive + HOUR),
        (now, naive + HOUR),
    ):
        outcome = await choose(database, town, span, ids=ids, now=now)
        assert code_of(outcome) is ProblemCode.INPUT_INVALID


async def test_a_choice_is_given_up_as_often_as_one_likes(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    await choose(database, town, (now + HOUR, now + 2 * HOUR), ids=ids, now=now)
    for _ in range(2):
        async with database.write() as session:
            assert await windows.cancel_window(session, town.recipient, PARCEL) == PARCEL
    async with database.write() as session:
        refused = await windows.cancel_window(session, town.stranger, PARCEL)
        assert code_of(refused) is ProblemCode.NOT_FOUND
    assert Origin.CHOSEN not in {one.origin for one in (await offer(database, town, now)).windows}


async def test_a_choice_does_not_outlive_the_place_or_the_time_it_was_made_for(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    await choose(database, town, (now + 5 * HOUR, now + 6 * HOUR), ids=ids, now=now)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        parcel.available_through = now + 5 * HOUR
    assert Origin.CHOSEN not in {one.origin for one in (await offer(database, town, now)).windows}


async def test_staff_see_how_many_mean_to_come_and_others_nothing(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    span = (now + HOUR, now + 2 * HOUR)
    await choose(database, town, span, ids=ids, now=now)
    async with database.read() as session:
        for actor in (town.manager, town.clerk, town.operator):
            found = await planning.expect_pickups(session, actor, town.hub_id, now=now)
            assert found is not None
            assert [one.chosen for one in found] == [1]
            assert found[0].start <= span[0] < found[0].end
        for actor in (town.recipient, town.stranger):
            assert await planning.expect_pickups(session, actor, town.hub_id, now=now) is None
        assert await planning.expect_pickups(session, town.operator, ids.new(), now=now) is None
        later = await planning.expect_pickups(session, town.clerk, town.hub_id, now=span[1])
    assert later == []


async def test_windows_that_are_over_are_deleted(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=3))
    await choose(database, town, (now + HOUR, now + 2 * HOUR), ids=ids, now=now)
    assert await jobs.tidy_pickups(database, now=now + timedelta(days=1)) == 0
    assert await jobs.tidy_pickups(database, now=now + timedelta(days=2)) == 1


async def test_windows_of_cooled_goods_end_while_they_are_good(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    now = clock.now()
    await put_ready(database, town, since=now, through=now + timedelta(days=1))
    await prefer(database, town, ALWAYS, now)
    good = now + 3 * HOUR
    async with database.write() as session:
        (await session.get_one(Parcel, PARCEL)).safe_until = good
    offers = await offer(database, town, now)
    assert offers.windows
    assert all(one.end <= good for one in offers.windows)
    late = await choose(database, town, (now + HOUR, now + 4 * HOUR), ids=ids, now=now)
    assert isinstance(late, Refusal)
    assert late.code is ProblemCode.WINDOW_IMPOSSIBLE
    assert "good" in late.message
    chosen = await choose(database, town, (now + HOUR, good), ids=ids, now=now)
    assert isinstance(chosen, Window)
    async with database.write() as session:
        (await session.get_one(Parcel, PARCEL)).safe_until = now + 2 * HOUR
    assert Origin.CHOSEN not in {one.origin for one in (await offer(database, town, now)).windows}
