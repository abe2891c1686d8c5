"""What time does to lockers: reservations run out, silence makes a locker offline, then stale.

And what their events ask for: a door that nobody has shut is told to its hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.lockers import queries
from server.lockers.rules import (
    HEARTBEAT,
    MAX_STALENESS,
    LockerChange,
    LockerSituation,
    LockerState,
    find_locker_state,
)
from server.lockers.service import doors, reservations

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database, Session
    from server.kit.ids import Ids
    from server.kit.outbox import Lease

BATCH = 200
"""Lockers looked at in one transaction."""


async def expire_reservations(database: Database, *, now: datetime) -> int:
    """Ends every reservation whose time is over; how many. May run at any time, also twice."""
    total = 0
    while True:
        async with database.write() as session:
            ended = await reservations.expire_reservations(session, now=now)
        total += ended
        if ended < reservations.SWEEP:
            return total


async def note_silence(database: Database, *, now: datetime) -> int:
    """Moves lockers by the age of their last fact: ONLINE, OFFLINE_OK, STALE; how many moved."""
    moved = 0
    for state, change, age in (
        (LockerState.OFFLINE_OK, LockerChange.LOSE_TOUCH, MAX_STALENESS),
        (LockerState.ONLINE, LockerChange.MISS, HEARTBEAT),
    ):
        batch = BATCH
        while batch == BATCH:
            async with database.write() as session:
                batch = await _age(session, state, change, now - age)
            moved += batch
    return moved


async def escalate_open_door(database: Database, event: Lease, *, ids: Ids, now: datetime) -> None:
    """Handles `locker.door_still_open`. A second time it finds the incident open."""
    async with database.write() as session:
        await doors.escalate(session, doors.door_of(event), ids=ids, now=now)


async def _age(
    session: Session, state: LockerState, change: LockerChange, instant: datetime
) -> int:
    lockers = await queries.list_lockers_heard_before(
        session, state=state, instant=instant, limit=BATCH
    )
    for locker in lockers:
        target = find_locker_state(state, change, LockerSituation())
        if target is not None:
            locker.state, locker.version = target, locker.version + 1
    return len(lockers)
