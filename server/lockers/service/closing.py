"""Taking a compartment out of use, and back into it (C14 to C17); who did, and why, is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import DoorState
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers import queries
from server.lockers.closing import PROOFS, Closing, find_return, find_service, is_since, read_reason
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.rules import Change, find_allocation
from server.lockers.service import history
from server.lockers.service.facts import open_incident
from server.lockers.service.history import Cause

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Compartment, DoorCheck, Locker

NO_REASON = Refusal(
    ProblemCode.INPUT_INVALID, "reason: must be 1 to 300 characters on one line.", "reason"
)

_RETURNS = {
    Closing.PASS_INSPECTION: Permission.COMPARTMENT_RETURN_TO_SERVICE,
    Closing.PASS_TEST: Permission.COMPARTMENT_RETURN_REPAIRED,
}
_MISSING = {
    Closing.PASS_INSPECTION: "Nobody has looked into it since it was closed.",
    Closing.PASS_TEST: "Its door was not opened and shut in service since it broke.",
}


async def lock_door(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, number: int, permission: Permission
) -> tuple[Locker, Compartment] | Refusal:
    """The locker and the compartment of this number, both kept from changing.

    NOT_FOUND for what does not exist, NOT_PERMITTED for whoever lacks the permission at its hub.
    """
    locker = await queries.lock_locker(session, locker_id)
    if locker is None or locker.replaced_by is not None:
        return not_found(actor, "locker")
    if not actor.can(permission, hub=locker.hub_id):
        return deny(actor)
    compartment = await queries.lock_compartment(session, locker_id, number)
    if compartment is None:
        return not_found(actor, "compartment")
    return locker, compartment


async def quarantine(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    number: int,
    reason: str,
    ids: Ids,
    now: datetime,
) -> Compartment | Refusal:
    """Closes a compartment for a check, for whoever may inspect it (C14), and opens an incident.

    What lies inside stays to be collected; nothing new comes in. Repeating changes nothing;
    WRONG_STATE for one that is broken.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    permission = Permission.COMPARTMENT_INSPECT
    door = await lock_door(
        session, actor, locker_id=locker_id, number=number, permission=permission
    )
    if isinstance(door, Refusal):
        return door
    locker, compartment = door
    if find_service(compartment.service, Closing.QUARANTINE) is not None:
        await report(
            session,
            locker,
            compartment,
            IncidentKind.COMPARTMENT_REPORTED,
            detail=why,
            ids=ids,
            now=now,
        )
    cause = Cause(at=now, actor_id=actor.person_id, reason=why)
    await close(session, compartment, Closing.QUARANTINE, cause, ids=ids, now=now)
    is_closed = find_return(compartment.service) is Closing.PASS_INSPECTION
    return compartment if is_closed else _wrong_state("It is out of service already.")


async def return_to_service(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    number: int,
    reason: str,
    ids: Ids,
    now: datetime,
) -> Compartment | Refusal:
    """Puts a closed compartment to use again, once the locker's journal proves what is needed.

    After a quarantine somebody must have inspected it since (C15); after a repair a technician must
    have opened and shut its door in service (C17). Until then WRONG_STATE. One in service stays so.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    permission = Permission.COMPARTMENT_INSPECT
    door = await lock_door(
        session, actor, locker_id=locker_id, number=number, permission=permission
    )
    if isinstance(door, Refusal):
        return door
    locker, compartment = door
    closing = find_return(compartment.service)
    if closing is None:
        return compartment
    if not actor.can(_RETURNS[closing], hub=locker.hub_id):
        return deny(actor)
    if await find_proof(session, compartment, closing) is None:
        return _wrong_state(_MISSING[closing])
    cause = Cause(at=now, actor_id=actor.person_id, reason=why)
    await close(session, compartment, closing, cause, ids=ids, now=now)
    for kind in (IncidentKind.COMPARTMENT_REPORTED, IncidentKind.COMPARTMENT_BROKEN):
        await queries.end_incidents(session, kind, compartment.id, resolution=why, now=now)
    return compartment


async def close(
    session: Session,
    compartment: Compartment,
    closing: Closing,
    cause: Cause,
    *,
    ids: Ids,
    now: datetime,
) -> bool:
    """Moves a locked compartment along the rows C14 to C17; False where none takes it.

    What was kept in one that is closed is kept no more, unless its door stands open (C2).
    """
    before, after = compartment.service, find_service(compartment.service, closing)
    if after is None:
        return False
    compartment.service = after
    compartment.closed_at = None if find_return(after) is None else cause.at
    compartment.version += 1
    released = find_allocation(compartment.allocation, Change.RELEASE)
    is_closed = compartment.closed_at is not None
    if is_closed and released is not None and compartment.door is not DoorState.OPEN:
        compartment.allocation = released
        await queries.end_reservations(session, compartment.id, now=now)
    session.add(compartment)
    await history.note(
        session, compartment, cause, row=closing, before=before, after=after, ids=ids, now=now
    )
    return True


async def quarantine_by_rule(
    session: Session, compartment_id: uuid.UUID, cause: Cause, *, ids: Ids, now: datetime
) -> None:
    """Closes a compartment for a check because of a fact or of what a holder says (C14).

    One that is broken stays out of service.
    """
    compartment = await queries.lock_compartment_by_id(session, compartment_id)
    if compartment is not None:
        await close(session, compartment, Closing.QUARANTINE, cause, ids=ids, now=now)


async def find_proof(
    session: Session, compartment: Compartment, closing: Closing
) -> DoorCheck | None:
    """The door cycle of staff that lets it come back: granted since it was closed."""
    check = await queries.find_last_check(session, compartment.id, PROOFS[closing])
    since = compartment.closed_at
    if check is None or since is None or not is_since(check.granted_at, since):
        return None
    return check


async def report(
    session: Session,
    locker: Locker,
    compartment: Compartment,
    kind: IncidentKind,
    *,
    detail: str,
    ids: Ids,
    now: datetime,
) -> uuid.UUID:
    """Opens an incident about a compartment for what a person says; its id."""
    incident_id = ids.new()
    finding = Finding(
        kind=kind,
        subject_id=compartment.id,
        hub_id=locker.hub_id,
        detail=f"door {compartment.label}: {detail}",
        locker_id=locker.id,
        incident_id=incident_id,
    )
    await open_incident(session, finding, ids=ids, now=now)
    return incident_id


def _wrong_state(sentence: str) -> Refusal:
    return Refusal(ProblemCode.WRONG_STATE, sentence, "compartment")
