"""Staff at doors without a stay: what their visits prove, and what they may not do unseen."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.journal import Kind
from schema.keys import Operation
from schema.tokens import parse_token
from server.access.service import emergencies, holds, inspections, staff
from server.access.service.deposits import make_courier_bundle
from server.access.service.holds import HoldOutcome
from server.access.service.inspections import InspectionBundle
from server.access.tables import EmergencyOpening, RegisteredToken
from server.kit.errors import Refusal
from server.lockers.queries import list_reservations
from server.lockers.rules import Allocation, ServiceState
from server.lockers.service import closing
from server.lockers.tables import Compartment
from server.parcels.service import compartments
from server.parcels.service.compartments import Found
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, PauseCause
from tests.fakes.sources import START
from tests.fakes.town import key_of, phone_key
from tests.server.uplink.test_staff import publish, tokens

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from tests.server.uplink.conftest import Story

S = ParcelState
WHY = "the hinge squeaks"


@pytest.fixture(autouse=True)
async def staffed(story: Story) -> None:
    """The hub has a manager and a clerk, and two technicians come to it."""
    async with story.database.write() as session:
        await story.town.add_staff(session, "manager", "clerk", "technician", "engineer")
    await publish(story)


async def door(story: Story, number: int = 3) -> Compartment:
    async with story.database.read() as session:
        return await session.get_one(Compartment, key_of(f"door {number}"))


async def close(story: Story, actor: Actor, number: int = 3) -> Compartment | Refusal:
    async with story.database.write() as session:
        return await closing.quarantine(
            session,
            actor,
            locker_id=story.town.locker_id,
            number=number,
            reason=WHY,
            ids=story.ids,
            now=story.clock.now(),
        )


async def break_down(story: Story, actor: Actor, number: int = 3) -> Compartment | Refusal:
    async with story.database.write() as session:
        return await compartments.take_out_of_service(
            session,
            actor,
            locker_id=story.town.locker_id,
            number=number,
            reason=WHY,
            ids=story.ids,
            now=story.clock.now(),
        )


async def put_back(story: Story, actor: Actor, number: int = 3) -> Compartment | Refusal:
    async with story.database.write() as session:
        return await closing.return_to_service(
            session,
            actor,
            locker_id=story.town.locker_id,
            number=number,
            reason=WHY,
            ids=story.ids,
            now=story.clock.now(),
        )


async def ask_to_inspect(story: Story, actor: Actor, number: int = 3) -> InspectionBundle | Refusal:
    async with story.database.write() as session:
        return await inspections.make_inspection_bundle(
            session,
            actor,
            locker_id=story.town.locker_id,
            number=number,
            reason=WHY,
            tools=story.tools,
        )


async def inspect(
    story: Story, name: str = "clerk", number: int = 3, *, sensed: bool | None = False
) -> None:
    """Somebody of the hub has looked into the compartment; the journal was brought."""
    actor = {"clerk": story.town.clerk, "technician": story.town.technician}[name]
    bundle = await ask_to_inspect(story, actor, number)
    assert isinstance(bundle, InspectionBundle)
    story.machine.now = int(story.clock.now().timestamp())
    story.machine.admit(bundle.token.raw, number, phone_key(name))
    story.machine.move_door(number, before=sensed, after=sensed)
    await story.bring_all()


async def register(story: Story, raw: bytes) -> RegisteredToken | Refusal:
    async with story.database.write() as session:
        return await staff.register_token(session, story.town.operator, raw, now=story.clock.now())


async def serve(story: Story, number: int = 3, *, sensed: bool | None = False) -> None:
    """A technician has opened and shut the door; the journal was brought."""
    raw, _ = tokens(story, Operation.SERVICE, number)
    assert isinstance(await register(story, raw), RegisteredToken)
    story.machine.now = int(story.clock.now().timestamp())
    story.machine.admit(raw, number, phone_key("operator"))
    story.machine.move_door(number, before=sensed, after=sensed)
    await story.bring_all()


async def agree(story: Story, number: int | None, *actors: Actor) -> EmergencyOpening:
    """The first of two persons asks, the second confirms."""
    asking, confirming = actors
    now = story.clock.now()
    async with story.database.write() as session:
        asked = await emergencies.request_opening(
            session,
            asking,
            locker_id=story.town.locker_id,
            compartment=number,
            reason=WHY,
            ids=story.ids,
            now=now,
        )
        assert isinstance(asked, EmergencyOpening)
        confirmed = await emergencies.confirm_opening(
            session, confirming, emergency_id=asked.id, ids=story.ids, now=now
        )
    assert isinstance(confirmed, EmergencyOpening)
    return confirmed


def code_of(outcome: object) -> ProblemCode:
    assert isinstance(outcome, Refusal)
    return outcome.code


async def test_what_was_closed_for_a_check_comes_back_after_an_inspection(story: Story) -> None:
    town = story.town
    closed = await close(story, town.clerk)
    assert isinstance(closed, Compartment)
    assert closed.service is ServiceState.QUARANTINED
    assert await story.incidents() == ["COMPARTMENT_REPORTED"]
    assert code_of(await put_back(story, town.manager)) is ProblemCode.WRONG_STATE
    await inspect(story)
    assert code_of(await put_back(story, town.clerk)) is ProblemCode.NOT_PERMITTED
    assert code_of(await put_back(story, town.technician)) is ProblemCode.NOT_PERMITTED
    back = await put_back(story, town.manager)
    assert isinstance(back, Compartment)
    assert (back.service, back.closed_at) == (ServiceState.IN_SERVICE, None)
    assert (await story.grants())["INSPECT"] == "USED"


async def test_an_inspection_before_the_closing_proves_nothing(story: Story) -> None:
    await inspect(story)
    story.clock.move(minutes=1)
    await close(story, story.town.clerk)
    assert code_of(await put_back(story, story.town.manager)) is ProblemCode.WRONG_STATE


async def test_what_broke_comes_back_after_a_technicians_test_alone(story: Story) -> None:
    town = story.town
    assert code_of(await break_down(story, town.clerk)) is ProblemCode.NOT_PERMITTED
    for _ in range(2):
        broken = await break_down(story, town.technician)
        assert isinstance(broken, Compartment)
        assert broken.service is ServiceState.OUT_OF_SERVICE
    assert code_of(await close(story, town.clerk)) is ProblemCode.WRONG_STATE
    await inspect(story)
    assert code_of(await put_back(story, town.technician)) is ProblemCode.WRONG_STATE
    await serve(story)
    assert code_of(await put_back(story, town.manager)) is ProblemCode.NOT_PERMITTED
    back = await put_back(story, town.technician)
    assert isinstance(back, Compartment)
    assert back.service is ServiceState.IN_SERVICE
    assert await story.incidents() == ["COMPARTMENT_BROKEN"]


async def test_a_door_that_only_opened_in_service_was_not_tested(story: Story) -> None:
    await break_down(story, story.town.technician)
    raw, _ = tokens(story, Operation.SERVICE, 3)
    await register(story, raw)
    story.machine.admit(raw, 3, phone_key("operator"))
    story.machine.write(Kind.DOOR_OPENED, 3, False)
    await story.bring_all()
    assert code_of(await put_back(story, story.town.technician)) is ProblemCode.WRONG_STATE


async def test_what_lies_behind_a_broken_door_is_held_and_its_time_stops(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    await break_down(story, story.town.manager)
    parcel = await story.parcel()
    assert (parcel.state, parcel.pause_cause) == (S.ON_HOLD, PauseCause.LOCKER_FAULT)


async def test_nothing_is_kept_in_a_compartment_that_was_closed(story: Story) -> None:
    await story.offer(3)
    await close(story, story.town.clerk)
    assert (await door(story)).allocation is Allocation.FREE
    async with story.database.read() as session:
        kept = await list_reservations(session, [key_of("parcel")], now=START)
    assert kept == []


async def test_nobody_of_staff_gets_a_token_to_look_at_a_parcel(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    for actor in (story.town.clerk, story.town.manager, story.town.technician, story.town.operator):
        assert code_of(await ask_to_inspect(story, actor)) is ProblemCode.WRONG_STATE


async def test_who_has_no_business_there_gets_no_token_to_look(story: Story) -> None:
    for actor in (story.town.recipient, story.town.courier):
        assert code_of(await ask_to_inspect(story, actor)) is ProblemCode.NOT_PERMITTED
    assert code_of(await ask_to_inspect(story, story.town.clerk, 9)) is ProblemCode.NOT_FOUND


async def test_a_token_to_look_names_one_door_and_is_given_again_for_the_same_reason(
    story: Story,
) -> None:
    first = await ask_to_inspect(story, story.town.clerk)
    again = await ask_to_inspect(story, story.town.clerk)
    assert isinstance(first, InspectionBundle)
    assert isinstance(again, InspectionBundle)
    assert first.token == again.token
    claims = parse_token(first.token.raw).claims
    assert (claims.actions, claims.comps, claims.stay) == (int(Operation.INSPECT), (3,), b"")
    assert claims.exp - claims.nbf == 15 * 60
    assert (first.grant.reason, first.grant.parcel_id) == (WHY, None)


async def test_an_empty_compartment_ends_all_doubt_about_it(story: Story) -> None:
    story.machine.write(Kind.UNEXPECTED_OPEN, 2)
    story.machine.write(Kind.DOOR_CLOSED, 2, False)
    await story.bring_all()
    assert (await door(story, 2)).allocation is Allocation.UNKNOWN
    await inspect(story, number=2)
    assert (await door(story, 2)).allocation is Allocation.FREE


async def test_a_closing_after_a_burglary_is_no_inspection(story: Story) -> None:
    await inspect(story, number=2)
    story.clock.move(minutes=1)
    await close(story, story.town.clerk, 2)
    story.machine.write(Kind.UNEXPECTED_OPEN, 2)
    story.machine.write(Kind.DOOR_CLOSED, 2, False)
    await story.bring_all()
    assert (await door(story, 2)).allocation is Allocation.UNKNOWN
    assert code_of(await put_back(story, story.town.manager, 2)) is ProblemCode.WRONG_STATE


async def test_something_that_no_parcel_explains_closes_the_compartment(story: Story) -> None:
    await inspect(story, sensed=True)
    found = await door(story)
    assert found.allocation is Allocation.UNKNOWN
    assert found.service is ServiceState.QUARANTINED
    assert await story.incidents() == ["CONTENTS_UNEXPLAINED"]


async def say(story: Story, actor: Actor, found: Found) -> Compartment | Refusal:
    async with story.database.write() as session:
        return await compartments.record_inspection(
            session,
            actor,
            locker_id=story.town.locker_id,
            number=3,
            found=found,
            note=WHY,
            ids=story.ids,
            now=story.clock.now(),
        )


async def test_without_a_sensor_somebody_says_what_is_inside(story: Story) -> None:
    clerk = story.town.clerk
    assert code_of(await say(story, clerk, Found.EMPTY)) is ProblemCode.WRONG_STATE
    story.machine.write(Kind.UNEXPECTED_OPEN, 3)
    story.machine.write(Kind.DOOR_CLOSED, 3, None)
    await story.bring_all()
    assert code_of(await say(story, clerk, Found.EMPTY)) is ProblemCode.WRONG_STATE
    story.clock.move(minutes=1)
    await inspect(story, sensed=None)
    assert code_of(await say(story, clerk, Found.OCCUPIED)) is ProblemCode.WRONG_STATE
    assert code_of(await say(story, story.town.courier, Found.EMPTY)) is ProblemCode.NOT_PERMITTED
    told = await say(story, clerk, Found.EMPTY)
    assert isinstance(told, Compartment)
    assert (told.allocation, told.doubted_at) == (Allocation.FREE, None)


async def test_a_sensor_is_not_contradicted(story: Story) -> None:
    await inspect(story, sensed=True)
    assert code_of(await say(story, story.town.clerk, Found.EMPTY)) is ProblemCode.WRONG_STATE


async def test_a_door_of_a_parcel_takes_two_persons_before_a_token_is_known(story: Story) -> None:
    town = story.town
    await story.deposit()
    await story.bring_all()
    raw, _ = tokens(story, Operation.SERVICE, 3)
    assert code_of(await register(story, raw)) is ProblemCode.SECOND_PERSON_NEEDED
    engineer = town.actor("engineer")
    async with story.database.write() as session:
        asked = await emergencies.request_opening(
            session,
            town.technician,
            locker_id=town.locker_id,
            compartment=3,
            reason=WHY,
            ids=story.ids,
            now=START,
        )
        assert isinstance(asked, EmergencyOpening)
        for actor, code in (
            (town.technician, ProblemCode.SECOND_PERSON_NEEDED),
            (town.manager, ProblemCode.NOT_FOUND),
            (engineer, ProblemCode.NOT_FOUND),
        ):
            refused = await emergencies.confirm_opening(
                session, actor, emergency_id=asked.id, ids=story.ids, now=START
            )
            assert code_of(refused) is code
    assert code_of(await register(story, raw)) is ProblemCode.SECOND_PERSON_NEEDED
    await agree(story, 3, town.technician, town.operator)
    assert isinstance(await register(story, raw), RegisteredToken)
    assert await story.incidents() == ["EMERGENCY_OPENING"]


async def test_what_two_persons_agreed_to_is_noted_when_it_is_done(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    agreed = await agree(story, 3, story.town.technician, story.town.operator)
    await serve(story, sensed=True)
    async with story.database.read() as session:
        kept = await session.get_one(EmergencyOpening, agreed.id)
    assert kept.used_at == START
    assert await story.state() is S.DEPOSITED
    assert await story.incidents() == ["EMERGENCY_OPENING"]


@pytest.mark.parametrize("sensed", [False, None])
async def test_what_staff_may_have_taken_out_is_held(story: Story, sensed: bool | None) -> None:
    await story.deposit()
    await story.bring_all()
    await agree(story, 3, story.town.technician, story.town.operator)
    await serve(story, sensed=sensed)
    parcel = await story.parcel()
    assert (parcel.state, parcel.pause_cause) == (S.ON_HOLD, PauseCause.INCIDENT)
    found = await door(story)
    assert (found.allocation, found.service) == (Allocation.UNKNOWN, ServiceState.QUARANTINED)


async def test_a_service_key_at_a_parcels_door_alone_is_an_incident(story: Story) -> None:
    raw, _ = tokens(story, Operation.SERVICE, 3)
    assert isinstance(await register(story, raw), RegisteredToken)
    await story.deposit()
    story.machine.admit(raw, 3, phone_key("operator"))
    story.machine.move_door(3, before=True, after=True)
    await story.bring_all()
    assert await story.incidents() == ["OPENED_BY_STAFF"]


async def test_every_door_takes_two_operators(story: Story) -> None:
    town = story.town
    async with story.database.write() as session:
        refused = await emergencies.request_opening(
            session,
            town.technician,
            locker_id=town.locker_id,
            compartment=None,
            reason=WHY,
            ids=story.ids,
            now=START,
        )
    assert code_of(refused) is ProblemCode.NOT_PERMITTED


async def resolve(story: Story, actor: Actor, outcome: HoldOutcome) -> Parcel | Refusal:
    async with story.database.write() as session:
        return await holds.resolve_hold(
            session,
            actor,
            parcel_id=key_of("parcel"),
            outcome=outcome,
            reason=WHY,
            tools=story.tools,
        )


async def test_a_held_parcel_goes_to_the_counter_once_its_door_was_opened(story: Story) -> None:
    town = story.town
    await story.deposit()
    await story.bring_all()
    await break_down(story, town.technician)
    assert code_of(await resolve(story, town.clerk, HoldOutcome.AT_HUB)) is ProblemCode.NOT_FOUND
    for outcome in HoldOutcome:
        assert code_of(await resolve(story, town.manager, outcome)) is ProblemCode.WRONG_STATE
    await agree(story, 3, town.technician, town.operator)
    await serve(story, sensed=False)
    moved = await resolve(story, town.manager, HoldOutcome.AT_HUB)
    assert isinstance(moved, Parcel)
    assert (moved.state, moved.stay_id, moved.pause_cause) == (S.AT_HUB, None, None)
    left = await ask_to_inspect(story, town.clerk)
    assert isinstance(left, InspectionBundle)
    claims = parse_token(left.token.raw).claims
    assert claims.actions == int(Operation.OPEN)
    story.machine.admit(left.token.raw, 3, phone_key("clerk"))
    story.machine.move_door(3, before=False, after=False)
    story.machine.write(Kind.FOUND_EMPTY, 3, claims.stay)
    await story.bring_all()
    assert await story.state() is S.AT_HUB
    assert await story.incidents() == ["COMPARTMENT_BROKEN", "EMERGENCY_OPENING"]
    assert isinstance(await ask_to_inspect(story, town.clerk), InspectionBundle)


async def test_a_held_parcel_waits_again_for_as_long_as_it_had_left(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    await story.unlock_bundle()
    story.machine.write(Kind.UNEXPECTED_OPEN, 3)
    story.machine.write(Kind.DOOR_CLOSED, 3, True)
    await story.bring_all()
    assert await story.state() is S.ON_HOLD
    waiting = await resolve(story, story.town.manager, HoldOutcome.READY_FOR_PICKUP)
    assert isinstance(waiting, Parcel)
    assert waiting.state is S.READY_FOR_PICKUP
    assert (await door(story)).allocation is Allocation.OCCUPIED
    await story.unlock_bundle()


async def test_time_in_which_nobody_could_collect_is_not_the_holders(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    async with story.database.write() as session:
        await on_ready_accepted(
            session, parcel_id=key_of("parcel"), at=START, ids=story.ids, now=START
        )
    before = (await story.parcel()).available_through
    story.clock.move(hours=1)
    story.machine.now += 3600
    story.machine.write(Kind.UNEXPECTED_OPEN, 3)
    story.machine.write(Kind.DOOR_CLOSED, 3, True)
    await story.bring_all()
    story.clock.move(hours=5)
    waiting = await resolve(story, story.town.manager, HoldOutcome.READY_FOR_PICKUP)
    assert isinstance(waiting, Parcel)
    assert waiting.available_through is not None
    assert before is not None
    assert waiting.available_through - before == timedelta(hours=5)
    assert waiting.deadline_version == 2


async def test_staff_put_a_parcel_of_the_counter_into_a_locker_and_take_it_back(
    story: Story,
) -> None:
    town = story.town
    async with story.database.write() as session:
        parcel = await town.add_parcel(session, state=S.AT_HUB)
        await town.reserve(session, parcel, 3)
        stops = await make_courier_bundle(
            session, town.clerk, parcel_ids=[parcel.id], is_route=False, tools=story.tools
        )
    assert not isinstance(stops, Refusal)
    [offered] = stops[0].deposits
    stay = parse_token(offered.token.raw).claims.stay
    story.machine.admit(offered.token.raw, 3, phone_key("clerk"))
    story.machine.move_door(3, before=False, after=True)
    story.machine.write(Kind.DEPOSITED, 3, stay)
    await story.bring_all()
    kept = await story.parcel()
    assert (kept.state, kept.is_from_counter) == (S.DEPOSITED, True)
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.WITHDRAWN, 3, stay)
    await story.bring_all()
    assert await story.state() is S.AT_HUB
