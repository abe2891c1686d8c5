"""What a sender takes along: a token to put one parcel into a locker of their choice (P2, P4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access.rules import DROPOFF_LIFE, Action
from server.access.service.additions import fitting
from server.access.service.stops import Job, find_site, grant_job, take_order
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import Refusal
from server.lockers.choice import ReservationPurpose
from server.lockers.rules import DisplayStatus
from server.lockers.service import reservations
from server.lockers.service.reading import lock_locker
from server.lockers.service.reservations import status_of
from server.parcels import queries as parcels
from server.parcels.service.consenting import agree
from server.parcels.service.reserving import wish_of
from server.parcels.service.stays import mint_stay
from server.parcels.states import ParcelState
from server.parcels.visibility import Visibility

if TYPE_CHECKING:
    import uuid

    from server.access.service.bundles import Place, Tools
    from server.access.service.grants import Issued
    from server.access.service.statements import Carried
    from server.access.tables import Grant
    from server.kit.db import Session
    from server.parcels.tables import Parcel, Stay


@dataclass(frozen=True, slots=True)
class Dropoff:
    """Everything with which one device puts one parcel into one locker, all else offline."""

    parcel: Parcel
    stay: Stay
    grant: Grant
    token: Issued
    place: Place
    statements: list[Carried]
    comps: tuple[int, ...]


async def make_dropoff_bundle(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    locker_id: uuid.UUID,
    tools: Tools,
) -> Dropoff | Refusal:
    """The bundle for the sender's calling device, for a day but never beyond the time to bring it.

    Any compartment that fits will do; one is kept if one is free. Asking again gives the same
    token while half of its life is left; for another locker, another one. NOT_FOUND for a parcel
    that the caller does not send, WRONG_STATE once it was brought, called off, or is too late.
    """
    order = await take_order(
        session, actor, life=DROPOFF_LIFE, permission=Permission.PARCEL_DEPOSIT, tools=tools
    )
    if isinstance(order, Refusal):
        return order
    locker = await lock_locker(session, locker_id)
    if locker is None:
        return not_found(actor, "lockerId")
    parcel = await parcels.lock_visible(session, parcel_id, Visibility(sender=actor.person_id))
    if parcel is None:
        return not_found(actor, "parcelId")
    through = parcel.dropoff_through
    if parcel.state is not ParcelState.AWAITING_DROPOFF or through is None or through < tools.now:
        sentence = f"Parcel {parcel.code} can't be brought while it is {parcel.state}."
        return Refusal(ProblemCode.WRONG_STATE, sentence, "parcelId")
    site = await find_site(session, locker.id, is_for_deposits=True, tools=tools, field="lockerId")
    if isinstance(site, Refusal):
        return site
    agreed = await agree(session, parcel, [locker], now=tools.now)
    if isinstance(agreed, Refusal):
        return replace(agreed, field="parcelId")
    reach = agreed.reach
    doors = [one for one in site.doors if reach is None or reach.holds(one.sill_height_mm)]
    comps = fitting([parcel], doors)
    if not comps:
        return Refusal(ProblemCode.NO_COMPARTMENT, field="lockerId")
    free = {one.number for one in site.doors if status_of(one) is DisplayStatus.AVAILABLE}
    comps = tuple(sorted(comps, key=lambda number: number not in free))
    wish = wish_of(parcel, ReservationPurpose.LOADED, actor.person_id, reach=reach)
    held = await reservations.reserve(session, [locker], wish, ids=tools.ids, now=tools.now)
    if not isinstance(held, Refusal):
        # Not to be had, it is no reason to stay at home: something may be free by then.
        kept = held.compartment.number
        comps = (kept, *(number for number in comps if number != kept))
    stay = await mint_stay(
        session,
        parcel_id=parcel.id,
        locker_id=locker.id,
        ids=tools.ids,
        randomness=tools.randomness,
        now=tools.now,
    )
    job = Job(action=Action.DROPOFF, parcel=parcel, stay=stay.name, comps=comps)
    right = await grant_job(session, site, order.until(through), job)
    if isinstance(right, Refusal):
        return right
    door = next(one for one in site.doors if one.number == comps[0])
    place = site.place(door)
    return Dropoff(parcel, stay, right.grant, right.token, place, site.statements, comps)
