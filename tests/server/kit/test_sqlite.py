"""SQLite behind an event loop: a statement is one visit to a thread, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

import pytest

from server.kit.sqlite import BriefConnection, connector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

T = TypeVar("T")


class CountedConnection(BriefConnection):
    """Counts the visits to its thread."""

    visits = 0

    async def visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.visits += 1
        return await super().visit(work)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[CountedConnection]:
    """A connection to a database with a table of two rows."""
    connection = CountedConnection(lambda: sqlite3.connect(tmp_path / "a.db"), iter_chunk_size=1)
    await connection
    cursor = connection.cursor()
    await cursor.execute("CREATE TABLE words (word TEXT UNIQUE)")
    await cursor.executemany("INSERT INTO words VALUES (?)", [("one",), ("two",)])
    yield connection
    await connection.close()


async def test_a_statement_and_all_of_its_rows_are_one_visit(connection: CountedConnection) -> None:
    before = connection.visits
    cursor = connection.cursor()
    await cursor.execute("SELECT word FROM words")
    assert len(await cursor.fetchall()) == 2
    await cursor.close()
    assert connection.visits == before + 1


async def test_rows_are_given_once(connection: CountedConnection) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT word FROM words WHERE word > ? ORDER BY word", ("a",))
    assert cursor.description[0][0] == "word"
    assert await cursor.fetchall() == [("one",), ("two",)]
    assert await cursor.fetchall() == []


async def test_each_execution_replaces_what_the_last_one_left(
    connection: CountedConnection,
) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT word FROM words")
    await cursor.execute("UPDATE words SET word = word || '!'")
    assert cursor.description is None
    assert cursor.rowcount == 2
    assert await cursor.fetchall() == []


async def test_an_error_is_raised_and_the_connection_goes_on(connection: CountedConnection) -> None:
    cursor = connection.cursor()
    with pytest.raises(sqlite3.IntegrityError):
        await cursor.execute("INSERT INTO words VALUES ('one')")
    with pytest.raises(sqlite3.OperationalError):
        await cursor.execute("SELECT nothing FROM nowhere")
    await cursor.execute("SELECT count(*) FROM words")
    assert await cursor.fetchall() == [(2,)]


async def test_settings_hold_and_nothing_begins_by_itself(tmp_path: Path) -> None:
    connection = await connector(("foreign_keys=ON", "journal_mode=WAL"))(str(tmp_path / "a.db"))
    cursor = connection.cursor()
    for setting, value in (("foreign_keys", 1), ("journal_mode", "wal")):
        await cursor.execute(f"PRAGMA {setting}")
        assert await cursor.fetchall() == [(value,)]
    await cursor.execute("CREATE TABLE words (word TEXT)")
    await cursor.execute("INSERT INTO words VALUES ('one')")
    assert not connection.in_transaction
    await connection.close()


async def test_a_connection_that_cannot_be_prepared_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(sqlite3.OperationalError):
        await connector(("foreign_keys=(",))(str(tmp_path / "a.db"))
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_a_connection_that_cannot_be_opened_says_nothing_to_a_loop_that_is_gone(
    tmp_path: Path,
) -> None:
    # What a thread cannot tell any more is a warning, and warnings are errors here.
    for _ in range(50):
        with pytest.raises(sqlite3.OperationalError):
            asyncio.run(open_nowhere(tmp_path))


async def open_nowhere(folder: Path) -> None:
    await connector(())(f"{folder}/missing/a.db")
