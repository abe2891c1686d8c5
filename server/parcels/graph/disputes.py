"""What was said of a collection, and decided, as those see it who may see the parcel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from server.kit.graph import described
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.graph import words as _words
from server.parcels.states import Party

if TYPE_CHECKING:
    from server.parcels import tables

assert _words, "the enums must be described before a type uses them"

described(
    DisputeReason,
    description="What somebody says was wrong with a collection.",
    members={
        DisputeReason.EMPTY: "Nothing was inside.",
        DisputeReason.NOT_OPENED: "The door never opened.",
        DisputeReason.NOT_MINE: "Something else was inside.",
        DisputeReason.NOT_ME: "Somebody else took it.",
    },
)
described(
    DisputeOutcome,
    description="What becomes of a parcel whose collection was disputed.",
    members={
        DisputeOutcome.COLLECTED: "The collection stands as it was.",
        DisputeOutcome.LOST: "It is gone.",
        DisputeOutcome.RETURNED: "It is with its sender.",
        DisputeOutcome.READY_FOR_PICKUP: "It was found inside, and waits again.",
    },
)


@strawberry.type(description="That somebody says a collection was not right.")
class Dispute:
    """By a party, not by name: the recipient, the sender or the courier."""

    opened_at: datetime = strawberry.field(description="When it was said.")
    party: Party = strawberry.field(description="Who said it.")
    reason: DisputeReason = strawberry.field(description="What was wrong.")
    resolved_at: datetime | None = strawberry.field(description="Null while nobody has decided.")
    outcome: DisputeOutcome | None = strawberry.field(description="What became of the parcel.")
    resolution: str | None = strawberry.field(description="Why, as whoever decided it wrote.")


def as_dispute(row: tables.Dispute) -> Dispute:
    """The row as GraphQL tells it."""
    return Dispute(
        opened_at=row.opened_at,
        party=row.party,
        reason=row.reason,
        resolved_at=row.resolved_at,
        outcome=row.outcome,
        resolution=row.resolution,
    )
