"""Signed time and revoked grants through the API."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from schema.ids import locker_text
from schema.statements import Revocations, StatementType, Time, parse_statement
from server.access.graph.statements import SIGNED_TIMES
from server.kit.graph import global_id
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.server.access.graph.conftest import LOCKER, PARCEL
from tests.server.access.graph.test_bundles import unlock

if TYPE_CHECKING:
    from tests.server.access.graph.conftest import Square

SIGN_TIME = """
mutation ($locker: ID!, $nonce: Base64!) { outcome: signTime(lockerId: $locker, nonce: $nonce) {
  ... on SignTimePayload { statement { type bytes } }
  ... on Problem { code message field }
} }"""
REVOKE = """
mutation ($id: ID!) { outcome: revokeGrant(grantId: $id) {
  ... on RevokeGrantPayload { grant { id action state parcelId } statement { type bytes } }
  ... on Problem { code message field }
} }"""
PROGRESS = """
query ($id: ID!) { lockerStatements(lockerId: $id) { type applied newest isBehind } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Grant { state } } }"

NONCE = bytes(range(16))
NONCE_TEXT = base64.b64encode(NONCE).decode()


async def test_time_is_signed_for_either_name_of_the_locker(square: Square) -> None:
    phone = await square.phone("somebody")
    for name in (LOCKER, locker_text(square.town.machine.lid)):
        got = (await phone.ask(SIGN_TIME, locker=name, nonce=NONCE_TEXT))["outcome"]
        statement = got["statement"]
        body = parse_statement(StatementType.TIME, base64.b64decode(statement["bytes"])).body
        assert statement["type"] == "TIME"
        assert body == Time(square.town.machine.lid, int(START.timestamp()), NONCE)


async def test_time_is_refused_with_a_reason(square: Square) -> None:
    phone = await square.phone("somebody")
    asked: list[tuple[str, str, str]] = [
        (LOCKER, "AAAA", "INPUT_INVALID"),
        ("nowhere", NONCE_TEXT, "NOT_FOUND"),
        ("AAAAAAAAAAA", NONCE_TEXT, "NOT_FOUND"),
        (str(global_id("Locker", key_of("none"))), NONCE_TEXT, "NOT_FOUND"),
    ]
    for locker, nonce, code in asked:
        got = (await phone.ask(SIGN_TIME, locker=locker, nonce=nonce))["outcome"]
        assert got["code"] == code
    nobody = await square.ask_as_nobody(SIGN_TIME, locker=LOCKER, nonce=NONCE_TEXT)
    assert nobody["outcome"]["code"] == "SIGNED_OUT"


async def test_time_without_end_is_slowed_down(square: Square) -> None:
    phone = await square.phone("somebody")
    codes: list[str | None] = []
    for _ in range(SIGNED_TIMES.count + 1):
        got: dict[str, Any] = await phone.ask(SIGN_TIME, locker=LOCKER, nonce=NONCE_TEXT)
        codes.append(got["outcome"].get("code"))
    assert codes == [None] * SIGNED_TIMES.count + ["SLOW_DOWN"]


async def test_grant_is_withdrawn_and_its_locker_told(square: Square) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    grant = (await unlock(phone))["grant"]["id"]
    got = (await phone.ask(REVOKE, id=grant))["outcome"]
    assert got["grant"] == {
        "id": grant,
        "action": "OPEN",
        "state": "REVOKED",
        "parcelId": PARCEL,
    }
    raw = base64.b64decode(got["statement"]["bytes"])
    body = parse_statement(StatementType.REVOCATIONS, raw).body
    assert isinstance(body, Revocations)
    assert len(body.entries) == 1
    again = await unlock(phone)
    assert again["grant"]["id"] != grant
    assert "REVOCATIONS" in {one["type"] for one in again["statements"]}


async def test_grant_of_another_is_not_found(square: Square) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    grant = (await unlock(phone))["grant"]["id"]
    other = await square.phone("other")
    for asked in (grant, PARCEL, "nonsense"):
        assert (await other.ask(REVOKE, id=asked))["outcome"]["code"] == "NOT_FOUND"
    assert (await square.ask_as_nobody(REVOKE, id=grant))["outcome"]["code"] == "SIGNED_OUT"


async def test_grant_is_found_by_its_id_by_whoever_may_withdraw_it(square: Square) -> None:
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.DEPOSITED)
    grant = (await unlock(phone))["grant"]["id"]
    found = (await phone.ask(NODE, id=grant))["node"]
    assert found == {"__typename": "Grant", "id": grant, "state": "ACTIVE"}
    assert (await (await square.phone("other")).ask(NODE, id=grant))["node"] is None


async def test_staff_see_how_far_a_locker_is(square: Square) -> None:
    clerk = await square.phone("clerk", Role.HUB_CLERK)
    told = (await clerk.ask(PROGRESS, id=LOCKER))["lockerStatements"]
    assert told[0] == {"type": "KEY_SET", "applied": "0", "newest": "1", "isBehind": True}
    assert [one["type"] for one in told] == ["KEY_SET", "REVOCATIONS", "CONFIGURATION"]
    for asked in (PARCEL, "nonsense"):
        assert (await clerk.ask(PROGRESS, id=asked))["lockerStatements"] is None
    assert (await square.ask_as_nobody(PROGRESS, id=LOCKER))["lockerStatements"] is None
