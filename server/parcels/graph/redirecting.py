"""Choosing another hub for a parcel on its way."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.hubs.graph.types import HubChoice, as_choice
from server.kit.auth import not_found
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.parcels.graph.writing import ParcelPayload, answer
from server.parcels.service.redirecting import list_choices, redirect

RedirectParcelResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("RedirectParcelResult", description="Outcome of `redirectParcel`."),
]


@strawberry.type
class RedirectQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="Hubs to which the recipient can send a parcel on its way, at most ten, their "
        "favourites first; none once it is too late."
    )
    async def redirect_choices(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> list[HubChoice]:
        """None for anybody else."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return []
        async with context.database.read() as session:
            found = await list_choices(
                session, context.actor, parcel_id=parcel_id, now=context.clock.now()
            )
        return [as_choice(one) for one in found]


@strawberry.type
class RedirectMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Another hub for a parcel on its way, for its recipient, until it is loaded "
        "onto the last tour. Repeating changes nothing."
    )
    async def redirect_parcel(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
    ) -> RedirectParcelResult:
        """WRONG_STATE once it is too late, with what can be done then."""
        context = context_of(info)
        parcel_id, hub_id = read_id("Parcel", parcel), read_id("Hub", hub)
        if parcel_id is None or hub_id is None:
            return as_problem(not_found(context.actor, "hub" if parcel_id else "parcel"))
        async with context.database.write() as session:
            outcome = await redirect(
                session,
                context.actor,
                parcel_id=parcel_id,
                hub_id=hub_id,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)
