"""Bundles through the API, by device-bound requests."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from schema.tokens import parse_token
from server.access.graph.bundles import UNLOCK_BUNDLES
from server.kit.graph import global_id
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.phone import Phone
from tests.fakes.town import key_of
from tests.server.access.graph.conftest import LOCKER, PARCEL

if TYPE_CHECKING:
    from tests.fakes.sources import MovableClock
    from tests.server.access.graph.conftest import Square

UNLOCK = """
mutation ($id: ID!) { outcome: unlockBundle(parcelId: $id) {
  ... on UnlockBundle {
    parcelId grant { id action state } token { bytes expiresAt }
    hub { id name street city latitude } locker { id lockerId } noisePublic signPublic
    compartment { number label side row column } words statements { type bytes }
  }
  ... on Problem { code message field retryAfterS }
} }"""
COURIER = """
mutation ($ids: [ID!]!, $route: Boolean!) {
  outcome: courierBundle(parcelIds: $ids, isRoute: $route) {
    ... on CourierBundle { stops {
      hub { name } locker { id } noisePublic signPublic statements { type }
      deposits { parcelId grant { id action } token { bytes expiresAt } stay
        compartment { number label } words compartments }
    } }
    ... on Problem { code message field }
} }"""


async def unlock(phone: Phone, parcel: str = PARCEL) -> dict[str, Any]:
    outcome: dict[str, Any] = (await phone.ask(UNLOCK, id=parcel))["outcome"]
    return outcome


async def test_phone_takes_along_all_that_it_needs(square: Square, clock: MovableClock) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.READY_FOR_PICKUP)
    got = await unlock(phone)
    claims = parse_token(base64.b64decode(got["token"]["bytes"])).claims
    assert claims.holder == phone.key.public
    assert claims.stay == stay_of(1)
    assert got["token"]["expiresAt"] == (clock.now() + timedelta(hours=24)).isoformat()
    assert got["grant"]["action"] == "OPEN"
    assert got["locker"]["id"] == LOCKER
    assert base64.b64decode(got["signPublic"]) == square.town.machine.key.public
    assert got["hub"]["name"] == "Corner Shop"
    assert got["compartment"]["number"] == 3
    assert got["words"].startswith("Corner Shop, Long Street 1, Tallinn: compartment A3, left")
    assert [one["type"] for one in got["statements"]] == ["KEY_SET", "CONFIGURATION"]


async def test_bundle_is_asked_again_without_growing(square: Square) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    assert await unlock(phone) == await unlock(phone)


async def test_parcel_of_another_or_none_at_all_look_alike(square: Square) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    other = await square.phone("other")
    answers = [
        await unlock(other),
        await unlock(phone, str(global_id("Parcel", key_of("none")))),
        await unlock(phone, LOCKER),
        await unlock(phone, "nonsense"),
    ]
    assert {answer["code"] for answer in answers} == {"NOT_FOUND"}


async def test_phone_that_is_new_to_the_account_waits(square: Square, clock: MovableClock) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    clock.move(minutes=1)
    second = Phone(square.house, square.client, "second")
    await second.sign_in("recipient@example.org")
    answer = await unlock(second)
    assert (answer["code"], answer["retryAfterS"]) == ("DEVICE_TOO_NEW", 24 * 3600)


async def test_nobody_is_asked_to_sign_in(square: Square) -> None:
    answer = await square.ask_as_nobody(UNLOCK, id=PARCEL)
    assert answer["outcome"]["code"] == "SIGNED_OUT"


async def test_asking_without_end_is_slowed_down(square: Square) -> None:
    phone = await square.phone("recipient")
    for _ in range(UNLOCK_BUNDLES.count):
        await square.house.rates.hit(UNLOCK_BUNDLES, str(key_of("somebody else")))
    assert (await unlock(phone))["code"] == "NOT_FOUND"
    answer: dict[str, Any] = {}
    for _ in range(UNLOCK_BUNDLES.count):
        answer = await unlock(phone)
        if answer["code"] == "SLOW_DOWN":
            break
    assert answer["code"] == "SLOW_DOWN"
    assert answer["retryAfterS"] > 0


async def test_courier_takes_along_tokens_locker_by_locker(square: Square) -> None:
    courier = await square.phone("courier", Role.COURIER)
    await square.reserve(2)
    outcome = (await courier.ask(COURIER, ids=[PARCEL], route=False))["outcome"]
    (stop,) = outcome["stops"]
    (deposit,) = stop["deposits"]
    claims = parse_token(base64.b64decode(deposit["token"]["bytes"])).claims
    assert claims.holder == courier.key.public
    assert base64.b64decode(deposit["stay"]) == claims.stay
    assert (deposit["compartment"]["label"], deposit["compartments"]) == ("A2", [2])
    assert stop["locker"]["id"] == LOCKER


async def test_courier_of_nobody_and_strangers_get_nothing(square: Square) -> None:
    await square.reserve(2)
    stranger = await square.phone("stranger")
    outcome = (await stranger.ask(COURIER, ids=[PARCEL], route=True))["outcome"]
    assert outcome == {"code": "NOT_FOUND", "message": "We can't find that.", "field": "parcelIds"}
    nobody = await square.ask_as_nobody(COURIER, ids=[PARCEL], route=True)
    assert nobody["outcome"]["code"] == "SIGNED_OUT"
    garbled = (await stranger.ask(COURIER, ids=["garbled"], route=True))["outcome"]
    assert garbled["code"] == "NOT_FOUND"
