"""A past of the town's hub, written as if somebody had looked at it each day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.hubs.dayslots import DaySlot, slot_of
from server.hubs.tables import Hub
from server.lockers.tables import OccupancySlot
from tests.fakes.town import COMPARTMENTS

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from tests.fakes.town import Town


async def zone_of(database: Database, town: Town) -> ZoneInfo:
    async with database.read() as session:
        return ZoneInfo((await session.get_one(Hub, town.hub_id)).time_zone)


async def write_past(
    database: Database, town: Town, *, now: datetime, share: float, days: int, skip: int = 0
) -> None:
    """Whole days before now, each slot as full; every `skip`-th slot was never looked at."""
    today, _ = slot_of(now, await zone_of(database, town))
    async with database.write() as session:
        for back in range(1, days + 1):
            for slot in DaySlot:
                if skip and (back + slot) % skip == 0:
                    continue
                session.add(
                    OccupancySlot(
                        hub_id=town.hub_id,
                        day=today - timedelta(days=back),
                        slot=slot,
                        last_look=back,
                        looks=10,
                        in_use=round(10 * COMPARTMENTS * share),
                        usable=10 * COMPARTMENTS,
                    )
                )
