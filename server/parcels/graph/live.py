"""Subscriptions to parcels, and to all that goes on at a hub."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.hubs.graph.types import Hub, as_hub
from server.hubs.service import find_hub
from server.kit.auth import Permission
from server.kit.errors import Refusal
from server.kit.feeds import IMPERSONAL
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    RequestRefused,
    changes,
    connect,
    context_of,
    get_page,
    read_id,
)
from server.lockers.graph.types import Incident, Locker, as_incident, as_locker
from server.lockers.service import reading as lockers
from server.parcels.graph.types import Parcel, as_parcel
from server.parcels.service import reading
from server.parcels.states import ParcelState


@strawberry.type(description="All that goes on at a hub, as it is at this moment.")
class HubFeed:
    """For those who work there."""

    hub_id: strawberry.Private[uuid.UUID]
    hub: Hub = strawberry.field(description="The hub.")

    @strawberry.field(description="Its lockers that are in the network, at most 50.")
    async def lockers(self, info: Info[Context, None]) -> list[Locker]:
        """With their compartments."""
        async with context_of(info).database.read() as session:
            found = await lockers.list_lockers_of_hubs(session, [self.hub_id])
        return [as_locker(row) for row in found.get(self.hub_id, [])]

    @strawberry.field(description="Its parcels, newest first.")
    async def parcels(
        self,
        info: Info[Context, None],
        first: First = None,
        after: After = None,
        states: Annotated[
            list[ParcelState] | None, strawberry.argument(description="Only those; all if null.")
        ] = None,
    ) -> Connection[Parcel]:
        """As the query `parcels` gives them."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            rows = await reading.list_visible_parcels(
                session, context.actor, page=page, states=states, hub_id=self.hub_id
            )
        return connect(
            page, rows, key=lambda row: row.parcel.id, node=lambda row: as_parcel(context, row)
        )

    @strawberry.field(description="Its open incidents, oldest first.")
    async def incidents(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> Connection[Incident]:
        """Empty for those who resolve none."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            rows = await lockers.list_incidents(
                session, context.actor, page=page, hub_id=self.hub_id
            )
        return connect(page, rows, key=lambda row: row.id, node=as_incident)


@strawberry.type
class Subscription:
    """Joined into the root subscription."""

    @strawberry.subscription(
        description="A parcel as it is now, and again after each change of it; it ends when you "
        "may no longer see it."
    )
    async def parcel_changed(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> AsyncGenerator[Parcel, None]:
        """NOT_FOUND for a parcel that does not exist or may not be seen."""
        parcel_id, context = read_id("Parcel", key), context_of(info)
        async with context.database.read() as session:
            placed = parcel_id and await reading.find_parcel(session, context.actor, parcel_id)
        if not placed:
            raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))
        return _watch_parcel(info, placed.parcel.id)

    @strawberry.subscription(
        description="All that goes on at a hub, now and again after each change; for those who "
        "work there.",
        metadata=IMPERSONAL,
    )
    async def hub_feed(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
    ) -> AsyncGenerator[HubFeed, None]:
        """NOT_FOUND for a hub that does not exist, or where one does not work."""
        hub_id, context = read_id("Hub", hub), context_of(info)
        if hub_id is None or not context.actor.can(Permission.PARCEL_TRACK, hub=hub_id):
            raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))
        async with context.database.read() as session:
            if await find_hub(session, hub_id) is None:
                raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))
        return _watch_hub(info, hub_id)


async def _watch_parcel(
    info: Info[Context, None], parcel_id: uuid.UUID
) -> AsyncGenerator[Parcel, None]:
    async for context in changes(info, f"parcel:{parcel_id}"):
        async with context.database.read() as session:
            placed = await reading.find_parcel(session, context.actor, parcel_id)
        if placed is None:
            return
        yield as_parcel(context, placed)


async def _watch_hub(info: Info[Context, None], hub_id: uuid.UUID) -> AsyncGenerator[HubFeed, None]:
    """Listens to the hub and to each of its lockers; begins again when a locker comes or goes."""
    watched: set[uuid.UUID] | None = None
    while True:
        topics = [f"hub:{hub_id}", *(f"locker:{one}" for one in watched or ())]
        async with aclosing(changes(info, *topics)) as news:
            async for context in news:
                async with context.database.read() as session:
                    hub = await find_hub(session, hub_id)
                    found = await lockers.list_lockers_of_hubs(session, [hub_id])
                if hub is None:
                    return
                there = {row.id for row in found.get(hub_id, [])}
                if there != watched:
                    watched = there
                    break
                yield HubFeed(hub_id=hub_id, hub=as_hub(hub))
