"""How many notices there are, for the metrics of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.notices import queries

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.kit.metrics import Metrics


def read_notices(metrics: Metrics, database: Database) -> None:
    """Tell how many notices there are by kind, channel and state."""
    gauge = metrics.gauge("notices", "Notices that are kept.", "kind", "channel", "state")

    async def read() -> None:
        async with database.read() as session:
            parts = await queries.count_notices(session)
        gauge.clear()
        for kind, channel, state, count in parts:
            gauge.labels(kind, channel, state).set(count)

    metrics.add_reading(read)
