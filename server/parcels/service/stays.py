"""Stays: minted with a deposit token, begun and ended by facts of the locker alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.ids import ID_SIZE
from server.parcels import queries
from server.parcels.tables import Parcel, Stay, StayParcel

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness


async def mint_stay(
    session: Session,
    *,
    parcel_id: uuid.UUID,
    locker_id: uuid.UUID,
    ids: Ids,
    randomness: Randomness,
    now: datetime,
    besides: Stay | None = None,
) -> Stay:
    """The stay to name in a deposit token for this parcel at this locker.

    One that has not begun is given again, so that a refreshed bundle retries the same deposit;
    `besides` is one that is given already. The caller has locked the parcel.
    """
    unused = await queries.find_unused_stay(
        session,
        parcel_id=parcel_id,
        locker_id=locker_id,
        besides=None if besides is None else besides.id,
    )
    if unused is not None:
        return unused
    stay = Stay(id=ids.new(), name=randomness.take(ID_SIZE), created_at=now, locker_id=locker_id)
    session.add(stay)
    await session.flush()  # the link below names it
    session.add(StayParcel(stay_id=stay.id, parcel_id=parcel_id))
    await session.flush()
    return stay


async def find_stay(session: Session, name: bytes) -> Stay | None:
    """The stay that the protocol names so; the server never minted any other."""
    return await queries.find_stay(session, name)


async def find_stay_of(session: Session, parcel: Parcel) -> Stay | None:
    """The stay that the parcel is in now, with its locker and compartment."""
    return None if parcel.stay_id is None else await queries.get_stay(session, parcel.stay_id)


async def list_parcels_of_stay(session: Session, stay: Stay) -> Sequence[Parcel]:
    """The parcels that the stay was minted for."""
    return await queries.list_parcels_of_stay(session, stay.id)
