"""Rounds over the API: what couriers, hub staff and senders are told."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from schema.tokens import parse_token
from server.access.service.bundles import Tools
from server.kit.graph import global_id, read_id
from server.lockers.tables import Compartment
from server.parcels.states import ParcelState
from server.people.roles import Role
from server.people.tables import Device, Membership
from tests.fakes.phone import Phone
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START
from tests.fakes.town import Town, build_town, key_of, publish_key_set
from tests.server.access.service.lying import lay

if TYPE_CHECKING:
    import httpx

    from server.app import House

SEND = """mutation ($parcel: SendingInput!) { outcome: sendParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id state dropoffThrough returns } }
  ... on Problem { code field } } }"""
RETURN = """mutation ($parcel: ID!) { outcome: returnParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id state returns } } ... on Problem { code field } } }"""
CANCEL = """mutation ($parcel: ID!) { outcome: cancelParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { state } } ... on Problem { code field } } }"""
SWAP = """mutation ($parcel: ID!) { outcome: swapCompartment(parcel: $parcel) {
  ... on ReserveCompartmentPayload { reservation { compartment { number } } }
  ... on Problem { code field } } }"""
DROPOFF = """mutation ($parcel: ID!, $locker: ID!) {
  outcome: dropoffBundle(parcelId: $parcel, lockerId: $locker) {
    ... on DropoffBundle { parcelId compartments words compartment { number }
      grant { action state } token { bytes expiresAt } statements { type } locker { lockerId } }
    ... on Problem { code field } } }"""
REMOVAL = """mutation ($ids: [ID!]!, $purpose: RemovalPurpose) {
  outcome: removalBundle(parcelIds: $ids, purpose: $purpose, isRoute: true) {
    ... on RemovalBundle { stops { hub { name } removals { parcelId purpose words
      grant { action } compartment { number } token { bytes } } } }
    ... on Problem { code field } } }"""
COURIER = """mutation ($ids: [ID!]!) { outcome: courierBundle(parcelIds: $ids, isRoute: true) {
  ... on CourierBundle { stops { deposits { parcelId
    additions { beside compartments grant { action } token { bytes } } } } }
  ... on Problem { code } } }"""
SENT = "{ me { sentParcels { edges { node { id state } } } } }"


class Desk:
    """A signed-in person's phone, with what the town holds."""

    def __init__(self, phone: Phone, town: Town, house: House) -> None:
        self.phone = phone
        self.town = town
        self.house = house

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The outcome of a mutation."""
        outcome: dict[str, Any] = (await self.phone.ask(query, **variables))["outcome"]
        return outcome

    def sending(self, key: str = "one", **changes: Any) -> dict[str, Any]:
        """What a sender types."""
        return {
            "key": key,
            "carrier": global_id("Carrier", self.town.carrier_id),
            "hub": global_id("Hub", self.town.hub_id),
            "recipient": "other@example.org",
            "recipientName": "O. Ther",
            "widthMm": 200,
            "heightMm": 100,
            "depthMm": 300,
            **changes,
        }

    async def send(self, key: str = "one") -> str:
        """A parcel on its way to a locker; its global id."""
        outcome = await self.ask(SEND, parcel=self.sending(key))
        parcel: str = outcome["parcel"]["id"]
        return parcel


@pytest.fixture
async def desk(house: House, api: httpx.AsyncClient) -> Desk:
    async with house.database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=house.keyring, ids=house.ids, now=START)
    phone = Phone(house, api)
    await phone.sign_in("sender@example.org")
    return Desk(phone, town, house)


async def employ(desk: Desk) -> None:
    """The person becomes a courier of the town's carrier."""
    async with desk.house.database.write() as session:
        device = await session.get_one(Device, read_id("Device", desk.phone.device_id))
        session.add(
            Membership(
                id=desk.house.ids.new(),
                created_at=START,
                person_id=device.person_id,
                role=Role.COURIER,
                subject=desk.town.carrier_id,
            )
        )


async def test_sent_parcel_is_brought_with_a_bundle_and_listed(desk: Desk) -> None:
    parcel = await desk.send()
    assert await desk.send() == parcel
    locker = global_id("Locker", desk.town.locker_id)
    bundle = await desk.ask(DROPOFF, parcel=parcel, locker=locker)
    assert (bundle["parcelId"], bundle["compartments"]) == (parcel, [1, 2, 3, 4])
    assert bundle["grant"] == {"action": "DROPOFF", "state": "ACTIVE"}
    assert bundle["words"].startswith("Corner Shop")
    assert [one["type"] for one in bundle["statements"]] == ["KEY_SET", "CONFIGURATION"]
    listed = (await desk.phone.ask(SENT))["me"]["sentParcels"]["edges"]
    assert [one["node"] for one in listed] == [{"id": parcel, "state": "AWAITING_DROPOFF"}]


