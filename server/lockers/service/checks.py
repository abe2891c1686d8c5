"""What staff at the door prove: who opened it without a stay, and what was sensed when it shut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.lockers import queries
from server.lockers.incidents import Fact, IncidentKind
from server.lockers.rules import Allocation, Change, find_allocation
from server.lockers.service import history
from server.lockers.tables import Compartment, DoorCheck

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.closing import DoorVisit
    from server.lockers.service.history import Cause

FOUND_EMPTY = "Inspected and found empty."
FOUND_FULL = "Inspected: what belongs there is inside."


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffVisit:
    """By what right, whose, and since when staff stands at a door."""

    visit: DoorVisit
    person_id: uuid.UUID | None
    granted_at: datetime


async def on_opened(
    session: Session, fact: Fact, visit: StaffVisit, *, occupied_before: bool | None, ids: Ids
) -> None:
    """Staff opened a door: a check begins, which its closing will end."""
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    if compartment is None:
        return
    check = DoorCheck(
        id=ids.new(),
        compartment_id=compartment.id,
        locker_id=fact.locker_id,
        opened_seq=fact.seq,
        visit=visit.visit,
        person_id=visit.person_id,
        granted_at=visit.granted_at,
        occupied_before=occupied_before,
    )
    await queries.insert_check(session, check)


async def on_closed(
    session: Session, fact: Fact, *, is_occupied: bool | None
) -> tuple[Compartment, DoorCheck] | None:
    """A door is shut: the check that staff began there is whole. None if nobody of staff did."""
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    check = None if compartment is None else await queries.find_open_check(session, compartment.id)
    if compartment is None or check is None or fact.seq <= check.opened_seq:
        return None
    check.closed_at, check.closed_seq, check.occupied_after = fact.at, fact.seq, is_occupied
    session.add(check)
    return compartment, check


async def settle(
    session: Session,
    compartment: Compartment,
    change: Change,
    cause: Cause,
    *,
    ids: Ids,
    now: datetime,
) -> bool:
    """An inspection says what is inside a compartment that nobody knew of (C9).

    False, and nothing changed, where it was not in doubt.
    """
    allocation = find_allocation(compartment.allocation, change)
    if compartment.allocation is not Allocation.UNKNOWN or allocation is None:
        return False
    before, compartment.allocation = compartment.allocation, allocation
    compartment.doubted_at = None
    compartment.version += 1
    session.add(compartment)
    await history.note(
        session, compartment, cause, row="C9", before=before, after=allocation, ids=ids, now=now
    )
    resolution = FOUND_EMPTY if change is Change.INSPECT_EMPTY else FOUND_FULL
    for kind in (IncidentKind.UNEXPECTED_OPEN, IncidentKind.CONTENTS_UNEXPLAINED):
        await queries.end_incidents(session, kind, compartment.id, resolution=resolution, now=now)
    return True
