"""A parcel that lay there all the while, from the dispute of its collection to its holder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.journal import Kind
from schema.tokens import parse_token
from server.access.service import inspections
from server.access.service.deposits import Stop, make_courier_bundle
from server.access.service.inspections import InspectionBundle
from server.kit.errors import Refusal
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.service import disputing
from server.parcels.service.reserving import reserve_compartment
from server.parcels.states import ParcelState
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story

PARCEL = key_of("parcel")


async def collect(story: Story, number: int) -> None:
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, number, phone_key("recipient"))
    story.machine.move_door(number, before=True, after=False)
    story.machine.write(Kind.COLLECTED, number, parse_token(token).claims.stay, 1)
    await story.bring_all()


async def look_into(story: Story, number: int) -> None:
    """The clerk opens the compartment, finds the parcel, and shuts the door on it."""
    async with story.database.write() as session:
        bundle = await inspections.make_inspection_bundle(
            session,
            story.town.clerk,
            locker_id=story.town.locker_id,
            number=number,
            reason="Disputed",
            tools=story.tools,
        )
    assert isinstance(bundle, InspectionBundle)
    story.machine.admit(bundle.token.raw, number, phone_key("clerk"))
    story.machine.move_door(number, before=True, after=True)
    await story.bring_all()


async def put_in_again(story: Story) -> int:
    """The clerk puts it into another compartment; which one."""
    async with story.database.write() as session:
        kept = await reserve_compartment(
            session,
            story.town.clerk,
            parcel_id=PARCEL,
            locker_id=None,
            reach=None,
            ids=story.ids,
            now=story.clock.now(),
        )
    assert not isinstance(kept, Refusal), kept
    async with story.database.write() as session:
        stops = await make_courier_bundle(
            session, story.town.clerk, parcel_ids=[PARCEL], is_route=False, tools=story.tools
        )
    assert isinstance(stops, list)
    assert isinstance(stops[0], Stop)
    token, number = stops[0].deposits[0].token.raw, kept.compartment.number
    story.machine.admit(token, number, phone_key("clerk"))
    story.machine.move_door(number, before=False, after=True)
    story.machine.write(Kind.DEPOSITED, number, parse_token(token).claims.stay)
    await story.bring_all()
    return number


async def test_what_was_found_inside_is_put_in_again_and_collected_after_all(
    story: Story,
) -> None:
    async with story.database.write() as session:
        await story.town.add_staff(session, "clerk")
    await story.deposit(3)
    await story.bring_all()
    await collect(story, 3)
    story.clock.move(hours=1)
    async with story.database.write() as session:
        await disputing.dispute_collection(
            session,
            story.town.recipient,
            parcel_id=PARCEL,
            reason=DisputeReason.NOT_OPENED,
            ids=story.ids,
            now=story.clock.now(),
        )
    story.clock.move(hours=1)
    await look_into(story, 3)
    assert await story.incidents() == ["CONTENTS_UNEXPLAINED", "DISPUTE"]
    async with story.database.write() as session:
        found = await disputing.resolve_dispute(
            session,
            story.town.operator,
            parcel_id=PARCEL,
            outcome=DisputeOutcome.READY_FOR_PICKUP,
            reason="The clerk has found it",
            ids=story.ids,
            now=story.clock.now(),
        )
    assert not isinstance(found, Refusal), found
    assert (await story.parcel()).stay_id is None
    number = await put_in_again(story)
    assert number != 3
    assert await story.state() is ParcelState.DEPOSITED
    assert (await story.parcel()).available_through is None
    await collect(story, number)
    assert await story.state() is ParcelState.COLLECTED
