"""A server that swaps a key cannot hide it: the owner's phone finds it by the public log."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlmodel import col, select, update

from ble_agent.backends.carrier import Declined
from ble_agent.phone.keys import check_keys, thumbprint
from schema.checkpoint.notes import KeyKind, NoteKey
from schema.checkpoint.trust import Trust, parse_trust, write_trust
from schema.codec import Malformed
from schema.ids import OWN_CHAIN
from schema.journal import entry_head, parse_entry
from schema.receipts import verify_receipt
from server.kit.graph import read_id
from server.kit.keyring import Purpose
from server.ledger.log.rules import origin_of
from server.ledger.own.rules import device_added
from server.ledger.own.service import note
from server.ledger.own.tables import OwnSubject
from server.ledger.tables import JournalEntry
from server.people.tables import Device
from tests.fakes.phone import Phone
from tests.fakes.sources import START
from tests.fakes.town import phone_key
from tests.server.access.graph.test_evidence import seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.phone.account import Account
    from tests.server.access.graph.conftest import Square

THIEF = thumbprint(phone_key("thief").public)
HISTORY = """
query ($first: Int, $after: String) { me { keyHistory(first: $first, after: $after) {
  edges { cursor node { seq kind at thumbprint bytes head } } pageInfo { hasNextPage } } } }"""


class Asking:
    """The reference phone's account, whose requests the test's phone sends."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def ask(self, document: str, variables: Mapping[str, object]) -> dict[str, Any]:
        return await self._phone.ask(document, **variables)


class Owner:
    """Somebody with two phones."""

    def __init__(self, square: Square, phone: Phone, other: Phone) -> None:
        self.square, self.phone, self.other = square, phone, other

    @property
    def trust(self) -> Trust:
        house = self.square.house
        origin = origin_of(house.settings.public_url)
        keys = house.keyring.list_keys(Purpose.LOG)
        vkeys = [NoteKey(origin, KeyKind.LOG, key.public) for key in keys]
        return parse_trust(write_trust(vkeys, lockers={}).encode())

    async def check(self, *, mine: tuple[str, ...] | None = None) -> dict[str, Any]:
        return await check_keys(
            cast("Account", Asking(self.phone)),
            self.phone.key.public,
            mine=(self.other.thumbprint,) if mine is None else mine,
            trust=self.trust,
        )

    async def swap(self) -> None:
        """The server gives a thief's key the place of the other phone's."""
        key = read_id("Device", self.other.device_id)
        async with self.square.house.database.write() as session:
            device = await session.get_one(Device, key)
            device.thumbprint, device.public_key = THIEF, phone_key("thief").public


@pytest.fixture
async def owner(square: Square) -> Owner:
    phone = await square.phone("recipient")
    other = Phone(square.house, square.client, "tablet")
    await other.sign_in("recipient@example.org")
    return Owner(square, phone, other)


