"""The root of the API: what the verticals export, listed and joined under one name each.

A new vertical adds its classes to the bases below and its `NODES` to the table. Fields of `Me`
come from every vertical that has something for the signed-in person.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import strawberry
from strawberry.types import Info

from server.access import graph as access
from server.hubs import graph as hubs
from server.kit.graph import Context, Node, NodeLoader, context_of, global_id, split_id
from server.kit.guard import GuardedSchema, make_schema
from server.lockers import graph as lockers
from server.notices import graph as notices
from server.parcels import graph as parcels
from server.people import graph as people
from server.pickups import graph as pickups
from server.uplink import graph as uplink

NODE_TYPES: tuple[type, ...] = (
    *people.NODE_TYPES,
    *hubs.NODE_TYPES,
    *lockers.NODE_TYPES,
    *parcels.NODE_TYPES,
    *access.NODE_TYPES,
)
"""Types that only `node` leads to must be named."""


@strawberry.type(description="The signed-in person.")
class Me(people.Me, parcels.Me, access.Me, notices.Me):
    """Joined from the verticals; it has no data of its own."""


async def _load_me(context: Context, key: uuid.UUID) -> Me | None:
    """Nobody else is found: people see no other account."""
    return Me(id=global_id("Person", key)) if key == context.actor.person_id else None


NODES: Mapping[str, NodeLoader] = MappingProxyType(
    {
        "Person": _load_me,
        **people.NODES,
        **hubs.NODES,
        **lockers.NODES,
        **parcels.NODES,
        **access.NODES,
    }
)
"""How an object is found by its global id: kind -> loader."""


@strawberry.type(description="What can be read.")
class Query(hubs.Query, lockers.Query, parcels.Query, pickups.Query, access.Query, notices.Query):
    """Joined from the verticals."""

    @strawberry.field(description="The signed-in person; null for everybody else.")
    async def me(self, info: Info[Context, None]) -> Me | None:
        """Its fields ask the context who it is."""
        context = context_of(info)
        person_id = context.actor.person_id
        return None if person_id is None else await _load_me(context, person_id)

    @strawberry.field(description="An object by its global id; null if you may not see it.")
    async def node(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> Node | None:
        """What does not exist and what may not be seen look alike."""
        parts = split_id(key)
        loader = NODES.get(parts[0]) if parts else None
        if parts is None or loader is None:
            return None
        found: Node | None = await loader(context_of(info), parts[1])
        return found


@strawberry.type(description="What can be done. Expected refusals are Problems, not errors.")
class Mutation(
    people.Mutation,
    hubs.Mutation,
    lockers.Mutation,
    parcels.Mutation,
    pickups.Mutation,
    access.Mutation,
    notices.Mutation,
    uplink.Mutation,
):
    """Joined from the verticals."""


@strawberry.type(
    description="What can be watched: each field tells the state now and after every change."
)
class Subscription(lockers.Subscription, parcels.Subscription, notices.Subscription):
    """Joined from the verticals."""


def api_schema() -> GuardedSchema:
    """The whole API with its limits in place."""
    return make_schema(Query, Mutation, Subscription, types=NODE_TYPES)
