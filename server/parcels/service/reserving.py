"""Keeping a compartment for a parcel (C1 to C3), by whoever may bring it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ReachBand, SizeMm
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers.choice import Need, ReservationPurpose
from server.lockers.service import reservations
from server.lockers.service.reading import lock_locker
from server.lockers.service.reservations import Held, Wish
from server.parcels import queries
from server.parcels.service.consenting import agree
from server.parcels.service.counter import is_kept_out
from server.parcels.states import ParcelState
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.parcels.tables import Parcel

COMING = frozenset(
    {
        ParcelState.ANNOUNCED,
        ParcelState.AWAITING_DROPOFF,
        ParcelState.IN_TRANSIT,
        ParcelState.OUT_FOR_DELIVERY,
        ParcelState.AT_HUB,
    }
)
"""States in which a parcel may still be put into a compartment."""


def is_to_be_put_in(parcel: Parcel) -> bool:
    """Whether it may be put into a compartment: it is to come, or was found after a dispute and
    lies nowhere yet (P30b).
    """
    is_found = parcel.state is ParcelState.READY_FOR_PICKUP and parcel.stay_id is None
    return parcel.state in COMING or is_found


async def reserve_compartment(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    locker_id: uuid.UUID | None,
    reach: ReachBand | None,
    ids: Ids,
    now: datetime,
) -> Held | Refusal:
    """The best fit for the parcel for 15 minutes, in this locker or any of the parcel's hub.

    Asking again renews it; asking for another locker moves it. NOT_FOUND for a parcel that the
    actor may not see, and for a locker elsewhere; CONSENT_MISSING for what its recipient has ruled
    out, and for one that came to the counter because they must be seen there.
    """
    found = await _find(session, actor, parcel_id, Permission.RESERVATION_CREATE)
    if isinstance(found, Refusal):
        return found
    lockers = await reservations.lock_lockers(session, hub_id=found.hub_id, locker_id=locker_id)
    if not lockers:
        return Refusal(ProblemCode.NOT_FOUND, field="locker")
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or not is_to_be_put_in(parcel):
        return _wrong_state(parcel or found)
    if await is_kept_out(session, parcel):
        return Refusal(ProblemCode.CONSENT_MISSING, field="parcel", next="Hand it over here.")
    agreed = await agree(session, parcel, lockers, reach=reach, now=now)
    if isinstance(agreed, Refusal):
        return agreed
    wish = wish_of(parcel, ReservationPurpose.STOP, actor.person_id, reach=agreed.reach)
    return await reservations.reserve(session, agreed.lockers, wish, ids=ids, now=now)


async def swap_compartment(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, ids: Ids, now: datetime
) -> Held | Refusal:
    """A larger compartment for a parcel that does not go into the one kept for it (C3).

    In the same locker, for 15 minutes; refused while the door of the former stands open. Without a
    network the courier just takes another that the token allows.
    """
    found = await _find(session, actor, parcel_id, Permission.RESERVATION_CREATE)
    if isinstance(found, Refusal):
        return found
    kept = (await reservations.list_held(session, [parcel_id], now=now)).get(parcel_id)
    locker = None
    if kept is not None:
        locker = await lock_locker(session, kept.compartment.locker_id)
    if locker is None:
        return Refusal(ProblemCode.RESERVATION_EXPIRED, field="parcel")
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or not is_to_be_put_in(parcel):
        return _wrong_state(parcel or found)
    agreed = await agree(session, parcel, [locker], now=now)
    if isinstance(agreed, Refusal):
        return agreed
    wish = wish_of(parcel, ReservationPurpose.STOP, actor.person_id, reach=agreed.reach)
    return await reservations.swap(session, locker, wish, ids=ids, now=now)


async def cancel_reservation(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, now: datetime
) -> Parcel | Refusal:
    """Gives up what is kept for the parcel; with nothing kept, nothing changes.

    WRONG_STATE while its door stands open.
    """
    found = await _find(session, actor, parcel_id, Permission.RESERVATION_CANCEL)
    if isinstance(found, Refusal):
        return found
    await reservations.lock_lockers(session, hub_id=found.hub_id)
    parcel = await queries.lock_parcel(session, parcel_id)
    refusal = await reservations.cancel(session, parcel_id, now=now)
    return (parcel or found) if refusal is None else refusal


def wish_of(
    parcel: Parcel,
    purpose: ReservationPurpose,
    created_by: uuid.UUID | None,
    *,
    reach: ReachBand | None = None,
) -> Wish:
    """What the parcel asks of a locker; what is fragile must not be laid on its side."""
    need = Need(
        size=SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm),
        zone=parcel.climate_zone,
        is_upright=parcel.is_fragile,
        reach=reach,
    )
    return Wish(parcel_id=parcel.id, need=need, purpose=purpose, created_by=created_by)


async def _find(
    session: Session, actor: Actor, parcel_id: uuid.UUID, permission: Permission
) -> Parcel | Refusal:
    """A parcel that the permission reaches; the caller has not locked anything yet."""
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    parcel = seen.parcel
    may = actor.can(permission, carrier=parcel.carrier_id) or actor.can(
        permission, hub=parcel.hub_id
    )
    return parcel if may else deny(actor)


def _wrong_state(parcel: Parcel) -> Refusal:
    word = parcel.state.lower().replace("_", " ")
    return Refusal(ProblemCode.WRONG_STATE, f"This can't be done while the parcel is {word}.")
