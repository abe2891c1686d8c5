"""The mutation by which anybody brings what lockers say."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.ids import locker_text, parse_locker_text
from server.access.graph.types import SignedStatement, as_statement
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of
from server.kit.rates import Rate
from server.uplink.deliver import deliver_envelope
from server.uplink.heads import HeadTold, take_signed_head

ENVELOPES_AT_ONCE = 16
"""Envelopes of one call; a phone takes a few from each locker that it passes, of 1,300 bytes."""

HEADS_AT_ONCE = 64
"""Signed heads of one call; a visit gives a phone about five."""

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


@strawberry.input(description="What a locker signs when it answers at its door.")
class SignedHeadInput:
    """Part of each result and event of SLK1."""

    locker_id: str = strawberry.field(description="The locker's id in the protocol.")
    seq: int = strawberry.field(description="The number of the entry.")
    head: Base64 = strawberry.field(description="The journal's head after it, 32 bytes.")
    signature: Base64 = strawberry.field(description="The locker's Ed25519 signature, 64 bytes.")


@strawberry.type(description="A signed head was taken; it may have been brought before.")
class SignedHeadTaken:
    """From now on the receipts of its entry bear the locker's own signature."""

    is_new: bool = strawberry.field(description="Whether nobody had brought it before.")


SignedHeadOutcome = Annotated[
    SignedHeadTaken | Problem,
    strawberry.union("SignedHeadOutcome", description="What became of one signed head."),
]


@strawberry.type(description="One outcome for each signed head, in the order given.")
class DeliverSignedHeadsPayload:
    """One bad head does not spoil the others."""

    outcomes: list[SignedHeadOutcome] = strawberry.field(description="What became of each.")


DeliverSignedHeadsResult = Annotated[
    DeliverSignedHeadsPayload | Problem,
    strawberry.union("DeliverSignedHeadsResult", description="Outcome of `deliverSignedHeads`."),
]


@strawberry.type
class Mutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Brings what lockers signed at their doors. Anybody may, without an account; "
        "to bring it again changes nothing."
    )
    async def deliver_signed_heads(
        self,
        info: Info[Context, None],
        heads: Annotated[
            list[SignedHeadInput], strawberry.argument(description="At most 64 at once.")
        ],
    ) -> DeliverSignedHeadsResult:
        """Each head has a transaction of its own."""
        context = context_of(info)
        if len(heads) > HEADS_AT_ONCE:
            sentence = f"heads: at most {HEADS_AT_ONCE} at once."
            return as_problem(Refusal(ProblemCode.TOO_COSTLY, sentence, "heads"))
        wait_s = await context.rates.hit(DELIVERIES, context.source)
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        return DeliverSignedHeadsPayload(outcomes=[await _keep(context, head) for head in heads])

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


async def _keep(context: Context, head: SignedHeadInput) -> SignedHeadTaken | Problem:
    try:
        lid = parse_locker_text(head.locker_id)
    except ValueError:
        return as_problem(Refusal(ProblemCode.ENVELOPE_INVALID))
    if head.seq < 1:
        return as_problem(Refusal(ProblemCode.ENVELOPE_INVALID))
    told = HeadTold(lid, head.seq, head.head, head.signature)
    outcome = await take_signed_head(
        context.database, told, ids=context.ids, now=context.clock.now()
    )
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return SignedHeadTaken(is_new=outcome)


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
