"""Queries for parcels: one's own, one's work, and words nobody has mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
from server.parcels.graph.types import Parcel, as_parcel
from server.parcels.service import reading
from server.parcels.states import ParcelState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.parcels.queries import PlacedParcel

MAX_STATUSES = 100
"""Most unmapped words shown at once."""


@strawberry.type(description="A foreign word for a parcel's state that nobody has mapped yet.")
class UnknownStatus:
    """For the operator, who asks the carrier what it means."""

    source_system: str = strawberry.field(description="Whose word it is.")
    source_code: str = strawberry.field(description="The word, as it came.")
    reports: int = strawberry.field(description="How often it came.")


@strawberry.type(description="The signed-in person.")
class Me:
    """The part that is about parcels."""

    @strawberry.field(description="Parcels for this person, newest first.")
    async def parcels(
        self,
        info: Info[Context, None],
        first: First = None,
        after: After = None,
        states: Annotated[
            list[ParcelState] | None, strawberry.argument(description="Only those; all if null.")
        ] = None,
    ) -> Connection[Parcel]:
        """As a recipient; work is found by the query `parcels`."""
        page, context = get_page(first, after), context_of(info)
        person_id = context.actor.person_id
        rows: Sequence[PlacedParcel] = []
        if person_id is not None:
            async with context.database.read() as session:
                rows = await reading.list_own_parcels(session, person_id, page=page, states=states)
        return connect(
            page, rows, key=lambda row: row.parcel.id, node=lambda row: as_parcel(context, row)
        )

    @strawberry.field(description="Parcels that this person sends, newest first.")
    async def sent_parcels(
        self,
        info: Info[Context, None],
        first: First = None,
        after: After = None,
    ) -> Connection[Parcel]:
        """Those that they send back among them."""
        page, context = get_page(first, after), context_of(info)
        person_id = context.actor.person_id
        rows: Sequence[PlacedParcel] = []
        if person_id is not None:
            async with context.database.read() as session:
                rows = await reading.list_sent_parcels(session, person_id, page=page)
        return connect(
            page, rows, key=lambda row: row.parcel.id, node=lambda row: as_parcel(context, row)
        )


@strawberry.type
class ParcelQuery:
    """Joined into the root query."""

    @strawberry.field(description="A parcel by its global id; null if you may not see it.")
    async def parcel(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> Parcel | None:
        """What does not exist and what may not be seen look alike."""
        parcel_id, context = read_id("Parcel", key), context_of(info)
        if parcel_id is None:
            return None
        async with context.database.read() as session:
            placed = await reading.find_parcel(session, context.actor, parcel_id)
        return None if placed is None else as_parcel(context, placed)

    @strawberry.field(
        description="Parcels that staff, couriers and carriers work with, newest first; none for "
        "all others."
    )
    async def parcels(
        self,
        info: Info[Context, None],
        hub: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only at this hub.")
        ] = None,
        states: Annotated[
            list[ParcelState] | None, strawberry.argument(description="Only those; all if null.")
        ] = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Parcel]:
        """One's hubs, one's carrier, or the network."""
        page, context = get_page(first, after), context_of(info)
        hub_id = None if hub is None else read_id("Hub", hub)
        rows: Sequence[PlacedParcel] = []
        if hub is None or hub_id is not None:
            async with context.database.read() as session:
                rows = await reading.list_visible_parcels(
                    session, context.actor, page=page, states=states, hub_id=hub_id
                )
        return connect(
            page, rows, key=lambda row: row.parcel.id, node=lambda row: as_parcel(context, row)
        )

    @strawberry.field(
        description="Foreign words for states that nobody has mapped yet, most frequent first, at "
        "most 100; for those who follow the whole network."
    )
    async def unknown_statuses(self, info: Info[Context, None]) -> list[UnknownStatus]:
        """Nothing was moved by them."""
        context = context_of(info)
        async with context.database.read() as session:
            counted = await reading.list_unknown_statuses(
                session, context.actor, limit=MAX_STATUSES
            )
        return [
            UnknownStatus(source_system=system, source_code=code, reports=number)
            for system, code, number in counted
        ]
