"""What time does to sign-ins: old requests for codes and used proofs are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.portions import LOOK_S, do_portions
from server.kit.proofs import forget_used_proofs
from server.people.service.codes import forget_requests

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database

BATCH = 500
"""Rows deleted in one transaction."""


async def forget_sign_ins(database: Database, *, now: datetime) -> int:
    """Deletes what no sign-in can need any more, in portions; how many rows. May run twice.

    What is more than one look can do waits for the next.
    """

    async def forget_codes() -> int:
        async with database.write() as session:
            return await forget_requests(session, now=now, limit=BATCH)

    async def forget_proofs() -> int:
        async with database.write() as session:
            return await forget_used_proofs(session, now=now, limit=BATCH)

    gone = [
        await do_portions(forget, size=BATCH, for_s=LOOK_S / 2)
        for forget in (forget_codes, forget_proofs)
    ]
    return sum(gone)
