"""SQL of what staff may do at doors without a stay, and of what two persons said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, or_, select

from server.access.rules import LIVING
from server.access.tables import EmergencyOpening, Grant, StaffOpening
from server.kit.db import held, insert_new

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession

    from server.access.rules import Action
    from server.kit.graph import Page


async def find_living_inspection(
    session: AsyncSession,
    *,
    action: Action,
    locker_id: uuid.UUID,
    compartment: int,
    holder_id: uuid.UUID | None,
    reason: str,
    since: datetime | None,
) -> Grant | None:
    """The holder's newest living grant to look into this compartment for this reason, held.

    With `since` only one that was made no earlier.
    """
    query = select(Grant).where(
        Grant.locker_id == locker_id,
        Grant.compartment == compartment,
        Grant.action == action,
        Grant.holder_id == holder_id,
        Grant.reason == reason,
        col(Grant.state).in_(LIVING),
    )
    if since is not None:
        query = query.where(col(Grant.created_at) >= since)
    return (await session.exec(held(query.order_by(col(Grant.id).desc()).limit(1)))).one_or_none()


async def insert_staff_opening(session: AsyncSession, opening: StaffOpening) -> bool:
    """Adds what a locker let staff do; False when the same journal entry has told it."""
    return await insert_new(session, StaffOpening, **opening.model_dump())


async def find_staff_opening(
    session: AsyncSession, locker_id: uuid.UUID, compartment: int, *, before: int
) -> StaffOpening | None:
    """The newest time before that entry when the locker let staff at this door, or at all."""
    query = (
        select(StaffOpening)
        .where(
            StaffOpening.locker_id == locker_id,
            or_(
                col(StaffOpening.compartment) == compartment,
                col(StaffOpening.compartment).is_(None),
            ),
            StaffOpening.seq < before,
        )
        .order_by(col(StaffOpening.seq).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


async def find_emergency(session: AsyncSession, emergency_id: uuid.UUID) -> EmergencyOpening | None:
    """The emergency opening of this id, held."""
    query = select(EmergencyOpening).where(EmergencyOpening.id == emergency_id)
    return (await session.exec(held(query))).one_or_none()


async def find_standing_emergency(
    session: AsyncSession, locker_id: uuid.UUID, compartment: int | None, *, at: datetime
) -> EmergencyOpening | None:
    """What two persons said of this door, or of all doors, that held at that time, held."""
    query = (
        select(EmergencyOpening)
        .where(
            EmergencyOpening.locker_id == locker_id,
            or_(
                col(EmergencyOpening.compartment) == compartment,
                col(EmergencyOpening.compartment).is_(None),
            ),
            col(EmergencyOpening.confirmed_at) <= at,
            col(EmergencyOpening.expires_at) >= at,
        )
        .order_by(col(EmergencyOpening.id).desc())
        .limit(1)
    )
    return (await session.exec(held(query))).one_or_none()


async def list_emergencies(
    session: AsyncSession, page: Page, *, locker_id: uuid.UUID
) -> Sequence[EmergencyOpening]:
    """One more than the page of a locker's emergency openings, newest first."""
    query = select(EmergencyOpening).where(EmergencyOpening.locker_id == locker_id)
    if page.after is not None:
        query = query.where(col(EmergencyOpening.id) < page.after)
    query = query.order_by(col(EmergencyOpening.id).desc()).limit(page.limit)
    return (await session.exec(query)).all()
