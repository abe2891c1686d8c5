"""The fair clock: nobody loses time by our fault, and more is given while there is room."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.rules import ClimateState
from server.lockers.tables import Compartment
from server.parcels.deadlines import HOLD
from server.parcels.jobs import expire_parcels, watch_service
from server.parcels.service.moving import EVENTS, Occurrence, move, situation_of
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Parcel, PauseCause
from server.people.roles import Role
from tests.fakes.town import key_of
from tests.fakes.waits import Wait

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

THREE_DAYS = HOLD[ClimateZone.AMBIENT]


@pytest.fixture
def wait(database: Database, town: Town, ids: CountedIds) -> Wait:
    return Wait(database, town, ids)


async def test_a_fault_a_late_notice_and_a_closure_move_the_deadline_by_their_union(
    wait: Wait,
) -> None:
    await wait.begin(hours=5)
    assert await wait.through() == 5 + 72
    await wait.fail(10, 19)
    assert await wait.through() == 5 + 72 + 9
    # The fault lies within this day (the start is at half past nine in UTC, noon in Tallinn).
    await wait.close_hub(wait.at(0), 1, now=wait.at(20))
    midnight = 11.5
    assert await wait.through() == 5 + 72 + (midnight - 5) + (19 - midnight)
    assert (await wait.parcel()).pause_cause is None


async def test_what_expired_for_want_of_that_time_comes_back(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    assert (await wait.parcel()).state is ParcelState.EXPIRED
    await wait.close_hub(wait.at(24), 2, now=wait.at(76))
    parcel = await wait.parcel()
    assert (parcel.state, parcel.hold_ended) == (ParcelState.READY_FOR_PICKUP, None)
    # Nor could anybody collect it in the hour for which it had expired.
    assert await wait.through() == 72 + 48 + 1
    assert (await wait.rows())[-2:] == ["P22", "P23"]


async def test_what_we_learn_of_days_later_still_gives_the_time_back(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    await wait.close_hub(wait.at(24), 1, now=wait.at(75 + 40))
    parcel = await wait.parcel()
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 72 + 24 + 40
    closed, shut_out = await wait.told()
    assert [one.stop.cause for one in (closed, shut_out)] == [PauseCause.HUB_CLOSED] * 2
    assert (shut_out.stop.span.start, shut_out.stop.span.end) == (wait.at(75), wait.at(115))
    assert shut_out.through_after == parcel.available_through


async def test_what_was_refused_does_not_come_back(wait: Wait) -> None:
    await wait.begin()
    async with wait.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        refused = Occurrence(trigger=Trigger.REFUSE, party=Party.REC, at=wait.at(1))
        await move(
            session, parcel, refused, situation_of(parcel, wait.at(1)), ids=wait.ids, now=wait.at(1)
        )
    await wait.close_hub(wait.at(24), 2, now=wait.at(2))
    assert (await wait.parcel()).state is ParcelState.EXPIRED


async def test_a_closure_that_was_planned_moves_nothing(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1), is_planned=True)
    assert await wait.through() == 72
    assert await wait.changes() == []


async def test_a_closure_taken_back_takes_no_time_back(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1))
    await wait.close_hub(wait.at(24), 1, now=wait.at(2), is_planned=True)
    assert await wait.through() == 72 + 24
    assert await wait.changes() == ["CLOSED"]


async def test_time_in_which_the_service_was_down_does_not_count(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    for minute in (0, 1, 2):
        await watch_service(wait.database, ids=ids, now=wait.at(1) + timedelta(minutes=minute))
    assert await wait.through() == 72
    back = wait.at(4) + timedelta(minutes=2)
    for _ in range(2):
        await watch_service(wait.database, ids=ids, now=back)
    assert await wait.through() == 72 + 3
    assert await wait.changes() == ["OUTAGE"]


async def test_nothing_expires_by_an_outage_that_lasted_over_its_end(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    await watch_service(wait.database, ids=ids, now=wait.at(60))
    await watch_service(wait.database, ids=ids, now=wait.at(80))
    await expire_parcels(wait.database, ids=ids, now=wait.at(80))
    assert (await wait.parcel()).state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 72 + 20


async def test_a_clock_set_back_is_no_outage(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    for hours in (5.0, 1.0, 1.1, 5.1):
        await watch_service(wait.database, ids=ids, now=wait.at(hours))
    assert await wait.changes() == []


async def test_more_time_is_given_once_from_the_first_hour_on(wait: Wait) -> None:
    await wait.begin()
    await wait.fill(2)
    for _ in range(2):
        parcel = await wait.extend(wait.town.recipient, 1)
        assert isinstance(parcel, Parcel)
    assert await wait.through() == 72 + 48
    refused = await wait.extend(wait.town.recipient, 2, version=2)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "once" in refused.message
    assert refused.next


async def test_a_full_hub_gives_no_more_time_and_says_what_else_can_be_done(wait: Wait) -> None:
    await wait.begin()
    await wait.fill(4)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "100%" in refused.message
    assert refused.next
    assert await wait.through() == 72


async def test_cooled_goods_that_nothing_measures_get_no_more_time(wait: Wait) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "nothing measures" in refused.message


async def cool(wait: Wait, climate: ClimateState, *, safe_hours: float | None = None) -> None:
    """Its compartment is cooled and says so; until when the goods are good by that."""
    async with wait.database.write() as session:
        door = await session.get_one(Compartment, key_of("door 1"))
        door.climate_zone, door.climate = ClimateZone.CHILLED, climate
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.safe_until = None if safe_hours is None else wait.at(safe_hours)


async def test_cooled_goods_get_more_time_while_they_keep(wait: Wait) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    await cool(wait, ClimateState.READY)
    assert isinstance(await wait.extend(wait.town.recipient, 1), Parcel)
    assert await wait.through() == 72


async def test_more_time_for_cooled_goods_ends_while_they_are_good(wait: Wait) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    await cool(wait, ClimateState.EXCURSION, safe_hours=30.5)
    extended = await wait.extend(wait.town.recipient, 1)
    assert isinstance(extended, Parcel)
    assert await wait.through() == 30


@pytest.mark.parametrize("safe_hours", [3.0, 24.5])
async def test_goods_that_spoil_before_get_no_more_time(wait: Wait, safe_hours: float) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    await cool(wait, ClimateState.EXCURSION, safe_hours=safe_hours)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert await wait.through() == 24


@pytest.mark.parametrize("climate", [ClimateState.FAULT, ClimateState.PREPARING])
async def test_goods_behind_a_door_that_does_not_cool_get_no_more_time(
    wait: Wait, climate: ClimateState
) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    await cool(wait, climate)
    assert isinstance(await wait.extend(wait.town.recipient, 1), Refusal)


async def test_more_time_can_be_had_late_while_the_parcel_is_there(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    version = (await wait.parcel()).deadline_version
    assert isinstance(await wait.extend(wait.town.recipient, 76, version=version), Parcel)
    assert (await wait.parcel()).state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 72 + 48


async def test_whoever_saw_an_older_deadline_is_told(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1))
    refused = await wait.extend(wait.town.recipient, 2)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.CHANGED_MEANWHILE


@pytest.mark.parametrize(
    ("name", "roles", "code"),
    [
        ("manager", (Role.HUB_MANAGER,), None),
        ("operator", (Role.OPERATOR,), None),
        ("clerk", (Role.HUB_CLERK,), ProblemCode.NOT_PERMITTED),
        ("stranger", (), ProblemCode.NOT_FOUND),
    ],
)
async def test_who_may_give_more_time(
    wait: Wait, name: str, roles: tuple[Role, ...], code: ProblemCode | None
) -> None:
    await wait.begin()
    outcome = await wait.extend(wait.town.actor(name, *roles), 1)
    assert (outcome.code if isinstance(outcome, Refusal) else None) is code


async def test_more_time_beyond_what_has_passed_is_of_no_use(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    version = (await wait.parcel()).deadline_version
    refused = await wait.extend(wait.town.recipient, 72 + 48 + 3, version=version)
    assert isinstance(refused, Refusal)
    assert (await wait.parcel()).state is ParcelState.EXPIRED


async def test_what_was_held_before_anybody_was_told_is_told_of_when_the_hold_ends(
    wait: Wait,
) -> None:
    await wait.begin_untold()
    await wait.fail(1, 9)
    parcel = await wait.parcel()
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    assert parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED
    query = select(Outbox.kind).where(Outbox.kind == EVENTS[ParcelState.DEPOSITED])
    async with wait.database.read() as session:
        assert len((await session.exec(query)).all()) == 1
    async with wait.database.write() as session:
        when = wait.at(10)
        await on_ready_accepted(
            session, parcel_id=key_of("parcel"), at=when, ids=wait.ids, now=when
        )
    assert (await wait.parcel()).pause_cause is None
    assert await wait.through() == 10 + 72
