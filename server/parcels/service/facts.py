"""What the lockers' facts do to parcels: the fact wins, and what fits no row opens an incident.

Facts of one locker come in the order of their numbers, each once more at most: the same entry
again changes nothing. A fact is judged at its own time, however late it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schema.compartments import DoorState
from server.lockers.incidents import Fact, IncidentKind
from server.lockers.rules import Change
from server.lockers.service import facts as lockers
from server.parcels import queries
from server.parcels.rules import Situation
from server.parcels.service.scenes import (
    OVERDUE_GRADE,
    Opening,
    begin_stay,
    end_stay,
    enter,
    occurrence,
    parcels_in,
    report,
    try_move,
)
from server.parcels.states import Trigger

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids


async def on_deposited(
    session: Session,
    fact: Fact,
    *,
    stay: bytes,
    depositor_id: uuid.UUID | None,
    ids: Ids,
    now: datetime,
) -> None:
    """DEPOSITED: the stay begins in the compartment of the fact (P4, P10, P10b, P11b, F2)."""
    scene = await enter(session, fact, Trigger.DEPOSITED, stay, ids=ids, now=now)
    if scene is None:
        return
    await begin_stay(scene, depositor_id)


async def on_withdrawn(
    session: Session, fact: Fact, *, stay: bytes, ids: Ids, now: datetime
) -> None:
    """WITHDRAWN: the depositor took everything out again; the stay ends (P4b, P13)."""
    scene = await enter(session, fact, Trigger.WITHDRAWN, stay, ids=ids, now=now)
    if scene is not None:
        await end_stay(scene, Change.EMPTY, Trigger.WITHDRAWN)


async def on_open_accepted(
    session: Session,
    fact: Fact,
    *,
    stay: bytes,
    holder_id: uuid.UUID | None,
    reason: str | None = None,
    ids: Ids,
    now: datetime,
) -> None:
    """ACCEPTED for an OPEN under the stay by its holder, not under a REMOVE grant (P15).

    `reason` goes into the history of the parcels that move.
    """
    scene = await enter(session, fact, Trigger.OPEN_ACCEPTED, stay, ids=ids, now=now)
    if scene is None or scene.stay is None:
        return
    for parcel in await queries.lock_parcels_of_stay(session, scene.stay.id):
        happened = replace(occurrence(scene, Trigger.OPEN_ACCEPTED, holder_id), reason=reason)
        await try_move(scene, parcel, happened, Situation())


async def on_opened(session: Session, fact: Fact) -> None:
    """DOOR_OPENED inside a session; parcels move at its close only."""
    await lockers.on_door(session, fact, DoorState.OPEN)


async def on_closed(
    session: Session, fact: Fact, *, is_occupied: bool | None, ids: Ids, now: datetime
) -> None:
    """DOOR_CLOSED: what is still sensed inside was not taken (P17)."""
    await lockers.on_door(session, fact, DoorState.CLOSED)
    if is_occupied:
        await _on_not_taken(session, fact, ids=ids, now=now)


async def on_open_not_detected(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """OPEN_NOT_DETECTED: the door never moved; the use was given back (P17)."""
    await lockers.on_open_not_detected(session, fact, ids=ids, now=now)
    await _on_not_taken(session, fact, ids=ids, now=now)


async def on_close_overdue(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """CLOSE_OVERDUE: a matter of the door; for the parcel the COLLECTED of grade 3 counts."""
    await lockers.on_close_overdue(session, fact, ids=ids, now=now)


async def on_collected(
    session: Session,
    fact: Fact,
    *,
    stay: bytes,
    grade: int,
    opening: Opening,
    ids: Ids,
    now: datetime,
) -> None:
    """COLLECTED: the stay ends for every parcel in it (P16, P18, F1; P6, P14, P24 to P26).

    Grade 1 counts at once. Grade 2 counts when nobody has objected for 60 s of the locker's time.
    Grade 3 ends the stay and holds the parcel. Under a REMOVE grant it is a removal.
    """
    trigger = opening.meaning(grade)
    scene = await enter(session, fact, trigger, stay, ids=ids, now=now)
    if scene is None:
        return
    change = Change.DOUBT if grade == OVERDUE_GRADE else Change.EMPTY
    await end_stay(scene, change, trigger, opening=opening, grade=grade)


async def on_found_empty(
    session: Session, fact: Fact, *, stay: bytes, ids: Ids, now: datetime
) -> None:
    """FOUND_EMPTY: nothing was inside before its holder opened; the stay ends (F4)."""
    scene = await enter(session, fact, Trigger.FOUND_EMPTY, stay, ids=ids, now=now)
    if scene is not None:
        await end_stay(scene, Change.DOUBT, Trigger.FOUND_EMPTY)


async def on_unexpected_open(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """UNEXPECTED_OPEN: nobody was let at the door; what is inside is held, never collected (F3)."""
    scene = await enter(session, fact, Trigger.UNEXPECTED_OPEN, None, ids=ids, now=now)
    if scene is None:
        return
    await lockers.on_door(session, fact, DoorState.OPEN)
    compartment = await lockers.change_allocation(session, fact, Change.DOUBT)
    await report(scene, IncidentKind.UNEXPECTED_OPEN, f"door {fact.compartment}")
    if compartment is None:
        return
    stay = await queries.find_running_stay(session, compartment.id)
    for parcel in await parcels_in(session, stay):
        happened = occurrence(scene, Trigger.UNEXPECTED_OPEN, None)
        await try_move(scene, parcel, happened, Situation())


async def _on_not_taken(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    scene = await enter(session, fact, Trigger.NOT_TAKEN, None, ids=ids, now=now)
    if scene is None:
        return
    stay = await queries.find_running_stay_at(session, fact.locker_id, fact.compartment)
    for parcel in await parcels_in(session, stay):
        happened = occurrence(scene, Trigger.NOT_TAKEN, None)
        await try_move(scene, parcel, happened, Situation())
