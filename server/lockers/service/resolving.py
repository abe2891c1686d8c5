"""Ending an incident: somebody who looks after it says what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import Refusal
from server.kit.live import touch
from server.lockers import queries
from server.lockers.closing import read_reason
from server.lockers.incidents import IncidentKind
from server.lockers.service.closing import NO_REASON

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.lockers.tables import Incident

_DISTRUSTED = Refusal(
    ProblemCode.WRONG_STATE,
    "A locker that contradicts its own journal has to be inspected.",
    "incident",
    next="Restore its trust, or replace its controller.",
)


async def resolve_incident(
    session: Session, actor: Actor, *, incident_id: uuid.UUID, reason: str, now: datetime
) -> Incident | Refusal:
    """Ends an incident with what became of it, for those who look after its hub.

    It changes no parcel and no compartment: these have ways of their own. Repeating keeps the first
    answer. WRONG_STATE for a forked journal while its controller is at work.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    incident = await queries.lock_incident(session, incident_id)
    may = incident is not None and actor.can(Permission.INCIDENT_RESOLVE, hub=incident.hub_id)
    if incident is None or not may:
        return not_found(actor, "incident")
    if incident.resolved_at is not None:
        return incident
    if incident.kind is IncidentKind.JOURNAL_FORK and incident.locker_id is not None:
        locker = await queries.get_locker(session, incident.locker_id)
        if locker.replaced_by is None:
            return _DISTRUSTED
    incident.resolved_at, incident.resolution = now, why
    incident.resolved_by = actor.person_id
    session.add(incident)
    touch(session, f"hub:{incident.hub_id}")
    return incident
