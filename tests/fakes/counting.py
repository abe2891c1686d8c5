"""Counts SQL statements: a list must not cost more of them the longer it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.kit.db import Database


@contextlib.asynccontextmanager
async def counted_statements(database: Database) -> AsyncIterator[list[str]]:
    """The statements run inside the block, BEGIN of SQLite left out."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
