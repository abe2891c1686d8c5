"""Looking up what recipients have ruled out, before a place is chosen for their parcels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from server.hubs.rules import HubKind
from server.hubs.service import list_hubs_by_ids
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.queries import list_compartments, list_lockers_of_hubs
from server.parcels.consent import OUT_OF_REACH, Limits
from server.parcels.states import ParcelState
from server.people.preferences import Preferences
from server.people.service.preferences import list_preferences

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from schema.compartments import ReachBand
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.lockers.tables import Compartment, Locker
    from server.parcels.tables import Parcel

NOBODY = Preferences()
"""Limits of what nobody collects here: a drop-off on its way elsewhere, a parcel sent back."""

MAX_LOCKERS = 20
"""Lockers of one hub that are looked at before the parcel is sent there."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """Which of the lockers asked for will do, and which heights in them."""

    lockers: list[Locker]
    reach: ReachBand | None


async def find_limits(
    session: Session,
    parcels: Collection[Parcel],
    *,
    hub_id: uuid.UUID | None = None,
    now: datetime,
) -> dict[uuid.UUID, Limits]:
    """The limits of each parcel, by its id: at this hub, or at the one where it is expected."""
    places = {one.id: hub_id or one.planned_hub_id for one in parcels}
    recipients = {one.id: _collector(one, places[one.id]) for one in parcels}
    known = await list_preferences(session, {who for who in recipients.values() if who})
    hubs = await list_hubs_by_ids(session, set(places.values()))
    limits = {}
    for parcel in parcels:
        place = places[parcel.id]
        if place not in hubs:
            message = f"parcel {parcel.id} is to go to hub {place}, which does not exist"
            raise BrokenPromise(message)
        limits[parcel.id] = _limits_for(parcel, hubs[place], known, now=now)
    return limits


async def agree(
    session: Session,
    parcel: Parcel,
    lockers: Sequence[Locker],
    *,
    reach: ReachBand | None = None,
    now: datetime,
) -> Agreed | Refusal:
    """Which of these lockers of one hub the recipient has agreed to; CONSENT_MISSING for none."""
    hub_id = lockers[0].hub_id if lockers else parcel.hub_id
    limits = (await find_limits(session, [parcel], hub_id=hub_id, now=now))[parcel.id]
    refused = limits.object_to_lockers()
    if refused is not None:
        return refused
    narrowed = limits.narrow(reach)
    if isinstance(narrowed, Refusal):
        return narrowed
    refusals = {one.id: limits.object_to_locker(has_keypad=one.has_keypad) for one in lockers}
    suitable = [one for one in lockers if refusals[one.id] is None]
    if lockers and not suitable:
        return next(refusal for refusal in refusals.values() if refusal is not None)
    return Agreed(suitable, narrowed)


async def find_objection(
    session: Session, parcel: Parcel, hub: Hub, *, now: datetime
) -> Refusal | None:
    """Why the recipient's own limits leave no place for the parcel at this hub, ever; else None.

    CONSENT_MISSING or NO_CLIMATE. A counter takes what no compartment may; what is free is not
    asked, nor is a hub refused that has no lockers yet.
    """
    return (await find_objections(session, parcel, [hub], now=now))[hub.id]


async def find_objections(
    session: Session, parcel: Parcel, hubs: Sequence[Hub], *, now: datetime
) -> dict[uuid.UUID, Refusal | None]:
    """The same for many hubs, in as many statements."""
    hub_ids = [hub.id for hub in hubs]
    machines = await list_lockers_of_hubs(session, hub_ids, limit=MAX_LOCKERS)
    doors = await list_compartments(session, [one.id for one in machines])
    limits = await _limits_at(session, parcel, hubs, now=now)
    objections = {}
    for hub in hubs:
        here = [one for one in machines if one.hub_id == hub.id]
        keys = {one.id for one in here}
        inside = [one for one in doors if one.locker_id in keys]
        objections[hub.id] = _object(parcel, hub, limits[hub.id], machines=here, doors=inside)
    return objections


async def _limits_at(
    session: Session, parcel: Parcel, hubs: Sequence[Hub], *, now: datetime
) -> dict[uuid.UUID, Limits]:
    """The parcel's limits at each of these hubs, by hub."""
    own = await list_preferences(session, {parcel.recipient_id} if parcel.recipient_id else set())
    return {hub.id: _limits_for(parcel, hub, own, now=now) for hub in hubs}


def _limits_for(
    parcel: Parcel, hub: Hub, known: Mapping[uuid.UUID, Preferences], *, now: datetime
) -> Limits:
    who = _collector(parcel, hub.id)
    today = now.astimezone(ZoneInfo(hub.time_zone)).date()
    uncooled = parcel.is_perishable and parcel.climate_zone is ClimateZone.AMBIENT
    return Limits(known[who] if who else NOBODY, hub.id, today, uncooled)


def _object(
    parcel: Parcel,
    hub: Hub,
    limits: Limits,
    *,
    machines: Sequence[Locker],
    doors: Sequence[Compartment],
) -> Refusal | None:
    if limits.allows_hub and hub.kind is HubKind.SERVICE_POINT:
        return None
    refusals = {one.id: limits.object_to_locker(has_keypad=one.has_keypad) for one in machines}
    refused = limits.object_to_lockers_ever()
    if refused is None and machines and None not in refusals.values():
        refused = refusals[machines[0].id]
    if refused is not None:
        return refused
    usable = [one for one in doors if refusals[one.locker_id] is None]
    right = [one for one in usable if one.climate_zone is parcel.climate_zone]
    if usable and not right:
        return Refusal(ProblemCode.NO_CLIMATE, field="hub")
    is_reached = any(limits.allows_sill(one.sill_height_mm) for one in right)
    return OUT_OF_REACH if right and not is_reached else None


def _collector(parcel: Parcel, hub_id: uuid.UUID) -> uuid.UUID | None:
    """Who will come to fetch the parcel at this hub, if anybody."""
    is_dropoff = parcel.state is ParcelState.AWAITING_DROPOFF and hub_id != parcel.planned_hub_id
    return None if is_dropoff or parcel.returns_id is not None else parcel.recipient_id
