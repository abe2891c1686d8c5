"""Hubs through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id
from server.people.roles import Role
from tests.fakes.callers import sign_in_staff
from tests.fakes.counting import counted_statements
from tests.fakes.town import Town, build_town

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.phone import Phone

CREATE_PARTNER = """
mutation ($name: String!) { createPartner(legalName: $name) {
  ... on CreatePartnerPayload { partner } ... on Problem { code field } } }"""
CREATE_HUB = """
mutation ($hub: HubInput!) { createHub(hub: $hub) {
  ... on HubPayload { hub { id name isOpen openingHours { weekday } version } }
  ... on Problem { code message field } } }"""
SET_HOURS = """
mutation ($hub: ID!, $week: [OpeningInput!]!, $closures: [ClosureInput!]!) {
  updateHubHours(hub: $hub, week: $week, closures: $closures) {
    ... on HubPayload { hub {
      version isOpen nextOpeningAt openingHours { weekday opensMinute closesMinute }
      closures { firstDay lastDay reason planned } } }
    ... on Problem { code message field } } }"""
RULE = """
mutation ($hub: ID!, $further: Int!) { changeExtensionRule(
    hub: $hub, version: 0, furtherExtensions: $further, furtherBelowPercent: 60) {
  ... on HubPayload { hub { extensionRule { version furtherExtensions furtherBelowPercent } } }
  ... on Problem { code field } } }"""
HUBS = """
query ($near: PositionInput, $first: Int, $after: String) {
  hubs(near: $near, first: $first, after: $after) {
    edges { cursor node { name isOpen closures { reason } } }
    pageInfo { hasNextPage endCursor } } }"""


def hub_input(partner: str, **changes: Any) -> dict[str, Any]:
    return {
        "partner": partner,
        "name": "Old Mill",
        "kind": "SERVICE_POINT",
        "timeZone": "Europe/Tallinn",
        "street": "River Road 2",
        "postalCode": "10134",
        "city": "Tallinn",
        "country": "EE",
        "position": {"latitude": 59.43, "longitude": 24.76},
        **changes,
    }


async def ask(api: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    answer = await api.post("/graphql", json={"query": query, "variables": variables})
    return answer.json()


@pytest.fixture
async def operator(house: House, api: httpx.AsyncClient) -> Phone:
    return await sign_in_staff(house, api, Role.OPERATOR)


async def test_operator_opens_a_hub_and_everybody_sees_it(
    operator: Phone, api: httpx.AsyncClient
) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    made = (await operator.ask(CREATE_HUB, hub=hub_input(partner)))["createHub"]["hub"]
    assert made["isOpen"]
    week = [{"weekday": 1, "opensMinute": 480, "closesMinute": 1080}]
    closures = [{"firstDay": "2026-05-05", "lastDay": "2026-05-05", "reason": "stocktaking"}]
    written = await operator.ask(SET_HOURS, hub=made["id"], week=week, closures=closures)
    hub = written["updateHubHours"]["hub"]
    assert hub == {
        "version": 2,
        "isOpen": False,
        "nextOpeningAt": "2026-05-12T05:00:00+00:00",
        "openingHours": week,
        "closures": [{**closures[0], "planned": True}],
    }
    seen = await ask(
        api, "query ($id: ID!) { hub(id: $id) { name } node(id: $id) { id } }", id=made["id"]
    )
    assert seen["data"] == {"hub": {"name": "Old Mill"}, "node": {"id": made["id"]}}


async def test_refusals_name_their_field(operator: Phone, api: httpx.AsyncClient) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    places: list[tuple[dict[str, Any], str, str]] = [
        ({"position": {"latitude": 91, "longitude": 0}}, "INPUT_INVALID", "position"),
        ({"partner": "nonsense"}, "NOT_FOUND", "partner"),
        ({"timeZone": "Mars/Olympus"}, "INPUT_INVALID", "timeZone"),
    ]
    for change, code, field in places:
        hub = hub_input(partner) | change
        outcome = (await operator.ask(CREATE_HUB, hub=hub))["createHub"]
        assert (outcome["code"], outcome["field"]) == (code, field)
    anonymous = await ask(api, CREATE_HUB, hub=hub_input(partner))
    assert anonymous["data"]["createHub"]["code"] == "SIGNED_OUT"


@pytest.mark.parametrize(
    ("week", "closures", "field"),
    [
        ([{"weekday": 7, "opensMinute": 0, "closesMinute": 1}], [], "hours"),
        ([{"weekday": 0, "opensMinute": 5, "closesMinute": 5}], [], "hours"),
        ([], [{"firstDay": "2026-05-05", "lastDay": "2026-05-04"}], "hours"),
    ],
)
async def test_impossible_hours_are_a_problem(
    operator: Phone, house: House, week: list[Any], closures: list[Any], field: str
) -> None:
    async with house.database.write() as session:
        town = await build_town(session)
    answer = await operator.ask(
        SET_HOURS, hub=global_id("Hub", town.hub_id), week=week, closures=closures
    )
    outcome = answer["updateHubHours"]
    assert (outcome["code"], outcome["field"]) == ("INPUT_INVALID", field)
    unknown = await operator.ask(SET_HOURS, hub="?", week=[], closures=[])
    assert unknown["updateHubHours"]["code"] == "NOT_FOUND"


async def test_hubs_come_nearest_first_page_by_page(
    operator: Phone, api: httpx.AsyncClient
) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    for name, latitude in (("far", 50.0), ("near", 59.0), ("middle", 55.0)):
        place = {"latitude": latitude, "longitude": 24.7}
        await operator.ask(CREATE_HUB, hub=hub_input(partner, name=name, position=place))
    near = {"latitude": 59.4, "longitude": 24.7}
    first = (await ask(api, HUBS, near=near, first=2))["data"]["hubs"]
    assert [edge["node"]["name"] for edge in first["edges"]] == ["near", "middle"]
    assert first["pageInfo"]["hasNextPage"]
    rest = await ask(api, HUBS, near=near, first=2, after=first["pageInfo"]["endCursor"])
    assert [edge["node"]["name"] for edge in rest["data"]["hubs"]["edges"]] == ["far"]
    off = await ask(api, HUBS, near={"latitude": 100, "longitude": 0})
    assert off["errors"][0]["extensions"]["code"] == "INPUT_INVALID"
    much = await ask(api, HUBS, first=101)
    assert much["errors"][0]["extensions"]["code"] == "TOO_COSTLY"


async def test_list_of_hubs_with_hours_costs_the_same_however_long(
    operator: Phone, house: House, api: httpx.AsyncClient
) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    costs = []
    for _ in range(2):
        for _ in range(3):
            await operator.ask(CREATE_HUB, hub=hub_input(partner))
        async with counted_statements(house.database) as statements:
            await ask(api, HUBS)
        costs.append(len(statements))
    assert costs == [3, 3]


async def test_unknown_ids_are_null(api: httpx.AsyncClient, house: House) -> None:
    async with house.database.write() as session:
        town: Town = await build_town(session)
    for key in ("", "nonsense", global_id("Hub", town.locker_id), global_id("Parcel", town.hub_id)):
        seen = await ask(api, "query ($id: ID!) { hub(id: $id) { name } }", id=key)
        assert seen["data"] == {"hub": None}


async def test_everybody_reads_the_rule_that_a_hub_has_for_more_time(
    operator: Phone, api: httpx.AsyncClient
) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    created = await operator.ask(CREATE_HUB, hub=hub_input(partner))
    hub = created["createHub"]["hub"]["id"]
    query = "{ hubs { edges { node { extensionRule { version furtherExtensions } } } } }"
    before = (await ask(api, query))["data"]["hubs"]["edges"][0]["node"]
    assert before["extensionRule"] == {"version": 0, "furtherExtensions": 0}
    refused = (await operator.ask(RULE, hub=hub, further=9))["changeExtensionRule"]
    assert refused == {"code": "POLICY_INVALID", "field": "furtherExtensions"}
    unknown = (await operator.ask(RULE, hub="SHVi", further=1))["changeExtensionRule"]
    assert unknown["code"] == "NOT_FOUND"
    changed = (await operator.ask(RULE, hub=hub, further=2))["changeExtensionRule"]
    rule = {"version": 1, "furtherExtensions": 2, "furtherBelowPercent": 60}
    assert changed["hub"]["extensionRule"] == rule


NEARBY = """
query ($near: PositionInput!, $first: Int!) {
  hubsNearby(near: $near, first: $first) { isFavourite distanceM hub { id name } } }"""
PREFER = """
mutation ($hubs: [ID!]!) { changePreferences(version: 0, preferences: { favouriteHubs: $hubs }) {
  __typename } }"""


async def test_favourites_come_before_what_is_nearer(
    operator: Phone, api: httpx.AsyncClient
) -> None:
    partner = (await operator.ask(CREATE_PARTNER, name="Mill Ltd"))["createPartner"]["partner"]
    ids = {}
    for number, name in enumerate(("first", "second", "third")):
        place = {"latitude": 59 + number, "longitude": 24.0}
        made = await operator.ask(CREATE_HUB, hub=hub_input(partner, name=name, position=place))
        ids[name] = made["createHub"]["hub"]["id"]
    await operator.ask(CREATE_HUB, hub=hub_input(partner, name="depot", kind="DEPOT"))
    near = {"latitude": 59, "longitude": 24}
    anybody = (await ask(api, NEARBY, near=near, first=9))["data"]["hubsNearby"]
    assert [one["hub"]["name"] for one in anybody] == ["first", "second", "third"]
    assert anybody[0]["distanceM"] == 0
    await operator.ask(PREFER, hubs=[ids["third"]])
    own = (await operator.ask(NEARBY, near=near, first=2))["hubsNearby"]
    assert [(one["hub"]["name"], one["isFavourite"]) for one in own] == [
        ("third", True),
        ("first", False),
    ]
    for wrong in ({"near": near, "first": 51}, {"near": {"latitude": 99, "longitude": 0}}):
        assert "errors" in await ask(api, NEARBY, **{"first": 1, **wrong})
