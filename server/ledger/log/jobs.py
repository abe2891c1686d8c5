"""What time does to the log: it grows, and its head is signed anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.portions import do_portions
from server.ledger.log.rules import LONGEST_WAIT
from server.ledger.log.service import MOST_LEAVES, grow_and_sign, is_growth_due

if TYPE_CHECKING:
    from datetime import timedelta

    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.keyring import Keyring


async def seal_log(
    database: Database,
    *,
    origin: str,
    keyring: Keyring,
    clock: Clock,
    longest_wait: timedelta = LONGEST_WAIT,
    is_witnessed: bool = False,
) -> int:
    """Lets the log grow if enough waits, or something for long enough; by how many leaves.

    May run at any time and several times at once: each holds the head while it adds its part. A
    head that has to be witnessed is published by `cosigning.jobs.cosign_log`.
    """
    async with database.read() as session:
        if not await is_growth_due(session, now=clock.now(), longest_wait=longest_wait):
            return 0

    async def seal_some() -> int:
        async with database.write() as session:
            return await grow_and_sign(
                session,
                origin=origin,
                keyring=keyring,
                now=clock.now(),
                is_witnessed=is_witnessed,
            )

    return await do_portions(seal_some, size=MOST_LEAVES)
