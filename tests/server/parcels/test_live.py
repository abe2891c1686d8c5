"""Subscriptions of the whole API: what is told of parcels, lockers and hubs, and to whom."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from schema.compartments import DoorState
from server.app import make_app
from server.kit.graph import global_id
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.service import facts as locker_facts
from server.people.roles import Role
from tests.fakes.callers import connect_carrier, sign_in_staff
from tests.fakes.socket import open_socket
from tests.fakes.sources import START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from server.app import House
    from server.kit.guard import GuardedSchema
    from tests.fakes.callers import CarrierSystem
    from tests.fakes.phone import Phone
    from tests.fakes.socket import Socket
    from tests.fakes.town import Town

PATIENCE_S = 30.0

PARCEL = "subscription ($id: ID!) { parcelChanged(id: $id) { id state } }"
LOCKER = """
subscription ($id: ID!) { lockerChanged(id: $id) { serial compartments { number status } } }"""
HUB = """
subscription ($hub: ID!) { hubFeed(hub: $hub) { hub { name }
  lockers { serial } parcels(first: 5) { edges { node { trackingNo state } } }
  incidents(first: 5) { edges { node { id kind } } } } }"""
VERSION = "subscription ($hub: ID!) { hubFeed(hub: $hub) { hub { version } } }"
ANNOUNCE = """
mutation ($parcel: ParcelInput!) { announceParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id } } ... on Problem { code message field } } }"""
RESOLVE = """
mutation ($incident: ID!) { resolveIncident(incident: $incident, reason: "Shut it.") {
  ... on Problem { code } } }"""
OPEN_ALWAYS = """
mutation ($hub: ID!) { updateHubHours(hub: $hub, week: [], closures: []) {
  ... on Problem { code } } }"""
REPORT = """
mutation ($parcel: ID!, $code: String!) {
  reportScan(parcel: $parcel, sourceSystem: "restante", sourceCode: $code) {
    ... on ParcelPayload { parcel { state } } ... on Problem { code } } }"""


@asynccontextmanager
async def watching(
    house: House, schema: GuardedSchema, query: str, phone: Phone | None = None, **variables: Any
) -> AsyncIterator[Socket]:
    """A socket with one subscription on it."""
    async with open_socket(make_app(house, schema)) as socket:
        if phone is None:
            await socket.init()
        else:
            proof = phone.proof(token=phone.access_token, htm="GET")
            await socket.init(authorization=f"DPoP {phone.access_token}", dpop=proof)
        payload = {"query": query, "variables": variables}
        await socket.send({"type": "subscribe", "id": "1", "payload": payload})
        yield socket


async def told(socket: Socket) -> Any:
    """What the next frame tells."""
    async with asyncio.timeout(PATIENCE_S):
        message = await socket.receive()
    assert message["type"] == "next", message
    assert "errors" not in message["payload"], message
    ((_, state),) = message["payload"]["data"].items()
    return state


@pytest.fixture
async def carrier(house: House, api: httpx.AsyncClient, town: Town) -> CarrierSystem:
    return await connect_carrier(house, api, town)


@pytest.fixture
async def recipient(phone: Phone) -> Phone:
    await phone.sign_in("recipient@example.org")
    return phone


async def announce(carrier: CarrierSystem, town: Town, number: int = 1) -> str:
    parcel = {
        "trackingNo": f"SP-{number}",
        "hub": global_id("Hub", town.hub_id),
        "recipient": "recipient@example.org",
        "recipientName": "Anna Kowalska",
        "widthMm": 200,
        "heightMm": 100,
        "depthMm": 300,
    }
    answer = await carrier.ask(ANNOUNCE, parcel=parcel)
    key: str = answer["announceParcel"]["parcel"]["id"]
    return key


async def test_a_recipient_watches_a_parcel_on_its_way(
    house: House,
    schema: GuardedSchema,
    api: httpx.AsyncClient,
    carrier: CarrierSystem,
    recipient: Phone,
    town: Town,
) -> None:
    key = await announce(carrier, town)
    async with watching(house, schema, PARCEL, recipient, id=key) as socket:
        assert await told(socket) == {"id": key, "state": "ANNOUNCED"}
        courier = await sign_in_staff(house, api, Role.COURIER, town.carrier_id)
        for code, state in (
            ("in_transit", "IN_TRANSIT"),
            ("out_for_delivery", "OUT_FOR_DELIVERY"),
        ):
            await courier.ask(REPORT, parcel=key, code=code)
            assert (await told(socket))["state"] == state


async def test_who_comes_back_is_told_what_changed_meanwhile(
    house: House, schema: GuardedSchema, carrier: CarrierSystem, recipient: Phone, town: Town
) -> None:
    key = await announce(carrier, town)
    async with watching(house, schema, PARCEL, recipient, id=key) as socket:
        await told(socket)
    await carrier.ask(REPORT, parcel=key, code="in_transit")
    async with watching(house, schema, PARCEL, recipient, id=key) as socket:
        assert (await told(socket))["state"] == "IN_TRANSIT"


async def test_nobody_watches_the_parcel_of_another(
    house: House, schema: GuardedSchema, carrier: CarrierSystem, api: httpx.AsyncClient, town: Town
) -> None:
    key = await announce(carrier, town)
    stranger = await sign_in_staff(house, api, Role.HUB_CLERK, town.locker_id)
    for phone in (stranger, None):
        for wanted in (key, global_id("Parcel", town.hub_id), "nonsense"):
            async with watching(house, schema, PARCEL, phone, id=wanted) as socket:
                message = await socket.receive()
                assert message["type"] == "error"
                assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_everybody_may_watch_a_locker_and_staff_its_doors(
    house: House, schema: GuardedSchema, api: httpx.AsyncClient, town: Town
) -> None:
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    locker = global_id("Locker", town.locker_id)
    async with watching(house, schema, LOCKER, id=locker) as socket:
        assert await told(socket) == {"serial": "L-1", "compartments": None}
    async with watching(house, schema, LOCKER, clerk, id=locker) as socket:
        first = await told(socket)
        assert first["compartments"][0] == {"number": 1, "status": "AVAILABLE"}
        async with house.database.write() as session:
            fact = Fact(town.locker_id, 1, START, 2, 1)
            await locker_facts.on_door(session, fact, DoorState.OPEN)
        statuses = {one["number"]: one["status"] for one in (await told(socket))["compartments"]}
        assert "DOOR_OPEN" in statuses.values()


async def test_a_manager_watches_all_that_goes_on_at_the_hub(
    house: House, schema: GuardedSchema, carrier: CarrierSystem, api: httpx.AsyncClient, town: Town
) -> None:
    manager = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    hub = global_id("Hub", town.hub_id)
    async with watching(house, schema, HUB, manager, hub=hub) as socket:
        state = await told(socket)
        assert (state["hub"], state["lockers"]) == ({"name": "Corner Shop"}, [{"serial": "L-1"}])
        assert state["parcels"]["edges"] == []
        await announce(carrier, town)
        state = await told(socket)
        assert state["parcels"]["edges"] == [{"node": {"trackingNo": "SP-1", "state": "ANNOUNCED"}}]
        async with house.database.write() as session:
            finding = Finding(
                kind=IncidentKind.UNEXPECTED_OPEN, hub_id=town.hub_id, subject_id=town.locker_id
            )
            await locker_facts.open_incident(session, finding, ids=house.ids, now=START)
        [incident] = [edge["node"] for edge in (await told(socket))["incidents"]["edges"]]
        assert incident["kind"] == "UNEXPECTED_OPEN"
        await manager.ask(RESOLVE, incident=incident["id"])
        assert (await told(socket))["incidents"]["edges"] == []


async def test_hours_that_are_written_are_told_to_who_watches_the_hub(
    house: House, schema: GuardedSchema, api: httpx.AsyncClient, town: Town
) -> None:
    manager = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    hub = global_id("Hub", town.hub_id)
    async with watching(house, schema, VERSION, manager, hub=hub) as socket:
        before = (await told(socket))["hub"]["version"]
        await manager.ask(OPEN_ALWAYS, hub=hub)
        assert (await told(socket))["hub"]["version"] == before + 1


async def test_only_those_who_work_at_a_hub_watch_it(
    house: House, schema: GuardedSchema, recipient: Phone, api: httpx.AsyncClient, town: Town
) -> None:
    elsewhere = await sign_in_staff(house, api, Role.HUB_MANAGER, town.locker_id)
    hub = global_id("Hub", town.hub_id)
    for phone in (recipient, elsewhere, None):
        async with watching(house, schema, HUB, phone, hub=hub) as socket:
            message = await socket.receive()
            assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_right_that_is_given_is_seen_by_who_watches_already(
    house: House, schema: GuardedSchema, carrier: CarrierSystem, api: httpx.AsyncClient, town: Town
) -> None:
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    hub = global_id("Hub", town.hub_id)
    async with watching(house, schema, HUB, clerk, hub=hub) as socket:
        await told(socket)
        await sign_in_staff(house, api, Role.HUB_CLERK, town.locker_id)
        assert (await told(socket))["hub"] == {"name": "Corner Shop"}
