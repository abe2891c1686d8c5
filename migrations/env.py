"""Runs the history of the database: on an address handed over by code, else on the settings'.

Wiring of its own: nothing imports it but Alembic.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Literal

from alembic import context
from sqlalchemy import Enum
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from server.kit.db import Database, metadata
from server.kit.settings import Settings
from server.tables import TABLES

if TYPE_CHECKING:
    from sqlalchemy import Connection

assert TABLES, "the metadata must be whole"


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Writes types as SQLAlchemy's own, so that history needs nothing of ours."""
    if kind != "type":
        return False
    if isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, AutoString | Enum):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


def run(connection: Connection) -> None:
    """Runs what was asked of Alembic, each migration in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=render,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run(url: str) -> None:
    """Opens the database for as long as it takes."""
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
    finally:
        await database.close()


given = context.config.get_main_option("sqlalchemy.url")
asyncio.run(connect_and_run(given or Settings.from_environ(os.environ).database_url))
