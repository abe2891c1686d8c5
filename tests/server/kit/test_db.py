"""Transactions: both databases behave alike."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from server.kit.db import HAS_NEWS, Database, at_commit, held, insert_new, one_of
from server.kit.proofs import UsedProof
from tests.fakes.sources import START

if TYPE_CHECKING:
    from server.kit.db import Session
    from server.kit.ids import Randomness
    from tests.fakes.sources import MovableClock


async def count(database: Database) -> int:
    async with database.read() as session:
        return len((await session.exec(select(UsedProof))).all())


async def test_what_a_write_block_did_stands_after_it(
    database: Database, clock: MovableClock
) -> None:
    async with database.write() as session:
        session.add(UsedProof(digest=b"1", expires_at=clock.now()))
    async with database.read() as session:
        found = (await session.exec(select(UsedProof))).one()
    assert found.expires_at == clock.now()


async def test_a_write_block_that_raises_leaves_nothing(
    database: Database, clock: MovableClock
) -> None:
    async def fail() -> None:
        async with database.write() as session:
            session.add(UsedProof(digest=b"1", expires_at=clock.now()))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await count(database) == 0


async def test_a_read_block_keeps_nothing(database: Database, clock: MovableClock) -> None:
    try:
        async with database.read() as session:
            session.add(UsedProof(digest=b"1", expires_at=clock.now()))
            await session.flush()
    except DBAPIError:
        assert not database.is_sqlite
    assert await count(database) == 0


async def test_of_two_racers_for_one_key_one_wins(database: Database, clock: MovableClock) -> None:
    async def race() -> bool:
        async with database.write() as session:
            return await insert_new(session, UsedProof, digest=b"1", expires_at=clock.now())

    assert sorted(await asyncio.gather(*(race() for _ in range(8)))) == [False] * 7 + [True]


async def test_what_is_read_in_a_write_block_stays_true_until_its_end(
    database: Database, clock: MovableClock
) -> None:
    async with database.write() as session:
        session.add(UsedProof(digest=b"counter", expires_at=clock.now()))

    async def add_a_second() -> None:
        async with database.write() as session:
            query = select(UsedProof).with_for_update()
            row = (await session.exec(query)).one()
            await asyncio.sleep(0)
            row.expires_at += (clock.now() - clock.now()).resolution
            session.add(row)

    await asyncio.gather(*(add_a_second() for _ in range(20)))
    async with database.read() as session:
        row = (await session.exec(select(UsedProof))).one()
    assert (row.expires_at - clock.now()).microseconds == 20


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_row_read_before_is_read_anew_once_it_is_held(database: Database) -> None:
    later = START + timedelta(minutes=1)
    async with database.write() as session:
        session.add(UsedProof(digest=b"1", expires_at=START))
    async with database.write() as session:
        row = await session.get_one(UsedProof, b"1")
        async with database.write() as other:
            (await other.get_one(UsedProof, b"1")).expires_at = later
        assert row.expires_at == START
        kept = (await session.exec(held(select(UsedProof)))).one()
    assert kept is row
    assert row.expires_at == later


async def test_a_failed_statement_does_not_tell_its_values(
    database: Database, clock: MovableClock
) -> None:
    async def add_twice() -> None:
        async with database.write() as session:
            for _ in range(2):
                await session.exec(
                    insert(UsedProof).values(digest=b"private", expires_at=clock.now())
                )

    with pytest.raises(DBAPIError) as failure:
        await add_twice()
    told = str(failure.value)
    assert "INSERT INTO" in told
    assert "parameters hidden" in told


async def test_news_are_told_after_their_commit_and_only_then(
    database: Database, database_url: str
) -> None:
    told: list[int] = []

    async def tell() -> None:
        told.append(await count(database))

    telling = Database(database_url, durable=False, on_news=tell)
    async with telling.write() as session:
        session.add(UsedProof(digest=b"1", expires_at=START))
    assert told == []
    async with telling.write() as session:
        session.add(UsedProof(digest=b"2", expires_at=START))
        session.info[HAS_NEWS] = True
    assert told == [2]
    with pytest.raises(LookupError):
        await fail_with_news(telling)
    assert told == [2]
    await telling.close()


async def fail_with_news(database: Database) -> None:
    async with database.write() as session:
        session.info[HAS_NEWS] = True
        raise LookupError


async def test_last_step_is_done_once_and_undone_with_the_rest(database: Database) -> None:
    async def note(session: Session, randomness: Randomness) -> None:
        session.add(UsedProof(digest=randomness.take(8), expires_at=START))

    async with database.write() as session:
        for _ in range(2):
            at_commit(session, note)
        assert await count_in(session) == 0
    assert await count(database) == 1

    async def fail(_session: Session, _randomness: Randomness) -> None:
        raise RuntimeError

    async def write() -> None:
        async with database.write() as session:
            at_commit(session, note)
            at_commit(session, fail)

    with pytest.raises(RuntimeError):
        await write()
    assert await count(database) == 1


async def count_in(session: Session) -> int:
    return len((await session.exec(select(UsedProof))).all())


async def test_rows_of_several_keys_are_found_by_these_keys_alone(
    database: Database, clock: MovableClock
) -> None:
    early, late = clock.now(), clock.now() + timedelta(hours=1)
    columns = (col(UsedProof.digest), col(UsedProof.expires_at))
    async with database.write() as session:
        for name, at in ((b"1", early), (b"2", late), (b"3", late)):
            session.add(UsedProof(digest=name, expires_at=at))
    for keys, found in (
        ([(b"1", early), (b"3", late), (b"2", early)], {b"1", b"3"}),
        ([(b"9", early)], set()),
        ([], set()),
    ):
        async with database.read() as session:
            rows = await session.exec(select(UsedProof).where(one_of(columns, keys)))
            assert {row.digest for row in rows} == found


async def test_rows_of_several_keys_are_found_by_an_index_on_sqlite(database: Database) -> None:
    if not database.is_sqlite:
        return
    keys = [(name, START) for name in (b"1", b"2", b"3")]
    query = select(UsedProof).where(
        one_of((col(UsedProof.digest), col(UsedProof.expires_at)), keys)
    )
    written = query.compile(database.engine.sync_engine, compile_kwargs={"literal_binds": True})
    async with database.read() as session:
        plan = await session.exec(text(f"EXPLAIN QUERY PLAN {written}"))  # type: ignore[call-overload]  # plain SQL
    assert not [step for *_, step in plan if step.startswith("SCAN")]
