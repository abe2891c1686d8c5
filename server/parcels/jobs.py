"""What time does to parcels: unsensed collections settle, deadlines pass."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from server.kit.portions import do_portions
from server.parcels.service import sending, timing, waiting
from server.parcels.service.timing import Change
from server.parcels.service.waiting import Settling

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.kit.ids import Ids
    from server.kit.outbox import Lease


async def settle_collection(database: Database, event: Lease, *, ids: Ids, now: datetime) -> None:
    """Handles `parcel.settling`. A second time it finds nothing to settle."""
    holder = event.facts["holder"]
    settling = Settling(
        locker_id=uuid.UUID(str(event.facts["locker"])),
        seq=int(event.facts["seq"] or 0),
        holder_id=None if holder is None else uuid.UUID(str(holder)),
        is_token_valid=bool(event.facts["token_valid"]),
    )
    async with database.write() as session:
        await waiting.settle_collection(
            session, parcel_id=event.subject, settling=settling, ids=ids, now=now
        )


async def expire_parcels(database: Database, *, ids: Ids, now: datetime) -> int:
    """Moves parcels whose time is over, the longest waiting first; how many.

    May run at any time, also twice. What is more than one look can do waits for the next.
    """

    async def expire_some() -> int:
        async with database.write() as session:
            return await waiting.expire_parcels(session, ids=ids, now=now)

    return await do_portions(expire_some, size=waiting.SWEEP)


async def lapse_dropoffs(database: Database, *, ids: Ids, now: datetime) -> int:
    """Calls off parcels that their senders did not bring in time; how many. As above."""

    async def lapse_some() -> int:
        async with database.write() as session:
            return await sending.lapse_dropoffs(session, ids=ids, now=now)

    return await do_portions(lapse_some, size=sending.SWEEP)


async def on_hours_changed(database: Database, event: Lease, *, ids: Ids, now: datetime) -> None:
    """Handles `hub.hours_changed`: a closure that nobody planned moves deadlines (DOMAIN 5.3)."""
    await _set_anew(database, Change.CLOSED, hub_id=event.subject, ids=ids, now=now)


async def watch_service(database: Database, *, ids: Ids, now: datetime) -> None:
    """Notes that the service works. After an outage nobody's time has run meanwhile.

    If we crash after the outage was noted, it counts with the next change of each deadline, and
    before anything expires: `expire_parcels` works the time out anew.
    """
    async with database.write() as session:
        outage = await timing.beat(session, ids=ids, now=now)
    if outage is not None:
        await _set_anew(database, Change.OUTAGE, hub_id=None, ids=ids, now=now)


async def _set_anew(
    database: Database, change: Change, *, hub_id: uuid.UUID | None, ids: Ids, now: datetime
) -> None:
    after = None
    while True:
        async with database.write() as session:
            after = await timing.set_all_anew(
                session, change, hub_id=hub_id, after=after, ids=ids, now=now
            )
        if after is None:
            return
