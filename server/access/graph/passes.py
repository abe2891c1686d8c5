"""The mutation by which a person without a phone at the door gets digits to type."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

from server.access.graph.bundles import check_rate, tools_of
from server.access.graph.types import words_for
from server.access.service import passes
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, global_id, read_id
from server.kit.rates import Rate
from server.lockers.graph.types import Compartment, as_compartment

PASSES = Rate("passes", 12, 3_600)
"""A person asks once and writes it down; a flood of questions is no person."""


@strawberry.type(
    description="Digits for the keypad of a locker, to be typed after the number of the "
    "compartment. Whoever reads them can open that door."
)
class Pass:
    """Given on request only; the server keeps no copy."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    pin: str = strawberry.field(description="Eight digits.")
    compartment: Compartment = strawberry.field(description="Which door; its number comes first.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")
    expires_at: datetime = strawberry.field(
        description="When the digits change at the latest; they end with the stay."
    )


RequestPassResult = Annotated[
    Pass | Problem, strawberry.union("RequestPassResult", description="Outcome of `requestPass`.")
]


@strawberry.type
class PassMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A PIN that opens the compartment of one's parcel today and tomorrow, for "
        "somebody who has no phone at the door. That it was asked for is written down."
    )
    async def request_pass(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> RequestPassResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        refusal = await check_rate(context, PASSES)
        if refusal is not None or key is None:
            return as_problem(refusal or not_found(context.actor, "parcelId"))
        async with context.database.write() as session:
            outcome = await passes.issue_pass(
                session, context.actor, parcel_id=key, tools=tools_of(context)
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return as_pass(outcome)


def as_pass(given: passes.Pass) -> Pass:
    """The digits as GraphQL tells them to whoever may have them."""
    return Pass(
        parcel_id=global_id("Parcel", given.parcel_id),
        pin=given.digits,
        compartment=as_compartment(given.place.compartment),
        words=words_for(given.place),
        expires_at=given.expires_at,
    )
