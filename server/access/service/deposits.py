"""What a courier takes along: deposit tokens for parcels, each naming a fresh stay."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.tokens import MAX_COMPARTMENTS
from server.access.rules import Action
from server.access.service.additions import (
    MAX_ADDITIONS,
    Room,
    find_rooms,
    fitting,
    may_share,
    within_reach,
)
from server.access.service.stops import (
    PARCELS_AT_ONCE,
    Job,
    Right,
    find_site,
    grant_job,
    life_of,
    take_order,
)
from server.kit.auth import Actor, Permission
from server.kit.errors import Refusal
from server.lockers import queries as lockers
from server.lockers.rules import DisplayStatus, is_taking_deposits
from server.lockers.service.reservations import status_of
from server.parcels import queries as parcels
from server.parcels.consent import OUT_OF_REACH
from server.parcels.service.consenting import find_limits
from server.parcels.service.stays import mint_stay
from server.parcels.states import ParcelState
from server.parcels.tables import LocationKind
from server.parcels.visibility import work_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.access.service.bundles import Place, Tools
    from server.access.service.grants import Issued
    from server.access.service.statements import Carried
    from server.access.service.stops import Order, Site
    from server.access.tables import Grant
    from server.kit.db import Session
    from server.lockers.tables import Compartment
    from server.parcels.consent import Limits
    from server.parcels.tables import Parcel, Stay

DEPOSITABLE = frozenset(
    {
        ParcelState.ANNOUNCED,
        ParcelState.IN_TRANSIT,
        ParcelState.OUT_FOR_DELIVERY,
        ParcelState.AT_HUB,
    }
)
"""States in which somebody may put the parcel into a compartment (P10, P10b, P11b); also what was
found after a dispute, and lies nowhere yet (P30b).
"""

_LYING = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP})


@dataclass(frozen=True, slots=True)
class Addition:
    """A token to put the parcel to one that lies, or will lie, in a compartment of its own."""

    beside: Parcel
    stay: Stay
    grant: Grant
    token: Issued
    comps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deposit:
    """A token to put one parcel into one compartment; `comps` may name others that would do."""

    parcel: Parcel
    stay: Stay
    grant: Grant
    token: Issued
    place: Place
    comps: tuple[int, ...]
    spare: Right | None = None
    """On a route: the same once more, for a deposit that was undone."""
    additions: list[Addition] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stop:
    """One locker of a bundle, with what to bring it."""

    place: Place
    statements: list[Carried]
    deposits: list[Deposit]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A parcel that may be deposited, and the compartment that it is to have."""

    parcel: Parcel
    compartment: Compartment
    limits: Limits


async def make_courier_bundle(
    session: Session,
    actor: Actor,
    *,
    parcel_ids: Sequence[uuid.UUID],
    is_route: bool,
    tools: Tools,
) -> list[Stop] | Refusal:
    """Deposit tokens for the calling device, locker by locker: for 10 minutes, or 12 h for a route.

    At a stop each parcel must have a reservation, and its token is for that compartment alone. On a
    route it is for whatever fits there, because nobody knows what is free when the courier arrives;
    a parcel that nothing is kept for is taken too, and one that the same round picks up elsewhere.
    The first parcel that cannot be had refuses the whole. Asking again mints no second stay.
    """
    life = life_of(is_route=is_route)
    order = await take_order(
        session, actor, life=life, permission=Permission.PARCEL_DEPOSIT, tools=tools
    )
    if isinstance(order, Refusal):
        return order
    if not 0 < len(parcel_ids) <= PARCELS_AT_ONCE:
        rule = f"parcelIds: must be 1 to {PARCELS_AT_ONCE} parcels."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "parcelIds")
    wanted = await _find_wanted(session, actor, parcel_ids, is_route=is_route, now=tools.now)
    if isinstance(wanted, Refusal):
        return wanted
    stops: list[Stop] = []
    for locker_id in dict.fromkeys(one.compartment.locker_id for one in wanted):
        here = [one for one in wanted if one.compartment.locker_id == locker_id]
        stop = await _make_stop(session, here, order, is_route=is_route)
        if isinstance(stop, Refusal):
            return stop
        stops.append(stop)
    return stops


