"""What timers look for is found by an index, however many rows have had their time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from schema.compartments import ClimateZone
from server.access.queries import list_lapsed_grants
from server.climate.queries import lock_spoiled, lock_uncooled
from server.kit.db import Database
from server.lockers.queries import list_expired_reservations
from server.notices.queries import list_unplanned, list_unsealed, lock_due_reminders
from server.parcels.queries import lock_due, lock_lapsed
from server.parcels.states import ParcelState
from tests.fakes.sources import START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from server.kit.db import Session
    from tests.fakes.stores import SqliteTemplate

WAITING = (ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB)

SWEEPS: dict[str, tuple[str, Callable[[Session], Awaitable[object]]]] = {
    "parcels whose time is over": (
        "ix_parcels_waiting",
        lambda session: lock_due(session, before=START, states=WAITING, limit=9),
    ),
    "parcels without a next reminder": (
        "ix_parcels_waiting",
        lambda session: list_unplanned(session, after=(START, uuid.UUID(int=0)), limit=9),
    ),
    "parcels that are good no longer": (
        "ix_parcels_spoiling",
        lambda session: lock_spoiled(session, now=START, limit=9),
    ),
    "parcels whose cooling has failed": (
        "ix_compartments_uncooled",
        lambda session: lock_uncooled(session, [ClimateZone.CHILLED], limit=9),
    ),
    "parcels that nobody brought": (
        "ix_parcels_to_come",
        lambda session: lock_lapsed(session, before=START, limit=9),
    ),
    "grants that are over": (
        "ix_grants_lapsing",
        lambda session: list_lapsed_grants(session, now=START, limit=9),
    ),
    "reminders that are due": (
        "ix_reminders_due_at",
        lambda session: lock_due_reminders(session, now=START, limit=9),
    ),
    "evidence whose file is not written": (
        "ix_dispute_evidence_sealing",
        lambda session: list_unsealed(session, after=uuid.UUID(int=0), limit=9),
    ),
    "reservations that are over": (
        "ix_reservations_due",
        lambda session: list_expired_reservations(session, now=START, limit=9),
    ),
}


@pytest.fixture
async def sqlite(sqlite_template: SqliteTemplate) -> AsyncIterator[Database]:
    """SQLite says which index it takes; PostgreSQL decides by what is in the table."""
    database = Database(sqlite_template.renew(), durable=False)
    yield database
    await database.close()


@pytest.mark.parametrize(("index", "sweep"), SWEEPS.values(), ids=SWEEPS.keys())
async def test_sweep_takes_its_index(
    sqlite: Database, index: str, sweep: Callable[[Session], Awaitable[object]]
) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        statements.append((statement, values))

    event.listen(sqlite.engine.sync_engine, "before_cursor_execute", note)
    async with sqlite.write() as session:
        await sweep(session)
        statement, values = statements[-1]
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = [str(row.detail) for row in plan]
    assert f"USING INDEX {index}" in steps[0]
    assert not any(step.startswith("SCAN") for step in steps)
