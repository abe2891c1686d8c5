"""Carriers and the keys of their systems, through the API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from schema.codes import ProblemCode
from server.kit.graph import global_id
from server.people.rules import Contact, ContactKind
from server.people.service.accounts import add_operator
from server.people.service.api_keys import read_api_key
from server.people.tables import ApiKey
from tests.fakes.phone import Phone

if TYPE_CHECKING:
    import httpx

    from server.app import House

CARRIER = """mutation ($name: String!) { outcome: createCarrier(name: $name) {
  ... on CreateCarrierPayload { carrier { id name } } ... on Problem { code field } } }"""
KEY = """mutation ($carrier: ID!, $rights: [CarrierRight!]!, $name: String = "system") {
  outcome: createApiKey(carrierId: $carrier, name: $name, permissions: $rights) {
  ... on CreateApiKeyPayload { keyId secret } ... on Problem { code field } } }"""
REVOKE = """mutation ($id: ID!) { outcome: revokeApiKey(keyId: $id) {
  ... on RevokeApiKeyPayload { keyId } ... on Problem { code } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id ... on Carrier { name } } }"
RIGHTS = ["PARCEL_ANNOUNCE", "CARRIER_INVITE_MEMBER"]


@pytest.fixture
async def operator(house: House, phone: Phone) -> Phone:
    """An operator's phone."""
    contact = Contact(ContactKind.EMAIL, "operator@example.org")
    async with house.database.write() as session:
        await add_operator(session, contact, ids=house.ids, now=house.clock.now())
    await phone.sign_in(contact.address)
    return phone


@pytest.fixture
async def carrier(operator: Phone) -> str:
    """The global id of a carrier."""
    answer = await operator.ask(CARRIER, name="Parcel Riders")
    found: str = answer["outcome"]["carrier"]["id"]
    return found


@pytest.fixture
async def secret(operator: Phone, carrier: str) -> str:
    """An API key of the carrier."""
    answer = await operator.ask(KEY, carrier=carrier, rights=RIGHTS)
    found: str = answer["outcome"]["secret"]
    return found


async def call(api: httpx.AsyncClient, secret: str, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    headers = {"authorization": f"Bearer {secret}"}
    return (await api.post("/graphql", json=body, headers=headers)).json()


async def test_a_carrier_is_made_once(operator: Phone, carrier: str) -> None:
    again = await operator.ask(CARRIER, name="  Parcel Riders ")
    assert again["outcome"]["carrier"] == {"id": carrier, "name": "Parcel Riders"}
    assert (await operator.ask(NODE, id=carrier))["node"] == again["outcome"]["carrier"]


async def test_only_operators_make_carriers(house: House, api: httpx.AsyncClient) -> None:
    stranger = Phone(house, api, "stranger")
    await stranger.sign_in()
    assert (await stranger.ask(CARRIER, name="x"))["outcome"]["code"] == "NOT_PERMITTED"
    body = {"query": CARRIER, "variables": {"name": "x"}}
    answer = (await api.post("/graphql", json=body)).json()
    assert answer["data"]["outcome"]["code"] == "SIGNED_OUT"


async def test_a_key_opens_the_own_carrier_and_no_other(
    api: httpx.AsyncClient, operator: Phone, carrier: str, secret: str
) -> None:
    other = (await operator.ask(CARRIER, name="Others"))["outcome"]["carrier"]["id"]
    assert (await call(api, secret, NODE, id=carrier))["data"]["node"]["id"] == carrier
    assert (await call(api, secret, NODE, id=other))["data"]["node"] is None
    foreign = await call(api, secret, KEY, carrier=other, rights=RIGHTS)
    missing = await call(
        api, secret, KEY, carrier=global_id("Carrier", uuid.UUID(int=1)), rights=RIGHTS
    )
    assert foreign == missing
    assert foreign["data"]["outcome"]["code"] == "NOT_FOUND"


async def test_a_key_can_do_what_it_was_given_and_no_more(
    api: httpx.AsyncClient, operator: Phone, carrier: str
) -> None:
    answer = await operator.ask(KEY, carrier=carrier, rights=["PARCEL_TRACK"])
    narrow = answer["outcome"]["secret"]
    made = await call(api, narrow, KEY, carrier=carrier, rights=RIGHTS)
    assert made["data"]["outcome"]["code"] == "NOT_FOUND"


async def test_a_secret_is_kept_as_a_digest(house: House, secret: str) -> None:
    parts = read_api_key(secret)
    assert parts is not None
    async with house.database.read() as session:
        row = await session.get(ApiKey, parts[0])
    assert row is not None
    assert parts[1] not in row.digest
    assert secret not in str(row)


@pytest.mark.parametrize("change", ["flipped", "cut", "longer", "prefix", "foreign"])
async def test_a_wrong_secret_is_refused(api: httpx.AsyncClient, secret: str, change: str) -> None:
    wrong = {
        "flipped": secret[:-2] + ("AA" if secret[-2:] != "AA" else "BA"),
        "cut": secret[:-4],
        "longer": secret + "AAAA",
        "prefix": "x" + secret,
        "foreign": "rst_" + "A" * 64,
    }[change]
    headers = {"authorization": f"Bearer {wrong}"}
    answer = await api.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_revoked_key_is_out_at_once(
    api: httpx.AsyncClient, operator: Phone, carrier: str
) -> None:
    made = (await operator.ask(KEY, carrier=carrier, rights=RIGHTS))["outcome"]
    for _ in range(2):
        answer = await operator.ask(REVOKE, id=made["keyId"])
        assert answer["outcome"] == {"keyId": made["keyId"]}
    answer = await call(api, made["secret"], NODE, id=carrier)
    assert answer["errors"][0]["extensions"]["code"] == "SIGNED_OUT"


async def test_another_carriers_key_cannot_be_revoked(
    api: httpx.AsyncClient, operator: Phone, secret: str
) -> None:
    other = (await operator.ask(CARRIER, name="Others"))["outcome"]["carrier"]["id"]
    made = (await operator.ask(KEY, carrier=other, rights=RIGHTS))["outcome"]
    foreign = await call(api, secret, REVOKE, id=made["keyId"])
    missing = await call(api, secret, REVOKE, id=global_id("ApiKey", uuid.UUID(int=1)))
    assert foreign == missing
    assert foreign["data"]["outcome"]["code"] == "NOT_FOUND"


async def test_a_key_of_no_rights_is_not_made(operator: Phone, carrier: str) -> None:
    problem = (await operator.ask(KEY, carrier=carrier, rights=[]))["outcome"]
    assert problem == {"code": ProblemCode.POLICY_INVALID, "field": "permissions"}


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 81])
async def test_a_bad_name_is_refused(operator: Phone, carrier: str, name: str) -> None:
    for query in (CARRIER, KEY):
        answer = await operator.ask(query, name=name, carrier=carrier, rights=RIGHTS)
        assert answer["outcome"] == {"code": "INPUT_INVALID", "field": "name"}
