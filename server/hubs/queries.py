"""SQL of partners, hubs and hours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, case, delete, func, or_
from sqlmodel import col, select

from server.hubs.tables import Hub, HubClosure, HubOpening, Partner
from server.kit.db import held, insert_new

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import date

    from server.hubs.rules import HubKind, Position
    from server.kit.db import Session
    from server.kit.graph import Page


async def find_partner(session: Session, partner_id: uuid.UUID) -> Partner | None:
    """The partner of this id."""
    return await session.get(Partner, partner_id)


async def ensure_partner(session: Session, partner: Partner) -> Partner:
    """The partner of this legal name: the given one, or whoever bears it already."""
    await insert_new(session, Partner, **partner.model_dump())
    named = select(Partner).where(Partner.legal_name == partner.legal_name)
    return (await session.exec(named)).one()


async def find_hub(session: Session, hub_id: uuid.UUID) -> Hub | None:
    """The hub of this id."""
    return await session.get(Hub, hub_id)


async def lock_hub(session: Session, hub_id: uuid.UUID) -> Hub | None:
    """The hub, kept from changing until the end of the transaction."""
    statement = held(select(Hub).where(Hub.id == hub_id))
    return (await session.exec(statement)).first()


async def list_hubs_by_ids(session: Session, hub_ids: Collection[uuid.UUID]) -> Sequence[Hub]:
    """Hubs of these ids, in no order."""
    return (await session.exec(select(Hub).where(col(Hub.id).in_(hub_ids)))).all()


async def list_nearest(
    session: Session, near: Position, *, kinds: Collection[HubKind], limit: int
) -> Sequence[Hub]:
    """At most so many hubs of these kinds, the nearest to a place first."""
    nearest = select(Hub).where(col(Hub.kind).in_(kinds)).order_by(_farness(near), col(Hub.id))
    return (await session.exec(nearest.limit(limit))).all()


async def list_hubs(session: Session, page: Page, near: Position | None) -> Sequence[Hub]:
    """One row more than the page, ordered by nearness to a place or else by id."""
    statement = select(Hub)
    if near is None:
        if page.after is not None:
            statement = statement.where(col(Hub.id) > page.after)
        statement = statement.order_by(col(Hub.id))
    else:
        farness = _farness(near)
        if page.after is not None:
            reached = select(farness).where(col(Hub.id) == page.after).scalar_subquery()
            statement = statement.where(
                or_(farness > reached, and_(farness == reached, col(Hub.id) > page.after))
            )
        statement = statement.order_by(farness, col(Hub.id))
    return (await session.exec(statement.limit(page.limit))).all()


async def list_openings(session: Session, hub_ids: Collection[uuid.UUID]) -> Sequence[HubOpening]:
    """Weekly spans of these hubs, by weekday and time."""
    statement = (
        select(HubOpening)
        .where(col(HubOpening.hub_id).in_(hub_ids))
        .order_by(col(HubOpening.weekday), col(HubOpening.opens_minute))
    )
    return (await session.exec(statement)).all()


async def list_closures(
    session: Session, hub_ids: Collection[uuid.UUID], *, since: date
) -> Sequence[HubClosure]:
    """Closures of these hubs that end on `since` or later, by their first day."""
    statement = (
        select(HubClosure)
        .where(col(HubClosure.hub_id).in_(hub_ids), col(HubClosure.last_day) >= since)
        .order_by(col(HubClosure.first_day), col(HubClosure.id))
    )
    return (await session.exec(statement)).all()


async def delete_openings(session: Session, hub_id: uuid.UUID) -> None:
    """Remove the weekly spans of a hub."""
    await session.exec(delete(HubOpening).where(col(HubOpening.hub_id) == hub_id))


async def delete_closures(session: Session, hub_id: uuid.UUID) -> None:
    """Remove all closures of a hub."""
    await session.exec(delete(HubClosure).where(col(HubClosure.hub_id) == hub_id))


def _farness(near: Position) -> ColumnElement[float]:
    """Squared degrees, longitude shrunk by the latitude of the place: orders like the distance."""
    north = col(Hub.latitude) - near.latitude
    apart = func.abs(col(Hub.longitude) - near.longitude)
    east = case((apart > 180, 360 - apart), else_=apart) * math.cos(math.radians(near.latitude))
    return north * north + east * east
