"""Journal entries as clients see them: the locker's bytes, and what is plain to read of them."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import Base64

from schema.journal import Kind
from server.kit.clock import instant_of
from server.kit.graph import described
from server.ledger import tables

described(
    Kind,
    name="JournalKind",
    description="What an entry of a locker's journal tells (SLK1, section 8).",
    members={
        Kind.BOOT: "The locker started.",
        Kind.ACCEPTED: "Somebody was let in.",
        Kind.PULSED: "A bolt was pulsed.",
        Kind.DOOR_OPENED: "A door opened.",
        Kind.DOOR_CLOSED: "A door closed.",
        Kind.OPEN_NOT_DETECTED: "A door did not open.",
        Kind.CLOSE_OVERDUE: "A door stands open for too long.",
        Kind.UNEXPECTED_OPEN: "A door opened that nobody was let at.",
        Kind.DENIED: "Refusals were counted.",
        Kind.STATEMENT: "A signed statement was applied.",
        Kind.CLOCK: "The clock was set or lost.",
        Kind.DEPOSITED: "A parcel was put in; its stay begins.",
        Kind.COLLECTED: "A stay was opened by its right and taken out.",
        Kind.EXCURSION: "A compartment left its temperature.",
        Kind.SANITISED: "A compartment was disinfected.",
        Kind.POWER: "The power mode changed.",
        Kind.FAULT: "Something is broken.",
        Kind.REFITTED: "Dividers were moved.",
        Kind.WITHDRAWN: "What was put in was taken out again at once.",
        Kind.FOUND_EMPTY: "Nothing was inside before the door opened.",
    },
)


@strawberry.type(description="One entry of a locker's journal, chained to the one before it.")
class JournalEntry:
    """The bytes decide; the other fields repeat what they say."""

    seq: int = strawberry.field(description="Its number in the locker's journal.")
    kind: Kind | None = strawberry.field(
        description="What it tells; null for a kind newer than this server."
    )
    at: datetime = strawberry.field(description="The locker's time.")
    clock_quality: int = strawberry.field(
        description="2 set by the server, 1 running since, 0 only a floor: then `at` is about."
    )
    bytes: Base64 | None = strawberry.field(
        description="The entry as the locker wrote it; null once somebody whom it names was erased."
    )
    head: Base64 = strawberry.field(
        description="The chain's head after it: SHA-256 of `SLK1-log` and the bytes. This is what "
        "the locker signs in every result that it gives a phone."
    )


def as_entry(row: tables.JournalEntry) -> JournalEntry:
    """The entry as GraphQL tells it."""
    known = row.kind in set(Kind)
    return JournalEntry(
        seq=row.seq,
        kind=Kind(row.kind) if known else None,
        at=instant_of(row.t),
        clock_quality=row.clockq,
        bytes=None if row.raw is None else Base64(row.raw),
        head=Base64(row.head),
    )
