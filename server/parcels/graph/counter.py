"""The counter of a hub, and help at its doors."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.auth import deny, not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, described, global_id, read_id
from server.kit.rates import Rate
from server.parcels.graph.writing import ParcelPayload, answer
from server.parcels.identity import CounterReason, IdentityProof
from server.parcels.service import assisting, counter
from server.parcels.service.counter import Checked

if TYPE_CHECKING:
    import uuid

PASS_TRIES = Rate("counter passes of a parcel", 10, 3_600)
"""Digits tried for one parcel: of a hundred million, as many as are good for two days."""

COUNTER_PASSES = Rate("counter passes", 12, 3_600)
"""A person asks once and writes it down."""

described(
    CounterReason,
    description="Why a parcel goes to the counter instead of into a compartment.",
    members={
        CounterReason.OVERSIZED: "It fits no compartment.",
        CounterReason.AGE_CHECK: "Its recipient's age must be checked.",
        CounterReason.NO_CONSENT: "Its recipient does not want it in a locker.",
        CounterReason.OVERFLOW: "No compartment was free.",
    },
)
described(
    IdentityProof,
    description="By what staff knew that they gave a parcel to its recipient. Of a document its "
    "kind is kept, and nothing else.",
    members={
        IdentityProof.PASS: "The digits of `requestCounterPass`.",
        IdentityProof.IDENTITY_CARD: "An identity card.",
        IdentityProof.PASSPORT: "A passport.",
        IdentityProof.DRIVING_LICENCE: "A driving licence.",
        IdentityProof.RESIDENCE_PERMIT: "A residence permit.",
    },
)


@strawberry.type(description="Digits to say at the counter. Whoever says them is given the parcel.")
class CounterPass:
    """Given on request only; the server keeps no copy."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    digits: str = strawberry.field(description="Eight digits.")
    expires_at: datetime = strawberry.field(description="When they change at the latest.")


RecordArrivalAtCounterResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union(
        "RecordArrivalAtCounterResult", description="Outcome of `recordArrivalAtCounter`."
    ),
]
RequestCounterPassResult = Annotated[
    CounterPass | Problem,
    strawberry.union("RequestCounterPassResult", description="Outcome of `requestCounterPass`."),
]
HandOverAtCounterResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("HandOverAtCounterResult", description="Outcome of `handOverAtCounter`."),
]
RecordAssistanceResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("RecordAssistanceResult", description="Outcome of `recordAssistance`."),
]

ParcelArgument = Annotated[
    strawberry.ID, strawberry.argument(description="Global id of the parcel.")
]


@strawberry.type
class CounterMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A courier left the parcel at the counter of its hub, or staff took it there. "
        "Repeating changes nothing."
    )
    async def record_arrival_at_counter(
        self,
        info: Info[Context, None],
        parcel: ParcelArgument,
        why: Annotated[CounterReason, strawberry.argument(description="Why it is not in a door.")],
    ) -> RecordArrivalAtCounterResult:
        """What was kept for it in a locker is free again."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await counter.record_arrival(
                session,
                context.actor,
                parcel_id=parcel_id,
                why=why,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Digits by which staff know the recipient at the counter, today and tomorrow."
    )
    async def request_counter_pass(
        self, info: Info[Context, None], parcel: ParcelArgument
    ) -> RequestCounterPassResult:
        """Somebody else's parcel looks like none."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        if context.actor.device_id is None:
            return as_problem(deny(context.actor))
        refusal = await _count(context, COUNTER_PASSES, str(context.actor.device_id))
        if refusal is not None:
            return as_problem(refusal)
        async with context.database.read() as session:
            outcome = await counter.request_counter_pass(
                session,
                context.actor,
                parcel_id=parcel_id,
                keyring=context.keyring,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CounterPass(
            parcel_id=global_id("Parcel", outcome.parcel.id),
            digits=outcome.digits,
            expires_at=outcome.expires_at,
        )

    @strawberry.mutation(
        description="Staff gave a parcel to its recipient over the counter, after a pass or an "
        "identity check. By whom and by what kind of proof is kept; never a document's number."
    )
    async def hand_over_at_counter(
        self,
        info: Info[Context, None],
        parcel: ParcelArgument,
        proof: Annotated[IdentityProof, strawberry.argument(description="How they were known.")],
        digits: Annotated[
            str | None, strawberry.argument(description="The pass, with the proof PASS alone.")
        ] = None,
        age_checked: Annotated[
            bool, strawberry.argument(description="Whether they are of age, where that counts.")
        ] = False,
        cod_paid: Annotated[
            bool, strawberry.argument(description="Whether they paid what is owed for it.")
        ] = False,
    ) -> HandOverAtCounterResult:
        """Repeating it changes nothing."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        refusal = await _count_tries(context, parcel_id, digits)
        if refusal is not None:
            return as_problem(refusal)
        async with context.database.write() as session:
            outcome = await counter.hand_over(
                session,
                context.actor,
                parcel_id=parcel_id,
                checked=Checked(
                    proof=proof, digits=digits, is_age_checked=age_checked, is_cod_paid=cod_paid
                ),
                keyring=context.keyring,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Says that one helps the holder of a parcel at its door now, with the holder's "
        "own phone or code. It opens nothing; the collection is of assurance C."
    )
    async def record_assistance(
        self, info: Info[Context, None], parcel: ParcelArgument
    ) -> RecordAssistanceResult:
        """Counts for an opening within half an hour."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await assisting.record_assistance(
                session,
                context.actor,
                parcel_id=parcel_id,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)


async def _count_tries(
    context: Context, parcel_id: uuid.UUID, digits: str | None
) -> Refusal | None:
    """Only staff's tries count: a stranger's must not lock the parcel's own."""
    if digits is None or context.actor.is_anonymous:
        return None
    return await _count(context, PASS_TRIES, f"{parcel_id} {context.actor.person_id}")


async def _count(context: Context, rate: Rate, key: str) -> Refusal | None:
    wait_s = await context.rates.hit(rate, key)
    return None if wait_s is None else Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s)
