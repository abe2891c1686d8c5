"""Evidence of a dispute: fixed when it is opened, a file once the log proves it, then unchanged."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.ids import LockerId
from schema.receipts.evidence import Evidence, told_digest, write_evidence
from server.access import queries as access
from server.access.service.evidence import find_stay_evidence
from server.access.service.receipts import write_proof
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.ledger.own.rules import evidence_frozen
from server.ledger.own.service import erase_subject, list_history, note
from server.lockers.queries import list_compartments_by_ids
from server.notices import queries
from server.notices.service.findings import MOST_ROWS, Findings, tell
from server.notices.tables import DisputeEvidence
from server.parcels import queries as parcels
from server.parcels.service import disputing
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from schema.readings import Reading
    from server.access.service.evidence import Evidence as StayEvidence
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.parcels.disputes import DisputeReason
    from server.parcels.tables import Dispute, Parcel

SEALED_AT_ONCE = 20
"""Files completed in one transaction."""


FORGOTTEN_AT_ONCE = 100
"""Rows looked at in one transaction."""

KEPT = timedelta(days=90)
"""How long evidence is kept once the dispute is closed (DOMAIN 5.4); whoever wants it has it."""


async def dispute_collection(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    reason: DisputeReason,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """Opens a dispute as `parcels` does, and fixes in the same commit what is known of it.

    Repeating changes nothing: what was fixed first stays.
    """
    parcel = await disputing.dispute_collection(
        session, actor, parcel_id=parcel_id, reason=reason, ids=ids, now=now
    )
    if isinstance(parcel, Refusal):
        return parcel
    fixed = {one.dispute_id for one in await queries.list_evidence(session, parcel_id)}
    for dispute in await parcels.list_disputes(session, [parcel_id]):
        if dispute.id not in fixed:
            await _freeze(session, dispute, parcel, now=now)
    return parcel


async def seal_evidence(
    session: Session, *, after: uuid.UUID | None, now: datetime
) -> uuid.UUID | None:
    """Completes the files of the next disputes whose entries the log has come to hold; where to go
    on, None after the last. A file is written once.
    """
    waiting = await queries.list_unsealed(session, after=after, limit=SEALED_AT_ONCE)
    for row in waiting:
        listed = json.loads(row.told or "{}").get("entries", [])
        places = [(LockerId(bytes.fromhex(lid)), seq) for lid, seq, _ in listed]
        entries = await ledger.list_entries_at(session, places)
        own = await list_history(session, row.dispute_id, after=0, limit=1)
        receipt = await write_proof(session, [*entries, *own])
        if isinstance(receipt, Refusal) or row.told is None:
            continue
        row.file = write_evidence(Evidence(row.told, receipt))
        row.file_digest, row.sealed_at = hashlib.sha256(row.file).digest(), now
        session.add(row)
    return waiting[-1].dispute_id if len(waiting) == SEALED_AT_ONCE else None


async def list_evidence(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID
) -> Sequence[tuple[Dispute, DisputeEvidence]] | Refusal:
    """What was fixed of each dispute about the parcel, the oldest first; the same for both sides.

    For whoever may read its receipts; to others the parcel is NOT_FOUND.
    """
    visible = visibility_of(actor, Permission.RECEIPT_READ)
    found = None if visible.is_empty else await parcels.find_visible(session, parcel_id, visible)
    if found is None:
        return not_found(actor, "parcelId")
    fixed = {one.dispute_id: one for one in await queries.list_evidence(session, parcel_id)}
    disputes = await parcels.list_disputes(session, [parcel_id])
    return [(one, fixed[one.id]) for one in disputes if one.id in fixed]


async def erase_evidence(session: Session, parcel_ids: Sequence[uuid.UUID]) -> None:
    """Erases what was told of disputes about these parcels, which are decided; digests stay."""
    await _forget(session, await queries.list_told(session, parcel_ids))


async def forget_evidence(session: Session, *, now: datetime) -> int:
    """Erases the same of disputes that were decided ninety days ago, a portion; how many."""
    old = await queries.list_decided_evidence(session, before=now - KEPT, limit=FORGOTTEN_AT_ONCE)
    await _forget(session, old)
    return len(old)


async def _forget(session: Session, rows: Sequence[DisputeEvidence]) -> None:
    for row in rows:
        row.told = row.file = None
        row.file_digest = row.file_digest or b""
        session.add(row)
        await erase_subject(session, row.dispute_id)


async def _freeze(session: Session, dispute: Dispute, parcel: Parcel, *, now: datetime) -> None:
    found = await find_stay_evidence(session, parcel.id)
    grants = await access.list_grants_about(session, parcel.id, limit=MOST_ROWS)
    told = tell(
        Findings(
            dispute=dispute,
            parcel=parcel,
            stay=None if found is None else found.stay,
            entries=[] if found is None else found.entries,
            readings=[] if found is None else await _list_readings(session, found, now=now),
            grants=grants,
            delegations=await access.list_passed_on(
                session, [grant.id for grant in grants], limit=MOST_ROWS
            ),
            notices=await queries.list_newest_about(session, parcel.id, limit=MOST_ROWS),
        )
    )
    digest = told_digest(told)
    session.add(
        DisputeEvidence(
            dispute_id=dispute.id,
            parcel_id=parcel.id,
            frozen_at=now,
            told=told,
            told_digest=digest,
        )
    )
    note(session, evidence_frozen(digest, dispute.id), now=now)


async def _list_readings(
    session: Session, found: StayEvidence, *, now: datetime
) -> Sequence[Reading]:
    """What the locker measured at that door, and as a whole, while the parcel lay there."""
    stay = found.stay
    if stay.begun_at is None or stay.compartment_id is None:
        return []
    [door] = await list_compartments_by_ids(session, [stay.compartment_id])
    ended_at = stay.ended_at or now
    span = range(int(stay.begun_at.timestamp()), int(ended_at.timestamp()) + 1)
    lid = LockerId(found.locker.lid)
    return await ledger.list_readings(session, lid, [0, door.number], span=span, limit=MOST_ROWS)
