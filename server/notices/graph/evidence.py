"""Disputing a collection, and the evidence that was fixed with it, the same for both sides."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, described, read_id
from server.notices.service import evidence
from server.parcels.disputes import DisputeReason
from server.parcels.graph import disputes as _disputes
from server.parcels.graph.writing import ParcelPayload, answer
from server.parcels.states import Party

if TYPE_CHECKING:
    from server.notices import tables
    from server.parcels.tables import Dispute

assert _disputes, "the enums must be described before a type uses them"


class EvidenceState(StrEnum):
    """How far evidence is."""

    SEALING = "SEALING"
    """It is fixed, and the public log does not prove all of it yet."""
    SEALED = "SEALED"
    """There is a file, which never changes."""
    ERASED = "ERASED"
    """Somebody whom it was about was erased; its digest is left."""


described(
    EvidenceState,
    description="How far the evidence of a dispute is.",
    members={
        EvidenceState.SEALING: "It is fixed; the public log does not hold all of it yet.",
        EvidenceState.SEALED: "There is a file, which never changes.",
        EvidenceState.ERASED: "Somebody whom it was about was erased; its digest is left.",
    },
)


@strawberry.type(description="What was fixed when a collection was disputed.")
class DisputeEvidence:
    """Names nobody: people are told by what they are to the parcel."""

    party: Party = strawberry.field(description="Who disputed.")
    reason: DisputeReason = strawberry.field(description="What was said to be wrong.")
    frozen_at: datetime = strawberry.field(description="When it was fixed.")
    digest: Base64 = strawberry.field(
        description="SHA-256 of what was told, which an entry of the server's own chain holds."
    )
    state: EvidenceState = strawberry.field(description="How far it is.")
    file: Base64 | None = strawberry.field(
        description="Entries, readings, grants, delegations and notices with the proof of the "
        "public log, for `./restante verify`; null unless it is sealed."
    )


@strawberry.type(description="The evidence of all disputes about one collection.")
class ParcelEvidence:
    """At most one for each who may dispute."""

    disputes: list[DisputeEvidence] = strawberry.field(description="The oldest first.")


DisputeEvidenceResult = Annotated[
    ParcelEvidence | Problem,
    strawberry.union("DisputeEvidenceResult", description="Outcome of `disputeEvidence`."),
]
DisputeCollectionResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("DisputeCollectionResult", description="Outcome of `disputeCollection`."),
]


@strawberry.type
class EvidenceQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="What was fixed when the collection of a parcel was disputed: the same file "
        "for its recipient, its sender, whoever brought it, and those who run the hub."
    )
    async def dispute_evidence(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> DisputeEvidenceResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        if key is None:
            return as_problem(not_found(context.actor, "parcelId"))
        async with context.database.read() as session:
            found = await evidence.list_evidence(session, context.actor, parcel_id=key)
        if isinstance(found, Refusal):
            return as_problem(found)
        return ParcelEvidence(disputes=[_as_evidence(*one) for one in found])


@strawberry.type
class DisputeMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Says that a collection was not right: for the recipient, the sender and the "
        "courier, once each, within two weeks. What is known of it is fixed, its "
        "compartment is closed for a check, and somebody decides. Repeating changes nothing."
    )
    async def dispute_collection(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        reason: Annotated[DisputeReason, strawberry.argument(description="What was wrong.")],
    ) -> DisputeCollectionResult:
        """DISPUTE_WINDOW_OVER when it is too late, WRONG_STATE for what was not collected."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await evidence.dispute_collection(
                session,
                context.actor,
                parcel_id=parcel_id,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)


def _as_evidence(dispute: Dispute, row: tables.DisputeEvidence) -> DisputeEvidence:
    state = EvidenceState.SEALING if row.file is None else EvidenceState.SEALED
    return DisputeEvidence(
        party=dispute.party,
        reason=dispute.reason,
        frozen_at=row.frozen_at,
        digest=Base64(row.told_digest),
        state=EvidenceState.ERASED if row.told is None else state,
        file=None if row.file is None else Base64(row.file),
    )
