"""Looking into a compartment that holds no stay: for hub staff, technicians and operators.

The token names one compartment and lives for a quarter of an hour; the locker refuses it where a
stay is stored, whatever the server believed. Where a stay is left whose parcels were all taken out
in an emergency, the token names that stay, and finding it empty ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId, StayId
from server.access import queries
from server.access.rules import INSPECTION_LIFE, Action
from server.access.service.bundles import Place
from server.access.service.grants import (
    NO_STAY,
    GrantTerms,
    Holder,
    extend_grant,
    issue_grant,
    issue_token,
)
from server.access.service.statements import find_signer, list_statements
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.closing import read_reason
from server.lockers.service.closing import NO_REASON, lock_door
from server.parcels import queries as parcels
from server.parcels.states import Removal
from server.people import queries as people

if TYPE_CHECKING:
    import uuid

    from server.access.service.bundles import Tools
    from server.access.service.grants import Issued
    from server.access.service.statements import Carried
    from server.access.tables import Grant
    from server.kit.db import Session

HOLDS_PARCEL = Refusal(
    ProblemCode.WRONG_STATE,
    "A parcel is stored there; no staff key opens it.",
    "compartment",
    next="Help its holder with their own phone or code, or have it removed.",
)


@dataclass(frozen=True, slots=True)
class InspectionBundle:
    """Everything with which one device of staff looks into one compartment offline."""

    grant: Grant
    token: Issued
    place: Place
    statements: list[Carried]


async def make_inspection_bundle(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    number: int,
    reason: str,
    tools: Tools,
) -> InspectionBundle | Refusal:
    """The bundle for the calling device, with the reason on record.

    Asking again for the same reason gives the same token while half of its life is left.
    WRONG_STATE where a parcel is stored; NOT_PERMITTED without the right to inspect at that hub.
    """
    why = read_reason(reason)
    device = None if actor.device_id is None else await people.find_device(session, actor.device_id)
    if device is None or why is None:
        return deny(actor) if device is None else NO_REASON
    found = await _find_place(session, actor, locker_id, number)
    if isinstance(found, Refusal):
        return found
    place, left = found
    lid = LockerId(place.locker.lid)
    signer = await find_signer(session, lid, keyring=tools.keyring, now=tools.now)
    if isinstance(signer, Refusal):
        return signer
    # Before the token: a new list may refuse all that was issued so far.
    statements = await list_statements(session, signer, now=tools.now)
    grant = await _ensure_grant(session, actor, place, why, left=left, tools=tools)
    token = await issue_token(
        session,
        grant,
        Holder(device.id, device.public_key),
        signer=signer,
        end=tools.now + INSPECTION_LIFE,
        comps=(number,),
        randomness=tools.randomness,
        now=tools.now,
    )
    if isinstance(token, Refusal):
        return token
    return InspectionBundle(grant, token, place, statements)


async def _find_place(
    session: Session, actor: Actor, locker_id: uuid.UUID, number: int
) -> tuple[Place, StayId] | Refusal:
    """The door, and the stay that is left there without a parcel, if one is."""
    permission = Permission.COMPARTMENT_INSPECT
    door = await lock_door(
        session, actor, locker_id=locker_id, number=number, permission=permission
    )
    if isinstance(door, Refusal):
        return door
    locker, compartment = door
    stay = await parcels.find_running_stay(session, compartment.id)
    if stay is not None and await parcels.list_parcels_of_stay(session, stay.id):
        return HOLDS_PARCEL
    hub = await find_hub(session, locker.hub_id)
    if hub is None:
        raise BrokenPromise(f"locker {locker.id} stands at no hub")
    return Place(hub, locker, compartment), NO_STAY if stay is None else StayId(stay.name)


async def _ensure_grant(
    session: Session, actor: Actor, place: Place, reason: str, *, left: StayId, tools: Tools
) -> Grant:
    """The living grant of this person for this door and reason, made if there was none."""
    end = tools.now + INSPECTION_LIFE
    former = await queries.find_living_inspection(
        session,
        action=Action.REMOVE if left else Action.INSPECT,
        locker_id=place.locker.id,
        compartment=place.compartment.number,
        holder_id=actor.person_id,
        reason=reason,
        since=place.compartment.closed_at or place.compartment.doubted_at,
    )
    if former is not None:
        await extend_grant(session, former, end)
        return former
    terms = GrantTerms(
        action=Action.REMOVE if left else Action.INSPECT,
        removal=Removal.TO_COUNTER if left else None,
        stay=left,
        locker_id=place.locker.id,
        compartment=place.compartment.number,
        holder_id=actor.person_id,
        granted_by=actor.person_id,
        not_after=end,
        reason=reason,
    )
    return await issue_grant(session, terms, grant_id=tools.ids.new(), now=tools.now)
