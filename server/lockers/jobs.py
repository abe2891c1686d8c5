"""What time does to lockers: reservations run out, silence makes a locker offline, then stale,
keys grow old, and how full lockers are is written down.

And what their events ask for: a door that nobody has shut is told to its hub.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from server.kit.portions import LOOK_S, do_portions
from server.lockers import queries
from server.lockers.rules import (
    HEARTBEAT,
    MAX_STALENESS,
    LockerChange,
    LockerSituation,
    LockerState,
    find_locker_state,
)
from server.lockers.service import doors, occupancy, pin_secrets, reservations

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database, Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring
    from server.kit.outbox import Lease

logger = logging.getLogger(__name__)

BATCH = 200
"""Lockers looked at in one transaction."""


async def expire_reservations(database: Database, *, now: datetime) -> int:
    """Ends reservations whose time is over, in portions; how many. May run at any time, also twice.

    What is more than one look can do waits for the next.
    """

    async def expire_some() -> int:
        async with database.write() as session:
            return await reservations.expire_reservations(session, now=now)

    return await do_portions(expire_some, size=reservations.SWEEP)


async def note_silence(database: Database, *, now: datetime) -> int:
    """Moves lockers by the age of their last fact: ONLINE, OFFLINE_OK, STALE; how many moved."""
    moved = 0
    for state, change, age in (
        (LockerState.OFFLINE_OK, LockerChange.LOSE_TOUCH, MAX_STALENESS),
        (LockerState.ONLINE, LockerChange.MISS, HEARTBEAT),
    ):

        async def age_some(
            state: LockerState = state,
            change: LockerChange = change,
            instant: datetime = now - age,
        ) -> int:
            async with database.write() as session:
                return await _age(session, state, change, instant)

        moved += await do_portions(age_some, size=BATCH, for_s=LOOK_S / 2)
    return moved


async def reseal_pin_secrets(database: Database, keyring: Keyring) -> int:
    """Seals the secrets behind PINs to our newest key before the former one dies; how many could
    not be read any more.

    May run at any time, also twice. A secret that is lost cannot be had again: that locker gives
    no PINs until it has a new board.
    """
    after, lost = None, []
    while True:
        async with database.write() as session:
            after, unread = await pin_secrets.reseal_secrets(session, keyring, after=after)
            lost += [locker.serial for locker in unread]
        if after is None:
            break
    if lost:
        logger.warning("%d lockers lost the secret of their PINs, first %s", len(lost), lost[0])
    return len(lost)


async def note_occupancy(database: Database, *, now: datetime) -> None:
    """Looks at how full every hub is, and forgets what is too old to tell of days to come.

    May run at any time, also twice: one look of a number counts.
    """
    after = None
    while True:
        async with database.write() as session:
            after = await occupancy.take_looks(session, after=after, now=now)
        if after is None:
            break
    async with database.write() as session:
        await occupancy.forget_old(session, now=now)


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
