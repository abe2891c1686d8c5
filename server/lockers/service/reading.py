"""Lockers and compartments as others read them. Lockers of a hub are public, as hubs are."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from server.kit.auth import Actor, Permission, Scope
from server.lockers import queries

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence

    from schema.compartments import ClimateZone
    from schema.ids import LockerId
    from server.kit.db import Session
    from server.kit.graph import Page
    from server.lockers.tables import Compartment, Incident, Locker

LOCKERS_OF_HUB = 50
"""Most lockers shown of one hub; none has so many."""


async def find_locker(session: Session, locker_id: uuid.UUID) -> Locker | None:
    """The locker of this row id."""
    return await queries.find_locker(session, locker_id)


async def lock_locker(session: Session, locker_id: uuid.UUID) -> Locker | None:
    """The locker, kept from changing; whoever also locks parcels or stays does this before."""
    return await queries.lock_locker(session, locker_id)


async def find_locker_by_lid(session: Session, lid: LockerId) -> Locker | None:
    """The locker of this protocol id; envelopes and tokens name it so."""
    return await queries.find_locker_by_lid(session, lid)


async def list_lockers_by_ids(
    session: Session, locker_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Locker]:
    """The lockers of these row ids that exist."""
    return {one.id: one for one in await queries.list_lockers_by_ids(session, locker_ids)}


async def list_lockers_of_hubs(
    session: Session, hub_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Locker]]:
    """The lockers of each hub that are in the network."""
    lockers: dict[uuid.UUID, list[Locker]] = defaultdict(list)
    for locker in await queries.list_lockers_of_hubs(session, hub_ids, limit=LOCKERS_OF_HUB):
        lockers[locker.hub_id].append(locker)
    return lockers


async def list_compartments(
    session: Session, locker_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Compartment]]:
    """The compartments of each locker by number."""
    doors: dict[uuid.UUID, list[Compartment]] = defaultdict(list)
    for compartment in await queries.list_compartments(session, locker_ids):
        doors[compartment.locker_id].append(compartment)
    return doors


async def find_zones(session: Session, lid: LockerId) -> dict[int, ClimateZone]:
    """The climate zone of each compartment, by its number, of the locker of this protocol id."""
    locker = await queries.find_locker_by_lid(session, lid)
    doors = [] if locker is None else await queries.list_compartments(session, [locker.id])
    return {door.number: door.climate_zone for door in doors}


async def list_compartments_by_ids(
    session: Session, compartment_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Compartment]:
    """The compartments of these row ids that exist."""
    found = await queries.list_compartments_by_ids(session, compartment_ids)
    return {one.id: one for one in found}


async def list_incidents(
    session: Session, actor: Actor, *, page: Page, hub_id: uuid.UUID | None = None
) -> Sequence[Incident]:
    """One more than the page of open incidents that the actor may resolve, oldest first; only
    those of one hub, if it is named.
    """
    permission = Permission.INCIDENT_RESOLVE
    if hub_id is not None:
        may = actor.can(permission, hub=hub_id)
        return await queries.list_incidents(session, page, hub_ids=[hub_id]) if may else []
    if (permission, Scope.NETWORK, None) in actor.grants:
        return await queries.list_incidents(session, page, hub_ids=None)
    hub_ids = actor.subjects(permission, Scope.HUB, Scope.ROUTE)
    return await queries.list_incidents(session, page, hub_ids=hub_ids) if hub_ids else []


async def find_incident(session: Session, actor: Actor, incident_id: uuid.UUID) -> Incident | None:
    """The incident, open or not; None also for one that the actor may not resolve."""
    incident = await queries.find_incident(session, incident_id)
    may = incident is not None and actor.can(Permission.INCIDENT_RESOLVE, hub=incident.hub_id)
    return incident if may else None
