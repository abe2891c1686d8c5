"""Staff at the door without a stay: which right it was, and whose, as the journal tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.keys import Operation
from server.access import queries
from server.access.rules import Turn
from server.access.service import emergencies
from server.access.service.grants import end_grant
from server.access.tables import StaffOpening
from server.ledger import service as ledger
from server.lockers.closing import DoorVisit
from server.lockers.service.checks import StaffVisit
from server.parcels import queries as parcels

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from schema.ids import LockerId
    from schema.journal import Accepted
    from server.access.tables import Grant, RegisteredToken
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Locker

VISITS = {
    Operation.INSPECT: DoorVisit.INSPECT,
    Operation.SERVICE: DoorVisit.SERVICE,
    Operation.OPEN_ALL: DoorVisit.OPEN_ALL,
}
"""Operations by which a door opens without a stay, other than a deposit."""


async def on_inspector_accepted(
    session: Session, locker: Locker, grant: Grant, accepted: Accepted, *, seq: int, at: datetime
) -> None:
    """ACCEPTED for an INSPECT under one of our grants."""
    opening = StaffOpening(
        locker_id=locker.id,
        seq=seq,
        at=at,
        compartment=accepted.comp,
        visit=DoorVisit.INSPECT,
        person_id=grant.holder_id,
        granted_at=grant.created_at,
        grant_id=grant.id,
    )
    await queries.insert_staff_opening(session, opening)


async def on_technician_accepted(
    session: Session,
    locker: Locker,
    token: RegisteredToken | None,
    accepted: Accepted,
    *,
    seq: int,
    at: datetime,
    ids: Ids,
    now: datetime,
) -> None:
    """ACCEPTED for SERVICE or OPEN_ALL, by a token that somebody registered, or nobody.

    At the door of a parcel, and at all doors, two persons must have agreed before.
    """
    visit = VISITS[Operation(accepted.op)]
    emergency_id: uuid.UUID | None = None
    if token is not None and await _needs_two(session, locker, accepted):
        emergency_id = await emergencies.on_opened(
            session, locker, compartment=accepted.comp, seq=seq, at=at, ids=ids, now=now
        )
    opening = StaffOpening(
        locker_id=locker.id,
        seq=seq,
        at=at,
        compartment=accepted.comp,
        visit=visit,
        person_id=None if token is None else token.registered_by,
        granted_at=at,
        emergency_id=emergency_id,
    )
    await queries.insert_staff_opening(session, opening)


async def find_visit(
    session: Session, locker: Locker, lid: LockerId, comp: int, *, before: int
) -> StaffVisit | None:
    """By what right staff has this door open at that entry; None where somebody else came since."""
    opening = await queries.find_staff_opening(session, locker.id, comp, before=before)
    if opening is None:
        return None
    behind = await ledger.find_acceptance_seq(session, lid, comp, before=before)
    if behind is not None and behind > opening.seq:
        return None
    return StaffVisit(
        visit=opening.visit, person_id=opening.person_id, granted_at=opening.granted_at
    )


async def on_opened(
    session: Session, locker: Locker, comp: int, *, before: int, now: datetime
) -> None:
    """DOOR_OPENED: an inspector's grant is used up with it, as its token is."""
    opening = await queries.find_staff_opening(session, locker.id, comp, before=before)
    if opening is not None and opening.grant_id is not None:
        grant = await queries.get_grant(session, opening.grant_id)
        await end_grant(session, grant, Turn.USE_UP, now=now)


async def _needs_two(session: Session, locker: Locker, accepted: Accepted) -> bool:
    if accepted.comp is None:
        return True
    return await parcels.find_running_stay_at(session, locker.id, accepted.comp) is not None
