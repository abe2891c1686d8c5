"""What time does to sign-ins: old requests for codes and used proofs are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.proofs import forget_used_proofs
from server.people.service.codes import forget_requests

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database

BATCH = 500
"""Rows deleted in one transaction."""


async def forget_sign_ins(database: Database, *, now: datetime) -> int:
    """Deletes what no sign-in can need any more, in portions; how many rows. May run twice."""
    total = 0
    for forget in (forget_requests, forget_used_proofs):
        gone = BATCH
        while gone == BATCH:
            async with database.write() as session:
                gone = await forget(session, now=now, limit=BATCH)
            total += gone
    return total
