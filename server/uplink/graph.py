"""The mutation by which anybody brings what lockers say."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.ids import locker_text
from server.access.graph.types import SignedStatement, as_statement
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of
from server.kit.rates import Rate
from server.uplink.deliver import deliver_envelope

ENVELOPES_AT_ONCE = 16
"""Envelopes of one call; a phone takes a few from each locker that it passes, of 1,300 bytes."""

DELIVERIES = Rate("deliveries per source", 120, 60)
"""By source and never by locker: nobody can silence a locker by calling in its name."""


@strawberry.type(description="An envelope was taken; it may have been brought before.")
class EnvelopeTaken:
    """The statements are for the locker: whoever passes it next may carry them back."""

    locker_id: str = strawberry.field(description="The locker's id in the protocol.")
    accepted: int = strawberry.field(description="Journal entries that were new.")
    known: int = strawberry.field(description="Journal entries that were stored already.")
    upto_seq: int = strawberry.field(
        description="The journal is stored without a gap up to this number."
    )
    statements: list[SignedStatement] = strawberry.field(
        description="The newest for the locker, its acknowledgement last."
    )


EnvelopeOutcome = Annotated[
    EnvelopeTaken | Problem,
    strawberry.union("EnvelopeOutcome", description="What became of one envelope."),
]


@strawberry.type(description="One outcome for each envelope, in the order given.")
class DeliverEnvelopesPayload:
    """One bad envelope does not spoil the others."""

    outcomes: list[EnvelopeOutcome] = strawberry.field(description="What became of each.")


DeliverEnvelopesResult = Annotated[
    DeliverEnvelopesPayload | Problem,
    strawberry.union("DeliverEnvelopesResult", description="Outcome of `deliverEnvelopes`."),
]


@strawberry.type
class Mutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Brings sealed envelopes from lockers. Anybody may, without an account. To "
        "bring one again changes nothing, and is answered by the same statements."
    )
    async def deliver_envelopes(
        self,
        info: Info[Context, None],
        envelopes: Annotated[
            list[Base64],
            strawberry.argument(
                description="As they came, at most 16 and as many as a request body of 256 KiB "
                "holds: two of the largest (64 KiB), or 16 of those that phones carry."
            ),
        ],
    ) -> DeliverEnvelopesResult:
        """Each envelope has a transaction of its own."""
        context = context_of(info)
        if len(envelopes) > ENVELOPES_AT_ONCE:
            sentence = f"envelopes: at most {ENVELOPES_AT_ONCE} at once."
            return as_problem(Refusal(ProblemCode.TOO_COSTLY, sentence, "envelopes"))
        wait_s = await context.rates.hit(DELIVERIES, context.source)
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        return DeliverEnvelopesPayload(
            outcomes=[await _deliver(context, envelope) for envelope in envelopes]
        )


async def _deliver(context: Context, envelope: bytes) -> EnvelopeTaken | Problem:
    outcome = await deliver_envelope(
        context.database,
        envelope,
        keyring=context.keyring,
        ids=context.ids,
        now=context.clock.now(),
    )
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return EnvelopeTaken(
        locker_id=locker_text(outcome.lid),
        accepted=outcome.stored,
        known=outcome.known,
        upto_seq=outcome.upto_seq,
        statements=[as_statement(one) for one in outcome.statements],
    )
