"""Receipts and journals through the API."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from schema.checkpoint.notes import NoteKey
from schema.checkpoint.trust import parse_trust, write_trust
from schema.journal import FIRST_PREV_HEAD, check_chain, entry_head, verify_head
from schema.receipts import parse_receipt, verify_receipt
from server.kit.graph import global_id
from server.ledger import service as ledger
from server.ledger.log.rules import origin_of
from server.ledger.log.service import grow_and_sign
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.counting import counted_statements
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.server.access.graph.conftest import LOCKER, PARCEL

if TYPE_CHECKING:
    from tests.fakes.phone import Phone
    from tests.server.access.graph.conftest import Square

PROOF = """
query ($id: ID!) { outcome: parcelProof(parcelId: $id) {
  ... on ParcelProof { parcelId locker { id } signPublic stay
    entries { seq kind at clockQuality bytes head } }
  ... on Problem { code message field }
} }"""
RECEIPT = """
query ($id: ID!) { outcome: receipt(parcelId: $id) {
  ... on Receipt { receipt } ... on Problem { code message field } } }"""
ENTRY_PROOF = """
query ($id: ID!, $seq: Int!) { outcome: entryProof(lockerId: $id, seq: $seq) {
  ... on Receipt { receipt } ... on Problem { code message field } } }"""
JOURNAL = """
query ($id: ID!, $first: Int, $after: String) {
  journal(lockerId: $id, first: $first, after: $after) {
    edges { cursor node { seq kind bytes head } } pageInfo { hasNextPage endCursor }
} }"""


async def collected(square: Square, phone: Phone) -> int:
    """The phone's owner has collected a parcel; the number of the entry that says so."""
    await square.put_in(phone, ParcelState.DEPOSITED)
    machine = square.town.machine
    machine.boot()
    machine.deposit(3, stay_of(1), b"token-01")
    seq = machine.collect(3, stay_of(1), b"token-02")
    async with square.house.database.write() as session:
        await ledger.append(session, machine.contents(), now=START)
    return seq


async def test_recipient_proves_the_collection_with_the_lockers_key_alone(square: Square) -> None:
    phone = await square.phone("recipient")
    seq = await collected(square, phone)
    proof = (await phone.ask(PROOF, id=PARCEL))["outcome"]
    last = proof["entries"][-1]
    raw, head = (base64.b64decode(last[name]) for name in ("bytes", "head"))
    assert (last["kind"], last["seq"]) == ("COLLECTED", seq)
    assert head == entry_head(raw)
    assert verify_head(
        base64.b64decode(proof["signPublic"]),
        lid=square.town.machine.lid,
        seq=seq,
        head=head,
        signature=square.town.machine.receipt(seq),
    )
    assert proof["entries"][0]["kind"] == "ACCEPTED"


async def test_receipt_of_another_is_not_found(square: Square) -> None:
    phone = await square.phone("recipient")
    await collected(square, phone)
    other = await square.phone("other")
    for asked in (PARCEL, LOCKER, "nonsense"):
        assert (await other.ask(PROOF, id=asked))["outcome"]["code"] == "NOT_FOUND"
    assert (await square.ask_as_nobody(PROOF, id=PARCEL))["outcome"]["code"] == "SIGNED_OUT"


async def seal(square: Square) -> None:
    async with square.house.database.write() as session:
        origin = origin_of(square.house.settings.public_url)
        await grow_and_sign(session, origin=origin, keyring=square.house.keyring, now=START)


async def test_receipt_file_is_verified_by_the_keys_that_the_log_names(square: Square) -> None:
    phone = await square.phone("recipient")
    seq = await collected(square, phone)
    assert (await phone.ask(RECEIPT, id=PARCEL))["outcome"]["code"] == "WRONG_STATE"
    await seal(square)
    raw = base64.b64decode((await phone.ask(RECEIPT, id=PARCEL))["outcome"]["receipt"])
    named = (await square.ask_as_nobody("{ publicLog { origin keys anchor } }"))["publicLog"]
    assert named["anchor"] is None
    keys = [NoteKey.parse(key) for key in named["keys"]]
    verdict = verify_receipt(raw, parse_trust(write_trust(keys, lockers={}).encode()))
    assert verdict.head.origin == named["origin"]
    assert verdict.entries[-1].seq == seq


