"""What a locker reports about itself and its doors, and incidents.

Facts of one locker come in the order of their numbers. Each function may be called again with the
same fact: it then changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.statements import StatementType
from server.kit.live import touch
from server.lockers import queries
from server.lockers.incidents import ATTENTION, SEVERITIES, Fact, Finding
from server.lockers.rules import (
    Change,
    LockerChange,
    LockerSituation,
    find_allocation,
    find_locker_state,
)
from server.lockers.tables import Compartment, Incident

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from schema.compartments import DoorState
    from server.kit.db import Session
    from server.kit.ids import Ids

DETAIL_CHARACTERS = 300


async def on_heard(
    session: Session, locker_id: uuid.UUID, *, at: datetime, clock_quality: int | None = None
) -> None:
    """The locker was at work at this time; an offline or stale locker is ONLINE again.

    `clock_quality` is that of its newest entry; None for readings, which do not tell it. Call it
    once for each envelope, before the facts in it: it locks the locker's row.
    """
    locker = await queries.lock_locker(session, locker_id)
    if locker is None or (locker.last_fact_at is not None and at < locker.last_fact_at):
        return
    locker.last_fact_at = at
    if clock_quality is not None:
        locker.clock_quality = clock_quality
    state = find_locker_state(locker.state, LockerChange.HEAR, LockerSituation())
    if state is not None:
        locker.state = state
        locker.version += 1


async def on_statement_applied(
    session: Session, locker_id: uuid.UUID, *, kind: StatementType, seq: int
) -> None:
    """The locker wrote that it applied this statement; 0 after it forgot those of a lost key."""
    locker = await queries.lock_locker(session, locker_id)
    if locker is None:
        return
    match kind:
        case StatementType.REVOCATIONS:
            locker.revocation_seq = seq
        case StatementType.KEY_SET:
            locker.key_set_seq = seq
        case StatementType.CONFIGURATION:
            locker.configuration_seq = seq
        case StatementType.TIME | StatementType.ACKNOWLEDGEMENT:
            pass


async def on_door(session: Session, fact: Fact, door: DoorState) -> Compartment | None:
    """What the locker observed of a door (C10, C11, C12); the compartment, if there is such."""
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    if compartment is not None and compartment.door is not door:
        compartment.door = door
        compartment.version += 1
    return compartment


async def change_allocation(session: Session, fact: Fact, change: Change) -> Compartment | None:
    """The compartment of the fact after the change, or None if the locker has no such.

    A change that no row of the table takes leaves the allocation as it is. Whatever was reserved
    is over: the compartment is in use, empty again, or in doubt.
    """
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    if compartment is None:
        return None
    allocation = find_allocation(compartment.allocation, change)
    if allocation is not None and allocation is not compartment.allocation:
        compartment.allocation = allocation
        compartment.version += 1
    if change is Change.DOUBT:
        compartment.doubted_at = fact.at
    if change is not Change.EMPTY:
        await queries.end_reservations(session, compartment.id, now=fact.at)
    return compartment


async def open_incident(session: Session, finding: Finding, *, ids: Ids, now: datetime) -> bool:
    """Opens an incident; False if the same fact has opened one of this kind about the subject."""
    incident = Incident(
        id=finding.incident_id or ids.new(),
        opened_at=now,
        kind=finding.kind,
        severity=SEVERITIES[finding.kind],
        due_at=now + ATTENTION[finding.kind],
        hub_id=finding.hub_id,
        subject_id=finding.subject_id,
        locker_id=finding.locker_id,
        seq=finding.seq,
        detail=finding.detail[:DETAIL_CHARACTERS],
    )
    return await queries.insert_incident(session, incident)


def end_incident(session: Session, incident: Incident, resolution: str, *, now: datetime) -> None:
    """Ends an open incident whose cause is gone by itself, or by what somebody did elsewhere."""
    incident.resolved_at, incident.resolution = now, resolution
    session.add(incident)
    touch(session, f"hub:{incident.hub_id}")
