"""Posts at hubs and in carriers, given through the API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id
from server.people.roles import Role
from tests.fakes.callers import CarrierSystem, connect_carrier, sign_in_staff
from tests.fakes.phone import Phone
from tests.fakes.town import Town, build_town

if TYPE_CHECKING:
    import httpx

    from server.app import House

INVITE = """mutation ($address: String!, $role: Role!, $place: ID!) {
  outcome: inviteMember(address: $address, role: $role, place: $place) {
  ... on InviteMemberPayload { role place } ... on Problem { code field } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id ... on Carrier { name } } }"
NOWHERE = str(global_id("Hub", uuid.UUID(int=7)))


@pytest.fixture
async def town(house: House) -> Town:
    async with house.database.write() as session:
        return await build_town(session)


@pytest.fixture
async def carrier(house: House, api: httpx.AsyncClient, town: Town) -> CarrierSystem:
    return await connect_carrier(house, api, town)


async def invite(caller: Phone | CarrierSystem, **variables: str) -> dict[str, Any]:
    wanted = {"address": "clerk@example.org", "role": "HUB_CLERK", **variables}
    found: dict[str, Any] = (await caller.ask(INVITE, **wanted))["outcome"]
    return found


async def test_an_invited_courier_signs_in_and_is_one(
    api: httpx.AsyncClient, house: House, town: Town, carrier: CarrierSystem
) -> None:
    place = str(global_id("Carrier", town.carrier_id))
    for _ in range(2):
        made = await invite(carrier, address="Courier@example.org", role="COURIER", place=place)
        assert made == {"role": "COURIER", "place": place}
    courier = Phone(house, api, "courier")
    await courier.sign_in("courier@example.org")
    me = await courier.ask("{ me { roles { role place } } }")
    assert me["me"]["roles"] == [{"role": "COURIER", "place": place}]
    assert (await courier.ask(NODE, id=place))["node"] is not None


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"address": "nobody"}, "INPUT_INVALID"),
        ({"place": "garbage"}, "NOT_FOUND"),
        ({"role": "HUB_CLERK"}, "NOT_FOUND"),
        ({"role": "HUB_CLERK", "place": NOWHERE}, "NOT_PERMITTED"),
        ({"role": "OPERATOR", "place": NOWHERE}, "NOT_PERMITTED"),
    ],
)
async def test_a_bad_invitation_is_refused(
    town: Town, carrier: CarrierSystem, variables: dict[str, str], code: str
) -> None:
    place = str(global_id("Carrier", town.carrier_id))
    wanted = {"address": "courier@example.org", "role": "COURIER", "place": place, **variables}
    assert (await invite(carrier, **wanted))["code"] == code


async def test_a_manager_staffs_the_own_hub_below_its_owner(
    api: httpx.AsyncClient, house: House, town: Town
) -> None:
    manager = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    place = str(global_id("Hub", town.hub_id))
    assert await invite(manager, place=place) == {"role": "HUB_CLERK", "place": place}
    assert (await invite(manager, role="HUB_OWNER", place=place))["code"] == "NOT_PERMITTED"
    assert (await invite(manager, role="TECHNICIAN", place=place))["code"] == "NOT_PERMITTED"


async def test_an_operator_sends_a_technician_to_a_hub(
    api: httpx.AsyncClient, house: House, town: Town
) -> None:
    operator = await sign_in_staff(house, api, Role.OPERATOR)
    place = str(global_id("Hub", town.hub_id))
    assert await invite(operator, role="TECHNICIAN", place=place) == {
        "role": "TECHNICIAN",
        "place": place,
    }
    nowhere = await invite(operator, role="TECHNICIAN", place=NOWHERE)
    assert nowhere == {"code": "NOT_FOUND", "field": "place"}


async def test_a_hub_that_does_not_exist_has_no_staff(
    api: httpx.AsyncClient, house: House, town: Town
) -> None:
    operator = await sign_in_staff(house, api, Role.OPERATOR)
    assert await invite(operator, place=NOWHERE) == {"code": "NOT_FOUND", "field": "place"}
    place = str(global_id("Hub", town.hub_id))
    assert (await invite(operator, role="HUB_OWNER", place=place))["role"] == "HUB_OWNER"


async def test_nobody_is_told_to_sign_in(api: httpx.AsyncClient, town: Town) -> None:
    place = str(global_id("Hub", town.hub_id))
    variables = {"address": "clerk@example.org", "role": "HUB_CLERK", "place": place}
    answer = await api.post("/graphql", json={"query": INVITE, "variables": variables})
    assert answer.json()["data"]["outcome"]["code"] == "SIGNED_OUT"
