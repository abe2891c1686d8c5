"""What a phone takes along to a locker: tokens, the locker's keys, statements, and where to go.

A bundle is all that opening a door needs, so that neither phone nor locker needs a network there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId, StayId
from server.access import queries
from server.access.rules import Action, GrantState, recipient_end
from server.access.service.grants import GrantTerms, Holder, issue_grant, issue_token
from server.access.service.statements import find_signer, list_statements
from server.climate.service import is_held_for_climate
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.service.reading import find_locker, list_compartments_by_ids
from server.parcels import queries as parcels
from server.parcels.deadlines import is_past
from server.parcels.service.stays import find_stay_of
from server.parcels.states import ParcelState
from server.parcels.tables import PauseCause
from server.parcels.visibility import visibility_of
from server.people import queries as people
from server.people.rules import may_receive

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.access.service.grants import Issued
    from server.access.service.statements import Carried
    from server.access.tables import Grant
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness
    from server.kit.keyring import Keyring
    from server.lockers.tables import Compartment, Locker
    from server.parcels.tables import Parcel, Stay
    from server.people.tables import Device

WAITING = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP, ParcelState.COLLECTING})
"""States in which the recipient may open the door."""


CLIMATE_HOLD = Refusal(
    ProblemCode.CLIMATE_HOLD,
    "The cooling failed, so this food may not be safe. Don't eat it.",
    "parcelId",
    next="Ask its sender for your money back or for another one.",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Which door of which locker at which hub."""

    hub: Hub
    locker: Locker
    compartment: Compartment


@dataclass(frozen=True, slots=True)
class UnlockBundle:
    """Everything with which one device opens one parcel's door while all else is offline."""

    parcel: Parcel
    grant: Grant
    token: Issued
    place: Place
    statements: list[Carried]


@dataclass(frozen=True, slots=True)
class Tools:
    """What making tokens needs besides the database."""

    keyring: Keyring
    ids: Ids
    randomness: Randomness
    now: datetime


async def make_unlock_bundle(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, tools: Tools
) -> UnlockBundle | Refusal:
    """The bundle for the calling device, its token bound to that device's key.

    Asking again gives the same token while half of its life is left, else a longer one. NOT_FOUND
    for a parcel that is not the caller's, DEVICE_TOO_NEW for a device that has to wait for it,
    WRONG_STATE when there is nothing to open.
    """
    found = await find_to_open(session, actor, parcel_id=parcel_id, tools=tools)
    if isinstance(found, Refusal):
        return found
    device, parcel, stay = found
    grant = await ensure_recipient_grant(session, parcel, stay, tools=tools)
    if grant is None:
        return Refusal(ProblemCode.WRONG_STATE, "The right to open this was withdrawn.")
    place = await find_place(session, stay)
    signer = await find_signer(
        session, LockerId(place.locker.lid), keyring=tools.keyring, now=tools.now
    )
    if isinstance(signer, Refusal):
        return signer
    # Before the token: a new list may refuse all that was issued so far.
    statements = await list_statements(session, signer, now=tools.now)
    token = await issue_token(
        session,
        grant,
        Holder(device.id, device.public_key),
        signer=signer,
        end=_token_end(parcel, place.hub, now=tools.now),
        comps=(),
        randomness=tools.randomness,
        now=tools.now,
    )
    if isinstance(token, Refusal):
        return token
    return UnlockBundle(parcel, grant, token, place, statements)


async def find_to_open(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, tools: Tools
) -> tuple[Device, Parcel, Stay] | Refusal:
    """The calling device, the parcel that it may open, with its row held, and the running stay.

    NOT_FOUND for a parcel that is not the caller's, DEVICE_TOO_NEW for a device that has to wait
    for it, CLIMATE_HOLD for what may not be eaten, WRONG_STATE when there is nothing to open.
    """
    device = await _find_device(session, actor)
    if device is None:
        return deny(actor)
    visible = visibility_of(actor, Permission.PARCEL_OPEN)
    parcel = await parcels.lock_visible(session, parcel_id, visible)
    if parcel is None:
        return Refusal(ProblemCode.NOT_FOUND, field="parcelId")
    too_new = may_receive(device.trust, exists_since=parcel.created_at, now=tools.now)
    if too_new is not None:
        return too_new
    stay = await find_open_stay(session, parcel, now=tools.now)
    if stay is None and await is_held_for_climate(session, parcel):
        return CLIMATE_HOLD
    return _not_waiting(parcel) if stay is None else (device, parcel, stay)


async def ensure_recipient_grant(
    session: Session, parcel: Parcel, stay: Stay, *, tools: Tools
) -> Grant | None:
    """The recipient's grant for the stay that the parcel is in, made if there was none.

    One that ran out, or that the recipients themselves withdrew (a lost phone), is followed by
    another; one that somebody else withdrew is not: None. The caller holds the parcel's row.
    """
    newest = await queries.find_newest_grant(
        session,
        parcel_id=parcel.id,
        action=Action.OPEN,
        stay=stay.name,
        holder_id=parcel.recipient_id,
    )
    if newest is not None and newest.state is GrantState.ACTIVE:
        return newest
    if newest is not None and not _may_follow(newest, parcel):
        return None
    terms = GrantTerms(
        action=Action.OPEN,
        parcel_id=parcel.id,
        locker_id=stay.locker_id,
        stay=StayId(stay.name),
        compartment=None,
        holder_id=parcel.recipient_id,
    )
    return await issue_grant(session, terms, grant_id=tools.ids.new(), now=tools.now)


async def find_open_stay(session: Session, parcel: Parcel, *, now: datetime) -> Stay | None:
    """The stay in which the parcel waits to be opened; None if it does not, or not any more."""
    through = _find_end(parcel)
    if parcel.state not in WAITING or (through is not None and is_past(through, now)):
        return None
    return await find_stay_of(session, parcel)


def _token_end(parcel: Parcel, hub: Hub, *, now: datetime) -> datetime:
    """When a token made now ends: no later than what is cooled is good, also with no network."""
    end = recipient_end(
        now,
        available_through=_find_end(parcel),
        is_low_connectivity=hub.low_connectivity,
    )
    return end if parcel.safe_until is None else min(end, parcel.safe_until)


def _find_end(parcel: Parcel) -> datetime | None:
    """When the time to collect ends, if it runs: not before its recipient could be told."""
    if parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED:
        return None
    return parcel.available_through


async def find_place(session: Session, stay: Stay) -> Place:
    """Where a stay that has begun is; BrokenPromise when one of its rows is missing."""
    locker = await find_locker(session, stay.locker_id)
    hub = None if locker is None else await find_hub(session, locker.hub_id)
    doors = await list_compartments_by_ids(
        session, [] if stay.compartment_id is None else [stay.compartment_id]
    )
    if locker is None or hub is None or not doors:
        raise BrokenPromise(f"stay {stay.id} has begun at no place")
    return Place(hub, locker, next(iter(doors.values())))


def _may_follow(former: Grant, parcel: Parcel) -> bool:
    was_own_wish = former.ended_by is not None and former.ended_by == parcel.recipient_id
    return former.state is GrantState.EXPIRED or (
        former.state is GrantState.REVOKED and was_own_wish
    )


async def _find_device(session: Session, actor: Actor) -> Device | None:
    return None if actor.device_id is None else await people.find_device(session, actor.device_id)


def _not_waiting(parcel: Parcel) -> Refusal:
    if parcel.state in WAITING:
        return Refusal(ProblemCode.WRONG_STATE, "The time to collect this is over.")
    return Refusal(
        ProblemCode.WRONG_STATE, f"This can't be opened while the parcel is {parcel.state}."
    )
