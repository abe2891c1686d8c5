"""Receipts as files: whoever trusts the keys of log and locker verifies them with nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmodel import update

from schema.checkpoint.anchors import AnchoredHead, Contract
from schema.checkpoint.notes import KeyKind, NoteKey
from schema.checkpoint.trust import Trust, parse_trust, write_trust
from schema.codes import ProblemCode
from schema.journal import Kind
from schema.receipts import verify_receipt
from server.access.service.receipts import make_entry_proof, make_parcel_receipt
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.ledger import service as ledger
from server.ledger.anchors.tables import AnchorState, LogAnchor
from server.ledger.log.queries import Leaf
from server.ledger.log.service import find_checkpoint, grow_and_sign, queue_leaves
from server.ledger.tables import SignedHead
from server.people.roles import Role
from tests.fakes.counting import counted_statements
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.server.access.service.test_evidence import collected

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring
    from tests.fakes.town import Town

ORIGIN = "locker.example.org/log"


async def seal(database: Database, keyring: DerivedKeyring) -> None:
    async with database.write() as session:
        await grow_and_sign(session, origin=ORIGIN, keyring=keyring, now=START)


def trust_in(town: Town, keyring: DerivedKeyring) -> Trust:
    keys = [NoteKey(ORIGIN, KeyKind.LOG, key.public) for key in keyring.list_keys(Purpose.LOG)]
    lockers = {town.machine.lid: town.machine.key.public}
    return parse_trust(write_trust(keys, lockers=lockers).encode())


async def tell(database: Database, town: Town, *seqs: int) -> None:
    """Phones bring what the locker signed at its door."""
    machine = town.machine
    async with database.write() as session:
        for seq in seqs:
            row = SignedHead(
                lid=machine.lid,
                seq=seq,
                head=machine.head_at(seq),
                signature=machine.receipt(seq),
                received_at=START,
            )
            await ledger.keep_signed_head(session, row, now=START)


async def test_receipt_of_a_collection_is_verified_with_public_keys_alone(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    seq = await collected(database, town)
    await tell(database, town, seq)
    await seal(database, keyring)
    async with database.read() as session:
        raw = await make_parcel_receipt(session, town.recipient, parcel_id=key_of("parcel"))
    assert isinstance(raw, bytes)
    verdict = verify_receipt(raw, trust_in(town, keyring))
    told = [(one.entry and one.entry.kind, one.is_signed) for one in verdict.entries]
    assert told == [
        (Kind.ACCEPTED, False),
        (Kind.DEPOSITED, False),
        (Kind.ACCEPTED, False),
        (Kind.COLLECTED, True),
    ]
    assert verdict.head.size == len(town.machine.entries) + 1, "the server's own: a key set"


async def test_receipt_waits_until_the_log_holds_all_of_it(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collected(database, town)
    async with database.read() as session:
        early = await make_parcel_receipt(session, town.recipient, parcel_id=key_of("parcel"))
    assert isinstance(early, Refusal)
    assert early.code is ProblemCode.WRONG_STATE


async def test_receipt_is_for_those_who_may_read_the_parcels_evidence(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collected(database, town)
    await seal(database, keyring)
    for actor, may in (
        (town.actor("stranger"), False),
        (town.actor("courier", Role.COURIER), True),
        (town.actor("operator", Role.HUB_CLERK), False),
    ):
        async with database.read() as session:
            got = await make_parcel_receipt(session, actor, parcel_id=key_of("parcel"))
        assert (isinstance(got, Refusal) and got.code is ProblemCode.NOT_FOUND) is not may


async def test_each_entry_has_a_proof_for_whoever_verifies_the_log(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collected(database, town)
    await seal(database, keyring)
    trust = trust_in(town, keyring)
    for seq in range(1, len(town.machine.entries) + 1):
        async with database.read() as session:
            raw = await make_entry_proof(session, town.operator, locker_id=town.locker_id, seq=seq)
        assert isinstance(raw, bytes)
        [proven] = verify_receipt(raw, trust).entries
        assert (proven.lid, proven.seq) == (town.machine.lid, seq)
    for actor, seq in ((town.operator, 99), (town.recipient, 1)):
        async with database.read() as session:
            got = await make_entry_proof(session, actor, locker_id=town.locker_id, seq=seq)
        assert isinstance(got, Refusal)
        assert got.code is ProblemCode.NOT_FOUND


async def test_proof_takes_the_log_two_statements_for_all_entries_together(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collected(database, town)
    await seal(database, keyring)
    async with counted_statements(database) as counts, database.read() as session:
        await make_parcel_receipt(session, town.recipient, parcel_id=key_of("parcel"))
    assert sum("log_" in statement for statement in counts) == 2


async def test_receipt_names_the_first_anchor_that_holds_all_of_it(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collected(database, town)
    await seal(database, keyring)
    contract = Contract(1, f"0x{'ab' * 20}")
    trust = replace(trust_in(town, keyring), anchors=(contract,))

    async def anchored() -> AnchoredHead | None:
        async with database.read() as session:
            raw = await make_parcel_receipt(
                session, town.recipient, parcel_id=key_of("parcel"), contract=contract
            )
        assert isinstance(raw, bytes)
        return verify_receipt(raw, trust).anchor

    assert await anchored() is None
    async with database.write() as session:
        head = await find_checkpoint(session)
        assert head is not None
        for size, state in ((1, AnchorState.CONFIRMED), (head.size, AnchorState.SENT)):
            row = LogAnchor(
                chain_id=1,
                contract=contract.address,
                size=size,
                root=head.root,
                state=state,
                queued_at=START,
                not_before=START,
            )
            session.add(row)
    assert await anchored() is None, "one is too small, the other may never get there"
    async with database.write() as session:
        await session.exec(update(LogAnchor).values(state=AnchorState.CONFIRMED))
        await queue_leaves(session, [Leaf(town.machine.lid, 99, bytes(32))], now=START)
    await seal(database, keyring)
    assert await anchored() == (head.size, head.root)
