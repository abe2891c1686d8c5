"""Opening what only holders open: two persons say so before, and the journal is held against it.

The tokens themselves are signed offline by service keys; here stands who wanted it, who agreed,
why, and whether it was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access import queries
from server.access.rules import EMERGENCY_LIFE
from server.access.tables import EmergencyOpening
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.errors import Refusal
from server.lockers import queries as lockers
from server.lockers.closing import read_reason
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service.closing import NO_REASON
from server.lockers.service.facts import open_incident
from server.parcels import queries as parcels

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.kit.ids import Ids
    from server.lockers.tables import Locker

_EVERYWHERE = frozenset({Scope.NETWORK, Scope.NETWORK_PAIR})
_AT_HUB = frozenset({Scope.HUB, Scope.HUB_PAIR, Scope.ROUTE, Scope.ROUTE_PAIR})

_SECOND = Refusal(
    ProblemCode.SECOND_PERSON_NEEDED,
    next="Somebody else who may open such doors has to confirm it.",
)
NEEDS_TWO = Refusal(
    ProblemCode.SECOND_PERSON_NEEDED,
    "The token opens what only holders open.",
    "token",
    next="Ask for an emergency opening, and have a colleague confirm it.",
)


async def request_opening(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    compartment: int | None,
    reason: str,
    ids: Ids,
    now: datetime,
) -> EmergencyOpening | Refusal:
    """What the first of two persons wants opened, and why; it allows nothing yet.

    One compartment for technicians and operators, every door (None) for operators alone.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    locker = await lockers.find_locker(session, locker_id)
    if locker is None or locker.replaced_by is not None:
        return not_found(actor, "locker")
    if actor.person_id is None or not _may(actor, locker, compartment):
        return deny(actor)
    if compartment is not None and (
        await lockers.lock_compartment(session, locker_id, compartment) is None
    ):
        return not_found(actor, "compartment")
    opening = EmergencyOpening(
        id=ids.new(),
        locker_id=locker_id,
        compartment=compartment,
        reason=why,
        asked_at=now,
        asked_by=actor.person_id,
        expires_at=now + EMERGENCY_LIFE,
    )
    session.add(opening)
    await session.flush()
    return opening


async def confirm_opening(
    session: Session, actor: Actor, *, emergency_id: uuid.UUID, ids: Ids, now: datetime
) -> EmergencyOpening | Refusal:
    """The second person agrees: for four hours the doors may be opened, and an incident is open.

    SECOND_PERSON_NEEDED for whoever asked; WRONG_STATE when its time is over. Repeating changes
    nothing.
    """
    opening = await queries.find_emergency(session, emergency_id, is_held=True)
    locker = None if opening is None else await lockers.find_locker(session, opening.locker_id)
    if opening is None or locker is None or not _may(actor, locker, opening.compartment):
        return not_found(actor, "id")
    if opening.confirmed_by is not None:
        return opening
    if actor.person_id is None or actor.person_id == opening.asked_by:
        return _SECOND
    if now > opening.expires_at:
        return Refusal(ProblemCode.WRONG_STATE, "The time to confirm this is over.", "id")
    # Journals know whole seconds: what is done at once must not look earlier than its leave.
    opening.confirmed_at, opening.confirmed_by = now.replace(microsecond=0), actor.person_id
    opening.expires_at = now + EMERGENCY_LIFE
    session.add(opening)
    finding = Finding(
        kind=IncidentKind.EMERGENCY_OPENING,
        subject_id=opening.id,
        hub_id=locker.hub_id,
        detail=f"{_doors(opening.compartment)}: {opening.reason}",
        locker_id=locker.id,
    )
    await open_incident(session, finding, ids=ids, now=now)
    return opening


async def find_opening(
    session: Session, actor: Actor, emergency_id: uuid.UUID
) -> EmergencyOpening | None:
    """The emergency opening, for whoever may be one of the two; None for others."""
    opening = await queries.find_emergency(session, emergency_id)
    locker = None if opening is None else await lockers.find_locker(session, opening.locker_id)
    if opening is None or locker is None or not _may(actor, locker, opening.compartment):
        return None
    return opening


async def list_openings(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, page: Page
) -> Sequence[EmergencyOpening]:
    """One more than the page, newest first, for whoever may ask for one there; else none."""
    locker = await lockers.find_locker(session, locker_id)
    if locker is None or not _may(actor, locker, 0):
        return []
    return await queries.list_emergencies(session, page, locker_id=locker_id)


async def is_agreed(
    session: Session,
    locker: Locker,
    comps: Collection[int] | None,
    *,
    now: datetime,
) -> bool:
    """Whether two persons agreed to open what a token reaches: these doors, or all (None).

    Doors in front of no parcel need nobody's word.
    """
    if comps is None:
        standing = await queries.find_standing_emergency(session, locker.id, None, at=now)
        return standing is not None
    held = {number for number, _ in await parcels.list_running_stays(session, locker.id)}
    for number in sorted(held.intersection(comps)):
        if await queries.find_standing_emergency(session, locker.id, number, at=now) is None:
            return False
    return True


async def on_opened(
    session: Session,
    locker: Locker,
    *,
    compartment: int | None,
    seq: int,
    at: datetime,
    ids: Ids,
    now: datetime,
) -> uuid.UUID | None:
    """A locker let a service key at the door of a parcel, or at all doors.

    The emergency opening that covers it, whose first use is noted; where nobody had agreed an
    incident is opened, and None returned.
    """
    standing = await queries.find_standing_emergency(session, locker.id, compartment, at=at)
    if standing is not None:
        if standing.used_at is None:
            standing.used_at, standing.used_seq = at, seq
            session.add(standing)
        return standing.id
    finding = Finding(
        kind=IncidentKind.OPENED_BY_STAFF,
        subject_id=locker.id,
        hub_id=locker.hub_id,
        detail=_doors(compartment),
        locker_id=locker.id,
        seq=seq,
    )
    await open_incident(session, finding, ids=ids, now=now)
    return None


def _may(actor: Actor, locker: Locker, compartment: int | None) -> bool:
    """Whether the actor may be one of the two; a right that needs a second person counts here."""
    wanted = Permission.LOCKER_OPEN_ALL
    if compartment is not None:
        wanted = Permission.COMPARTMENT_SERVICE_OPEN
    return any(
        permission is wanted
        and (scope in _EVERYWHERE or (scope in _AT_HUB and subject == locker.hub_id))
        for permission, scope, subject in actor.grants
    )


def _doors(compartment: int | None) -> str:
    return "every door" if compartment is None else f"compartment {compartment}"
