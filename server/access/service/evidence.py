"""The locker's own signed words about a parcel or about itself, for those who may read receipts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import BrokenPromise, Refusal
from server.ledger import service as ledger
from server.lockers.service.reading import find_locker
from server.lockers.service.replacement import list_controllers
from server.parcels import queries as parcels
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.ledger.tables import JournalEntry
    from server.lockers.tables import Locker
    from server.parcels.tables import Stay


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one locker wrote about one stay. Each entry's head is what the locker signs."""

    locker: Locker
    former: Sequence[Locker]
    """The same machine with the controllers that it had before, oldest first."""
    stay: Stay
    entries: Sequence[JournalEntry]


async def find_evidence(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID
) -> Evidence | Refusal:
    """The entries of the parcel's last stay. Those of other compartments are left out.

    NOT_FOUND for a parcel whose receipts the actor may not read, WRONG_STATE before its deposit.
    """
    visible = visibility_of(actor, Permission.RECEIPT_READ)
    found = None if visible.is_empty else await parcels.find_visible(session, parcel_id, visible)
    if found is None:
        return not_found(actor, "parcelId")
    evidence = await find_stay_evidence(session, parcel_id)
    if evidence is None:
        sentence = "No locker has reported anything about this parcel yet."
        return Refusal(ProblemCode.WRONG_STATE, sentence, "parcelId")
    return evidence


async def find_stay_evidence(session: Session, parcel_id: uuid.UUID) -> Evidence | None:
    """The same for whoever may see it already; None before its deposit."""
    stay = await parcels.find_last_stay(session, parcel_id)
    if stay is None:
        return None
    locker = await find_locker(session, stay.locker_id)
    if locker is None:
        raise BrokenPromise(f"stay {stay.id} is at no locker")
    line = await list_controllers(session, locker)
    entries = [
        entry
        for one in line
        for entry in await ledger.list_evidence(session, LockerId(one.lid), stay.name)
    ]
    return Evidence(locker, line[:-1], stay, entries)


async def list_journal(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, after: int, limit: int
) -> Sequence[JournalEntry] | Refusal:
    """Up to `limit` entries of a locker's unbroken journal behind number `after`.

    For those who verify the log at that hub or in the network; to others it is NOT_FOUND.
    """
    locker = await find_locker(session, locker_id)
    if locker is None or not actor.can(Permission.LOG_VERIFY, hub=locker.hub_id):
        return not_found(actor, "lockerId")
    return await ledger.list_entries(session, LockerId(locker.lid), after=after, limit=limit)


async def find_journal_entry(
    session: Session, actor: Actor, *, locker_id: uuid.UUID, seq: int
) -> JournalEntry | Refusal:
    """One entry of a locker's unbroken journal, under the rules of `list_journal`."""
    entries = await list_journal(session, actor, locker_id=locker_id, after=seq - 1, limit=1)
    if isinstance(entries, Refusal):
        return entries
    if not entries or entries[0].seq != seq:
        return not_found(actor, "seq")
    return entries[0]
