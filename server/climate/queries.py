"""SQL of the cold chain."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlmodel import col, select

from server.climate.tables import ClimateFact
from server.kit.db import held, insert_new, is_one_of
from server.lockers.rules import ClimateState
from server.lockers.tables import Compartment, Locker
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, Stay, StayParcel

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from schema.compartments import ClimateZone
    from server.kit.db import Session

HOLDABLE = (
    ParcelState.DROPPED_OFF,
    ParcelState.DEPOSITED,
    ParcelState.READY_FOR_PICKUP,
    ParcelState.EXPIRED,
)
"""States in which a parcel in a compartment can be held (P20)."""


class Place(NamedTuple):
    """Where a parcel lay, and from when until when."""

    compartment_id: uuid.UUID
    start: datetime
    end: datetime | None


async def insert_fact(session: Session, fact: ClimateFact) -> bool:
    """Whether this entry is heard of for the first time."""
    return await insert_new(session, ClimateFact, **fact.model_dump())


async def list_facts(
    session: Session, compartment_id: uuid.UUID, *, limit: int
) -> Sequence[ClimateFact]:
    """The last words about a compartment, oldest first: controller by controller, each by number.

    What a locker says is ordered by its journal, whatever its clock showed.
    """
    query = (
        select(ClimateFact)
        .join(Locker, col(Locker.id) == col(ClimateFact.locker_id))
        .where(ClimateFact.compartment_id == compartment_id)
        .order_by(col(Locker.created_at).desc(), col(Locker.id).desc(), col(ClimateFact.seq).desc())
        .limit(limit)
    )
    return list(reversed((await session.exec(query)).all()))


async def list_places(session: Session, parcel_id: uuid.UUID, *, limit: int) -> Sequence[Place]:
    """The last compartments that a parcel lay in, the present one among them, newest first."""
    query = (
        select(Stay.compartment_id, StayParcel.put_in_at, StayParcel.left_at)
        .join(StayParcel, col(StayParcel.stay_id) == col(Stay.id))
        .where(StayParcel.parcel_id == parcel_id, col(StayParcel.put_in_at).is_not(None))
        .order_by(col(StayParcel.put_in_at).desc())
        .limit(limit)
    )
    return [
        Place(compartment_id, start, end)
        for compartment_id, start, end in (await session.exec(query)).all()
        if compartment_id is not None and start is not None
    ]


async def lock_spoiled(session: Session, *, now: datetime, limit: int) -> Sequence[Parcel]:
    """Parcels in compartments that are safe no longer and not held yet, the longest over first."""
    query = (
        select(Parcel)
        .where(
            is_one_of(col(Parcel.state), HOLDABLE),
            col(Parcel.safe_until) <= now,
            col(Parcel.stay_id).is_not(None),
        )
        .order_by(col(Parcel.safe_until), col(Parcel.id))
        .limit(limit)
    )
    return (await session.exec(held(query, skip_locked=True))).all()


async def lock_uncooled(
    session: Session, zones: Collection[ClimateZone], *, limit: int
) -> Sequence[Parcel]:
    """Parcels of these zones behind doors whose cooling has failed, and not held yet."""
    query = (
        select(Parcel)
        .join(Stay, col(Stay.id) == col(Parcel.stay_id))
        .join(Compartment, col(Compartment.id) == col(Stay.compartment_id))
        .where(
            is_one_of(col(Compartment.climate), [ClimateState.FAULT]),
            col(Stay.begun_at).is_not(None),
            col(Stay.ended_at).is_(None),
            is_one_of(col(Parcel.state), HOLDABLE),
            col(Parcel.climate_zone).in_(zones),
        )
        .limit(limit)
    )
    return (await session.exec(held(query, of=Parcel, skip_locked=True))).all()
