"""Receipts that anybody verifies offline: a locker's words, its signatures, and the log's proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.checkpoint.anchors import AnchoredHead
from schema.checkpoint.notes import parse_checkpoint, parse_note
from schema.codes import ProblemCode
from schema.ids import LockerId
from schema.journal import Kind
from schema.receipts import Receipt, Stated, StatedAnchor, write_receipt
from server.access.service.evidence import find_evidence, find_journal_entry
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.ledger.anchors import service as anchors
from server.ledger.log import service as tlog

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from schema.checkpoint.anchors import Contract
    from server.kit.auth import Actor
    from server.kit.db import Session
    from server.ledger.tables import JournalEntry

IN_A_RECEIPT = frozenset(
    {Kind.ACCEPTED, Kind.DEPOSITED, Kind.COLLECTED, Kind.WITHDRAWN, Kind.FOUND_EMPTY}
)
"""What a delivery and its retrieval come to: who was let in, and what became of the stay."""

_WAITS = Refusal(
    ProblemCode.WRONG_STATE, "The public log does not hold all of it yet. Ask again in a minute."
)


async def make_parcel_receipt(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    contract: Contract | None = None,
) -> bytes | Refusal:
    """The receipt of a parcel's last stay, as far as it has come; with its anchor in `contract`.

    NOT_FOUND for a parcel whose receipts the actor may not read; WRONG_STATE before its deposit, or
    while the log does not hold it.
    """
    found = await find_evidence(session, actor, parcel_id=parcel_id)
    if isinstance(found, Refusal):
        return found
    rows = [row for row in found.entries if row.kind in IN_A_RECEIPT]
    return await write_proof(session, rows, contract)


async def make_entry_proof(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    seq: int,
    contract: Contract | None = None,
) -> bytes | Refusal:
    """The receipt of one entry, for whoever verifies the log at that hub or in the network.

    NOT_FOUND to others, and where there is no such entry; WRONG_STATE while the log lacks it.
    """
    row = await find_journal_entry(session, actor, locker_id=locker_id, seq=seq)
    return row if isinstance(row, Refusal) else await write_proof(session, [row], contract)


async def write_proof(
    session: Session, rows: Sequence[JournalEntry], contract: Contract | None = None
) -> bytes | Refusal:
    """The receipt of these entries, of whatever chains, for whom the caller has let see them.

    WRONG_STATE while the log does not hold all of them, and where there are none.
    """
    places = [(LockerId(row.lid), row.seq) for row in rows]
    proofs = await tlog.prove_inclusion(session, places) if places else None
    if proofs is None:
        return _WAITS
    signatures = {
        (lid, seq): signature
        for lid in {lid for lid, _ in places}
        for seq, signature in (
            await ledger.find_signatures(session, lid, [seq for one, seq in places if one == lid])
        ).items()
    }
    stated = [
        Stated(
            lid=place[0],
            number=proofs.of[place].number,
            seq=row.seq,
            raw=row.raw,
            head=row.head,
            signature=signatures.get(place),
            path=proofs.of[place].hashes,
        )
        for place, row in zip(places, rows, strict=True)
    ]
    note = parse_note(proofs.note.encode())
    last = max(one.number for one in stated)
    anchor = None
    if contract is not None:
        anchor = await _find_anchor(
            session, contract, leaf=last, newest=parse_checkpoint(note).size
        )
    return write_receipt(Receipt(tuple(stated), note, anchor))


async def _find_anchor(
    session: Session, contract: Contract, *, leaf: int, newest: int
) -> StatedAnchor | None:
    """The first head on the chain that holds this leaf, with the way from it to the newest."""
    row = await anchors.find_covering(session, contract, leaf=leaf)
    if row is None or row.size > newest:
        return None
    path = await tlog.prove_consistency(session, old=row.size, new=newest)
    return StatedAnchor(AnchoredHead(row.size, row.root), path)
