"""Parcels that lie in the town's locker, put there by the facts that a locker would tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.hubs.tables import Hub
from server.lockers.incidents import Fact
from server.parcels import queries
from server.parcels.service import facts, stays
from server.parcels.service.depositing import Putting
from server.parcels.states import ParcelState
from server.parcels.tables import LocationKind, Parcel
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from typing import Any

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from server.parcels.tables import Stay
    from tests.fakes.town import Town


async def lay(
    database: Database,
    town: Town,
    tools: Tools,
    name: str,
    number: int,
    state: ParcelState = ParcelState.DEPOSITED,
    **changes: Any,
) -> Stay:
    """A parcel of this name behind a door, in the state that the test is about."""
    async with database.write() as session:
        parcel = await town.add_parcel(session, name)
        for field, value in changes.items():
            setattr(parcel, field, value)
        stay = await stays.mint_stay(
            session,
            parcel_id=parcel.id,
            locker_id=town.locker_id,
            ids=tools.ids,
            randomness=tools.randomness,
            now=tools.now,
        )
        await facts.on_deposited(
            session,
            Fact(town.locker_id, 1000 + number, tools.now, 2, number),
            stay=stay.name,
            putting=Putting(parcel_id=parcel.id, depositor_id=key_of("courier")),
            ids=tools.ids,
            now=tools.now,
        )
        parcel.state = state
    return stay


async def plan_elsewhere(database: Database, town: Town, name: str) -> None:
    """The parcel is to be collected at another hub than the one that it lies at."""
    async with database.write() as session:
        hub = await session.get_one(Hub, town.hub_id)
        session.add(Hub(**{**hub.model_dump(), "id": key_of("elsewhere"), "name": "Old Mill"}))
        await session.flush()
        parcel = await session.get_one(Parcel, key_of(name))
        parcel.planned_hub_id = key_of("elsewhere")
        parcel.location_kind = LocationKind.TEMPORARY


async def join(
    database: Database, town: Town, stay: Stay, name: str, state: ParcelState, **changes: Any
) -> None:
    """One more parcel in the same compartment."""
    async with database.write() as session:
        parcel = await town.add_parcel(session, name, state=state)
        for field, value in changes.items():
            setattr(parcel, field, value)
        parcel.stay_id = stay.id
        await queries.put_in(session, stay_id=stay.id, parcel_id=parcel.id, at=stay.created_at)
