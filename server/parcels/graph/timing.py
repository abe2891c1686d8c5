"""The time to collect: what stopped it, what more was given, and asking for more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from server.kit.graph import global_id
from server.parcels.graph import words as _words
from server.parcels.states import Party
from server.parcels.tables import EvidenceKind, PauseCause

if TYPE_CHECKING:
    from server.parcels import tables
    from server.parcels.service.stops import Told

assert _words, "the enums must be described before a type uses them"

_NODES = {
    EvidenceKind.JOURNAL: "Locker",
    EvidenceKind.INCIDENT: "Incident",
    EvidenceKind.CLOSURE: "Hub",
    EvidenceKind.OUTAGE: "Outage",
}


@strawberry.type(description="What says that the time to collect a parcel must not run.")
class PauseEvidence:
    """Whoever may see a locker, an incident or a hub finds it by the id."""

    kind: EvidenceKind = strawberry.field(description="What kind of thing it is.")
    subject: strawberry.ID | None = strawberry.field(
        description="Global id of the locker, incident or hub; of an outage, which no query shows, "
        "what tells it from others; null for a notice or a word."
    )
    journal_seq: str | None = strawberry.field(
        description="With a locker: the number of its journal entry."
    )


@strawberry.type(description="A span in which the time to collect a parcel does not run.")
class Pause:
    """Spans that overlap count once, so one may have moved nothing."""

    cause: PauseCause = strawberry.field(description="Why.")
    party: Party = strawberry.field(description="Who or what stopped it.")
    reason: str | None = strawberry.field(description="Why in words, where some were given.")
    evidence: PauseEvidence = strawberry.field(description="What it rests on.")
    started_at: datetime = strawberry.field(description="The earliest evidence of it.")
    ended_at: datetime | None = strawberry.field(description="Null while it goes on.")
    through_before: datetime | None = strawberry.field(
        description="Until when it would wait without this and what began later; null where it "
        "does not count in the wait of now."
    )
    through_after: datetime | None = strawberry.field(
        description="Until when with it; null while it goes on, and where it does not count."
    )


@strawberry.type(description="More time to collect a parcel.")
class Extension:
    """Who gave it is not told; whether its recipient asked is."""

    at: datetime = strawberry.field(description="When it was given.")
    hours: int = strawberry.field(description="How much.")
    is_by_recipient: bool = strawberry.field(description="Whether its recipient asked for it.")
    through_before: datetime = strawberry.field(description="Until when it waited before.")
    through_after: datetime = strawberry.field(description="Until when it waited then.")
    rule_version: int = strawberry.field(
        description="Version of the hub's rule that allowed it; 0 for the network's."
    )
    limit_percent: int | None = strawberry.field(
        description="Occupancy from which on it would have been refused; null where none mattered."
    )
    expected_percent: int | None = strawberry.field(
        description="Occupancy that was expected at most; null where none mattered."
    )
    is_forecast: bool = strawberry.field(
        description="Whether a forecast said so; else it was the occupancy of that moment."
    )


def as_pause(told: Told) -> Pause:
    """The stop as GraphQL tells it."""
    stop, evidence = told.stop, told.stop.evidence
    node = _NODES.get(evidence.kind)
    return Pause(
        cause=stop.cause,
        party=stop.party,
        reason=stop.reason,
        evidence=PauseEvidence(
            kind=evidence.kind,
            subject=global_id(node, evidence.id) if node and evidence.id else None,
            journal_seq=None if evidence.seq is None else str(evidence.seq),
        ),
        started_at=stop.span.start,
        ended_at=stop.span.end,
        through_before=told.through_before,
        through_after=told.through_after,
    )


def as_extension(row: tables.ParcelExtension) -> Extension:
    """The row as GraphQL tells it."""
    return Extension(
        at=row.at,
        hours=row.hours,
        is_by_recipient=row.is_by_recipient,
        through_before=row.through_before,
        through_after=row.through_after,
        rule_version=row.rule_version,
        limit_percent=row.limit_percent,
        expected_percent=row.expected_percent,
        is_forecast=row.is_forecast,
    )