async def _find_wanted(
    session: Session,
    actor: Actor,
    parcel_ids: Sequence[uuid.UUID],
    *,
    is_route: bool,
    now: datetime,
) -> list[_Wanted] | Refusal:
    visible = work_of(actor, Permission.PARCEL_DEPOSIT)
    locked = await parcels.lock_all_visible(session, set(parcel_ids), visible)
    if len(locked) < len(set(parcel_ids)):
        return Refusal(ProblemCode.NOT_FOUND, field="parcelIds")
    found = sorted(locked, key=lambda one: parcel_ids.index(one.id))
    for parcel in found:
        may = (
            parcel.state in DEPOSITABLE or _is_found(parcel) or (is_route and _is_going_on(parcel))
        )
        if not may:
            sentence = f"Parcel {parcel.code} can't be deposited while it is {parcel.state}."
            return Refusal(ProblemCode.WRONG_STATE, sentence, "parcelIds")
    limits = await find_limits(session, found, now=now)
    kept = await lockers.list_reservations(session, [one.id for one in found], now=now)
    kept_for = {reservation.parcel_id: compartment for reservation, compartment in kept}
    wanted: list[_Wanted] = []
    for parcel in found:
        own = limits[parcel.id]
        refused = own.object_to_lockers()
        if refused is not None:
            return _no_consent(parcel, refused)
        compartment = kept_for.get(parcel.id)
        if compartment is None and is_route:
            compartment = await _find_likely(session, parcel, own)
        if compartment is None:
            return _nothing_kept(parcel, is_route=is_route)
        wanted.append(_Wanted(parcel, compartment, own))
    return wanted


def _no_consent(parcel: Parcel, refused: Refusal) -> Refusal:
    sentence = f"Parcel {parcel.code}: {refused.message}"
    return replace(refused, message=sentence, field="parcelIds")


def _is_found(parcel: Parcel) -> bool:
    return parcel.state is ParcelState.READY_FOR_PICKUP and parcel.stay_id is None


def _is_going_on(parcel: Parcel) -> bool:
    """Whether it lies in a compartment from which the same round brings it to its own hub."""
    is_elsewhere = parcel.hub_id != parcel.planned_hub_id and parcel.returns_id is None
    is_temporary = parcel.location_kind is LocationKind.TEMPORARY
    is_dropped = parcel.state is ParcelState.DROPPED_OFF
    return is_elsewhere and (is_dropped or (parcel.state in _LYING and is_temporary))


def _nothing_kept(parcel: Parcel, *, is_route: bool) -> Refusal:
    if is_route:
        sentence = f"Nothing at its hub fits parcel {parcel.code}."
        return Refusal(ProblemCode.NO_COMPARTMENT, sentence, "parcelIds")
    sentence = f"Nothing is kept for parcel {parcel.code} any more. Reserve again."
    return Refusal(ProblemCode.RESERVATION_EXPIRED, sentence, "parcelIds")


async def _find_likely(session: Session, parcel: Parcel, limits: Limits) -> Compartment | None:
    """Where the parcel will most likely find room at its hub; an available compartment if any."""
    machines = await lockers.list_lockers_of_hubs(
        session, [parcel.planned_hub_id], limit=PARCELS_AT_ONCE
    )
    working = [
        one.id
        for one in machines
        if is_taking_deposits(one.state) and not limits.object_to_locker(has_keypad=one.has_keypad)
    ]
    doors = await lockers.list_compartments(session, working)
    likely: list[tuple[bool, int, Compartment]] = []
    for machine in working:
        here = within_reach([door for door in doors if door.locker_id == machine], limits)
        by_number = {door.number: door for door in here}
        for rank, number in enumerate(fitting([parcel], here)):
            is_free = status_of(by_number[number]) is DisplayStatus.AVAILABLE
            likely.append((not is_free, rank, by_number[number]))
    return min(likely, key=lambda one: one[:2])[2] if likely else None


