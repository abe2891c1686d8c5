"""Windows, habits and what staff may count of them, through the API."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from server.kit.graph import global_id, read_id
from server.parcels.states import ParcelState
from server.people.roles import Role
from server.pickups.graph.writing import CHOICES
from tests.fakes.callers import sign_in_staff
from tests.fakes.phone import Phone

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.town import Town

WINDOWS = """
query ($parcel: ID!) {
  pickupWindows(parcel: $parcel) { start end probability origin because } }"""
CHOOSE = """
mutation ($parcel: ID!, $start: DateTime!, $end: DateTime!) {
  choosePickupWindow(parcel: $parcel, start: $start, end: $end) {
    ... on ChoosePickupWindowPayload { parcel start end }
    ... on Problem { code message field } } }"""
CANCEL = """
mutation ($parcel: ID!) { cancelPickupWindow(parcel: $parcel) {
  ... on CancelPickupWindowPayload { parcel } ... on Problem { code field } } }"""
FORGET = """
mutation { forgetHabits {
  ... on ForgetHabitsPayload { person } ... on Problem { code } } }"""
EXPECTED = "query ($hub: ID!) { expectedPickups(hub: $hub) { start end chosen } }"
OCCUPANCY = """
query ($hub: ID!) { hubOccupancy(hub: $hub) { now forecast { start end mean low high } } }"""


@pytest.fixture
async def recipient(phone: Phone) -> Phone:
    await phone.sign_in()
    return phone


@pytest.fixture
async def parcel(house: House, town: Town, recipient: Phone) -> str:
    """A parcel that waits for the recipient for three days."""
    me = (await recipient.ask("{ me { id } }"))["me"]["id"]
    async with house.database.write() as session:
        row = await town.add_parcel(session)
        row.recipient_id, row.state = read_id("Person", me), ParcelState.READY_FOR_PICKUP
        row.available_from = house.clock.now()
        row.available_through = row.available_from + timedelta(days=3)
        return str(global_id("Parcel", row.id))


async def test_a_window_is_offered_chosen_counted_and_given_up(
    house: House, api: httpx.AsyncClient, town: Town, recipient: Phone, parcel: str
) -> None:
    offered = (await recipient.ask(WINDOWS, parcel=parcel))["pickupWindows"]
    assert 0 < len(offered) <= 3
    assert all(0 < one["probability"] <= 1 and one["because"] for one in offered)
    best = offered[0]
    span = {"start": best["start"], "end": best["end"]}
    chosen = (await recipient.ask(CHOOSE, parcel=parcel, **span))["choosePickupWindow"]
    assert chosen["parcel"] == parcel
    shown = (await recipient.ask(WINDOWS, parcel=parcel))["pickupWindows"]
    assert (shown[0]["origin"], shown[0]["because"]) == ("CHOSEN", "You chose this time.")
    staff = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    hub = global_id("Hub", town.hub_id)
    expected = (await staff.ask(EXPECTED, hub=hub))["expectedPickups"]
    assert [one["chosen"] for one in expected] == [1]
    for _ in range(2):
        given_up = (await recipient.ask(CANCEL, parcel=parcel))["cancelPickupWindow"]
        assert given_up == {"parcel": parcel}
    assert (await staff.ask(EXPECTED, hub=hub))["expectedPickups"] == []


async def test_what_cannot_be_chosen_is_refused_with_its_reason(
    house: House, recipient: Phone, parcel: str
) -> None:
    late = house.clock.now() + timedelta(days=3)
    for start, code in (
        (late.isoformat(), "WINDOW_IMPOSSIBLE"),
        (late.replace(tzinfo=None).isoformat(), "INPUT_INVALID"),
    ):
        end = (datetime.fromisoformat(start) + timedelta(hours=1)).isoformat()
        refused = await recipient.ask(CHOOSE, parcel=parcel, start=start, end=end)
        assert refused["choosePickupWindow"]["code"] == code
        assert refused["choosePickupWindow"]["message"]


async def test_nobody_changes_their_mind_without_end(
    house: House, recipient: Phone, parcel: str
) -> None:
    start = house.clock.now() + timedelta(hours=1)
    codes = []
    for minute in range(CHOICES.count + 1):
        at = start + timedelta(minutes=minute)
        span = {"start": at.isoformat(), "end": (at + timedelta(hours=1)).isoformat()}
        outcome = (await recipient.ask(CHOOSE, parcel=parcel, **span))["choosePickupWindow"]
        codes.append(outcome.get("code"))
    assert codes == [None] * CHOICES.count + ["SLOW_DOWN"]


async def test_others_see_no_windows_and_choose_none(
    house: House, api: httpx.AsyncClient, town: Town, parcel: str
) -> None:
    other = Phone(house, api, name="other")
    await other.sign_in("other@example.org")
    now = house.clock.now()
    span = {"start": now.isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    for key in (parcel, global_id("Parcel", uuid.UUID(int=9)), "?"):
        assert (await other.ask(WINDOWS, parcel=key))["pickupWindows"] is None
        refused = (await other.ask(CHOOSE, parcel=key, **span))["choosePickupWindow"]
        assert refused["code"] == "NOT_FOUND"
        assert (await other.ask(CANCEL, parcel=key))["cancelPickupWindow"]["code"] == "NOT_FOUND"
    for hub in (global_id("Hub", town.hub_id), "?"):
        assert (await other.ask(EXPECTED, hub=hub))["expectedPickups"] is None
        assert (await other.ask(OCCUPANCY, hub=hub))["hubOccupancy"] is None


async def test_habits_are_forgotten_for_whoever_is_signed_in(
    house: House, api: httpx.AsyncClient, recipient: Phone
) -> None:
    forgotten = (await recipient.ask(FORGET))["forgetHabits"]
    assert forgotten["person"] == (await recipient.ask("{ me { id } }"))["me"]["id"]
    nobody = (await Phone(house, api).ask(FORGET))["forgetHabits"]
    assert nobody["code"] == "SIGNED_OUT"


async def test_staff_see_how_full_the_hub_is(
    house: House, api: httpx.AsyncClient, town: Town
) -> None:
    staff = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    seen = (await staff.ask(OCCUPANCY, hub=global_id("Hub", town.hub_id)))["hubOccupancy"]
    assert seen == {"now": 0.0, "forecast": []}
