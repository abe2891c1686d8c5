"""The server's SQLite file over a disk that loses power or room: migrations and commits."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from server.kit import outbox
from server.kit.db import Database
from server.kit.migrate import migrate
from server.kit.outbox import Outbox
from tests.ble_agent.standing import quick_folder
from tests.fakes.disk import Disk, Trouble
from tests.fakes.sources import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stores import SqliteTemplate

TORN = (0, 3, 100, 250)
"""Some of the operations of a migration, the first among them."""

COMMITS = 6


def schema_of(file: Path) -> list[tuple[str]]:
    """Everything that stands in the file's catalogue."""
    connection = sqlite3.connect(file)
    found = connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.DARK])
def test_a_migration_that_was_cut_is_done_whole_by_the_next_start(
    disk: Disk, trouble: Trouble, tmp_path: Path
) -> None:
    migrate(f"sqlite+aiosqlite:///{tmp_path / 'whole.db'}")
    for at in TORN:
        file = tmp_path / f"cut-{at}.db"
        disk.order(trouble, at=at, seed=at)
        with pytest.raises(OperationalError):
            migrate(f"sqlite+aiosqlite:///{file}")
        disk.mend()
        migrate(f"sqlite+aiosqlite:///{file}")
        assert schema_of(file) == schema_of(tmp_path / "whole.db")


async def commit_some(url: str) -> int:
    """How many of some commits were reported as done before the disk had enough."""
    database = Database(url)
    done = 0
    try:
        while done < COMMITS:
            async with database.write() as session:
                await outbox.append(
                    session,
                    id=uuid.UUID(int=done),
                    kind="test",
                    subject=uuid.UUID(int=0),
                    facts={},
                    at=START,
                )
            done += 1
    except OperationalError:
        pass  # the disk has had enough
    finally:
        await database.close()
    return done


async def count(url: str) -> int:
    database = Database(url)
    async with database.read() as session:
        rows = (await session.exec(select(Outbox.id))).all()
    await database.close()
    assert sorted(row.int for row in rows) == list(range(len(rows)))
    return len(rows)


def test_what_was_committed_outlives_a_power_cut_at_any_write(
    disk: Disk, sqlite_template: SqliteTemplate
) -> None:
    """What was being committed may be there or not: nobody was told yet."""
    for at in itertools.count():
        with quick_folder() as folder:
            url = sqlite_template.copy(folder)
            disk.order(Trouble.DARK, at=at, seed=at)
            reported = asyncio.run(commit_some(url))
            disk.mend()
            assert asyncio.run(count(url)) in {reported, reported + 1}
        if reported == COMMITS:
            return
