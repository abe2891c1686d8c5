"""The part of an erasure that is about parcels: whose they were, not that they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.parcels import queries
from server.parcels.retention import KEPT, names_until
from server.people import queries as people
from server.people.service.preferences import list_preferences

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.parcels.tables import Parcel

MOST_NAMED = 10
"""Parcels named as what keeps an erasure from being whole; the rest are as many as there are."""


SWEEP = 100
"""Parcels looked at in one transaction."""

AT_ONCE = 500
"""Parcels named in one statement: databases take only so many values."""


@dataclass(frozen=True, slots=True)
class OldNames:
    """How many parcels were looked at, and for whom without an account they were."""

    looked_at: int
    guests: frozenset[uuid.UUID]


async def list_unsettled(session: Session, person_id: uuid.UUID) -> Sequence[Parcel]:
    """Parcels for the person, or sent by them, that are not over: on their way, waiting, unpaid,
    held or disputed. At most ten, the oldest first.
    """
    return await queries.list_unsettled(session, person_id, limit=MOST_NAMED)


async def forget_recipient(session: Session, person_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Takes name, address and all foreign words from the parcels for the person that are over.

    Their ids. What was announced cannot be compared with what is announced again any more.
    """
    settled = await queries.list_settled_ids(session, person_id)
    for start in range(0, len(settled), AT_ONCE):
        await queries.forget_names(session, settled[start : start + AT_ONCE])
    return settled


async def forget_old_names(session: Session, *, now: datetime) -> OldNames:
    """Looks at the next hundred parcels that are over for long enough, and takes their names away
    where nobody keeps them.

    Whoever has an account keeps them with it, unless they do not want to; others for thirty days.
    """
    due = await queries.lock_forgettable(session, now=now, limit=SWEEP)
    people_ids = {one.recipient_id for one in due if one.recipient_id is not None}
    accounts = set(await people.list_account_holders(session, people_ids))
    wishes = await list_preferences(session, people_ids)
    over = []
    for parcel in due:
        who = parcel.recipient_id
        until = None
        if parcel.over_at is not None:
            keeps = who is not None and wishes[who].keeps_past
            until = names_until(parcel.over_at, has_account=who in accounts, keeps_past=keeps)
        parcel.forget_at = until if until is not None and until > now else None
        session.add(parcel)
        if until is not None and until <= now:
            over.append(parcel.id)
    await session.flush()
    await queries.forget_names(session, over)
    return OldNames(len(due), frozenset(people_ids - accounts))


async def look_again(session: Session, person_id: uuid.UUID, *, now: datetime) -> None:
    """Has what the person's parcels still say looked at again: they may want less kept now."""
    await queries.forget_sooner(session, person_id, at=now)


async def has_recent(session: Session, person_id: uuid.UUID, *, now: datetime) -> bool:
    """Whether any parcel of the person is not over since thirty days."""
    return await queries.has_recent(session, person_id, since=now - KEPT)
