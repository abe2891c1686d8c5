"""What timers look for is found by an index, however many rows have had their time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from server.access.queries import list_lapsed_grants
from server.kit.db import Database
from server.lockers.queries import list_expired_reservations
from server.notices.queries import lock_due_reminders
from server.parcels.queries import lock_due, lock_lapsed
from server.parcels.states import ParcelState
from tests.fakes.sources import START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from server.kit.db import Session
    from tests.fakes.stores import SqliteTemplate

WAITING = (ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB)

SWEEPS: dict[str, Callable[[Session], Awaitable[object]]] = {
    "ix_parcels_waiting": lambda session: lock_due(session, before=START, states=WAITING, limit=9),
    "ix_parcels_to_come": lambda session: lock_lapsed(session, before=START, limit=9),
    "ix_grants_lapsing": lambda session: list_lapsed_grants(session, now=START, limit=9),
    "ix_reminders_due_at": lambda session: lock_due_reminders(session, now=START, limit=9),
    "ix_reservations_due": lambda session: list_expired_reservations(session, now=START, limit=9),
}


@pytest.fixture
async def sqlite(sqlite_template: SqliteTemplate) -> AsyncIterator[Database]:
    """SQLite says which index it takes; PostgreSQL decides by what is in the table."""
    database = Database(sqlite_template.renew(), durable=False)
    yield database
    await database.close()


@pytest.mark.parametrize("index", SWEEPS)
async def test_sweep_takes_its_index(sqlite: Database, index: str) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        statements.append((statement, values))

    event.listen(sqlite.engine.sync_engine, "before_cursor_execute", note)
    async with sqlite.write() as session:
        await SWEEPS[index](session)
        statement, values = statements[-1]
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = [str(row.detail) for row in plan]
    assert f"USING INDEX {index}" in steps[0]
    assert not any(step.startswith("SCAN") for step in steps)
