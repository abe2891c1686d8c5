"""What couriers' openings mean, told by journals as real lockers write them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.journal import Kind
from schema.tokens import parse_token
from server.access.service.deposits import make_courier_bundle
from server.access.service.dropoffs import Dropoff, make_dropoff_bundle
from server.access.service.removals import make_removal_bundle
from server.parcels.states import ParcelState, Removal
from server.parcels.tables import Parcel
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from server.access.service.deposits import Deposit
    from tests.server.uplink.conftest import Story

S = ParcelState


async def fetch_second(story: Story) -> Deposit:
    """The courier's token for one more parcel of the same recipient."""
    async with story.database.write() as session:
        parcel = await story.town.add_parcel(session, "second", at=story.clock.now())
    async with story.database.write() as session:
        stops = await make_courier_bundle(
            session, story.town.courier, parcel_ids=[parcel.id], is_route=True, tools=story.tools
        )
    assert isinstance(stops, list)
    return stops[0].deposits[0]


async def fetch_removal(story: Story, purpose: Removal | None = None) -> bytes:
    """The courier's token to take the parcel out."""
    async with story.database.write() as session:
        stops = await make_removal_bundle(
            session,
            story.town.courier,
            parcel_ids=[key_of("parcel")],
            purpose=purpose,
            is_route=True,
            tools=story.tools,
        )
    assert isinstance(stops, list), stops
    return stops[0].removals[0].token.raw


async def expire(story: Story, name: str = "parcel") -> None:
    async with story.database.write() as session:
        (await session.get_one(Parcel, key_of(name))).state = S.EXPIRED


def put_to(story: Story, deposit: Deposit, *, after: bool | None = True) -> None:
    """A door with a parcel inside opens under the token, and closes."""
    story.machine.admit(deposit.additions[0].token.raw, 3, phone_key("courier"))
    story.machine.move_door(3, before=True, after=after)


async def test_door_that_closed_under_a_second_token_holds_one_parcel_more(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    put_to(story, await fetch_second(story))
    await story.bring_all()
    second = await story.parcel("second")
    assert (second.state, second.stay_id) == (S.DEPOSITED, (await story.parcel()).stay_id)
    assert await story.grants() == {"DEPOSIT": "USED"}
    story.machine.collect(3, stay, None)
    await story.bring_all()
    assert await story.state() is await story.state("second") is S.COLLECTED
    assert await story.incidents() == []


async def test_recipient_is_told_of_the_second_parcel_too(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    put_to(story, await fetch_second(story))
    await story.bring_all()
    first, second = await story.unlock_bundle(), await story.unlock_bundle("second")
    claims = [parse_token(one.token.raw).claims for one in (first, second)]
    assert claims[0].stay == claims[1].stay


async def test_door_opened_again_and_left_as_it_was_adds_nothing(story: Story) -> None:
    await story.deposit()
    story.machine.move_door(3, before=True, after=True)
    await story.bring_all()
    assert (await story.parcel()).version == 1
    assert await story.incidents() == []


async def test_second_token_under_which_everything_came_out_adds_nothing(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    put_to(story, await fetch_second(story), after=False)
    story.machine.write(Kind.WITHDRAWN, 3, stay)
    await story.bring_all()
    assert await story.state() is await story.state("second") is S.OUT_FOR_DELIVERY
    assert await story.incidents() == []


@pytest.mark.parametrize(
    ("purpose", "state"), [(None, S.RETURNING), (Removal.TO_COUNTER, S.AT_HUB)]
)
async def test_removal_that_the_server_granted_moves_the_parcel_by_its_purpose(
    story: Story, purpose: Removal | None, state: ParcelState
) -> None:
    stay = await story.deposit()
    await story.bring_all()
    await story.unlock_bundle()
    await expire(story)
    story.machine.admit(await fetch_removal(story, purpose), 3, phone_key("courier"))
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.COLLECTED, 3, stay, 1)
    story.clock.move(days=2)
    await story.bring_all()
    assert await story.state() is state
    assert await story.grants() == {"DEPOSIT": "USED", "OPEN": "USED", "REMOVE": "USED"}
    assert await story.incidents() == []


async def test_removal_of_something_that_was_not_there_is_an_incident(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    await expire(story)
    story.machine.admit(await fetch_removal(story), 3, phone_key("courier"))
    story.machine.move_door(3, before=False, after=False)
    story.machine.write(Kind.FOUND_EMPTY, 3, stay)
    await story.bring_all()
    assert await story.state() is S.ON_HOLD
    assert await story.incidents() == ["FOUND_EMPTY"]


async def test_courier_who_looked_and_left_it_has_removed_nothing(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    await expire(story)
    story.machine.admit(await fetch_removal(story), 3, phone_key("courier"))
    story.machine.move_door(3, before=True, after=True)
    await story.bring_all()
    assert await story.state() is S.EXPIRED
    assert await story.incidents() == []


async def test_sender_brings_and_takes_back(story: Story) -> None:
    async with story.database.write() as session:
        parcel = await story.town.add_parcel(session, state=S.AWAITING_DROPOFF)
        parcel.sender_id = key_of("stranger")
        parcel.returns_id = parcel.id
        parcel.dropoff_through = story.clock.now() + timedelta(days=5)
    async with story.database.write() as session:
        got = await make_dropoff_bundle(
            session,
            story.town.stranger,
            parcel_id=key_of("parcel"),
            locker_id=story.town.locker_id,
            tools=story.tools,
        )
    assert isinstance(got, Dropoff)
    story.machine.admit(got.token.raw, 2, phone_key("stranger"))
    story.machine.move_door(2, before=False, after=True)
    story.machine.write(Kind.DEPOSITED, 2, got.stay.name)
    await story.bring_all()
    assert await story.state() is S.DROPPED_OFF
    assert await story.grants() == {"DROPOFF": "USED"}
    story.machine.move_door(2, before=True, after=False)
    story.machine.write(Kind.WITHDRAWN, 2, got.stay.name)
    await story.bring_all()
    assert await story.state() is S.AWAITING_DROPOFF
    assert await story.incidents() == []
