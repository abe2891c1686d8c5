"""What a courier takes along: deposit tokens for reserved parcels, each naming a fresh stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import SizeMm
from schema.ids import LockerId, StayId
from schema.tokens import MAX_COMPARTMENTS
from server.access import queries
from server.access.rules import COURIER_LIFE, ROUTE_LIFE, Action, GrantState
from server.access.service.bundles import Place, Tools
from server.access.service.grants import GrantTerms, Holder, extend_grant, issue_grant, issue_token
from server.access.service.statements import find_signer, list_statements
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import BrokenPromise, Refusal
from server.ledger import service as ledger
from server.lockers import queries as lockers
from server.lockers.rules import is_taking_deposits
from server.lockers.service.reservations import inner_of
from server.parcels import queries as parcels
from server.parcels.service.stays import mint_stay
from server.parcels.states import ParcelState
from server.parcels.visibility import visibility_of
from server.people import queries as people

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.access.service.grants import Issued
    from server.access.service.statements import Carried, Signer
    from server.access.tables import Grant
    from server.kit.db import Session
    from server.lockers.tables import Compartment
    from server.parcels.tables import Parcel, Stay

DEPOSITABLE = frozenset(
    {
        ParcelState.ANNOUNCED,
        ParcelState.IN_TRANSIT,
        ParcelState.OUT_FOR_DELIVERY,
        ParcelState.AT_HUB,
    }
)
"""States in which somebody may put the parcel into a compartment (P10, P10b, P11b)."""

PARCELS_AT_ONCE = 50
"""Parcels of one courier bundle."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """A token to put one parcel into one compartment; `comps` may name others that would do."""

    parcel: Parcel
    stay: Stay
    grant: Grant
    token: Issued
    place: Place
    comps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """One locker of a bundle, with what to bring it."""

    place: Place
    statements: list[Carried]
    deposits: list[Deposit]


@dataclass(frozen=True, slots=True)
class _Order:
    """Who asks, on which device, and for how long the tokens shall be good."""

    actor: Actor
    holder: Holder
    is_route: bool
    tools: Tools


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A parcel that may be deposited, and the compartment that is kept for it."""

    parcel: Parcel
    compartment: Compartment


async def make_courier_bundle(
    session: Session,
    actor: Actor,
    *,
    parcel_ids: Sequence[uuid.UUID],
    is_route: bool,
    tools: Tools,
) -> list[Stop] | Refusal:
    """Deposit tokens for the calling device, locker by locker: for 10 minutes, or 12 h for a route.

    Each parcel must have a reservation. At a stop its token is for that compartment alone; on a
    route for whatever fits there, because nobody knows what is free when the courier arrives. The
    first parcel that cannot be had refuses the whole. Asking again mints no second stay.
    """
    device = None
    if actor.device_id is not None:
        device = await people.find_device(session, actor.device_id)
    if device is None:
        return deny(actor)
    if not 0 < len(parcel_ids) <= PARCELS_AT_ONCE:
        rule = f"parcelIds: must be 1 to {PARCELS_AT_ONCE} parcels."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "parcelIds")
    wanted = await _find_wanted(session, actor, parcel_ids, now=tools.now)
    if isinstance(wanted, Refusal):
        return wanted
    order = _Order(actor, Holder(device.id, device.public_key), is_route=is_route, tools=tools)
    stops: list[Stop] = []
    for locker_id in dict.fromkeys(one.compartment.locker_id for one in wanted):
        here = [one for one in wanted if one.compartment.locker_id == locker_id]
        stop = await _make_stop(session, here, order)
        if isinstance(stop, Refusal):
            return stop
        stops.append(stop)
    return stops


