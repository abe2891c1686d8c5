"""What staff find, say and do at a compartment, where it concerns what lies inside.

A locker opens a compartment with a stay to nobody of staff but a technician, and to whoever opens
all doors; what they leave behind is believed where it is sensed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission
from server.kit.errors import Refusal
from server.lockers.closing import Closing, DoorVisit, find_service, is_since, read_reason
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.queries import find_last_check
from server.lockers.rules import Allocation, Change
from server.lockers.service import checks, closing
from server.lockers.service import facts as lockers
from server.lockers.service.closing import NO_REASON, lock_door
from server.lockers.service.history import Cause
from server.lockers.service.reading import lock_locker
from server.parcels import queries
from server.parcels.service.holds import Trouble, hold_all
from server.parcels.tables import PauseCause

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Compartment, DoorCheck
    from server.parcels.tables import Stay

_LOOKED = frozenset(DoorVisit)


class Found(StrEnum):
    """What somebody saw in a compartment."""

    EMPTY = "EMPTY"
    """Nothing."""
    OCCUPIED = "OCCUPIED"
    """The parcel that belongs there."""


_CHANGES = {Found.EMPTY: Change.INSPECT_EMPTY, Found.OCCUPIED: Change.INSPECT_OCCUPIED}


async def on_staff_closed(
    session: Session, fact: Fact, *, is_occupied: bool | None, ids: Ids, now: datetime
) -> bool:
    """DOOR_CLOSED: what a door that staff opened without a stay proves, once it is shut.

    Where no stay is, sensed empty ends all doubt (C9) and sensed full begins one (C8). Where one
    is, the parcels are held unless they are sensed inside. False for anybody else's closing.
    """
    whole = await checks.on_closed(session, fact, is_occupied=is_occupied)
    if whole is None:
        return False
    compartment, check = whole
    stay = await queries.find_running_stay(session, compartment.id)
    if stay is not None:
        if is_occupied is not True:
            await _on_emptied(session, fact, stay, check, ids=ids, now=now)
    elif is_occupied is False:
        cause = Cause(at=fact.at, actor_id=check.person_id, reason=checks.FOUND_EMPTY, fact=fact)
        await checks.settle(session, compartment, Change.INSPECT_EMPTY, cause, ids=ids, now=now)
    elif is_occupied:
        await _on_unexplained(session, fact, ids=ids, now=now)
    return True


async def record_inspection(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    number: int,
    found: Found,
    note: str,
    ids: Ids,
    now: datetime,
) -> Compartment | Refusal:
    """What somebody saw in a compartment that nobody knew of (C9), for whoever may inspect it.

    The journal must show that staff opened its door since the doubt. Where a stay is, only the
    parcel that belongs there can be found: WRONG_STATE for anything else, as where nothing is in
    doubt. What a sensor has said already is not said again.
    """
    why = read_reason(note)
    if why is None:
        return NO_REASON
    permission = Permission.COMPARTMENT_INSPECT
    door = await lock_door(
        session, actor, locker_id=locker_id, number=number, permission=permission
    )
    if isinstance(door, Refusal):
        return door
    _, compartment = door
    refusal = await _judge_finding(session, compartment, found)
    if refusal is not None:
        return refusal
    cause = Cause(at=now, actor_id=actor.person_id, reason=why)
    await checks.settle(session, compartment, _CHANGES[found], cause, ids=ids, now=now)
    return compartment


async def take_out_of_service(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    number: int,
    reason: str,
    ids: Ids,
    now: datetime,
) -> Compartment | Refusal:
    """Declares a compartment broken (C16), for managers, technicians and operators.

    What lies inside is held and its time stops (P20): it leaves by its holder's own phone where
    the door still opens, else by a removal, or with a technician and two persons. Repeating
    changes nothing.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    await lock_locker(session, locker_id)
    stay = await queries.find_running_stay_at(session, locker_id, number)
    if stay is not None:
        await queries.lock_parcels_of_stay(session, stay.id)
    permission = Permission.COMPARTMENT_OUT_OF_SERVICE
    door = await lock_door(
        session, actor, locker_id=locker_id, number=number, permission=permission
    )
    if isinstance(door, Refusal):
        return door
    locker, compartment = door
    if find_service(compartment.service, Closing.BREAK_DOWN) is None:
        return compartment
    kind = IncidentKind.COMPARTMENT_BROKEN
    incident_id = await closing.report(
        session, locker, compartment, kind, detail=why, ids=ids, now=now
    )
    cause = Cause(at=now, actor_id=actor.person_id, reason=why)
    await closing.close(session, compartment, Closing.BREAK_DOWN, cause, ids=ids, now=now)
    if stay is not None:
        trouble = Trouble(
            reason=why,
            pause=PauseCause.LOCKER_FAULT,
            at=now,
            actor_id=actor.person_id,
            incident_id=incident_id,
        )
        await hold_all(session, stay, trouble, ids=ids, now=now)
    return compartment


async def _judge_finding(
    session: Session, compartment: Compartment, found: Found
) -> Refusal | None:
    if compartment.allocation is not Allocation.UNKNOWN:
        return _wrong_state("What is inside is not in doubt.")
    stay = await queries.find_running_stay(session, compartment.id)
    if found is Found.OCCUPIED and stay is None:
        return _wrong_state("No parcel of ours belongs there; leave it closed.")
    if found is Found.EMPTY and stay is not None:
        return _wrong_state("A parcel belongs there: decide what became of it instead.")
    check = await find_last_check(session, compartment.id, _LOOKED)
    since = compartment.doubted_at
    if check is None or (since is not None and not is_since(check.granted_at, since)):
        return _wrong_state("Nobody of staff has opened its door since.")
    if check.occupied_after is not None and check.occupied_after is not (found is Found.OCCUPIED):
        return _wrong_state("The sensor says otherwise.")
    return None


async def _on_emptied(
    session: Session, fact: Fact, stay: Stay, check: DoorCheck, *, ids: Ids, now: datetime
) -> None:
    """Staff had the door of a stay open, and nobody vouches for what is inside now."""
    compartment = await lockers.change_allocation(session, fact, Change.DOUBT)
    if compartment is None:
        return
    reason = "Staff opened the door, and what is inside now is not known."
    cause = Cause(at=fact.at, actor_id=check.person_id, reason=reason, fact=fact)
    await closing.close(session, compartment, Closing.QUARANTINE, cause, ids=ids, now=now)
    trouble = Trouble(
        reason=reason,
        pause=PauseCause.INCIDENT,
        at=fact.at,
        actor_id=check.person_id,
        fact=fact,
    )
    await hold_all(session, stay, trouble, ids=ids, now=now)


async def _on_unexplained(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """Something lies where no stay is: nothing goes in there until somebody has looked."""
    compartment = await lockers.change_allocation(session, fact, Change.DOUBT)
    locker = await lock_locker(session, fact.locker_id)
    if compartment is None or locker is None:
        return
    reason = "Something lies there that no parcel is known for."
    cause = Cause(at=fact.at, reason=reason, fact=fact)
    await closing.close(session, compartment, Closing.QUARANTINE, cause, ids=ids, now=now)
    finding = Finding(
        kind=IncidentKind.CONTENTS_UNEXPLAINED,
        subject_id=compartment.id,
        hub_id=locker.hub_id,
        detail=f"door {compartment.label}",
        locker_id=locker.id,
        seq=fact.seq,
    )
    await lockers.open_incident(session, finding, ids=ids, now=now)


def _wrong_state(sentence: str) -> Refusal:
    return Refusal(ProblemCode.WRONG_STATE, sentence, "compartment")
