"""Staff help a holder at the door: with the holder's own means, and it is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.keys import Operation
from schema.tokens import parse_token
from server.kit.errors import Refusal
from server.parcels.service import assisting
from server.parcels.states import ParcelState
from server.parcels.tables import Assistance, Assurance, Parcel, ParcelEvent
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from tests.server.uplink.conftest import Story


@pytest.fixture(autouse=True)
async def staffed(story: Story) -> None:
    async with story.database.write() as session:
        await story.town.add_staff(session, "clerk")


async def assist(story: Story, actor: Actor) -> Parcel | Refusal:
    async with story.database.write() as session:
        return await assisting.record_assistance(
            session, actor, parcel_id=key_of("parcel"), ids=story.ids, now=story.clock.now()
        )


async def collect(story: Story, *, by_pin: bool = False) -> None:
    """The holder has taken the parcel out; the journal was brought."""
    bundle = await story.unlock_bundle()
    stay = parse_token(bundle.token.raw).claims.stay
    story.machine.now = int(story.clock.now().timestamp())
    if by_pin:
        story.machine.accept(Operation.OPEN, 3, None)
    else:
        story.machine.admit(bundle.token.raw, 3, phone_key("recipient"))
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(13, 3, stay, 1)
    await story.bring_all()


async def reasons(story: Story) -> list[str | None]:
    async with story.database.read() as session:
        query = select(ParcelEvent).order_by(col(ParcelEvent.number))
        return [one.reason for one in await session.exec(query) if one.row == "P15"]


@pytest.mark.parametrize("by_pin", [False, True])
async def test_a_helped_collection_is_of_assurance_c_and_says_so(
    story: Story, by_pin: bool
) -> None:
    await story.deposit()
    await story.bring_all()
    assert isinstance(await assist(story, story.town.clerk), Parcel)
    await collect(story, by_pin=by_pin)
    parcel = await story.parcel()
    assert (parcel.state, parcel.assurance) == (ParcelState.COLLECTED, Assurance.C)
    assert await reasons(story) == [assisting.ASSISTED]
    async with story.database.read() as session:
        helped = (await session.exec(select(Assistance))).one()
    assert helped.staff_id == key_of("clerk")


async def test_help_of_an_hour_ago_has_nothing_to_do_with_it(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    await assist(story, story.town.clerk)
    story.clock.move(hours=1)
    await collect(story)
    assert (await story.parcel()).assurance is Assurance.A
    assert await reasons(story) == [None]


async def test_only_staff_of_the_hub_help_and_only_at_a_door(story: Story) -> None:
    town = story.town
    await story.offer()
    refused = await assist(story, town.clerk)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE
    for actor, code in (
        (town.recipient, ProblemCode.NOT_PERMITTED),
        (town.courier, ProblemCode.NOT_PERMITTED),
        (town.stranger, ProblemCode.NOT_FOUND),
    ):
        refused = await assist(story, actor)
        assert isinstance(refused, Refusal)
        assert refused.code is code
