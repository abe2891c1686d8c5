"""What couriers and hub staff take out again: REMOVE grants, each for one stay and one purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access.rules import Action
from server.access.service.statements import list_statements
from server.access.service.stops import (
    PARCELS_AT_ONCE,
    Job,
    find_site,
    grant_job,
    life_of,
    take_order,
)
from server.kit.auth import Actor, Permission, Scope
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.service.reading import list_compartments_by_ids
from server.parcels import queries as parcels
from server.parcels.removals import removals_of
from server.parcels.service.moving import is_at_destination
from server.parcels.service.stays import find_stay_of, list_parcels_of_stay
from server.parcels.states import Party, Removal
from server.parcels.tables import LocationKind
from server.parcels.visibility import work_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.access.service.bundles import Place, Tools
    from server.access.service.grants import Issued
    from server.access.service.statements import Carried
    from server.access.service.stops import Order
    from server.access.tables import Grant
    from server.kit.db import Session
    from server.lockers.tables import Compartment
    from server.parcels.tables import Parcel, Stay


@dataclass(frozen=True, slots=True)
class Collection:
    """A token to take out one parcel, and with it whatever else its stay holds."""

    parcel: Parcel
    purpose: Removal
    grant: Grant
    token: Issued
    place: Place


@dataclass(frozen=True, slots=True)
class RemovalStop:
    """One locker of a bundle, with what to bring it and what to take out."""

    place: Place
    statements: list[Carried]
    removals: list[Collection]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A parcel that may be taken out, why, and where it lies."""

    parcel: Parcel
    purpose: Removal
    stay: Stay
    door: Compartment


async def make_removal_bundle(
    session: Session,
    actor: Actor,
    *,
    parcel_ids: Sequence[uuid.UUID],
    purpose: Removal | None,
    is_route: bool,
    tools: Tools,
) -> list[RemovalStop] | Refusal:
    """Tokens to take parcels out, locker by locker: for 10 minutes, or 12 hours for a route.

    Without `purpose` each is taken for the usual one of its state. The first parcel that cannot be
    had refuses the whole: NOT_FOUND for one that the actor may not remove, WRONG_STATE where it
    waits for its holder, or shares its compartment with one that does. Repeating grants nothing
    twice.
    """
    life = life_of(is_route=is_route)
    order = await take_order(
        session, actor, life=life, permission=Permission.PARCEL_REMOVE, tools=tools
    )
    if isinstance(order, Refusal):
        return order
    if not 0 < len(set(parcel_ids)) <= PARCELS_AT_ONCE:
        rule = f"parcelIds: must be 1 to {PARCELS_AT_ONCE} parcels."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "parcelIds")
    wanted = await _find_wanted(session, actor, parcel_ids, purpose)
    if isinstance(wanted, Refusal):
        return wanted
    stops: list[RemovalStop] = []
    for locker_id in dict.fromkeys(one.stay.locker_id for one in wanted):
        here = [one for one in wanted if one.stay.locker_id == locker_id]
        stop = await _make_stop(session, here, order)
        if isinstance(stop, Refusal):
            return stop
        stops.append(stop)
    return stops


async def _find_wanted(
    session: Session, actor: Actor, parcel_ids: Sequence[uuid.UUID], purpose: Removal | None
) -> list[_Wanted] | Refusal:
    visible = work_of(actor, Permission.PARCEL_REMOVE)
    locked = await parcels.lock_all_visible(session, set(parcel_ids), visible)
    if len(locked) < len(set(parcel_ids)):
        return Refusal(ProblemCode.NOT_FOUND, field="parcelIds")
    found = sorted(locked, key=lambda one: parcel_ids.index(one.id))
    wanted: list[_Wanted] = []
    for parcel in found:
        stay = await find_stay_of(session, parcel)
        others = [] if stay is None else await list_parcels_of_stay(session, stay)
        purposes = [_purposes(actor, one) for one in (parcel, *others)]
        asked = purposes[0][:1] if purpose is None else (purpose,)
        if stay is None or not asked or any(asked[0] not in each for each in purposes):
            return _still_waiting(parcel)
        wanted.append(_Wanted(parcel, asked[0], stay, await _door_of(session, stay)))
    return wanted


def _purposes(actor: Actor, parcel: Parcel) -> tuple[Removal, ...]:
    """What this actor may take the parcel out for: as its courier, or else as staff of its hub."""
    carriers = actor.subjects(Permission.PARCEL_REMOVE, Scope.ROUTE)
    hubs = actor.subjects(Permission.PARCEL_REMOVE, Scope.HUB)
    if parcel.carrier_id in carriers:
        party = Party.COU
    elif parcel.hub_id in hubs:
        party = Party.STA
    else:
        return ()
    return removals_of(
        parcel.state,
        party,
        is_temporary=parcel.location_kind is LocationKind.TEMPORARY,
        is_at_destination=is_at_destination(parcel),
    )


async def _make_stop(
    session: Session, wanted: Sequence[_Wanted], order: Order
) -> RemovalStop | Refusal:
    site = await find_site(
        session, wanted[0].stay.locker_id, is_for_deposits=False, tools=order.tools
    )
    if isinstance(site, Refusal):
        return site
    removals: list[Collection] = []
    for one in wanted:
        job = Job(
            action=Action.REMOVE,
            parcel=one.parcel,
            stay=one.stay.name,
            comps=(one.door.number,),
            removal=one.purpose,
        )
        right = await grant_job(session, site, order, job)
        if isinstance(right, Refusal):
            return right
        place = site.place(one.door)
        removals.append(Collection(one.parcel, one.purpose, right.grant, right.token, place))
    # After the grants: a stay that the list names for its PIN is somebody's to open again.
    statements = await list_statements(session, site.signer, now=order.tools.now)
    return RemovalStop(removals[0].place, statements, removals)


async def _door_of(session: Session, stay: Stay) -> Compartment:
    ids = [] if stay.compartment_id is None else [stay.compartment_id]
    doors = await list_compartments_by_ids(session, ids)
    if not doors:
        raise BrokenPromise(f"stay {stay.id} has begun behind no door")
    return next(iter(doors.values()))


def _still_waiting(parcel: Parcel) -> Refusal:
    sentence = f"Parcel {parcel.code}, or one that lies with it, can't be taken out for this now."
    return Refusal(ProblemCode.WRONG_STATE, sentence, "parcelIds")
