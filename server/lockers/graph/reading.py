"""Queries for lockers and incidents."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    connect,
    context_of,
    get_page,
    read_id,
)
from server.lockers.graph.types import Incident, Locker, as_incident, as_locker
from server.lockers.loaders import locker_by_id
from server.lockers.service import reading


@strawberry.type
class Query:
    """Joined into the root query."""

    @strawberry.field(description="A locker by its global id; null if there is none.")
    async def locker(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> Locker | None:
        """Lockers are public."""
        locker_id = read_id("Locker", key)
        row = None if locker_id is None else await locker_by_id(context_of(info)).load(locker_id)
        return None if row is None else as_locker(row)

    @strawberry.field(description="The lockers of a hub that are in the network, at most 50.")
    async def lockers(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
    ) -> list[Locker]:
        """None of a hub that does not exist."""
        hub_id = read_id("Hub", hub)
        if hub_id is None:
            return []
        async with context_of(info).database.read() as session:
            lockers = await reading.list_lockers_of_hubs(session, [hub_id])
        return [as_locker(row) for row in lockers.get(hub_id, [])]

    @strawberry.field(
        description="Open incidents, oldest first: of one's own hubs, or of the network."
    )
    async def incidents(
        self,
        info: Info[Context, None],
        first: First = None,
        after: After = None,
    ) -> Connection[Incident]:
        """Empty for those who resolve none."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            rows = await reading.list_incidents(session, context.actor, page=page)
        return connect(page, rows, key=lambda row: row.id, node=as_incident)