async def _make_stop(
    session: Session, wanted: Sequence[_Wanted], order: Order, *, is_route: bool
) -> Stop | Refusal:
    site = await find_site(
        session, wanted[0].compartment.locker_id, is_for_deposits=True, tools=order.tools
    )
    if isinstance(site, Refusal):
        return site
    deposits: list[Deposit] = []
    for one in wanted:
        refused = one.limits.object_to_locker(has_keypad=site.locker.has_keypad)
        doors = within_reach(site.doors, one.limits)
        if refused is None and one.compartment.number not in {door.number for door in doors}:
            refused = OUT_OF_REACH
        if refused is not None:
            return _no_consent(one.parcel, refused)
        kept = one.compartment.number
        others = fitting([one.parcel], doors) if is_route else ()
        comps = (kept, *(number for number in others if number != kept))[:MAX_COMPARTMENTS]
        deposit = await _make_deposit(
            session, site, one, comps=comps, order=order, is_route=is_route
        )
        if isinstance(deposit, Refusal):
            return deposit
        reachable = replace(site, doors=doors)
        unsigned = await _add_additions(session, reachable, deposit, deposits, order)
        if unsigned is not None:
            return unsigned
        deposits.append(deposit)
    return Stop(deposits[0].place, site.statements, deposits)


async def _make_deposit(
    session: Session,
    site: Site,
    wanted: _Wanted,
    *,
    comps: tuple[int, ...],
    order: Order,
    is_route: bool,
) -> Deposit | Refusal:
    stay = await _mint(session, site, wanted.parcel, order)
    job = Job(action=Action.DEPOSIT, parcel=wanted.parcel, stay=stay.name, comps=comps)
    right = await grant_job(session, site, order, job)
    if isinstance(right, Refusal):
        return right
    spare: Right | Refusal | None = None
    if is_route:
        # A stay ends when its deposit is undone, and nobody mints another one at the door.
        other = await _mint(session, site, wanted.parcel, order, besides=stay)
        spare = await grant_job(session, site, order, replace(job, stay=other.name))
    if isinstance(spare, Refusal):
        return spare
    place = site.place(wanted.compartment)
    return Deposit(wanted.parcel, stay, right.grant, right.token, place, comps, spare)


async def _mint(
    session: Session, site: Site, parcel: Parcel, order: Order, *, besides: Stay | None = None
) -> Stay:
    return await mint_stay(
        session,
        parcel_id=parcel.id,
        locker_id=site.locker.id,
        ids=order.tools.ids,
        randomness=order.tools.randomness,
        now=order.tools.now,
        besides=besides,
    )


async def _add_additions(
    session: Session, site: Site, deposit: Deposit, before: Sequence[Deposit], order: Order
) -> Refusal | None:
    """Tokens to put the parcel to others of its recipient, in the locker or in this bundle."""
    now = order.tools.now
    rooms = await find_rooms(session, deposit.parcel, site.locker, site.doors, now=now)
    rooms += _rooms_to_come(deposit, before, site.doors)
    for room in rooms[:MAX_ADDITIONS]:
        job = Job(
            action=Action.DEPOSIT, parcel=deposit.parcel, stay=room.stay.name, comps=room.comps
        )
        right = await grant_job(session, site, order, job)
        if not isinstance(right, Right):
            return right
        addition = Addition(room.inside[0], room.stay, right.grant, right.token, room.comps)
        deposit.additions.append(addition)
    return None


def _rooms_to_come(
    deposit: Deposit, before: Sequence[Deposit], doors: Sequence[Compartment]
) -> list[Room]:
    """The compartment of the recipient's first parcel in the bundle, if all so far fit into it."""
    group = [one for one in before if may_share(one.parcel, deposit.parcel)]
    if not group:
        return []
    together = tuple(one.parcel for one in group)
    allowed = set(group[0].comps)
    comps = tuple(n for n in fitting((*together, deposit.parcel), doors) if n in allowed)
    return [Room(group[0].stay, together, comps)] if comps else []