async def test_parcel_that_is_called_off_opens_nothing_any_more(desk: Desk) -> None:
    parcel = await desk.send()
    locker = global_id("Locker", desk.town.locker_id)
    await desk.ask(DROPOFF, parcel=parcel, locker=locker)
    assert (await desk.ask(CANCEL, parcel=parcel))["parcel"]["state"] == "CANCELLED"
    await HandWorker(desk.house).handle_all()
    assert (await desk.ask(DROPOFF, parcel=parcel, locker=locker))["code"] == "WRONG_STATE"
    other = await desk.send("two")
    bundle = await desk.ask(DROPOFF, parcel=other, locker=locker)
    # The locker is told by whoever comes next.
    assert "REVOCATIONS" in [one["type"] for one in bundle["statements"]]


async def test_collected_parcel_is_sent_back(desk: Desk) -> None:
    async with desk.house.database.write() as session:
        device = await session.get_one(Device, read_id("Device", desk.phone.device_id))
        row = await desk.town.add_parcel(session)
        row.recipient_id = device.person_id
        row.state, row.collected_at = ParcelState.COLLECTED, START
    former = global_id("Parcel", key_of("parcel"))
    back = (await desk.ask(RETURN, parcel=former))["parcel"]
    assert (back["state"], back["returns"]) == ("AWAITING_DROPOFF", former)


@pytest.mark.parametrize(
    ("query", "field"),
    [(RETURN, "parcel"), (CANCEL, "parcel"), (SWAP, "parcel")],
)
async def test_what_does_not_exist_is_not_found(desk: Desk, query: str, field: str) -> None:
    for key in ("nonsense", global_id("Parcel", key_of("nowhere"))):
        assert await desk.ask(query, parcel=key) == {"code": "NOT_FOUND", "field": field}


async def test_senders_slips_are_named(desk: Desk) -> None:
    for changes, code in (
        ({"hub": "nonsense"}, "NOT_FOUND"),
        ({"carrier": "nonsense"}, "NOT_FOUND"),
        ({"widthMm": 0}, "INPUT_INVALID"),
        ({"recipient": "nobody"}, "INPUT_INVALID"),
    ):
        outcome = await desk.ask(SEND, parcel=desk.sending(**changes))
        assert outcome["code"] == code, changes
    locker = global_id("Locker", desk.town.locker_id)
    nowhere = await desk.ask(DROPOFF, parcel="nonsense", locker=locker)
    assert nowhere == {"code": "NOT_FOUND", "field": "parcelId"}
    parcel = await desk.send()
    lost = await desk.ask(DROPOFF, parcel=parcel, locker="nonsense")
    assert lost == {"code": "NOT_FOUND", "field": "lockerId"}


async def test_nobody_sends_more_than_they_can_carry(desk: Desk) -> None:
    for number in range(20):
        await desk.send(f"parcel {number}")
    outcome = await desk.ask(SEND, parcel=desk.sending("one more"))
    assert outcome["code"] == "SLOW_DOWN"


async def test_courier_fetches_what_to_take_out(desk: Desk) -> None:
    await employ(desk)
    house = desk.house
    tools = Tools(house.keyring, house.ids, house.randomness, house.clock.now())
    stay = await lay(house.database, desk.town, tools, "old", 3, ParcelState.EXPIRED)
    parcel = global_id("Parcel", key_of("old"))
    outcome = await desk.ask(REMOVAL, ids=[parcel], purpose=None)
    [removal] = outcome["stops"][0]["removals"]
    assert (removal["parcelId"], removal["purpose"]) == (parcel, "RETURN")
    assert (removal["compartment"], removal["grant"]) == ({"number": 3}, {"action": "REMOVE"})
    refused = await desk.ask(REMOVAL, ids=[parcel], purpose="ONWARD")
    assert refused == {"code": "WRONG_STATE", "field": "parcelIds"}
    nowhere = await desk.ask(REMOVAL, ids=["nonsense"], purpose=None)
    assert nowhere == {"code": "NOT_FOUND", "field": "parcelIds"}
    assert parse_token(base64.b64decode(removal["token"]["bytes"])).claims.stay == stay.name


async def test_courier_is_offered_to_put_two_together(desk: Desk) -> None:
    await employ(desk)
    async with desk.house.database.write() as session:
        for name in ("a", "b"):
            await desk.town.add_parcel(session, name)
    ids = [global_id("Parcel", key_of(name)) for name in ("a", "b")]
    [stop] = (await desk.ask(COURIER, ids=ids))["stops"]
    first, second = stop["deposits"]
    assert [first["parcelId"], second["parcelId"]] == ids
    assert first["additions"] == []
    [addition] = second["additions"]
    assert (addition["beside"], addition["grant"]) == (ids[0], {"action": "DEPOSIT"})
    assert addition["compartments"] == [1, 2, 3, 4]


async def test_courier_swaps_for_a_larger_compartment(desk: Desk) -> None:
    await employ(desk)
    async with desk.house.database.write() as session:
        row = await desk.town.add_parcel(session)
        await desk.town.reserve(session, row, 1)
        (await session.get_one(Compartment, key_of("door 3"))).height_mm = 500
    parcel = global_id("Parcel", key_of("parcel"))
    swapped = await desk.ask(SWAP, parcel=parcel)
    assert swapped == {"reservation": {"compartment": {"number": 3}}}
    assert (await desk.ask(SWAP, parcel=parcel))["code"] == "NO_COMPARTMENT"
