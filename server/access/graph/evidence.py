"""Queries by which people prove what a locker wrote."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.checkpoint.notes import KeyKind, NoteKey
from schema.ids import LIMIT
from schema.receipts import show_receipt
from server.access.service import evidence, receipts
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Problem,
    RequestRefused,
    as_problem,
    connect,
    context_of,
    get_page,
    global_id,
    read_id,
)
from server.kit.keyring import Purpose
from server.ledger.anchors.setting import find_contract
from server.ledger.graph import JournalEntry, as_entry
from server.ledger.log.rules import origin_of
from server.lockers.graph.types import Locker, as_locker

if TYPE_CHECKING:
    from server.ledger import tables


@strawberry.type(description="What the locker wrote about one stay of a parcel, in its own bytes.")
class ParcelProof:
    """Whoever kept a result of the locker can verify an entry with nothing but its public key."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    locker: Locker = strawberry.field(description="The locker.")
    sign_public: Base64 = strawberry.field(description="The Ed25519 key that it signs with.")
    former_sign_public: list[Base64] = strawberry.field(
        description="The keys of controllers that the machine had before, oldest first: entries "
        "that name another locker id are signed by these."
    )
    stay: Base64 = strawberry.field(description="The 8 bytes of the stay.")
    entries: list[JournalEntry] = strawberry.field(
        description="From the acceptance of the deposit to the end of the stay, of this "
        "compartment alone; at most 200."
    )


ParcelProofResult = Annotated[
    ParcelProof | Problem,
    strawberry.union("ParcelProofResult", description="Outcome of `parcelProof`."),
]


@strawberry.type(description="A receipt as a file: `./restante verify` checks it offline.")
class Receipt:
    """Proves itself to whoever trusts the keys of log, witnesses and locker."""

    receipt: Base64 = strawberry.field(
        description="Entries, the locker's signatures where anybody brought them, and the way to "
        "the signed head of the public log; a few kilobytes."
    )
    code: str | None = strawberry.field(
        description="The text of a QR code that holds the receipt, or if it is too long its last "
        "entry alone, which the checker takes as well; null if that is too long."
    )


ReceiptResult = Annotated[
    Receipt | Problem,
    strawberry.union("ReceiptResult", description="Outcome of `receipt` and `entryProof`."),
]


@strawberry.type(description="The public log, whose files lie below `/log` for anybody.")
class PublicLog:
    """Take the keys from more than one place: whoever serves the log could serve other keys."""

    origin: str = strawberry.field(description="The name in the first line of its heads.")
    keys: list[str] = strawberry.field(
        description="The keys that sign its heads, as vkeys; two while one replaces the other."
    )
    anchor: str | None = strawberry.field(
        description="Number of the blockchain and address of the contract that hold its heads, as "
        "they stand after `anchor` in a trust file; null if it is not anchored."
    )


@strawberry.type
class EvidenceQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="The receipt of a parcel's last stay in a locker, for whoever may read it."
    )
    async def receipt(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> ReceiptResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        if key is None:
            return as_problem(not_found(context.actor, "parcelId"))
        async with context.database.read() as session:
            outcome = await receipts.make_parcel_receipt(
                session,
                context.actor,
                parcel_id=key,
                contract=find_contract(context.settings),
            )
        return as_receipt(outcome)

    @strawberry.field(
        description="The proof that the public log holds one entry of a locker's journal, for "
        "whoever verifies the log."
    )
    async def entry_proof(
        self,
        info: Info[Context, None],
        locker_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
        seq: Annotated[int, strawberry.argument(description="Number of the entry.")],
    ) -> ReceiptResult:
        """An entry that is not there is not found."""
        context = context_of(info)
        key = read_id("Locker", locker_id)
        if key is None or seq < 1:
            return as_problem(not_found(context.actor, "lockerId" if key is None else "seq"))
        async with context.database.read() as session:
            outcome = await receipts.make_entry_proof(
                session,
                context.actor,
                locker_id=key,
                seq=seq,
                contract=find_contract(context.settings),
            )
        return as_receipt(outcome)

    @strawberry.field(description="Name, keys and anchor of the public log.")
    async def public_log(self, info: Info[Context, None]) -> PublicLog:
        """Anybody may ask."""
        context = context_of(info)
        origin = origin_of(context.settings.public_url)
        keys = context.keyring.list_keys(Purpose.LOG)
        contract = find_contract(context.settings)
        return PublicLog(
            origin=origin,
            keys=[f"{NoteKey(origin, KeyKind.LOG, key.public)}" for key in keys],
            anchor=None if contract is None else f"{contract}",
        )

    @strawberry.field(
        description="The locker's own journal entries about a parcel: proof of deposit and "
        "collection for whoever may read its receipts."
    )
    async def parcel_proof(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> ParcelProofResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        if key is None:
            return as_problem(not_found(context.actor, "parcelId"))
        async with context.database.read() as session:
            outcome = await evidence.find_evidence(session, context.actor, parcel_id=key)
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return ParcelProof(
            parcel_id=global_id("Parcel", key),
            locker=as_locker(outcome.locker),
            sign_public=Base64(outcome.locker.sign_public),
            former_sign_public=[Base64(one.sign_public) for one in outcome.former],
            stay=Base64(outcome.stay.name),
            entries=[as_entry(row) for row in outcome.entries],
        )

    @strawberry.field(
        description="A locker's whole journal without its gaps, oldest first, for whoever verifies "
        "the log: each entry follows the head before it, from 32 zero bytes on."
    )
    async def journal(
        self,
        info: Info[Context, None],
        locker_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
        first: First = None,
        after: After = None,
    ) -> Connection[JournalEntry]:
        """NOT_FOUND, as an error, for whoever may not read it."""
        context = context_of(info)
        page = get_page(first, after)
        key = read_id("Locker", locker_id)
        start = 0 if page.after is None else page.after.int
        if key is None or start >= LIMIT:
            raise RequestRefused(not_found(context.actor, "lockerId"))
        async with context.database.read() as session:
            rows = await evidence.list_journal(
                session, context.actor, locker_id=key, after=start, limit=page.limit
            )
        if isinstance(rows, Refusal):
            raise RequestRefused(rows)
        return connect(page, rows, key=_place_of, node=as_entry)


def as_receipt(outcome: bytes | Refusal) -> Receipt | Problem:
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return Receipt(receipt=Base64(outcome), code=show_receipt(outcome))


def _place_of(row: tables.JournalEntry) -> uuid.UUID:
    """Cursors are ids; an entry's place is its number."""
    return uuid.UUID(int=row.seq)
