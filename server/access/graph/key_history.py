"""Keys of people and of the house as the public log tells them, so that a swapped one is seen."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codec.fields import as_text
from schema.codes import ProblemCode
from schema.ids import LIMIT
from schema.journal import OwnKind, parse_entry
from server.access.graph.evidence import ReceiptResult, as_receipt
from server.access.service.key_history import (
    list_key_history,
    list_server_journal,
    make_key_proof,
    make_server_proof,
)
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Page,
    RequestRefused,
    connect,
    context_of,
    described,
    get_page,
)

if TYPE_CHECKING:
    from server.ledger import tables

described(
    OwnKind,
    name="OwnKind",
    description="What an entry of the server's own chain tells (schema/README.md).",
    members={
        OwnKind.DEVICE_ADDED: "A device key may act for a person.",
        OwnKind.DEVICE_REMOVED: "It may not any more.",
        OwnKind.KEY_SET_ISSUED: "A key set was handed in that a root had signed.",
        OwnKind.REVOCATIONS_ISSUED: "A list of revocations was signed.",
        OwnKind.LOCKER_ENROLLED: "A locker was enrolled by its key.",
        OwnKind.EVIDENCE_FROZEN: "What is told of a dispute was fixed.",
    },
)


@strawberry.type(description="That a device key was added to the account, or removed from it.")
class KeyEvent:
    """The bytes decide; the other fields repeat what they say."""

    seq: int = strawberry.field(description="Its number in the server's own chain.")
    kind: OwnKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When, by the server's clock.")
    thumbprint: str | None = strawberry.field(
        description="Of the key (RFC 7638); null once the entry was erased."
    )
    person: Base64 = strawberry.field(
        description="The 16 bytes of which the entry holds the mark: the same in all of yours."
    )
    bytes: Base64 | None = strawberry.field(
        description="The entry; null once it was erased, and its head alone proves that it was."
    )
    head: Base64 = strawberry.field(description="The chain's head after it.")


@strawberry.type(description="What the server did to a key, chained to what it did before.")
class OwnEntry:
    """The bytes decide; the other fields repeat what they say."""

    seq: int = strawberry.field(description="Its number in the server's own chain.")
    kind: OwnKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When, by the server's clock.")
    bytes: Base64 | None = strawberry.field(
        description="The entry; null for those about people and disputes, and what was erased."
    )
    head: Base64 = strawberry.field(description="The chain's head after it.")


@strawberry.type
class ServerJournalQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="The server's own chain, oldest first: key sets, lists of revocations and keys "
        "of lockers in their bytes, and of all else the heads alone, without a gap."
    )
    async def server_journal(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> Connection[OwnEntry]:
        """For everybody with an account."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            rows = await list_server_journal(
                session, context.actor, after=_place(page), limit=page.limit
            )
        if isinstance(rows, Refusal):
            raise RequestRefused(rows)
        return connect(page, rows, key=lambda row: uuid.UUID(int=row.seq), node=_as_entry)

    @strawberry.field(
        description="The proof that the public log holds what `serverJournal` tells on that page."
    )
    async def server_proof(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> ReceiptResult:
        """WRONG_STATE while the log lacks one of them, which takes a minute."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            outcome = await make_server_proof(
                session, context.actor, after=_place(page), limit=page.first
            )
        return as_receipt(outcome)


@strawberry.type
class Me:
    """The part that is about the keys of devices."""

    @strawberry.field(
        description="Every key that was ever added to this account, and every one that was "
        "removed, oldest first, by the public log. A key of no device of yours is somebody else's."
    )
    async def key_history(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> Connection[KeyEvent]:
        """Of the signed-in person."""
        page, context = get_page(first, after), context_of(info)
        person_id = _person(context)
        async with context.database.read() as session:
            rows = await list_key_history(session, person_id, after=_place(page), limit=page.limit)
        return connect(
            page,
            rows,
            key=lambda row: uuid.UUID(int=row.seq),
            node=lambda row: _as_event(row, person_id),
        )

    @strawberry.field(
        description="The proof that the public log holds what `keyHistory` tells on the same page."
    )
    async def key_proof(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> ReceiptResult:
        """WRONG_STATE while the log lacks one of them, which takes a minute."""
        page, context = get_page(first, after), context_of(info)
        async with context.database.read() as session:
            outcome = await make_key_proof(
                session, _person(context), after=_place(page), limit=page.first
            )
        return as_receipt(outcome)


def _as_entry(row: tables.JournalEntry) -> OwnEntry:
    return OwnEntry(
        seq=row.seq,
        kind=OwnKind(row.kind),
        at=instant_of(row.t),
        bytes=None if row.raw is None else Base64(row.raw),
        head=Base64(row.head),
    )


def _as_event(row: tables.JournalEntry, person_id: uuid.UUID) -> KeyEvent:
    thumbprint = None if row.raw is None else as_text(parse_entry(row.raw).body[0])
    return KeyEvent(
        seq=row.seq,
        kind=OwnKind(row.kind),
        at=instant_of(row.t),
        thumbprint=thumbprint,
        person=Base64(person_id.bytes),
        bytes=None if row.raw is None else Base64(row.raw),
        head=Base64(row.head),
    )


def _person(context: Context) -> uuid.UUID:
    if context.actor.person_id is None:
        raise RequestRefused(Refusal(ProblemCode.SIGNED_OUT))
    return context.actor.person_id


def _place(page: Page) -> int:
    """Cursors are ids; an entry's place is its number."""
    place = 0 if page.after is None else page.after.int
    if place >= LIMIT:
        raise RequestRefused(
            Refusal(ProblemCode.INPUT_INVALID, "after must be a cursor of this list.")
        )
    return place
