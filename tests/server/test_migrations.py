"""The history of the database runs forwards and backwards, and ends in what the code declares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from server.kit.db import Database, metadata
from server.kit.migrate import alembic_config, migrate
from server.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.stores import PostgresTemplate, SqliteTemplate


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'bare.db'}"
        return
    postgres: PostgresTemplate = request.getfixturevalue("postgres_template")
    yield postgres.cluster.create_database("bare")
    postgres.cluster.drop_database("bare")


def table_names(url: str) -> set[str]:
    async def read() -> set[str]:
        database = Database(url)
        async with database.engine.connect() as connection:
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        await database.close()
        return set(names)

    return asyncio.run(read())


def missing_tables(url: str) -> list[str]:
    async def read() -> list[str]:
        database = Database(url)
        missing = await database.missing_tables(TABLES)
        await database.close()
        return missing

    return asyncio.run(read())


def test_the_history_runs_up_down_and_up_again(bare_url: str) -> None:
    config = alembic_config(bare_url)
    assert missing_tables(bare_url)
    migrate(bare_url)
    migrate(bare_url)
    command.check(config)
    assert missing_tables(bare_url) == []
    command.downgrade(config, "base")
    assert table_names(bare_url) == {"alembic_version"}
    migrate(bare_url)
    command.check(config)


def shape(url: str) -> set[str]:
    """Every table, constraint and index as the database itself words them, in no order."""
    sqlite = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
    columns = (
        "SELECT concat_ws(' ', table_name, column_name, udt_name, character_maximum_length,"
        " is_nullable, column_default) FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    constraints = (
        "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"

    async def read() -> set[str]:
        database = Database(url)
        async with database.engine.connect() as connection:
            queries = [sqlite] if database.is_sqlite else [columns, constraints, indexes]
            found = [row for query in queries for row in await connection.exec_driver_sql(query)]
        await database.close()
        return {line for (text,) in found if "alembic" not in text for line in pieces(text)}

    return asyncio.run(read())


def pieces(text: str) -> list[str]:
    """The lines of a table's definition, each with the table's name; SQLite keeps it as written."""
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.strip()]
    return [f"{lines[0]} {line}" for line in lines]


def test_the_history_ends_in_the_very_tables_of_the_code(
    bare_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if bare_url.startswith("sqlite"):
        template: SqliteTemplate = request.getfixturevalue("sqlite_template")
        declared = shape(template.copy(tmp_path))
    else:
        postgres: PostgresTemplate = request.getfixturevalue("postgres_template")
        declared = shape(postgres.url)
    migrate(bare_url)
    assert shape(bare_url) == declared
    assert len(declared) > len(TABLES)


def test_the_history_is_one_line() -> None:
    script = ScriptDirectory.from_config(alembic_config("sqlite+aiosqlite://"))
    assert len(script.get_heads()) == len(script.get_bases()) == 1
    assert not any(revision.is_merge_point for revision in script.walk_revisions())


def test_every_table_is_listed_and_every_constraint_has_a_name() -> None:
    assert {table.__tablename__ for table in TABLES} == metadata.tables.keys()
    for table in metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints), table.name
        assert all(index.name for index in table.indexes), table.name
