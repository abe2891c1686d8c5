"""The server's own chain: nothing is done to a key without its entry, and a body can be erased."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.ids import EVERY_LOCKER, OWN_CHAIN, LockerId
from schema.journal import (
    FIRST_PREV_HEAD,
    OwnKind,
    check_chain,
    entry_head,
    parse_entry,
    person_mark,
)
from server.ledger import service as ledger
from server.ledger.log.queries import take_waiting
from server.ledger.log.tables import WaitingLeaf
from server.ledger.own import rules
from server.ledger.own.service import erase_subject, list_history, note
from server.ledger.own.tables import OwnSubject
from server.ledger.tables import JournalEntry
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.ledger.own.rules import Fact

PERSON = key_of("recipient")
FACTS = (
    rules.device_added("first", PERSON),
    rules.key_set_issued(EVERY_LOCKER, 1, bytes(32)),
    rules.revocations_issued(LockerId(b"locker-1"), 2, bytes(32)),
    rules.locker_key(LockerId(b"locker-2"), bytes(32), former=LockerId(b"locker-1")),
    rules.evidence_frozen(bytes(32), key_of("dispute")),
    rules.device_removed("first", PERSON),
)


async def do(database: Database, *facts: Fact) -> None:
    async with database.write() as session:
        for fact in facts:
            note(session, fact, now=START)


async def read_rows(database: Database) -> list[JournalEntry]:
    async with database.read() as session:
        query = select(JournalEntry).where(JournalEntry.lid == OWN_CHAIN)
        return [*(await session.exec(query.order_by(col(JournalEntry.seq)))).all()]


async def read_raws(database: Database) -> list[bytes]:
    return [row.raw for row in await read_rows(database) if row.raw is not None]


async def test_each_kind_is_an_entry_of_one_chain_and_a_leaf_to_be(database: Database) -> None:
    await do(database, *FACTS[:2])
    await do(database, *FACTS[2:])
    raws = await read_raws(database)
    head = check_chain(raws, lid=OWN_CHAIN, first=1, prev_head=FIRST_PREV_HEAD)
    assert sorted(parse_entry(raw).kind for raw in raws) == sorted(OwnKind)
    async with database.read() as session:
        tip = await ledger.find_tip(session, OWN_CHAIN)
        leaves = (await session.exec(select(WaitingLeaf))).all()
    assert tip == ledger.ChainTip(len(FACTS), head)
    assert {(leaf.lid, leaf.seq, leaf.head) for leaf in leaves} == {
        (OWN_CHAIN, seq, entry_head(raw)) for seq, raw in enumerate(raws, 1)
    }


async def test_person_stands_in_an_entry_by_a_mark_that_its_salt_alone_explains(
    database: Database,
) -> None:
    await do(database, FACTS[0], FACTS[5])
    added, removed = (parse_entry(raw) for raw in await read_raws(database))
    assert added.body == ["first", person_mark(added.salt, PERSON.bytes)]
    assert added.salt != removed.salt
    assert added.body[1] != removed.body[1]


async def test_what_is_rolled_back_leaves_no_entry(database: Database) -> None:
    with pytest.raises(RuntimeError):
        await fail_after(database, FACTS[0])
    assert await read_rows(database) == []
    await do(database, FACTS[0])
    assert [row.seq for row in await read_rows(database)] == [1]


async def fail_after(database: Database, fact: Fact) -> None:
    async with database.write() as session:
        note(session, fact, now=START)
        raise RuntimeError


async def test_many_at_once_make_one_chain_without_a_gap(database: Database) -> None:
    await asyncio.gather(*(do(database, fact) for fact in FACTS))
    raws = await read_raws(database)
    check_chain(raws, lid=OWN_CHAIN, first=1, prev_head=FIRST_PREV_HEAD)
    assert len(raws) == len(FACTS)


async def test_leaves_go_in_the_order_of_the_chain_whoever_took_the_time_first(
    database: Database,
) -> None:
    for seconds in (2, 1, 3):
        async with database.write() as session:
            note(session, FACTS[0], now=START + timedelta(seconds=seconds))
    async with database.write() as session:
        taken = await take_waiting(session, size=0, limit=9)
    assert [leaf.seq for leaf in taken] == [1, 2, 3]


async def test_history_is_of_one_person_and_erased_with_them(database: Database) -> None:
    await do(database, *FACTS, rules.device_added("other", key_of("stranger")))
    async with database.read() as session:
        first = await list_history(session, PERSON, after=0, limit=1)
        rest = await list_history(session, PERSON, after=first[0].seq, limit=9)
    assert [row.seq for row in (*first, *rest)] == [1, 6]
    heads = [row.head for row in await read_rows(database)]
    for _ in range(2):
        async with database.write() as session:
            await erase_subject(session, PERSON)
    rows = await read_rows(database)
    assert [row.seq for row in rows if row.raw is None] == [1, 6]
    assert [row.head for row in rows] == heads
    async with database.read() as session:
        assert [row.seq for row in (await session.exec(select(OwnSubject))).all()] == [5, 7]


async def test_what_is_noted_at_an_erasure_is_a_head_from_the_start(database: Database) -> None:
    await do(database, rules.device_removed("first", PERSON, is_kept=False))
    [row] = await read_rows(database)
    assert row.raw is None
    async with database.read() as session:
        assert (await session.exec(select(OwnSubject))).all() == []
