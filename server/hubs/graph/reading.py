"""Queries for hubs."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.hubs import service
from server.hubs.graph.types import Hub, HubChoice, as_choice, as_hub
from server.hubs.loaders import hub_by_id
from server.hubs.rules import Position
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    RequestRefused,
    connect,
    context_of,
    get_page,
    read_id,
)

MOST_NEARBY = 50


@strawberry.input(description="A place on the Earth.")
class PositionInput:
    """In degrees of WGS 84."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")


def read_position(place: PositionInput) -> Position | Refusal:
    """The place that the input names, or why there is none."""
    try:
        return Position(place.latitude, place.longitude)
    except ValueError as error:
        return Refusal(ProblemCode.INPUT_INVALID, f"{error}.", "position")


@strawberry.type
class Query:
    """Joined into the root query."""

    @strawberry.field(description="A hub by its global id; null if there is none.")
    async def hub(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> Hub | None:
        """Hubs are public."""
        hub_id = read_id("Hub", key)
        row = None if hub_id is None else await hub_by_id(context_of(info)).load(hub_id)
        return None if row is None else as_hub(row)

    @strawberry.field(
        description="Hubs to come to: the favourites of the signed-in person first, then the "
        "nearest."
    )
    async def hubs_nearby(
        self,
        info: Info[Context, None],
        near: Annotated[PositionInput, strawberry.argument(description="Where to count from.")],
        first: Annotated[int, strawberry.argument(description="How many, 1 to 50.")] = 10,
    ) -> list[HubChoice]:
        """Depots are not offered."""
        place = read_position(near)
        if not 1 <= first <= MOST_NEARBY:
            rule = f"first: must be 1 to {MOST_NEARBY}."
            place = Refusal(ProblemCode.INPUT_INVALID, rule, "first")
        if isinstance(place, Refusal):
            raise RequestRefused(place)
        context = context_of(info)
        async with context.database.read() as session:
            found = await service.list_nearby(session, context.actor, near=place, limit=first)
        return [as_choice(one) for one in found]

    @strawberry.field(description="All hubs, the nearest first where a place is given.")
    async def hubs(
        self,
        info: Info[Context, None],
        near: Annotated[
            PositionInput | None, strawberry.argument(description="Where to count from.")
        ] = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Hub]:
        """Hubs are public."""
        page = get_page(first, after)
        place = None if near is None else read_position(near)
        if isinstance(place, Refusal):
            raise RequestRefused(place)
        async with context_of(info).database.read() as session:
            rows = await service.list_hubs(session, page=page, near=place)
        return connect(page, rows, key=lambda row: row.id, node=as_hub)
