"""SQL of PINs: who was given one, and whose outlives the right to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import aliased
from sqlmodel import col, exists, func, select

from server.access.rules import LIVING, GrantState
from server.access.tables import Grant, IssuedPass
from server.kit.db import insert_new
from server.lockers.tables import Locker
from server.parcels.tables import Stay

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence

    from sqlmodel.ext.asyncio.session import AsyncSession

    from schema.ids import LockerId

_WITHDRAWN = (GrantState.REVOKED, GrantState.EXPIRED, GrantState.SUPERSEDED)


async def insert_pass(session: AsyncSession, issued: IssuedPass) -> bool:
    """Adds a PIN's issue; False when the phone was given that of this day already."""
    return await insert_new(session, IssuedPass, **issued.model_dump())


async def find_last_day(session: AsyncSession, grant_id: uuid.UUID) -> int | None:
    """The last day for which a PIN was given out for the grant; None without one."""
    query = select(func.max(col(IssuedPass.day))).where(IssuedPass.grant_id == grant_id)
    return (await session.exec(query)).one()


async def list_outliving(
    session: AsyncSession, lid: LockerId, *, since_day: int, limit: int
) -> Sequence[tuple[bytes, int]]:
    """Stays of the locker whose PIN was given out since that day, for a right that is over, with
    the last such day; none that goes on to be somebody's to open.
    """
    other = aliased(Grant)
    is_open = exists().where(col(other.stay) == col(Grant.stay), col(other.state).in_(LIVING))
    query = (
        select(Grant.stay, func.max(col(IssuedPass.day)))
        .join(IssuedPass, col(IssuedPass.grant_id) == col(Grant.id))
        .join(Locker, col(Locker.id) == col(Grant.locker_id))
        .join(Stay, col(Stay.name) == col(Grant.stay))
        .where(
            Locker.lid == lid,
            IssuedPass.day >= since_day,
            col(Grant.state).in_(_WITHDRAWN),
            col(Stay.ended_at).is_(None),
            ~is_open,
        )
        .group_by(col(Grant.stay))
        .order_by(func.max(col(IssuedPass.day)).desc(), col(Grant.stay))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def list_opened_again(session: AsyncSession, names: Collection[bytes]) -> Sequence[bytes]:
    """Those of these names that are stays which somebody may open."""
    query = (
        select(Grant.stay)
        .where(col(Grant.stay).in_(names), col(Grant.state).in_(LIVING))
        .distinct()
    )
    return (await session.exec(query)).all()