async def _find_wanted(
    session: Session, actor: Actor, parcel_ids: Sequence[uuid.UUID], *, now: datetime
) -> list[_Wanted] | Refusal:
    visible = visibility_of(actor, Permission.PARCEL_DEPOSIT)
    found = await parcels.lock_all_visible(session, set(parcel_ids), visible)
    if len(found) < len(set(parcel_ids)):
        return Refusal(ProblemCode.NOT_FOUND, field="parcelIds")
    for parcel in found:
        if parcel.state not in DEPOSITABLE:
            sentence = f"Parcel {parcel.code} can't be deposited while it is {parcel.state}."
            return Refusal(ProblemCode.WRONG_STATE, sentence, "parcelIds")
    kept = await lockers.list_reservations(session, [one.id for one in found], now=now)
    kept_for = {reservation.parcel_id: compartment for reservation, compartment in kept}
    for parcel in found:
        if parcel.id not in kept_for:
            sentence = f"Nothing is kept for parcel {parcel.code} any more. Reserve again."
            return Refusal(ProblemCode.RESERVATION_EXPIRED, sentence, "parcelIds")
    return [_Wanted(parcel, kept_for[parcel.id]) for parcel in found]


async def _make_stop(session: Session, wanted: Sequence[_Wanted], order: _Order) -> Stop | Refusal:
    locker = await lockers.find_locker(session, wanted[0].compartment.locker_id)
    hub = None if locker is None else await find_hub(session, locker.hub_id)
    if locker is None or hub is None:
        raise BrokenPromise("a compartment is kept in a locker at no hub")
    lid, now = LockerId(locker.lid), order.tools.now
    if not is_taking_deposits(locker.state) or await ledger.is_distrusted(session, lid):
        return Refusal(ProblemCode.WRONG_STATE, "This locker takes no parcels now.", "parcelIds")
    signer = await find_signer(session, lid, keyring=order.tools.keyring, now=now)
    if isinstance(signer, Refusal):
        return signer
    # Before the tokens: a new list may refuse all that was issued so far.
    statements = await list_statements(session, signer, now=now)
    doors = await lockers.list_compartments(session, [locker.id])
    deposits: list[Deposit] = []
    for one in wanted:
        comps = _fitting(one, doors) if order.is_route else (one.compartment.number,)
        deposit = await _make_deposit(
            session,
            one.parcel,
            Place(hub, locker, one.compartment),
            comps=comps,
            signer=signer,
            order=order,
        )
        if isinstance(deposit, Refusal):
            return deposit
        deposits.append(deposit)
    return Stop(deposits[0].place, statements, deposits)


async def _make_deposit(
    session: Session,
    parcel: Parcel,
    place: Place,
    *,
    comps: tuple[int, ...],
    signer: Signer,
    order: _Order,
) -> Deposit | Refusal:
    tools = order.tools
    stay = await mint_stay(
        session,
        parcel_id=parcel.id,
        locker_id=place.locker.id,
        ids=tools.ids,
        randomness=tools.randomness,
        now=tools.now,
    )
    grant = await queries.find_newest_grant(
        session,
        parcel_id=parcel.id,
        action=Action.DEPOSIT,
        stay=stay.name,
        holder_id=order.actor.person_id,
    )
    end = tools.now + (ROUTE_LIFE if order.is_route else COURIER_LIFE)
    if grant is None or grant.state is not GrantState.ACTIVE:
        terms = GrantTerms(
            action=Action.DEPOSIT,
            parcel_id=parcel.id,
            locker_id=place.locker.id,
            stay=StayId(stay.name),
            compartment=None if order.is_route else place.compartment.number,
            holder_id=order.actor.person_id,
            not_after=end,
        )
        grant = await issue_grant(session, terms, grant_id=tools.ids.new(), now=tools.now)
    await extend_grant(session, grant, end)
    token = await issue_token(
        session,
        grant,
        order.holder,
        signer=signer,
        end=end,
        comps=comps,
        randomness=tools.randomness,
        now=tools.now,
    )
    if isinstance(token, Refusal):
        return token
    return Deposit(parcel, stay, grant, token, place, comps)


def _fitting(wanted: _Wanted, doors: Sequence[Compartment]) -> tuple[int, ...]:
    """The kept compartment first, then the others that the parcel would go into."""
    parcel, kept = wanted.parcel, wanted.compartment
    size = SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm)
    others = (
        door.number
        for door in doors
        if door.id != kept.id
        and door.climate_zone is parcel.climate_zone
        and size.fits(inner_of(door))
    )
    return (kept.number, *others)[:MAX_COMPARTMENTS]