async def test_each_key_that_came_or_went_is_told_page_by_page(owner: Owner) -> None:
    phone, other = owner.phone, owner.other
    await phone.ask(
        "mutation($id: ID!) { revokeDevice(deviceId: $id) { __typename } }", id=other.device_id
    )
    found: list[dict[str, Any]] = []
    after, page = None, {}
    for _ in range(3):
        page = (await phone.ask(HISTORY, first=1, after=after))["me"]["keyHistory"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["edges"][-1]["cursor"]
    assert not page["pageInfo"]["hasNextPage"]
    assert [(one["kind"], one["thumbprint"]) for one in found] == [
        ("DEVICE_ADDED", phone.thumbprint),
        ("DEVICE_ADDED", other.thumbprint),
        ("DEVICE_REMOVED", other.thumbprint),
    ]


async def test_phone_proves_its_keys_once_the_log_holds_them(owner: Owner) -> None:
    with pytest.raises(Declined, match="does not hold"):
        await owner.check()
    await seal(owner.square)
    told = await owner.check()
    assert told["thisPhone"] == thumbprint(owner.phone.key.public) == owner.phone.thumbprint
    assert told["keys"] == sorted([owner.phone.thumbprint, owner.other.thumbprint])
    assert (told["alarms"], told["proven"]) == ([], True)
    unknown = await owner.check(mine=())
    assert unknown["alarms"] == [
        f"A key that is none of your phones' may act for you: {owner.other.thumbprint}."
    ]


async def test_others_see_nothing_of_it(owner: Owner) -> None:
    stranger = await owner.square.phone("stranger")
    page = (await stranger.ask(HISTORY))["me"]["keyHistory"]
    assert [edge["node"]["thumbprint"] for edge in page["edges"]] == [stranger.thumbprint]


async def test_key_that_was_swapped_without_an_entry_is_listed_but_not_in_the_log(
    owner: Owner,
) -> None:
    await owner.swap()
    await seal(owner.square)
    told = await owner.check()
    assert told["alarms"] == [
        f"The server lists a device whose key the log does not hold: {THIEF}."
    ]


async def test_key_that_was_swapped_with_an_entry_is_none_of_the_owners_phones(
    owner: Owner,
) -> None:
    await owner.swap()
    person = await owner.square.person_of(owner.phone)
    async with owner.square.house.database.write() as session:
        note(session, device_added(THIEF, person), now=START)
    await seal(owner.square)
    told = await owner.check()
    assert told["alarms"] == [f"A key that is none of your phones' may act for you: {THIEF}."]


async def test_entry_that_is_hidden_from_its_owner_is_missed(owner: Owner) -> None:
    await seal(owner.square)
    async with owner.square.house.database.write() as session:
        own = (await session.exec(select(OwnSubject).order_by(col(OwnSubject.seq)))).first()
        assert own is not None
        await session.delete(own)
    told = await owner.check()
    assert told["alarms"] == [f"The log does not hold this phone's key {owner.phone.thumbprint}."]


async def test_entry_that_is_rewritten_is_not_proven(owner: Owner) -> None:
    await seal(owner.square)
    async with owner.square.house.database.write() as session:
        query = select(JournalEntry).where(JournalEntry.lid == OWN_CHAIN)
        row = (await session.exec(query.order_by(col(JournalEntry.seq).desc()))).first()
        assert row is not None
        assert row.raw is not None
        old, new = (name.encode() for name in (owner.other.thumbprint, THIEF))
        raw = row.raw.replace(old, new)
        changed = update(JournalEntry).where(col(JournalEntry.head) == row.head).values(raw=raw)
        await session.exec(changed)
    with pytest.raises(Malformed, match="not proven"):
        await owner.check()


async def test_nobody_has_no_history(square: Square) -> None:
    assert (await square.ask_as_nobody(HISTORY))["me"] is None


async def test_history_is_read_from_a_place_in_it_alone(owner: Owner) -> None:
    cursor = base64.b64encode(b"Cursor:ffffffff-ffff-ffff-ffff-ffffffffffff").decode()
    response = await owner.square.client.post(
        "/graphql",
        json={"query": HISTORY, "variables": {"after": cursor}},
        headers=owner.phone.headers(),
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "INPUT_INVALID"


SERVER_JOURNAL = """
query ($first: Int!) {
  serverJournal(first: $first) { edges { node { seq kind bytes head } } }
  serverProof(first: $first) { ... on Receipt { receipt } ... on Problem { code } } }"""


async def test_everybody_reads_what_was_done_to_keys_of_the_house_and_heads_of_all_else(
    owner: Owner,
) -> None:
    square = owner.square
    early = await owner.phone.ask(SERVER_JOURNAL, first=9)
    assert early["serverProof"] == {"code": "WRONG_STATE"}
    await seal(square)
    found = await (await square.phone("stranger")).ask(SERVER_JOURNAL, first=3)
    nodes = [edge["node"] for edge in found["serverJournal"]["edges"]]
    told = [(node["kind"], node["bytes"] is not None) for node in nodes]
    assert told == [("KEY_SET_ISSUED", True), ("DEVICE_ADDED", False), ("DEVICE_ADDED", False)]
    verdict = verify_receipt(base64.b64decode(found["serverProof"]["receipt"]), owner.trust)
    assert [one.entry is None for one in verdict.entries] == [False, True, True]
    raw = base64.b64decode(nodes[0]["bytes"])
    assert (verdict.entries[0].entry, entry_head(raw)) == (
        parse_entry(raw),
        base64.b64decode(nodes[0]["head"]),
    )


async def test_nobody_without_an_account_reads_it(square: Square) -> None:
    response = await square.client.post(
        "/graphql", json={"query": SERVER_JOURNAL, "variables": {"first": 1}}
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "SIGNED_OUT"
