"""Databases for tests: one PostgreSQL for each test process, and copies of an empty database."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from sqlalchemy import delete

from server.demo.stores import Postgres, get_postgres
from server.kit.db import Database, metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

EMPTY = "restante_empty"


class SqliteTemplate:
    """A file with all tables and no rows, copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "template.db"
        asyncio.run(_create_tables(Database(f"sqlite+aiosqlite:///{self._file}")))

    def renew(self) -> str:
        """The address of the one copy that tests use in turn, fresh again."""
        for leftover in self._folder.glob("test.db*"):
            leftover.unlink()
        return self.copy(self._folder)

    def copy(self, folder: Path) -> str:
        """The address of a fresh copy in a folder of the caller's own."""
        shutil.copy(self._file, folder / "test.db")
        return f"sqlite+aiosqlite:///{folder / 'test.db'}"


class PostgresTemplate:
    """A cluster with one database, whose rows are removed between tests.

    One connection of its own does that, in a loop of its own: each new one would first have to
    learn of every table, which takes longer than all that a test asks for. Close it in the end.
    """

    def __init__(self, cluster: Postgres) -> None:
        self.cluster = cluster
        self.url = cluster.create_database("test")
        self._database = Database(self.url)
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._runner.run(_create_tables(self._database))
        self._connection = self._runner.run(self._connect())

    def renew(self) -> str:
        """The address of the database, without rows again."""
        self._runner.run(self._connection.exec_driver_sql(f"SELECT pg_temp.{EMPTY}()"))
        return self.url

    def close(self) -> None:
        """End the connection; the cluster goes on."""
        self._runner.run(self._connection.close())
        self._runner.run(self._database.close())
        self._runner.close()

    async def _connect(self) -> AsyncConnection:
        connection = await self._database.engine.connect()
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        # A function is planned once. A temporary one is no part of the database that tests see.
        await connection.exec_driver_sql(
            f"CREATE FUNCTION pg_temp.{EMPTY}() RETURNS void LANGUAGE plpgsql AS"
            f" $$ BEGIN {_deletions()} END $$"
        )
        return connection


def start_postgres() -> Postgres:
    """A cluster that is not started yet, from the programs of this machine."""
    return Postgres(get_postgres(os.environ))


async def empty(database: Database) -> None:
    """Removes the rows of every table of a PostgreSQL database, children first, in one round trip.

    TRUNCATE would make new files for each table, which costs a tenth of a second.
    """
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(f"DO $$ BEGIN {_deletions()} END $$")


def _deletions() -> str:
    return " ".join(f"{delete(table)};" for table in reversed(metadata.sorted_tables))


async def _create_tables(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await database.close()
