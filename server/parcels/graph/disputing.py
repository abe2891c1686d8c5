"""What becomes of a disputed collection."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.kit.auth import not_found
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.parcels.disputes import DisputeOutcome
from server.parcels.graph import disputes as _disputes
from server.parcels.graph.writing import ParcelPayload, answer
from server.parcels.service import disputing

assert _disputes, "the enums must be described before a type uses them"

ResolveDisputeResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ResolveDisputeResult", description="Outcome of `resolveDispute`."),
]


@strawberry.type
class DisputeMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Decides what became of a parcel whose collection is disputed, for operators. "
        "That it waits again takes a look into its compartment. Repeating changes nothing."
    )
    async def resolve_dispute(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        outcome: Annotated[DisputeOutcome, strawberry.argument(description="What became of it.")],
        reason: Annotated[
            str, strawberry.argument(description="Why; 1 to 300 characters, for all to read.")
        ],
    ) -> ResolveDisputeResult:
        """WRONG_STATE while nobody disputes it, or nobody has found it inside."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            decided = await disputing.resolve_dispute(
                session,
                context.actor,
                parcel_id=parcel_id,
                outcome=outcome,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, decided)
