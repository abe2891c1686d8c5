"""What was decided about a compartment, line by line: who, why, because of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.kit.auth import Actor, Permission
from server.lockers import queries
from server.lockers.tables import CompartmentEvent

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.kit.ids import Ids
    from server.lockers.incidents import Fact
    from server.lockers.tables import Compartment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something changes: a person with a reason, a journal entry, an incident."""

    at: datetime
    actor_id: uuid.UUID | None = None
    reason: str = ""
    fact: Fact | None = None
    incident_id: uuid.UUID | None = None


async def note(
    session: Session,
    compartment: Compartment,
    cause: Cause,
    *,
    row: str,
    before: str,
    after: str,
    ids: Ids,
    now: datetime,
) -> None:
    """Writes one line; the same journal entry writes a line of a row only once."""
    fact = cause.fact
    event = CompartmentEvent(
        id=ids.new(),
        compartment_id=compartment.id,
        at=cause.at,
        recorded_at=now,
        row=row,
        before=before,
        after=after,
        actor_id=cause.actor_id,
        reason=cause.reason,
        locker_id=None if fact is None else fact.locker_id,
        seq=None if fact is None else fact.seq,
        incident_id=cause.incident_id,
    )
    await queries.insert_compartment_event(session, event)


async def list_history(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, number: int, page: Page
) -> Sequence[CompartmentEvent]:
    """One more line than the page, newest first, for whoever may inspect there; else none."""
    locker = await queries.find_locker(session, locker_id)
    if locker is None or not actor.can(Permission.COMPARTMENT_INSPECT, hub=locker.hub_id):
        return []
    return await queries.list_compartment_events(session, page, locker_id=locker_id, number=number)
