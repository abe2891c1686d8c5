"""What time does to cooled goods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.climate import service
from server.kit.portions import do_portions

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.kit.ids import Ids


async def hold_spoiled(database: Database, *, ids: Ids, now: datetime) -> int:
    """Holds parcels that are good no longer, the longest over first; how many.

    May run at any time, also twice. What is more than one look can do waits for the next.
    """

    async def hold_some() -> int:
        async with database.write() as session:
            return await service.hold_spoiled(session, ids=ids, now=now)

    return await do_portions(hold_some, size=service.SWEEP)
