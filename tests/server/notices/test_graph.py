"""What became of notices, through the API: for their person, for staff, for nobody else."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, cast

import pytest

from ble_agent.phone.takeout import fetch_takeout
from schema.receipts.evidence import parse_evidence, told_digest
from server.app import make_app
from server.kit.graph import global_id, read_id
from server.ledger.log.rules import origin_of
from server.ledger.log.service import grow_and_sign
from server.notices import queries
from server.notices.queries import Beginning, Ending, Topic
from server.notices.rules import NoticeKind, NoticeState
from server.notices.service.evidence import erase_evidence, seal_evidence
from server.notices.takeout.rules import PARCELS_AT_ONCE
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.preferences import Channel
from server.people.roles import Role
from tests.fakes.callers import sign_in_staff
from tests.fakes.phone import Phone
from tests.fakes.socket import open_socket
from tests.fakes.town import build_town

if TYPE_CHECKING:
    import uuid

    import httpx

    from ble_agent.phone.account import Account
    from server.app import House
    from server.kit.guard import GuardedSchema
    from server.notices.queries import Try
    from tests.fakes.town import Town

PATIENCE_S = 30.0
FIELDS = "kind parcel channel state isFallback attempts settledAt reason"
MINE = f"{{ me {{ notices(first: 10) {{ edges {{ node {{ {FIELDS} }} }} }} }} }}"
OF_PARCEL = (
    f"""query ($id: ID!) {{ parcelNotices(parcel: $id) {{ edges {{ node {{ {FIELDS} }} }} }} }}"""
)
CHANGED = "subscription { noticesChanged { kind state } }"


class Desk:
    """A recipient's phone, their parcel, and what is sent about it."""

    def __init__(self, house: House, phone: Phone, person_id: uuid.UUID, parcel_id: uuid.UUID):
        self.house, self.phone, self.person_id, self.parcel_id = house, phone, person_id, parcel_id

    async def begin(self, channel: Channel, *, is_fallback: bool = False) -> Try:
        topic = Topic(self.parcel_id, NoticeKind.READY, 0)
        async with self.house.database.write() as session:
            beginning = Beginning(topic, channel, self.person_id, is_fallback)
            [attempt] = await queries.begin_tries(
                session, [beginning], ids=self.house.ids, now=self.house.clock.now()
            )
        return attempt

    async def end(self, attempt: Try, state: NoticeState, reason: str | None = None) -> None:
        async with self.house.database.write() as session:
            receipt = "projects/secret/messages/1"
            ending = Ending(attempt, self.person_id, state, receipt, reason)
            await queries.end_tries(session, [ending], now=self.house.clock.now())

    async def notices(self, phone: Phone | None = None) -> list[Any]:
        answer = await (phone or self.phone).ask(OF_PARCEL, id=global_id("Parcel", self.parcel_id))
        return [edge["node"] for edge in answer["parcelNotices"]["edges"]]


@pytest.fixture
async def town(house: House) -> Town:
    async with house.database.write() as session:
        return await build_town(session)


@pytest.fixture
async def desk(house: House, phone: Phone, town: Town) -> Desk:
    await phone.sign_in()
    person_id = read_id("Person", (await phone.ask("{ me { id } }"))["me"]["id"])
    assert person_id is not None
    async with house.database.write() as session:
        parcel = await town.add_parcel(session)
        parcel.recipient_id = person_id
    return Desk(house, phone, person_id, parcel.id)


async def test_the_fate_of_a_notice_is_told_to_its_person(desk: Desk) -> None:
    await desk.end(await desk.begin(Channel.PUSH), NoticeState.FAILED, "the address is gone")
    await desk.begin(Channel.EMAIL, is_fallback=True)
    newest, first = await desk.notices()
    parcel = global_id("Parcel", desk.parcel_id)
    assert first["settledAt"] is not None
    assert {**first, "settledAt": None} == {
        "kind": "READY",
        "parcel": parcel,
        "channel": "PUSH",
        "state": "FAILED",
        "isFallback": False,
        "attempts": 1,
        "settledAt": None,
        "reason": "the address is gone",
    }
    assert (newest["channel"], newest["state"], newest["isFallback"]) == ("EMAIL", "QUEUED", True)
    mine = (await desk.phone.ask(MINE))["me"]["notices"]["edges"]
    assert [edge["node"]["channel"] for edge in mine] == ["EMAIL", "PUSH"]


async def test_staff_of_the_hub_see_the_fate_and_nothing_personal(
    desk: Desk, house: House, api: httpx.AsyncClient, town: Town
) -> None:
    await desk.end(await desk.begin(Channel.PUSH), NoticeState.ACCEPTED)
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    [notice] = await desk.notices(clerk)
    assert notice["state"] == "ACCEPTED"
    assert "secret" not in str(notice)


async def test_strangers_see_no_notices(desk: Desk, house: House, api: httpx.AsyncClient) -> None:
    await desk.begin(Channel.PUSH)
    stranger = Phone(house, api, "stranger")
    await stranger.sign_in("stranger@example.org")
    body = {"query": OF_PARCEL, "variables": {"id": global_id("Parcel", desk.parcel_id)}}
    answer = await api.post("/graphql", json=body, headers=stranger.headers())
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert (await stranger.ask(MINE))["me"]["notices"]["edges"] == []


async def told(socket: Any) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        message = await socket.receive()
    assert message["type"] == "next", message
    return message["payload"]["data"]["noticesChanged"]


