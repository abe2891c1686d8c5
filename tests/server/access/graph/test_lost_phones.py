"""A phone is added or lost: from the API through the worker's handlers to the locker's list."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from schema.statements import Revocations, StatementType, parse_statement
from schema.tokens import parse_token
from server.parcels.states import ParcelState
from tests.fakes.phone import Phone
from tests.fakes.shops import HandWorker
from tests.server.access.graph.conftest import PARCEL

if TYPE_CHECKING:
    from tests.fakes.sources import MovableClock
    from tests.server.access.graph.conftest import Square

UNLOCK = """
mutation ($id: ID!) { outcome: unlockBundle(parcelId: $id) {
  ... on UnlockBundle { token { bytes } statements { type bytes } }
  ... on Problem { code retryAfterS }
} }"""
REMOVE = """
mutation ($id: ID!) { outcome: revokeDevice(deviceId: $id) {
  ... on DevicePayload { device { id } } ... on Problem { code }
} }"""
CONFIRM = """
mutation ($id: ID!) { outcome: confirmDevice(deviceId: $id) {
  ... on DevicePayload { device { id } } ... on Problem { code }
} }"""
REGISTER = """
mutation ($target: String!) {
  outcome: registerDevice(name: "phone", push: {kind: FCM_TOKEN, target: $target}) {
  ... on DevicePayload { device { id } } ... on Problem { code }
} }"""


@pytest.fixture
def worker(square: Square) -> HandWorker:
    return HandWorker(square.house)


async def outcome(phone: Phone, query: str, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await phone.ask(query, **variables))["outcome"]
    return found


async def add_phone(square: Square, name: str) -> Phone:
    phone = Phone(square.house, square.client, name)
    await phone.sign_in("recipient@example.org")
    return phone


async def revoked_at_locker(phone: Phone) -> set[bytes]:
    """Ids of tokens that a bundle taken along now tells the locker to refuse."""
    bundle = await outcome(phone, UNLOCK, id=PARCEL)
    for one in bundle["statements"]:
        if one["type"] == "REVOCATIONS":
            body = parse_statement(StatementType.REVOCATIONS, base64.b64decode(one["bytes"])).body
            assert isinstance(body, Revocations)
            return {entry for entry, _ in body.entries}
    return set()


async def test_passes_of_a_lost_phone_are_dead_wherever_another_phone_goes(
    square: Square, worker: HandWorker, clock: MovableClock
) -> None:
    kept = await square.phone("recipient")
    clock.move(minutes=1)
    lost = await add_phone(square, "lost phone")
    await square.put_in(kept, ParcelState.READY_FOR_PICKUP)
    await outcome(kept, CONFIRM, id=lost.device_id)
    token = (await outcome(lost, UNLOCK, id=PARCEL))["token"]["bytes"]
    cti = bytes(parse_token(base64.b64decode(token)).claims.cti)
    await worker.handle_all()
    assert await revoked_at_locker(kept) == set()
    assert "device" in await outcome(kept, REMOVE, id=lost.device_id)
    response = await lost.client.post(
        "/graphql", json={"query": "{ me { id } }"}, headers={**lost.headers()}
    )
    assert response.status_code == 401
    assert await worker.handle_all() == ["people.device_removed"]
    assert await revoked_at_locker(kept) == {cti}
    own = (await outcome(kept, UNLOCK, id=PARCEL))["token"]["bytes"]
    assert bytes(parse_token(base64.b64decode(own)).claims.cti) != cti


async def test_every_older_phone_is_told_of_a_new_one_that_gets_nothing_yet(
    square: Square, worker: HandWorker, clock: MovableClock
) -> None:
    oldest = await square.phone("recipient")
    await outcome(oldest, REGISTER, target="oldest")
    clock.move(minutes=1)
    older = await add_phone(square, "older phone")
    await outcome(older, REGISTER, target="older")
    await square.put_in(oldest, ParcelState.READY_FOR_PICKUP)
    await worker.handle_all()
    worker.push.sent.clear()
    clock.move(minutes=1)
    newest = await add_phone(square, "newest phone")
    await outcome(newest, REGISTER, target="newest")
    assert "people.device_added" in await worker.handle_all()
    assert {message.address.value for message in worker.push.sent} == {"oldest", "older"}
    assert (await outcome(newest, UNLOCK, id=PARCEL))["code"] == "DEVICE_TOO_NEW"
    for victim in (oldest, older):
        assert (await outcome(newest, REMOVE, id=victim.device_id))["code"] == "DEVICE_TOO_NEW"
    assert "device" in await outcome(oldest, REMOVE, id=newest.device_id)
