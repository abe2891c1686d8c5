"""Mutations for pickup windows and for what was learned of a person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, global_id, read_id
from server.kit.rates import Rate
from server.pickups.service import learning, windows

CHOICES = Rate("pickup windows chosen", 30, 3_600)
"""Each choice leaves an event until its start: nobody changes their mind so often."""

ParcelArgument = Annotated[
    strawberry.ID, strawberry.argument(description="Global id of the parcel.")
]


@strawberry.type(description="The window is kept, and told of at its start.")
class ChoosePickupWindowPayload:
    """The latest choice counts."""

    parcel: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    start: datetime = strawberry.field(description="From when.")
    end: datetime = strawberry.field(description="Until when.")


@strawberry.type(description="No window is chosen for the parcel.")
class CancelPickupWindowPayload:
    """Also where none was."""

    parcel: strawberry.ID = strawberry.field(description="Global id of the parcel.")


@strawberry.type(description="Nothing is known any more of when the person comes.")
class ForgetHabitsPayload:
    """Also where nothing was known."""

    person: strawberry.ID = strawberry.field(description="Global id of the person.")


ChoosePickupWindowResult = Annotated[
    ChoosePickupWindowPayload | Problem,
    strawberry.union("ChoosePickupWindowResult", description="Outcome of `choosePickupWindow`."),
]
CancelPickupWindowResult = Annotated[
    CancelPickupWindowPayload | Problem,
    strawberry.union("CancelPickupWindowResult", description="Outcome of `cancelPickupWindow`."),
]
ForgetHabitsResult = Annotated[
    ForgetHabitsPayload | Problem,
    strawberry.union("ForgetHabitsResult", description="Outcome of `forgetHabits`."),
]


@strawberry.type
class Mutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Keeps a time for fetching one's parcel, in place of any other: half an hour "
        "to a day, while the hub is open and the parcel waits."
    )
    async def choose_pickup_window(
        self,
        info: Info[Context, None],
        parcel: ParcelArgument,
        start: Annotated[datetime, strawberry.argument(description="From when.")],
        end: Annotated[datetime, strawberry.argument(description="Until when.")],
    ) -> ChoosePickupWindowResult:
        """Somebody else's parcel looks like none."""
        context, key = context_of(info), read_id("Parcel", parcel)
        if key is None or context.actor.person_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        wait_s = await context.rates.hit(CHOICES, str(context.actor.person_id))
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        async with context.database.write() as session:
            outcome = await windows.choose_window(
                session,
                context.actor,
                key,
                span=(start, end),
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return ChoosePickupWindowPayload(parcel=parcel, start=outcome.start, end=outcome.end)

    @strawberry.mutation(description="Gives up the window that was chosen for one's parcel.")
    async def cancel_pickup_window(
        self, info: Info[Context, None], parcel: ParcelArgument
    ) -> CancelPickupWindowResult:
        """Somebody else's parcel looks like none."""
        context, key = context_of(info), read_id("Parcel", parcel)
        if key is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await windows.cancel_window(session, context.actor, key)
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CancelPickupWindowPayload(parcel=parcel)

    @strawberry.mutation(
        description="Erases what was learned of when the signed-in person comes. New collections "
        "teach again, unless `learns` is off in the preferences."
    )
    async def forget_habits(self, info: Info[Context, None]) -> ForgetHabitsResult:
        """For everybody with an account."""
        context = context_of(info)
        async with context.database.write() as session:
            outcome = await learning.forget_habits(session, context.actor)
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return ForgetHabitsPayload(person=global_id("Person", outcome))
