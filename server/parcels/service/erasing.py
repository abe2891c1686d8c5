"""The part of an erasure that is about parcels: whose they were, not that they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.parcels import queries

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.parcels.tables import Parcel

MOST_NAMED = 10
"""Parcels named as what keeps an erasure from being whole; the rest are as many as there are."""


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
    await queries.forget_names(session, person_id)
    return settled
