"""What the server's own chain says of somebody's device keys, for them alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.access.service.receipts import write_proof
from server.ledger.own import service as own

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.kit.errors import Refusal
    from server.ledger.tables import JournalEntry


async def list_key_history(
    session: Session, person_id: uuid.UUID, *, after: int, limit: int
) -> Sequence[JournalEntry]:
    """Up to `limit` entries behind number `after` that add a key of the person or remove one."""
    return await own.list_history(session, person_id, after=after, limit=limit)


async def make_key_proof(
    session: Session, person_id: uuid.UUID, *, after: int, limit: int
) -> bytes | Refusal:
    """The receipt of the same entries; WRONG_STATE while the log lacks one, or there are none."""
    rows = await own.list_history(session, person_id, after=after, limit=limit)
    return await write_proof(session, rows)