async def test_receipt_file_of_another_is_not_found(square: Square) -> None:
    await collected(square, await square.phone("recipient"))
    await seal(square)
    other = await square.phone("other")
    for asked in (PARCEL, LOCKER, "nonsense"):
        assert (await other.ask(RECEIPT, id=asked))["outcome"]["code"] == "NOT_FOUND"
    assert (await square.ask_as_nobody(RECEIPT, id=PARCEL))["outcome"]["code"] == "SIGNED_OUT"


async def test_operator_has_the_proof_of_any_entry(square: Square) -> None:
    seq = await collected(square, await square.phone("recipient"))
    await seal(square)
    operator = await square.phone("operator", Role.OPERATOR)
    found = (await operator.ask(ENTRY_PROOF, id=LOCKER, seq=seq))["outcome"]
    [stated] = parse_receipt(base64.b64decode(found["receipt"])).entries
    assert (stated.seq, stated.raw) == (seq, square.town.machine.entries[-1])
    for locker, number in ((LOCKER, seq + 1), (LOCKER, 0), (PARCEL, 1), ("nonsense", 1)):
        got = (await operator.ask(ENTRY_PROOF, id=locker, seq=number))["outcome"]
        assert got["code"] == "NOT_FOUND"


async def test_operator_reads_the_whole_chain_page_by_page(square: Square) -> None:
    seq = await collected(square, await square.phone("recipient"))
    operator = await square.phone("operator", Role.OPERATOR)
    raws: list[bytes] = []
    after: str | None = None
    while True:
        page = (await operator.ask(JOURNAL, id=LOCKER, first=4, after=after))["journal"]
        raws += [base64.b64decode(edge["node"]["bytes"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(raws) == seq
    machine = square.town.machine
    head = check_chain(raws, lid=machine.lid, first=1, prev_head=FIRST_PREV_HEAD)
    assert head == machine.head


async def test_kind_that_the_server_does_not_know_is_null(square: Square) -> None:
    square.town.machine.now = 2**53 - 1
    square.town.machine.write(77, b"from a newer locker")
    async with square.house.database.write() as session:
        await ledger.append(session, square.town.machine.contents(), now=START)
    operator = await square.phone("operator", Role.OPERATOR)
    page = (await operator.ask(JOURNAL, id=LOCKER))["journal"]
    assert page["edges"][0]["node"]["kind"] is None


async def refusal(phone: Phone, **variables: Any) -> str:
    response = await phone.client.post(
        "/graphql", json={"query": JOURNAL, "variables": variables}, headers=phone.headers()
    )
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def test_journal_is_refused_to_others_and_beyond_its_page(square: Square) -> None:
    phone = await square.phone("recipient")
    await collected(square, phone)
    operator = await square.phone("operator", Role.OPERATOR)
    assert await refusal(phone, id=LOCKER) == "NOT_FOUND"
    assert await refusal(operator, id=PARCEL) == "NOT_FOUND"
    assert await refusal(operator, id=LOCKER, first=101) == "TOO_COSTLY"
    assert await refusal(operator, id=LOCKER, after="nonsense") == "INPUT_INVALID"
    far = str(global_id("Cursor", key_of("far away")))
    assert await refusal(operator, id=LOCKER, after=far) == "NOT_FOUND"


async def test_longer_page_costs_no_more_statements(square: Square) -> None:
    await collected(square, await square.phone("recipient"))
    operator = await square.phone("operator", Role.OPERATOR)
    counts = []
    for first in (1, 10):
        async with counted_statements(square.house.database) as statements:
            await operator.ask(JOURNAL, id=LOCKER, first=first)
        counts.append(len(statements))
    assert counts[0] == counts[1]
