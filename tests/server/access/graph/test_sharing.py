"""Sharing a parcel through the API: registered, listed, withdrawn."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from schema.keys import Operation
from schema.statements import Revocations, StatementType, parse_statement
from schema.tokens import delegate, delegation_id
from server.access.graph.sharing import REGISTRATIONS
from server.parcels.states import ParcelState
from tests.fakes.sources import START
from tests.fakes.town import phone_key
from tests.server.access.graph.conftest import PARCEL
from tests.server.access.graph.test_bundles import unlock

if TYPE_CHECKING:
    from tests.fakes.phone import Phone
    from tests.server.access.graph.conftest import Square

FIELDS = "id state holderKey expiresAt isRegistered firstUsedAt grantId"
REGISTER = f"""
mutation ($chain: [Base64!]!) {{ outcome: registerDelegation(chain: $chain) {{
  ... on RegisterDelegationPayload {{ delegation {{ {FIELDS} }} }}
  ... on Problem {{ code message field }}
}} }}"""
REVOKE = f"""
mutation ($id: ID!) {{ outcome: revokeDelegation(delegationId: $id) {{
  ... on RevokeDelegationPayload {{ delegation {{ {FIELDS} }} statement {{ type bytes }} }}
  ... on Problem {{ code message field }}
}} }}"""
LIST = f"""
query ($id: ID!, $first: Int, $after: String) {{
  delegations(parcelId: $id, first: $first, after: $after) {{
    edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Delegation { state } } }"
SIX = START.replace(hour=18)


@pytest.fixture
async def giver(square: Square) -> Phone:
    """The recipient's phone, with a parcel waiting."""
    phone = await square.phone("recipient")
    await square.put_in(phone, ParcelState.READY_FOR_PICKUP)
    return phone


async def share(giver: Phone, *, with_whom: str = "neighbour", hour: int = 18) -> list[str]:
    """A chain that the giver's phone makes."""
    token = base64.b64decode((await unlock(giver))["token"]["bytes"])
    shared = delegate(
        giver.key,
        token,
        exp=int(START.replace(hour=hour).timestamp()),
        holder=phone_key(with_whom).public,
        actions=int(Operation.OPEN),
    )
    return [base64.b64encode(part).decode() for part in (token, shared)]


async def register(giver: Phone, chain: list[str]) -> dict[str, Any]:
    outcome: dict[str, Any] = (await giver.ask(REGISTER, chain=chain))["outcome"]
    return outcome


async def test_shared_parcel_is_listed_with_whom_and_until_when(giver: Phone) -> None:
    known = (await register(giver, await share(giver)))["delegation"]
    listed = (await giver.ask(LIST, id=PARCEL))["delegations"]
    assert [edge["node"] for edge in listed["edges"]] == [known]
    assert known["holderKey"] == base64.b64encode(phone_key("neighbour").public).decode()
    assert known["expiresAt"].startswith("2026-05-04T18:30:00")
    assert (known["state"], known["isRegistered"], known["firstUsedAt"]) == ("ACTIVE", True, None)
    assert known["grantId"] == (await unlock(giver))["grant"]["id"]
    found = (await giver.ask(NODE, id=known["id"]))["node"]
    assert found == {"__typename": "Delegation", "id": known["id"], "state": "ACTIVE"}


async def test_list_goes_on_after_its_cursor(giver: Phone) -> None:
    for name in ("neighbour", "friend"):
        await register(giver, await share(giver, with_whom=name))
    first = (await giver.ask(LIST, id=PARCEL, first=1))["delegations"]
    assert first["pageInfo"]["hasNextPage"]
    rest = (await giver.ask(LIST, id=PARCEL, after=first["pageInfo"]["endCursor"]))["delegations"]
    friend = base64.b64encode(phone_key("friend").public).decode()
    assert [edge["node"]["holderKey"] for edge in first["edges"]] == [friend]
    assert len(rest["edges"]) == 1


async def test_one_is_withdrawn_and_its_locker_told(giver: Phone) -> None:
    chain = await share(giver)
    known = (await register(giver, chain))["delegation"]
    got = (await giver.ask(REVOKE, id=known["id"]))["outcome"]
    assert got["delegation"]["state"] == "REVOKED"
    raw = base64.b64decode(got["statement"]["bytes"])
    body = parse_statement(StatementType.REVOCATIONS, raw).body
    assert isinstance(body, Revocations)
    assert [entry for entry, _ in body.entries] == [delegation_id(base64.b64decode(chain[1]))]
    assert (await unlock(giver))["token"]["bytes"] == chain[0]


async def test_longer_than_ones_own_is_refused(giver: Phone) -> None:
    token = base64.b64decode((await share(giver))[0])
    shared = delegate(
        giver.key,
        token,
        exp=int(START.replace(day=30).timestamp()),
        holder=phone_key("neighbour").public,
        actions=int(Operation.OPEN),
    )
    chain = [base64.b64encode(part).decode() for part in (token, shared)]
    got = await register(giver, chain)
    assert (got["code"], got["field"]) == ("DELEGATION_TOO_WIDE", "chain")


async def test_others_see_and_withdraw_nothing(giver: Phone, square: Square) -> None:
    chain = await share(giver)
    known = (await register(giver, chain))["delegation"]
    other = await square.phone("other")
    assert (await other.ask(LIST, id=PARCEL))["delegations"]["edges"] == []
    assert (await other.ask(LIST, id="nonsense"))["delegations"]["edges"] == []
    assert (await other.ask(NODE, id=known["id"]))["node"] is None
    for asked in (known["id"], PARCEL, "nonsense"):
        assert (await other.ask(REVOKE, id=asked))["outcome"]["code"] == "NOT_FOUND"
    assert (await register(other, chain))["code"] == "NOT_FOUND"
    nobody = await square.ask_as_nobody(REGISTER, chain=chain)
    assert nobody["outcome"]["code"] == "SIGNED_OUT"


async def test_registering_without_end_is_slowed_down(giver: Phone) -> None:
    codes = [(await register(giver, [])).get("code") for _ in range(REGISTRATIONS.count + 1)]
    assert codes == ["INPUT_INVALID"] * REGISTRATIONS.count + ["SLOW_DOWN"]
