"""Taking a locker's signature on its journal, as whoever stood at its door got it.

With it a receipt shows the locker's own word beside the log's; and a locker that said one thing at
the door and another in its journal is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schema.codes import ProblemCode
from schema.ids import LockerId
from schema.journal import HEAD_SIZE, verify_head
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.ledger.service import Forked
from server.ledger.tables import SignedHead
from server.lockers.incidents import IncidentKind
from server.lockers.service.reading import find_locker_by_lid
from server.uplink.desk import Desk, report

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.kit.ids import Ids

_INVALID = Refusal(ProblemCode.ENVELOPE_INVALID, "No locker of ours has signed this.")
_FORKED = Refusal(
    ProblemCode.ENVELOPE_INVALID,
    "This locker has contradicted its own journal; nothing more is taken until it was inspected.",
)


class HeadTold(NamedTuple):
    """What a locker signs when it answers at its door (SLK1, section 5)."""

    lid: LockerId
    seq: int
    head: bytes
    signature: bytes


async def take_signed_head(
    database: Database, told: HeadTold, *, ids: Ids, now: datetime
) -> bool | Refusal:
    """Keep it; whether it is new. Bringing it again changes nothing.

    ENVELOPE_INVALID for what no locker of ours signed, for a controller that was replaced, and for
    a locker that contradicts itself; the latter opens an incident.
    """
    if len(told.head) != HEAD_SIZE:
        return _INVALID
    async with database.read() as session:
        locker = await find_locker_by_lid(session, told.lid)
    if locker is None or locker.replaced_by is not None:
        return _INVALID
    if not verify_head(
        locker.sign_public, lid=told.lid, seq=told.seq, head=told.head, signature=told.signature
    ):
        return _INVALID
    async with database.write() as session:
        row = SignedHead(**told._asdict(), received_at=now)
        kept = await ledger.keep_signed_head(session, row, now=now)
        if isinstance(kept, Forked):
            if kept.is_new:
                detail = f"it signed two heads for entry {kept.seq}"
                await report(
                    Desk(session, locker, ids, now), IncidentKind.JOURNAL_FORK, None, detail
                )
            return _FORKED
    return kept
