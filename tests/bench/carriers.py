"""What phones carry for a locker that no network reaches, and whether nothing is lost by it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.stores import SqliteTemplate
from tests.faults.countryside import CARRIED, open_countryside

if TYPE_CHECKING:
    from tests.bench.report import Row

VISITS = 200
SEED = 7


async def measure() -> list[Row]:
    """One row: the heaviest visit of 200; infinite where a line did not come home."""
    with tempfile.TemporaryDirectory() as folder:
        # It makes its tables in a loop of its own.
        template = await asyncio.to_thread(SqliteTemplate, Path(folder))
        async with open_countryside(template, seed=SEED) as land:
            converged = await land.live_through(VISITS)
            lines, stored = [raw for _, raw in sorted(land.written.items())], await land.stored()
            measured = await land.readings()
    converged = converged and lines == stored
    return [
        {
            "name": f"{VISITS} visits by {len(land.phones)} phones: most bytes carried in one",
            "value": float(land.heaviest) if converged else float("inf"),
            "limit": float(CARRIED),
            "detail": f"{len(stored)} of {len(lines)} journal lines came home,"
            f" the last ones after {land.visits - VISITS} visits more;"
            f" {len(measured)} of {len(land.measured)} readings",
        }
    ]
