"""Hard limits of the recipient, from the choice of a compartment to the door that closes on it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.compartments import ACCESSIBLE_REACH, ReachBand
from schema.tokens import parse_token
from server.access.service.deposits import Stop, make_courier_bundle
from server.access.service.dropoffs import Dropoff, make_dropoff_bundle
from server.hubs.tables import Hub
from server.kit.errors import Refusal
from server.lockers.service.reservations import Held
from server.lockers.tables import Compartment, Locker, Reservation
from server.parcels.service.moving import Report
from server.parcels.service.redirecting import redirect
from server.parcels.service.reserving import reserve_compartment, swap_compartment
from server.parcels.service.scanning import report_scan
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.preferences import Preferences
from server.people.service.preferences import change_preferences
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story

LOW = ReachBand(0, 450)
"""Compartments 1 and 2; those of the town have their sills at 200, 400, 600 and 800 mm."""


async def prefer(story: Story, version: int = 0, **wanted: Any) -> None:
    async with story.database.write() as session:
        changed = await change_preferences(
            session,
            story.town.recipient,
            wanted=Preferences(version=version, **wanted),
            now=story.clock.now(),
        )
    assert not isinstance(changed, Refusal), changed


async def announce(story: Story, **changes: Any) -> None:
    async with story.database.write() as session:
        parcel = await story.town.add_parcel(session)
        for name, value in changes.items():
            setattr(parcel, name, value)


async def reserve(story: Story, *, reach: ReachBand | None = None) -> Held | Refusal:
    async with story.database.write() as session:
        return await reserve_compartment(
            session,
            story.town.courier,
            parcel_id=key_of("parcel"),
            locker_id=None,
            reach=reach,
            ids=story.ids,
            now=story.clock.now(),
        )


async def load(story: Story) -> None:
    async with story.database.write() as session:
        await report_scan(
            session,
            story.town.courier,
            parcel_id=key_of("parcel"),
            said=Report("restante", "out_for_delivery", None, None),
            ids=story.ids,
            now=story.clock.now(),
        )
    assert await story.state() is ParcelState.OUT_FOR_DELIVERY


async def swap(story: Story) -> Held | Refusal:
    async with story.database.write() as session:
        return await swap_compartment(
            session,
            story.town.courier,
            parcel_id=key_of("parcel"),
            ids=story.ids,
            now=story.clock.now(),
        )


async def take_along(story: Story, *, is_route: bool) -> list[Stop] | Refusal:
    async with story.database.write() as session:
        return await make_courier_bundle(
            session,
            story.town.courier,
            parcel_ids=[key_of("parcel")],
            is_route=is_route,
            tools=story.tools,
        )


def refusal_of(outcome: object) -> Refusal:
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.CONSENT_MISSING
    return outcome


async def test_reach_survives_reservation_and_swap_and_every_token(story: Story) -> None:
    await announce(story)
    await prefer(story, reach=LOW)
    held = await reserve(story)
    assert isinstance(held, Held)
    assert held.compartment.number == 1
    swapped = await swap(story)
    assert isinstance(swapped, Refusal)
    assert swapped.code is ProblemCode.NO_COMPARTMENT
    stops = await take_along(story, is_route=True)
    assert isinstance(stops, list)
    [deposit] = stops[0].deposits
    assert deposit.comps == parse_token(deposit.token.raw).claims.comps == (1, 2)
    refusal_of(await reserve(story, reach=ReachBand(500, 900)))
    both = await reserve(story, reach=ACCESSIBLE_REACH)
    assert isinstance(both, Held)
    assert both.compartment.number == 2


@pytest.mark.parametrize(
    "ruled_out",
    [
        {"counter_only": True},
        {"allowed_hubs": (key_of("another hub"),)},
        {"never_app_only": True},
        {"never_ambient_if_perishable": True},
    ],
    ids=lambda it: next(iter(it)),
)
async def test_what_is_ruled_out_is_had_by_no_way(story: Story, ruled_out: dict[str, Any]) -> None:
    await announce(story, is_perishable=True)
    held = await reserve(story)
    assert isinstance(held, Held)
    await prefer(story, **ruled_out)
    assert refusal_of(await reserve(story)).next
    # What was kept before the recipient changed their mind gives no token either.
    for is_route in (False, True):
        assert refusal_of(await take_along(story, is_route=is_route)).field == "parcelIds"


async def test_a_locker_with_a_keypad_suits_who_has_no_phone(story: Story) -> None:
    await announce(story)
    await prefer(story, never_app_only=True)
    refusal_of(await reserve(story))
    async with story.database.write() as session:
        (await session.get_one(Locker, story.town.locker_id)).has_keypad = True
    assert isinstance(await reserve(story), Held)
    assert isinstance(await take_along(story, is_route=True), list)


async def test_nothing_is_left_in_a_locker_for_who_is_away(story: Story) -> None:
    await announce(story)
    back = story.clock.now().date() + timedelta(days=3)
    await prefer(story, hold_until=back)
    assert back.isoformat() in refusal_of(await reserve(story)).message
    story.clock.move(hours=3 * 24)
    assert isinstance(await reserve(story), Held)


async def test_loading_a_parcel_keeps_nothing_that_its_recipient_cannot_use(story: Story) -> None:
    await announce(story, state=ParcelState.IN_TRANSIT)
    await prefer(story, counter_only=True)
    await load(story)
    async with story.database.read() as session:
        assert (await session.exec(select(Reservation))).all() == []
    refusal_of(await take_along(story, is_route=False))


async def test_a_sender_is_told_what_the_recipient_has_ruled_out(story: Story) -> None:
    await announce(story)
    async with story.database.write() as session:
        parcel = await story.town.add_parcel(session, "sent", state=ParcelState.AWAITING_DROPOFF)
        parcel.sender_id = key_of("stranger")
        parcel.dropoff_through = story.clock.now() + timedelta(days=5)

    async def bring() -> Dropoff | Refusal:
        async with story.database.write() as session:
            return await make_dropoff_bundle(
                session,
                story.town.stranger,
                parcel_id=key_of("sent"),
                locker_id=story.town.locker_id,
                tools=story.tools,
            )

    await prefer(story, reach=LOW)
    bundle = await bring()
    assert isinstance(bundle, Dropoff)
    assert bundle.comps == (1, 2)
    await prefer(story, 1, counter_only=True)
    assert refusal_of(await bring()).field == "parcelId"


async def test_a_door_that_closed_on_it_counts_and_somebody_is_told(story: Story) -> None:
    await story.deposit(3)
    await prefer(story, reach=LOW)
    await story.bring_all()
    assert await story.state() is ParcelState.DEPOSITED
    assert await story.incidents() == ["CONSENT_BROKEN"]
    await story.bring_all()
    assert await story.incidents() == ["CONSENT_BROKEN"]


async def test_a_deposit_as_wanted_is_no_incident(story: Story) -> None:
    await prefer(story, reach=ReachBand(500, 700), hold_until=story.clock.now().date())
    await story.deposit(3)
    await story.bring_all()
    assert await story.incidents() == []


async def test_reach_survives_redirect_and_loading_and_swap_to_the_door_that_closes(
    story: Story,
) -> None:
    town, elsewhere = story.town, key_of("another hub")
    async with story.database.write() as session:
        hub = await session.get_one(Hub, town.hub_id)
        session.add(Hub(**{**hub.model_dump(), "id": elsewhere, "name": "Mill"}))
        await session.flush()
        parcel = await town.add_parcel(session, state=ParcelState.IN_TRANSIT)
        parcel.hub_id = parcel.planned_hub_id = elsewhere
        # The highest and the lowest are the largest, and neither can be reached.
        for number, width_mm in ((1, 900), (3, 600), (4, 900)):
            (await session.get_one(Compartment, key_of(f"door {number}"))).width_mm = width_mm
    await prefer(story, reach=ReachBand(300, 700))
    async with story.database.write() as session:
        redirected = await redirect(
            session,
            town.recipient,
            parcel_id=key_of("parcel"),
            hub_id=town.hub_id,
            ids=story.ids,
            now=story.clock.now(),
        )
    assert isinstance(redirected, Parcel)
    await load(story)
    held = await reserve(story)
    assert isinstance(held, Held)
    assert held.compartment.number == 2
    larger = await swap(story)
    assert isinstance(larger, Held)
    assert larger.compartment.number == 3
    refused = await swap(story)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NO_COMPARTMENT
    stops = await take_along(story, is_route=True)
    assert isinstance(stops, list)
    token = stops[0].deposits[0].token.raw
    claims = parse_token(token).claims
    assert claims.comps == (3, 2)
    story.machine.admit(token, 3, phone_key("courier"))
    story.machine.move_door(3, before=False, after=True)
    story.machine.write(12, 3, claims.stay)
    await story.bring_all()
    assert await story.state() is ParcelState.DEPOSITED
    assert await story.incidents() == []