async def test_who_watches_hears_of_every_change(desk: Desk, schema: GuardedSchema) -> None:
    phone = desk.phone
    async with open_socket(make_app(desk.house, schema)) as socket:
        proof = phone.proof(token=phone.access_token, htm="GET")
        await socket.init(authorization=f"DPoP {phone.access_token}", dpop=proof)
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
        assert await told(socket) == []
        attempt = await desk.begin(Channel.PUSH)
        assert await told(socket) == [{"kind": "READY", "state": "QUEUED"}]
        await desk.end(attempt, NoticeState.ACCEPTED)
        assert await told(socket) == [{"kind": "READY", "state": "ACCEPTED"}]


async def test_nobody_watches_without_an_account(house: House, schema: GuardedSchema) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        await socket.init()
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}})
        async with asyncio.timeout(PATIENCE_S):
            message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "SIGNED_OUT"


ERASE = """
mutation ($person: ID) { eraseAccount(person: $person) {
  ... on EraseAccountPayload { person } ... on Problem { code message field next } } }"""


async def test_a_person_is_erased_by_themselves_once_all_is_settled(desk: Desk) -> None:
    wrong = (await desk.phone.ask(ERASE, person="nobody"))["eraseAccount"]
    assert (wrong["code"], wrong["field"]) == ("NOT_FOUND", "person")
    left = (await desk.phone.ask(ERASE))["eraseAccount"]
    async with desk.house.database.write() as session:
        parcel = await session.get_one(Parcel, desk.parcel_id)
        assert left["code"] == "ERASURE_PARTIAL"
        assert parcel.code in left["message"]
        parcel.state = ParcelState.RETURNED
    erased = (await desk.phone.ask(ERASE))["eraseAccount"]
    assert erased == {"person": global_id("Person", desk.person_id)}
    again = await desk.phone.client.post(
        "/graphql", json={"query": "{ me { id } }"}, headers=desk.phone.headers()
    )
    assert again.status_code == 401


DISPUTE = """
mutation ($id: ID!) { disputeCollection(parcel: $id, reason: EMPTY) { __typename } }"""
EVIDENCE = """
query ($id: ID!) { outcome: disputeEvidence(parcelId: $id) {
  ... on ParcelEvidence { disputes { party reason state digest file frozenAt } }
  ... on Problem { code } } }"""


async def test_evidence_of_a_dispute_is_fixed_with_it_and_sealed_by_the_log(desk: Desk) -> None:
    house, parcel = desk.house, global_id("Parcel", desk.parcel_id)
    assert (await desk.phone.ask(EVIDENCE, id=parcel))["outcome"] == {"disputes": []}
    async with house.database.write() as session:
        row = await session.get_one(Parcel, desk.parcel_id)
        row.state, row.collected_at = ParcelState.COLLECTED, house.clock.now()
    await desk.phone.ask(DISPUTE, id=parcel)
    [early] = (await desk.phone.ask(EVIDENCE, id=parcel))["outcome"]["disputes"]
    assert (early["party"], early["reason"], early["state"]) == ("REC", "EMPTY", "SEALING")
    assert early["file"] is None
    async with house.database.write() as session:
        origin = origin_of(house.settings.public_url)
        now = house.clock.now()
        await grow_and_sign(session, origin=origin, keyring=house.keyring, now=now)
    async with house.database.write() as session:
        await seal_evidence(session, after=None, now=house.clock.now())
    [sealed] = (await desk.phone.ask(EVIDENCE, id=parcel))["outcome"]["disputes"]
    assert (sealed["state"], sealed["digest"]) == ("SEALED", early["digest"])
    told = parse_evidence(base64.b64decode(sealed["file"])).told
    assert told_digest(told) == base64.b64decode(sealed["digest"])
    async with house.database.write() as session:
        await erase_evidence(session, [desk.parcel_id])
    [erased] = (await desk.phone.ask(EVIDENCE, id=parcel))["outcome"]["disputes"]
    assert (erased["state"], erased["file"]) == ("ERASED", None)


async def test_evidence_of_others_is_not_found(desk: Desk) -> None:
    other = Phone(desk.house, desk.phone.client, "other")
    await other.sign_in("other@example.org")
    for asked in (global_id("Parcel", desk.parcel_id), "nonsense"):
        assert (await other.ask(EVIDENCE, id=asked))["outcome"] == {"code": "NOT_FOUND"}


class Asking:
    """The reference phone's account, whose requests the test's phone sends."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def ask(self, document: str, variables: dict[str, object]) -> dict[str, Any]:
        return await self._phone.ask(document, **variables)


async def test_phone_takes_all_pages_along_as_one_document(desk: Desk) -> None:
    async with desk.house.database.write() as session:
        first = await session.get_one(Parcel, desk.parcel_id)
        for number in range(PARCELS_AT_ONCE):
            values = first.model_dump() | {"id": desk.house.ids.new(), "code": f"more {number}"}
            session.add(Parcel(**values | {"tracking_no": f"more {number}"}))
    whole = await fetch_takeout(cast("Account", Asking(desk.phone)))
    assert len({one["parcel"]["id"] for one in whole["parcels"]}) == PARCELS_AT_ONCE + 1
    assert [one["thumbprint"] for one in whole["devices"]] == [desk.phone.thumbprint]
    assert whole["cut"] == []


EXPORT = """
query ($person: ID, $after: String) { outcome: exportAccount(person: $person, after: $after) {
  __typename ... on Problem { code field } } }"""


async def test_what_others_would_take_along_is_not_found(desk: Desk) -> None:
    other = Phone(desk.house, desk.phone.client, "other")
    await other.sign_in("other@example.org")
    for person in (global_id("Person", desk.person_id), "nonsense"):
        refused = (await other.ask(EXPORT, person=person))["outcome"]
        assert (refused["code"], refused["field"]) == ("NOT_FOUND", "person")
    wrong = (await desk.phone.ask(EXPORT, after="nonsense"))["outcome"]
    assert (wrong["code"], wrong["field"]) == ("INPUT_INVALID", "after")
