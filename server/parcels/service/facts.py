"""What the lockers' facts do to parcels: the fact wins, and what fits no row opens an incident.

Facts of one locker come in the order of their numbers, each once more at most: the same entry
again changes nothing. A fact is judged at its own time, however late it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.lockers.rules import Change
from server.lockers.service import doors
from server.lockers.service import facts as lockers
from server.parcels import queries
from server.parcels.rules import Situation
from server.parcels.service.depositing import Putting, begin_stay
from server.parcels.service.holds import Trouble, hold_all
from server.parcels.service.scenes import (
    OVERDUE_GRADE,
    Opening,
    Scene,
    end_stay,
    enter,
    occurrence,
    parcels_in,
    try_move,
)
from server.parcels.states import Trigger
from server.parcels.tables import PauseCause

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.incidents import Fact


async def on_deposited(
    session: Session,
    fact: Fact,
    *,
    stay: bytes,
    putting: Putting,
    ids: Ids,
    now: datetime,
) -> None:
    """DEPOSITED: the stay begins in the compartment of the fact (P4, P10, P10b, P11b, F2)."""
    scene = await enter(session, fact, Trigger.DEPOSITED, stay, ids=ids, now=now)
    if scene is None:
        return
    await begin_stay(scene, putting)


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


async def on_opened(session: Session, fact: Fact, *, now: datetime) -> None:
    """DOOR_OPENED inside a session; parcels move at its close only."""
    await doors.on_opened(session, fact, now=now)


async def on_closed(
    session: Session, fact: Fact, *, is_occupied: bool | None, ids: Ids, now: datetime
) -> None:
    """DOOR_CLOSED: what is still sensed inside was not taken (P17)."""
    await doors.on_closed(session, fact, now=now)
    if is_occupied:
        await _on_not_taken(session, fact, ids=ids, now=now)


async def on_open_not_detected(
    session: Session, fact: Fact, *, failures: int, ids: Ids, now: datetime
) -> None:
    """OPEN_NOT_DETECTED: the door never moved, for the `failures`-th time in a row.

    The use was given back (P17). A door that so often did not open is out of service, and what
    lies behind it is held until somebody has repaired it (C16, P20).
    """
    scene = await _on_not_taken(session, fact, ids=ids, now=now)
    if scene is None:
        return
    broken = await doors.on_open_not_detected(session, fact, failures=failures, ids=ids, now=now)
    if broken is None:
        return
    stay = await queries.find_running_stay(session, broken.id)
    if stay is not None:
        reason = doors.never_opened(failures)
        trouble = Trouble(reason=reason, pause=PauseCause.LOCKER_FAULT, at=fact.at, fact=fact)
        await hold_all(session, stay, trouble, ids=ids, now=now)


async def on_close_overdue(
    session: Session,
    fact: Fact,
    *,
    opened_at: datetime,
    holder_id: uuid.UUID | None,
    now: datetime,
) -> None:
    """CLOSE_OVERDUE: a matter of the door; for the parcel the COLLECTED of grade 3 counts.

    Whoever was let at it is asked to shut it; where nobody knows who that was, whom the parcel is
    for.
    """
    if holder_id is None:
        stay = await queries.find_running_stay_at(session, fact.locker_id, fact.compartment)
        inside = [] if stay is None else await queries.list_parcels_of_stay(session, stay.id)
        holder_id = next((one.recipient_id for one in inside if one.recipient_id), None)
    await doors.on_close_overdue(session, fact, opened_at=opened_at, person_id=holder_id, now=now)


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
    await doors.on_unexpected_open(session, fact, ids=ids, now=now)
    compartment = await lockers.change_allocation(session, fact, Change.DOUBT)
    if compartment is None:
        return
    stay = await queries.find_running_stay(session, compartment.id)
    for parcel in await parcels_in(session, stay):
        happened = occurrence(scene, Trigger.UNEXPECTED_OPEN, None)
        await try_move(scene, parcel, happened, Situation())


async def _on_not_taken(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> Scene | None:
    """The scene; None for an entry heard of before."""
    scene = await enter(session, fact, Trigger.NOT_TAKEN, None, ids=ids, now=now)
    if scene is None:
        return None
    stay = await queries.find_running_stay_at(session, fact.locker_id, fact.compartment)
    for parcel in await parcels_in(session, stay):
        happened = occurrence(scene, Trigger.NOT_TAKEN, None)
        await try_move(scene, parcel, happened, Situation())
    return scene
