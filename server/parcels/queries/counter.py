"""SQL of what staff of a hub do for people: handing over at the counter, helping at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, select

from server.parcels.tables import Assistance, Handover, ParcelEvent, Stay

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.parcels.states import ParcelState, Trigger


async def find_last_handover(session: Session, parcel_id: uuid.UUID) -> Handover | None:
    """The newest handing over of a parcel at a counter."""
    statement = (
        select(Handover)
        .where(Handover.parcel_id == parcel_id)
        .order_by(col(Handover.at).desc(), col(Handover.id).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_of(
    session: Session, parcel_id: uuid.UUID, trigger: Trigger
) -> ParcelEvent | None:
    """The newest line of a parcel's history that this caused."""
    statement = (
        select(ParcelEvent)
        .where(ParcelEvent.parcel_id == parcel_id, ParcelEvent.trigger == trigger)
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_into(
    session: Session, parcel_id: uuid.UUID, state: ParcelState
) -> ParcelEvent | None:
    """The newest line of a parcel's history by which it came into this state."""
    statement = (
        select(ParcelEvent)
        .where(
            ParcelEvent.parcel_id == parcel_id,
            ParcelEvent.target == state,
            col(ParcelEvent.source).is_distinct_from(state),
        )
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_assistance(
    session: Session, stay: bytes, *, since: datetime, until: datetime
) -> Assistance | None:
    """The newest help at the door of the stay in that time."""
    statement = (
        select(Assistance)
        .join(Stay, col(Stay.id) == col(Assistance.stay_id))
        .where(Stay.name == stay, col(Assistance.at).between(since, until))
        .order_by(col(Assistance.at).desc(), col(Assistance.id).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()
