"""What the server's own chain says: of somebody's device keys to them, of all else to verifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.ids import OWN_CHAIN
from schema.journal import OwnKind
from server.access.service.receipts import write_proof
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.ledger.own import service as own
from server.ledger.tables import JournalEntry

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session

OF_EVERYBODY = frozenset(
    {OwnKind.KEY_SET_ISSUED, OwnKind.REVOCATIONS_ISSUED, OwnKind.LOCKER_ENROLLED}
)
"""Entries that are about no person: whoever verifies the log may read them."""


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


async def list_server_journal(
    session: Session, actor: Actor, *, after: int, limit: int
) -> Sequence[JournalEntry] | Refusal:
    """Up to `limit` entries of the whole chain behind number `after`; of people's the head alone.

    For whoever may verify the log: everybody with an account.
    """
    if not any(may is Permission.LOG_VERIFY for may, _, _ in actor.grants):
        return deny(actor)
    rows = await ledger.list_entries(session, OWN_CHAIN, after=after, limit=limit)
    return [row if row.kind in OF_EVERYBODY else _without_words(row) for row in rows]


async def make_server_proof(
    session: Session, actor: Actor, *, after: int, limit: int
) -> bytes | Refusal:
    """The receipt of the same entries; WRONG_STATE while the log lacks one, or there are none."""
    rows = await list_server_journal(session, actor, after=after, limit=limit)
    return rows if isinstance(rows, Refusal) else await write_proof(session, rows)


def _without_words(row: JournalEntry) -> JournalEntry:
    return JournalEntry(**row.model_dump() | {"raw": None})
