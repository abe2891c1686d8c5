"""A journal as many carriers bring it: whole, doubled, in any order, with gaps, forked."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codec import Malformed
from schema.envelopes import Contents
from schema.journal import Kind
from schema.readings import Reading
from server.ledger import service
from server.ledger.log.queries import take_waiting
from server.ledger.service import Appended, ChainTip, Forked
from server.ledger.tables import ContradictingEntry, LockerReading
from tests.fakes.journals import JournalingLocker, stay_of
from tests.fakes.sources import START

if TYPE_CHECKING:
    from server.kit.db import Database


@pytest.fixture
def locker() -> JournalingLocker:
    made = JournalingLocker()
    made.boot()
    made.deposit(3, stay_of(1), b"cti-0001")
    return made


async def append(database: Database, contents: Contents) -> Appended | Forked:
    async with database.write() as session:
        return await service.append(session, contents, now=START)


async def appended(database: Database, contents: Contents) -> Appended:
    outcome = await append(database, contents)
    assert isinstance(outcome, Appended)
    return outcome


def numbers(outcome: Appended) -> list[int]:
    return [line.seq for line in outcome.ready]


async def test_new_entries_are_ready_in_order(database: Database, locker: JournalingLocker) -> None:
    outcome = await appended(database, locker.contents())
    assert (outcome.stored, outcome.known) == (6, 0)
    assert numbers(outcome) == [1, 2, 3, 4, 5, 6]
    assert outcome.tip == ChainTip(6, locker.head)


async def test_repeat_changes_nothing(database: Database, locker: JournalingLocker) -> None:
    await append(database, locker.contents())
    outcome = await appended(database, locker.contents())
    assert (outcome.stored, outcome.known, outcome.ready) == (0, 6, ())
    assert outcome.tip == ChainTip(6, locker.head)


async def test_overlap_adds_only_what_is_new(database: Database, locker: JournalingLocker) -> None:
    await append(database, locker.contents(1, 4))
    outcome = await appended(database, locker.contents(3))
    assert (outcome.stored, outcome.known) == (2, 2)
    assert numbers(outcome) == [5, 6]


async def test_entries_behind_a_gap_wait_until_it_closes(
    database: Database, locker: JournalingLocker
) -> None:
    early = await appended(database, locker.contents(4))
    assert (early.stored, early.ready, early.tip.seq) == (3, (), 0)
    closing = await appended(database, locker.contents(1, 3))
    assert numbers(closing) == [1, 2, 3, 4, 5, 6]
    assert closing.tip == ChainTip(6, locker.head)


async def test_leaves_go_in_the_order_of_the_journal_whoever_took_the_time_first(
    database: Database, locker: JournalingLocker
) -> None:
    for first, seconds in ((1, 2), (3, 1), (5, 0)):
        async with database.write() as session:
            contents = locker.contents(first, first + 1)
            await service.append(session, contents, now=START + timedelta(seconds=seconds))
    async with database.write() as session:
        taken = await take_waiting(session, size=0, limit=9)
    assert [leaf.seq for leaf in taken] == [1, 2, 3, 4, 5, 6]


async def test_pieces_in_any_order_end_alike(database: Database, locker: JournalingLocker) -> None:
    ready: list[int] = []
    for first in (5, 3, 6, 2, 1, 4):
        ready += numbers(await appended(database, locker.contents(first, first)))
    assert ready == [1, 2, 3, 4, 5, 6]


async def test_fork_takes_nothing_and_ends_all_trust(
    database: Database, locker: JournalingLocker
) -> None:
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    twin.write(Kind.POWER, 3)
    await append(database, locker.contents())
    assert await append(database, twin.contents(7)) == Forked(7, is_new=True)
    locker.write(Kind.POWER, 4)
    assert await append(database, locker.contents()) == Forked(7, is_new=False)
    async with database.read() as session:
        assert await service.is_distrusted(session, locker.lid)
        assert await service.find_tip(session, locker.lid) == ChainTip(7, locker.head_at(7))


async def vouch(database: Database, locker: JournalingLocker, reason: str = "Seals whole.") -> bool:
    async with database.write() as session:
        return await service.trust_again(
            session, locker.lid, by=uuid.UUID(int=1), reason=reason, now=START
        )


async def evidence(database: Database) -> list[ContradictingEntry]:
    async with database.read() as session:
        query = select(ContradictingEntry).order_by(col(ContradictingEntry.seq))
        return list((await session.exec(query)).all())


async def test_inspected_locker_goes_on_from_where_it_stood(
    database: Database, locker: JournalingLocker
) -> None:
    assert not await vouch(database, locker)
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    await append(database, locker.contents())
    await append(database, twin.contents(7))
    locker.write(Kind.POWER, 3)
    assert await vouch(database, locker)
    assert not await vouch(database, locker, "Again.")
    assert numbers(await appended(database, locker.contents())) == [8]
    [kept] = await evidence(database)
    assert (kept.seq, kept.raw) == (7, twin.entries[6])
    assert (kept.judged_at, kept.judged_by, kept.reason) == (
        START,
        uuid.UUID(int=1),
        "Seals whole.",
    )


async def test_what_was_judged_is_refused_for_good_and_ends_no_trust(
    database: Database, locker: JournalingLocker
) -> None:
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    await append(database, locker.contents())
    await append(database, twin.contents(7))
    await vouch(database, locker)
    for _ in range(2):
        again = await append(database, twin.contents(7))
        assert again == Forked(7, is_new=False, is_judged=True)
    locker.write(Kind.POWER, 3)
    assert numbers(await appended(database, locker.contents())) == [8]
    twin.write(Kind.POWER, 4)
    assert await append(database, twin.contents(8)) == Forked(8, is_new=True)
    assert [one.judged_at for one in await evidence(database)] == [START, None]


async def test_what_waited_behind_a_gap_does_not_outlast_the_inspection(
    database: Database, locker: JournalingLocker
) -> None:
    """It may be of either branch: the locker that goes on brings its own again."""
    twin = locker.copy()
    for mode in range(3):
        locker.write(Kind.POWER, mode)
        twin.write(Kind.POWER, mode + 1)
    await append(database, locker.contents(1, 6))
    await append(database, twin.contents(9))
    assert await append(database, locker.contents(7)) == Forked(8, is_new=True)
    await vouch(database, locker)
    assert numbers(await appended(database, locker.contents(7))) == [7, 8, 9]
    assert [one.seq for one in await evidence(database)] == [8, 9]
    assert await append(database, twin.contents(9)) == Forked(9, is_new=False, is_judged=True)


async def test_fork_of_an_entry_that_waits_is_seen(
    database: Database, locker: JournalingLocker
) -> None:
    twin = locker.copy()
    for mode in range(3):
        locker.write(Kind.POWER, mode)
        twin.write(Kind.POWER, mode + 1)
    await append(database, locker.contents(9))
    assert await append(database, twin.contents(7, 8)) == Forked(8, is_new=True)


async def test_torn_piece_is_malformed_and_leaves_nothing(
    database: Database, locker: JournalingLocker
) -> None:
    torn = Contents(locker.lid, 1, tuple(locker.entries[::2]), locker.head, ())
    with pytest.raises(Malformed):
        await append(database, torn)
    async with database.read() as session:
        assert await service.find_tip(session, locker.lid) is None


async def test_two_lockers_do_not_meet(database: Database, locker: JournalingLocker) -> None:
    other = JournalingLocker("other")
    other.boot()
    await append(database, locker.contents())
    assert numbers(await appended(database, other.contents())) == [1]


async def test_two_carriers_at_once_are_one_journal(
    database: Database, locker: JournalingLocker
) -> None:
    outcomes = await asyncio.gather(
        *(appended(database, locker.contents(1, last)) for last in (6, 3, 5, 6))
    )
    assert sorted(seq for outcome in outcomes for seq in numbers(outcome)) == [1, 2, 3, 4, 5, 6]
    assert max(outcome.tip.seq for outcome in outcomes) == 6


async def test_readings_are_taken_once(database: Database, locker: JournalingLocker) -> None:
    first = (Reading(1, 0, 1, 215), Reading(1, 1, 1, 40))
    for batch in (first, (*first, Reading(2, 0, 1, 216)), (Reading(1, 0, 1, 999),)):
        async with database.write() as session:
            await service.observe_readings(session, locker.lid, batch, now=START)
    async with database.read() as session:
        rows = await session.exec(
            select(LockerReading.t, LockerReading.channel, LockerReading.value)
        )
    assert sorted(rows) == [(1, 0, 215), (1, 1, 40), (2, 0, 216)]


async def test_entries_are_listed_up_to_the_first_gap(
    database: Database, locker: JournalingLocker
) -> None:
    await append(database, locker.contents(1, 3))
    await append(database, locker.contents(5))
    async with database.read() as session:
        listed = await service.list_entries(session, locker.lid, after=1, limit=10)
    assert [row.seq for row in listed] == [2, 3]
    assert [row.raw for row in listed] == locker.entries[1:3]


async def test_evidence_of_a_stay_is_its_own_compartments_alone(
    database: Database, locker: JournalingLocker
) -> None:
    locker.deposit(4, stay_of(2), b"cti-0002")
    collected = locker.collect(3, stay_of(1), b"cti-0003")
    locker.deposit(3, stay_of(3), b"cti-0004")
    await append(database, locker.contents())
    async with database.read() as session:
        evidence = await service.list_evidence(session, locker.lid, stay_of(1))
    assert [row.seq for row in evidence] == [2, 3, 4, 5, 6, *range(collected - 4, collected + 1)]
    assert evidence[-1].head == locker.head_at(collected)


async def test_evidence_of_a_stay_that_goes_on_is_told_up_to_now(
    database: Database, locker: JournalingLocker
) -> None:
    await append(database, locker.contents())
    async with database.read() as session:
        evidence = await service.list_evidence(session, locker.lid, stay_of(1))
        unknown = await service.list_evidence(session, locker.lid, stay_of(9))
    assert [row.kind for row in evidence][-1] == Kind.DEPOSITED
    assert list(unknown) == []
