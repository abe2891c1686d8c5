"""What pickups do when something has happened elsewhere, and what time does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.portions import do_portions
from server.pickups.service import folding, learning, windows

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.kit.ids import Ids
    from server.kit.outbox import Lease


async def on_parcel_ready(database: Database, held: Lease, *, now: datetime) -> None:
    """Keeps what is foreseen of the parcel, to see later how it came true. Counts once."""
    async with database.write() as session:
        await learning.note_forecast(session, held.subject, now=now)


async def on_parcel_collected(database: Database, held: Lease, *, ids: Ids, now: datetime) -> None:
    """Learns from the collection and drops the window that was chosen for it. Counts once.

    If we crash before the commit nothing was counted, and the event comes again.
    """
    version = int(held.facts["version"] or 0)
    async with database.write() as session:
        await windows.forget_window(session, held.subject)
        await learning.learn_collection(session, held.subject, version=version, ids=ids, now=now)


async def on_preferences_changed(database: Database, held: Lease) -> None:
    """Erases the habits of a person who wants none learned; a second time it finds none."""
    async with database.write() as session:
        await learning.stop_learning(session, held.subject)


async def fold_lessons(database: Database) -> int:
    """Counts what collections taught about everybody, in portions; how many. May run twice."""

    async def fold_some() -> int:
        async with database.write() as session:
            return await folding.fold_lessons(session)

    return await do_portions(fold_some, size=folding.FOLDED)


async def tidy_pickups(database: Database, *, now: datetime) -> int:
    """Deletes windows that are over and marks of parcels long collected; how many rows.

    May run at any time, also twice; what is more than a portion waits for the next time.
    """
    async with database.write() as session:
        gone = await windows.forget_windows(session, now=now)
        gone += await folding.forget_scores(session, now=now)
        return gone + await learning.forget_taught(session, now=now)
