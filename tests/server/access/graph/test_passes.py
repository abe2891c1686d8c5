"""PINs through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacl.public import PublicKey, SealedBox

from schema.tokens.passes import is_pin_right
from server.access.graph.passes import PASSES
from server.kit.keyring import Purpose, current_key
from server.lockers.tables import Locker
from server.parcels.states import ParcelState
from tests.fakes.journals import stay_of
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START
from tests.server.access.graph.conftest import PARCEL

if TYPE_CHECKING:
    import pytest

    from tests.fakes.phone import Phone
    from tests.server.access.graph.conftest import Square

REQUEST = """
mutation ($id: ID!) { outcome: requestPass(parcelId: $id) {
  ... on Pass { parcelId pin compartment { number label } words expiresAt }
  ... on Problem { code message field retryAfterS next }
} }"""
SECRET = bytes(range(32))


async def wait_with_keypad(square: Square) -> Phone:
    """The recipient's phone, with a parcel behind door 3 of a locker that takes PINs."""
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.READY_FOR_PICKUP)
    key = current_key(square.house.keyring, Purpose.SEAL)
    async with square.house.database.write() as session:
        locker = await session.get_one(Locker, square.town.locker_id)
        locker.sealed_pin_secret = key.kid + SealedBox(PublicKey(key.public)).encrypt(SECRET)
    return phone


async def test_pin_comes_with_the_door_and_its_words(
    square: Square, caplog: pytest.LogCaptureFixture
) -> None:
    phone = await wait_with_keypad(square)
    got = (await phone.ask(REQUEST, id=PARCEL))["outcome"]
    assert is_pin_right(SECRET, stay_of(1), got["pin"], int(START.timestamp()))
    assert (got["parcelId"], got["compartment"]) == (PARCEL, {"number": 3, "label": "A3"})
    assert "Corner Shop" in got["words"]
    assert got["expiresAt"].startswith("2026-05-06T00:00:00")
    assert "access.pass_issued" in await HandWorker(square.house).handle_all()
    assert got["pin"] not in caplog.text


async def test_others_get_none(square: Square) -> None:
    await wait_with_keypad(square)
    other = await square.phone("other")
    for asked in (PARCEL, "nonsense"):
        assert (await other.ask(REQUEST, id=asked))["outcome"]["code"] == "NOT_FOUND"
    nobody = await square.ask_as_nobody(REQUEST, id=PARCEL)
    assert nobody["outcome"]["code"] == "SIGNED_OUT"


async def test_asking_without_end_is_slowed_down(square: Square) -> None:
    phone = await wait_with_keypad(square)
    asked = [(await phone.ask(REQUEST, id=PARCEL))["outcome"] for _ in range(PASSES.count + 1)]
    assert [one.get("code") for one in asked] == [None] * PASSES.count + ["SLOW_DOWN"]
    assert asked[-1]["retryAfterS"] > 0
