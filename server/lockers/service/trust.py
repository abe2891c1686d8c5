"""Believing a locker again that has contradicted its journal, once somebody has inspected it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.lockers import queries
from server.lockers.closing import read_reason
from server.lockers.incidents import IncidentKind
from server.lockers.service.closing import NO_REASON

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.lockers.tables import Locker

_REPLACED = Refusal(
    ProblemCode.WRONG_STATE, "Another controller has taken its place; it is not believed.", "locker"
)


async def restore_trust(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, reason: str, now: datetime
) -> Locker | Refusal:
    """The locker's journal is taken again, from where it stands, for operators; reason on record.

    What contradicted it stays as evidence and changes nothing. One that remembers the other branch
    contradicts itself anew, and needs a new controller. Repeating changes nothing.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    locker = await queries.lock_locker(session, locker_id)
    if locker is None or not actor.can(Permission.LOCKER_PROVISION, hub=locker.hub_id):
        return not_found(actor, "locker")
    if locker.replaced_by is not None or actor.person_id is None:
        return _REPLACED
    lid = LockerId(locker.lid)
    if await ledger.trust_again(session, lid, by=actor.person_id, reason=why, now=now):
        kind = IncidentKind.JOURNAL_FORK
        await queries.end_incidents(session, kind, locker.id, resolution=why, now=now)
    return locker
