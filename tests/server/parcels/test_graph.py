"""Parcels through the API: who may do what, who sees what, and at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id, read_id
from server.lockers.incidents import Fact
from server.parcels.service import facts, stays, waiting
from server.parcels.service.depositing import Putting
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.roles import Role
from tests.fakes.callers import connect_carrier, sign_in_staff
from tests.fakes.counting import counted_statements
from tests.fakes.phone import Phone
from tests.fakes.sources import START

if TYPE_CHECKING:
    import uuid

    import httpx

    from server.app import House
    from tests.fakes.callers import CarrierSystem
    from tests.fakes.town import Town

ANNOUNCE = """
mutation ($parcel: ParcelInput!) { announceParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id code state version recipientName recipientContact } }
  ... on Problem { code message field } } }"""
RESERVE = """
mutation ($parcel: ID!, $locker: ID, $reach: ReachInput) {
  reserveCompartment(parcel: $parcel, locker: $locker, reach: $reach) {
    ... on ReserveCompartmentPayload { reservation {
      expiresAt compartment { number label } locker { serial } } }
    ... on Problem { code message field } } }"""
CANCEL = """
mutation ($parcel: ID!) { cancelReservation(parcel: $parcel) {
  ... on ParcelPayload { parcel { reservation { expiresAt } } } ... on Problem { code } } }"""
REPORT = """
mutation ($parcel: ID!, $system: String!, $code: String!) {
  reportScan(parcel: $parcel, sourceSystem: $system, sourceCode: $code) {
    ... on ParcelPayload { parcel { state } } ... on Problem { code field } } }"""
OBJECT = """
mutation ($parcel: ID!) { objectToCollection(parcel: $parcel, objection: DAMAGED) {
  ... on ParcelPayload { parcel { state } } ... on Problem { code } } }"""
DISPUTE = """
mutation ($parcel: ID!) { disputeCollection(parcel: $parcel, reason: NOT_ME) {
  ... on ParcelPayload { parcel { state
    disputes { party reason openedAt resolvedAt outcome resolution } } }
  ... on Problem { code message next } } }"""
RESOLVE = """
mutation ($parcel: ID!) { resolveDispute(parcel: $parcel, outcome: LOST, reason: "Gone") {
  ... on ParcelPayload { parcel { state disputes { outcome resolution } } }
  ... on Problem { code } } }"""
PARCEL = """
query ($id: ID!, $first: Int, $after: String) { parcel(id: $id) {
  state trackingNo recipientName recipientContact availableFrom assurance
  location { kind words hub { name } locker { serial }
    compartment { label side row column status } }
  history(first: $first, after: $after) {
    edges { cursor node { number row state authority party mapped sourceCode journalSeq } }
    pageInfo { hasNextPage endCursor } } } }"""
MINE = """
query ($first: Int, $after: String, $states: [ParcelState!]) {
  me { parcels(first: $first, after: $after, states: $states) {
    edges { node { id trackingNo state reservation { expiresAt }
      location { words hub { name } locker { serial } compartment { label } }
      history(first: 5) { edges { node { row } } } } }
    pageInfo { hasNextPage endCursor } } } }"""
WORK = """
query ($hub: ID) { parcels(hub: $hub) {
  edges { node { trackingNo recipientName recipientContact
    reservation { compartment { label } }
    location { words locker { serial } } history(first: 2) { edges { node { row } } } } } } }"""


def parcel_input(town: Town, number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "trackingNo": f"SP-{number}",
        "hub": global_id("Hub", town.hub_id),
        "recipient": "recipient@example.org",
        "recipientName": "Anna Kowalska",
        "widthMm": 200,
        "heightMm": 100,
        "depthMm": 300,
    } | changes


@pytest.fixture
async def carrier(house: House, api: httpx.AsyncClient, town: Town) -> CarrierSystem:
    return await connect_carrier(house, api, town)


@pytest.fixture
async def courier(house: House, api: httpx.AsyncClient, town: Town) -> Phone:
    return await sign_in_staff(house, api, Role.COURIER, town.carrier_id)


@pytest.fixture
async def recipient(phone: Phone) -> Phone:
    await phone.sign_in("recipient@example.org")
    return phone


async def announce(carrier: CarrierSystem, town: Town, number: int = 1) -> str:
    answer = await carrier.ask(ANNOUNCE, parcel=parcel_input(town, number))
    key: str = answer["announceParcel"]["parcel"]["id"]
    return key


async def deposit(house: House, town: Town, parcel_id: uuid.UUID, seq: int = 1) -> bytes:
    async with house.database.write() as session:
        stay = await stays.mint_stay(
            session,
            parcel_id=parcel_id,
            locker_id=town.locker_id,
            ids=house.ids,
            randomness=house.randomness,
            now=START,
        )
        await facts.on_deposited(
            session,
            Fact(town.locker_id, seq, START, 2, seq),
            stay=stay.name,
            putting=Putting(depositor_id=None),
            ids=house.ids,
            now=START,
        )
    return stay.name


def key_in(text: str) -> uuid.UUID:
    key = read_id("Parcel", text)
    assert key is not None
    return key


async def test_carrier_announces_once_and_reads_no_contacts(
    carrier: CarrierSystem, town: Town
) -> None:
    first = (await carrier.ask(ANNOUNCE, parcel=parcel_input(town)))["announceParcel"]["parcel"]
    again = (await carrier.ask(ANNOUNCE, parcel=parcel_input(town)))["announceParcel"]["parcel"]
    assert again == first
    assert (first["state"], first["version"]) == ("ANNOUNCED", 1)
    assert (first["recipientName"], first["recipientContact"]) == ("Anna K.", None)
    other = await carrier.ask(ANNOUNCE, parcel=parcel_input(town, weightG=5))
    assert other["announceParcel"]["code"] == "CHANGED_MEANWHILE"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"hub": "?"}, "NOT_FOUND", "hub"),
        ({"widthMm": 0}, "INPUT_INVALID", "parcel"),
        ({"recipient": "nobody"}, "INPUT_INVALID", "recipient"),
        ({"trackingNo": "a b"}, "INPUT_INVALID", "trackingNo"),
    ],
)
async def test_wrong_announcement_is_a_problem_of_its_field(
    carrier: CarrierSystem, town: Town, change: dict[str, Any], code: str, field: str
) -> None:
    outcome = (await carrier.ask(ANNOUNCE, parcel=parcel_input(town, **change)))["announceParcel"]
    assert (outcome["code"], outcome["field"]) == (code, field)


async def test_courier_reserves_loads_and_cancels(
    carrier: CarrierSystem, courier: Phone, town: Town
) -> None:
    key = await announce(carrier, town)
    locker = global_id("Locker", town.locker_id)
    held = (await courier.ask(RESERVE, parcel=key, locker=locker))["reserveCompartment"]
    assert held["reservation"]["compartment"] == {"number": 1, "label": "A1"}
    assert held["reservation"]["locker"] == {"serial": "L-1"}
    reach = {"lowestMm": 380, "highestMm": 1220}
    await courier.ask(CANCEL, parcel=key)
    held = (await courier.ask(RESERVE, parcel=key, reach=reach))["reserveCompartment"]
    assert held["reservation"]["compartment"]["number"] == 2
    states = []
    for code in ("in_transit", "out_for_delivery", "who_knows"):
        answer = await courier.ask(REPORT, parcel=key, system="restante", code=code)
        states.append(answer["reportScan"]["parcel"]["state"])
    assert states == ["IN_TRANSIT", "OUT_FOR_DELIVERY", "OUT_FOR_DELIVERY"]
    freed = await courier.ask(CANCEL, parcel=key)
    assert freed["cancelReservation"]["parcel"] == {"reservation": None}


async def test_recipient_sees_where_the_parcel_is_in_words_and_its_history(
    carrier: CarrierSystem, recipient: Phone, house: House, town: Town
) -> None:
    key = await announce(carrier, town)
    await carrier.ask(REPORT, parcel=key, system="inpost", code="taken_by_courier")
    await deposit(house, town, key_in(key))
    async with house.database.write() as session:
        await waiting.on_ready_accepted(
            session, parcel_id=key_in(key), at=START, ids=house.ids, now=START
        )
    parcel = (await recipient.ask(PARCEL, id=key, first=2))["parcel"]
    assert parcel["location"] == {
        "kind": "PLANNED",
        "words": "Corner Shop, Long Street 1, Tallinn: compartment A1, left side, "
        "row 1 from the top, column 1 from the left",
        "hub": {"name": "Corner Shop"},
        "locker": {"serial": "L-1"},
        "compartment": {
            "label": "A1",
            "side": "LEFT",
            "row": 1,
            "column": 1,
            "status": "OCCUPIED",
        },
    }
    assert (parcel["recipientName"], parcel["recipientContact"]) == (
        "Anna Kowalska",
        "recipient@example.org",
    )
    first = parcel["history"]
    assert [edge["node"]["row"] for edge in first["edges"]] == ["P1", "P7"]
    assert first["edges"][1]["node"]["sourceCode"] == "taken_by_courier"
    assert first["edges"][1]["node"]["mapped"] == "IN_TRANSIT"
    cursor = first["pageInfo"]["endCursor"]
    rest = (await recipient.ask(PARCEL, id=key, after=cursor))["parcel"]["history"]
    assert [edge["node"]["row"] for edge in rest["edges"]] == ["P10b", "P12"]
    assert rest["edges"][0]["node"]["journalSeq"] == "1"
    assert rest["edges"][0]["node"]["authority"] == "FACT"
    assert not rest["pageInfo"]["hasNextPage"]


async def test_foreign_parcels_look_as_if_they_did_not_exist(
    carrier: CarrierSystem, house: House, api: httpx.AsyncClient, town: Town
) -> None:
    key = await announce(carrier, town)
    stranger = Phone(house, api, "stranger")
    await stranger.sign_in("stranger@example.org")
    node = "query ($id: ID!) { node(id: $id) { id } }"
    for unknown in (key, global_id("Parcel", town.hub_id), "nonsense"):
        assert (await stranger.ask(PARCEL, id=unknown))["parcel"] is None
        assert (await stranger.ask(node, id=unknown))["node"] is None
        for query, variables in (
            (RESERVE, {}),
            (CANCEL, {}),
            (REPORT, {"system": "restante", "code": "in_transit"}),
            (OBJECT, {}),
            (DISPUTE, {}),
            (RESOLVE, {}),
        ):
            answer = await stranger.ask(query, parcel=unknown, **variables)
            (outcome,) = answer.values()
            assert outcome["code"] == "NOT_FOUND"
    assert (await carrier.ask(node, id=key))["node"] == {"id": key}


async def test_hub_staff_see_first_name_and_initial_and_only_their_hub(
    carrier: CarrierSystem, house: House, api: httpx.AsyncClient, town: Town
) -> None:
    await announce(carrier, town)
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    elsewhere = await sign_in_staff(house, api, Role.HUB_MANAGER, town.locker_id)
    (edge,) = (await clerk.ask(WORK))["parcels"]["edges"]
    assert edge["node"]["trackingNo"] == "SP-1"
    assert (edge["node"]["recipientName"], edge["node"]["recipientContact"]) == ("Anna K.", None)
    assert (await elsewhere.ask(WORK))["parcels"]["edges"] == []
    assert (await clerk.ask(WORK, hub="?"))["parcels"]["edges"] == []
    here = global_id("Hub", town.hub_id)
    assert len((await clerk.ask(WORK, hub=here))["parcels"]["edges"]) == 1


async def test_recipient_has_no_work_and_operator_has_all(
    carrier: CarrierSystem,
    recipient: Phone,
    house: House,
    api: httpx.AsyncClient,
    town: Town,
) -> None:
    await announce(carrier, town)
    operator = await sign_in_staff(house, api, Role.OPERATOR)
    assert (await recipient.ask(WORK))["parcels"]["edges"] == []
    (edge,) = (await operator.ask(WORK))["parcels"]["edges"]
    assert edge["node"]["recipientContact"] == "recipient@example.org"
    mine = await operator.ask(MINE)
    assert mine["me"]["parcels"]["edges"] == []


async def test_own_parcels_come_newest_first_by_page_and_state(
    carrier: CarrierSystem, recipient: Phone, house: House, town: Town
) -> None:
    keys = [await announce(carrier, town, number) for number in range(1, 4)]
    await deposit(house, town, key_in(keys[0]))
    page = (await recipient.ask(MINE, first=2))["me"]["parcels"]
    assert [edge["node"]["id"] for edge in page["edges"]] == [keys[2], keys[1]]
    rest = await recipient.ask(MINE, first=2, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in rest["me"]["parcels"]["edges"]] == [keys[0]]
    there = await recipient.ask(MINE, states=["DEPOSITED"])
    assert [edge["node"]["trackingNo"] for edge in there["me"]["parcels"]["edges"]] == ["SP-1"]


async def test_objection_through_the_api_is_refused_before_the_door_was_opened(
    carrier: CarrierSystem, recipient: Phone, house: House, town: Town
) -> None:
    key = await announce(carrier, town)
    await deposit(house, town, key_in(key))
    answer = await recipient.ask(OBJECT, parcel=key)
    assert answer["objectToCollection"]["code"] == "WRONG_STATE"


async def test_a_collection_is_disputed_and_decided_through_the_api(
    carrier: CarrierSystem,
    recipient: Phone,
    house: House,
    api: httpx.AsyncClient,
    town: Town,
) -> None:
    key = await announce(carrier, town)
    answer = await recipient.ask(DISPUTE, parcel=key)
    assert answer["disputeCollection"]["code"] == "WRONG_STATE"
    now = house.clock.now()
    async with house.database.write() as session:
        parcel = await session.get_one(Parcel, key_in(key))
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, now
    answer = await recipient.ask(DISPUTE, parcel=key)
    assert answer["disputeCollection"]["parcel"] == {
        "state": "DISPUTED",
        "disputes": [
            {
                "party": "REC",
                "reason": "NOT_ME",
                "openedAt": now.isoformat(),
                "resolvedAt": None,
                "outcome": None,
                "resolution": None,
            }
        ],
    }
    operator = await sign_in_staff(house, api, Role.OPERATOR)
    decided = (await operator.ask(RESOLVE, parcel=key))["resolveDispute"]["parcel"]
    assert decided == {
        "state": "LOST",
        "disputes": [{"outcome": "LOST", "resolution": "Gone"}],
    }


async def test_lists_of_parcels_cost_the_same_however_long(
    carrier: CarrierSystem, recipient: Phone, courier: Phone, house: House, town: Town
) -> None:
    async def costs() -> tuple[int, int, int]:
        spent = []
        for caller, query in ((recipient, MINE), (courier, WORK), (carrier, WORK)):
            async with counted_statements(house.database) as statements:
                await caller.ask(query)
            spent.append(len(statements))
        return spent[0], spent[1], spent[2]

    for number in (1, 2):
        key = await announce(carrier, town, number)
        await deposit(house, town, key_in(key), seq=number)
    kept = await announce(carrier, town, 9)
    await courier.ask(RESERVE, parcel=kept)
    few = await costs()
    for number in range(10, 15):
        await announce(carrier, town, number)
    for number in (3, 4):
        key = await announce(carrier, town, number)
        await deposit(house, town, key_in(key), seq=number)
    assert await costs() == few


async def test_words_nobody_mapped_are_listed_for_operators_only(
    carrier: CarrierSystem, house: House, api: httpx.AsyncClient, town: Town
) -> None:
    key = await announce(carrier, town)
    await carrier.ask(REPORT, parcel=key, system="inpost", code="odd")
    operator = await sign_in_staff(house, api, Role.OPERATOR)
    query = "{ unknownStatuses { sourceSystem sourceCode reports } }"
    assert (await operator.ask(query))["unknownStatuses"] == [
        {"sourceSystem": "inpost", "sourceCode": "odd", "reports": 1}
    ]
    assert (await carrier.ask(query))["unknownStatuses"] == []


async def test_nobody_without_an_account_does_anything(
    api: httpx.AsyncClient, carrier: CarrierSystem, town: Town
) -> None:
    key = await announce(carrier, town)
    for query, variables in (
        (ANNOUNCE, {"parcel": parcel_input(town)}),
        (RESERVE, {"parcel": key}),
        (CANCEL, {"parcel": key}),
        (REPORT, {"parcel": key, "system": "restante", "code": "in_transit"}),
        (OBJECT, {"parcel": key}),
        (DISPUTE, {"parcel": key}),
        (RESOLVE, {"parcel": key}),
    ):
        answer = await api.post("/graphql", json={"query": query, "variables": variables})
        (outcome,) = answer.json()["data"].values()
        assert outcome["code"] == "SIGNED_OUT"
    answer = await api.post("/graphql", json={"query": MINE})
    assert answer.json()["data"] == {"me": None}
