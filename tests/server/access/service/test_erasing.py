"""What lockers wrote of somebody who is erased: none of it is left, and every proof of it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, select

from schema.ids import LockerId
from schema.journal import FIRST_PREV_HEAD, Kind, parse_entry
from schema.merkle import leaf_data, leaf_hash, tree_root
from schema.receipts import verify_receipt
from server.access.rules import Action, GrantState
from server.access.service.erasing import erase_phones, erase_traces
from server.access.service.receipts import make_parcel_receipt
from server.access.tables import Grant, IssuedToken, PassedOn
from server.ledger import service as ledger
from server.ledger.log.service import find_checkpoint
from server.ledger.log.tables import LogLeaf
from server.ledger.tables import ContradictingEntry, JournalEntry
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, StayParcel
from server.people.tables import Person
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import key_of, phone_key
from tests.server.access.service.test_evidence import collected
from tests.server.access.service.test_receipts import seal, trust_in

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring
    from tests.fakes.town import Town

PERSON, PHONE = key_of("recipient"), key_of("recipient phone")
KEY = phone_key("recipient").public
THEIRS = {Kind.DEPOSITED, Kind.COLLECTED}


async def collect(database: Database, town: Town) -> None:
    """A parcel that the recipient's phone has collected, with what we know of its token."""
    await collected(database, town)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, START
        grant = Grant(
            id=key_of("grant"),
            created_at=START,
            action=Action.OPEN,
            state=GrantState.USED,
            parcel_id=parcel.id,
            locker_id=town.locker_id,
            stay=stay_of(1),
            holder_id=PERSON,
            not_before=START,
        )
        session.add(grant)
        await session.flush()
        token = IssuedToken(
            cti=b"token-02",
            grant_id=grant.id,
            device_id=PHONE,
            lid=town.machine.lid,
            kid=b"k1",
            iat=0,
            exp=1,
            comps=[],
            raw=b"token of " + KEY,
        )
        session.add(token)
        await session.flush()
        session.add(
            PassedOn(
                id=key_of("passed"),
                name=b"passed-1",
                created_at=START,
                grant_id=grant.id,
                cti=token.cti,
                holder=KEY,
                exp=1,
            )
        )
        twin = town.machine.copy()
        twin.entries = twin.entries[:-1]
        twin.write(Kind.COLLECTED, 3, stay_of(1), 9)
        session.add(
            ContradictingEntry(
                lid=twin.lid,
                seq=len(twin.entries),
                head=twin.head,
                raw=twin.entries[-1],
                found_at=START,
            )
        )


async def erase(database: Database) -> None:
    async with database.write() as session:
        await erase_traces(session, PERSON, [key_of("parcel")])
        await erase_phones(session, [PHONE], [KEY])


async def read_rows(database: Database, town: Town) -> list[JournalEntry]:
    query = select(JournalEntry).where(JournalEntry.lid == town.machine.lid)
    async with database.read() as session:
        return [*(await session.exec(query.order_by(col(JournalEntry.seq)))).all()]


async def test_entries_that_name_stay_or_token_lose_their_words_and_keep_their_heads(
    database: Database, town: Town
) -> None:
    await collect(database, town)
    before = await read_rows(database, town)
    for _ in range(2):
        await erase(database)
    rows = await read_rows(database, town)
    assert [row.head for row in rows] == [row.head for row in before]
    gone = [row for row in rows if row.raw is None]
    assert {Kind(row.kind) for row in gone} == {*THEIRS, Kind.ACCEPTED}
    assert {row.stay for row in gone} == {stay_of(1), None}
    kept = [parse_entry(row.raw) for row in rows if row.raw is not None]
    assert b"token-02" not in {row.cti for row in rows}
    assert b"token-01" in {row.cti for row in rows}, "who brought it is somebody else"
    assert not any(stay_of(1) in entry.body for entry in kept)
    async with database.read() as session:
        [token] = (await session.exec(select(IssuedToken))).all()
        [passed] = (await session.exec(select(PassedOn))).all()
        [contradiction] = (await session.exec(select(ContradictingEntry))).all()
    assert (token.raw, passed.holder, contradiction.raw) == (b"", b"", None)


async def test_log_and_journal_verify_from_their_first_line_after_an_erasure(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await collect(database, town)
    await seal(database, keyring)
    await erase(database)
    prev = FIRST_PREV_HEAD
    for row in await read_rows(database, town):
        if row.raw is not None:
            assert parse_entry(row.raw).prev_head == prev
        assert row.prev_head == prev
        prev = row.head
    async with database.read() as session:
        leaves = (await session.exec(select(LogLeaf).order_by(col(LogLeaf.number)))).all()
        checkpoint = await find_checkpoint(session)
        receipt = await make_parcel_receipt(session, town.recipient, parcel_id=key_of("parcel"))
    assert checkpoint is not None
    hashes = [leaf_hash(leaf_data(LockerId(leaf.lid), leaf.seq, leaf.head)) for leaf in leaves]
    assert tree_root(hashes) == checkpoint.root
    assert isinstance(receipt, bytes)
    proven = verify_receipt(receipt, trust_in(town, keyring)).entries
    assert [one.entry is None for one in proven] == [False, True, True, True]


async def test_what_somebody_else_has_in_the_same_stay_is_kept(
    database: Database, town: Town
) -> None:
    await collect(database, town)
    async with database.write() as session:
        session.add(Person(id=key_of("neighbour"), created_at=START))
        await session.flush()
        other = await town.add_parcel(session, "other", state=ParcelState.RETURNED)
        other.recipient_id = key_of("neighbour")
        session.add(StayParcel(stay_id=key_of("stay"), parcel_id=other.id, put_in_at=START))
    await erase(database)
    gone = [row for row in await read_rows(database, town) if row.raw is None]
    assert [Kind(row.kind) for row in gone] == [Kind.ACCEPTED]


async def test_what_waits_behind_a_gap_has_its_effect_first(database: Database, town: Town) -> None:
    await collect(database, town)
    machine = town.machine
    machine.boot()
    machine.write(Kind.FOUND_EMPTY, 3, stay_of(1))
    async with database.write() as session:
        await ledger.append(session, machine.contents(len(machine.entries)), now=START)
    await erase(database)
    assert (await read_rows(database, town))[-1].raw is not None
