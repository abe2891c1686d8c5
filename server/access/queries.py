"""SQL of grants, tokens and signed statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.orm import aliased
from sqlmodel import col, exists, func, or_, select, update

from schema.ids import EVERY_LOCKER
from server.access.rules import LIVING, Action, GrantState
from server.access.tables import (
    EmergencyOpening,
    Grant,
    GuestLink,
    IssuedPass,
    IssuedToken,
    PassedOn,
    RegisteredToken,
    SignedStatement,
    StaffOpening,
    StatementCounter,
)
from server.kit.db import held, insert_new, is_one_of
from server.lockers.tables import Locker
from server.parcels.tables import Parcel, Stay

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession

    from schema.ids import LockerId
    from schema.statements import StatementType
    from server.kit.graph import Page
    from server.parcels.states import Removal


AT_ONCE = 500
"""Names in one statement: databases take only so many values."""

_WITHDRAWN = (GrantState.REVOKED, GrantState.EXPIRED, GrantState.SUPERSEDED)
"""States of a grant that is over before its stay is."""


async def insert_grant(session: AsyncSession, grant: Grant) -> bool:
    """Adds the grant; False when one of its id is there already."""
    return await insert_new(session, Grant, **grant.model_dump())


async def find_grant(
    session: AsyncSession, grant_id: uuid.UUID, *, is_held: bool = False
) -> Grant | None:
    """The grant of this id; `is_held` keeps its row until the transaction ends."""
    query = select(Grant).where(Grant.id == grant_id)
    return (await session.exec(held(query) if is_held else query)).one_or_none()


async def get_grant(session: AsyncSession, grant_id: uuid.UUID) -> Grant:
    """The grant of this id, which is there."""
    return (await session.exec(select(Grant).where(Grant.id == grant_id))).one()


async def move_living_grants(session: AsyncSession, *, old: uuid.UUID, new: uuid.UUID) -> None:
    """Grants for one locker that can still change are for the other from now on."""
    await session.exec(
        update(Grant)
        .where(col(Grant.locker_id) == old, col(Grant.state).in_(LIVING))
        .values(locker_id=new, version=Grant.version + 1)
    )


async def find_newest_grant(
    session: AsyncSession,
    *,
    parcel_id: uuid.UUID,
    action: Action,
    stay: bytes,
    holder_id: uuid.UUID | None,
) -> Grant | None:
    """The holder's newest grant of this action for a parcel's stay, living or not, held."""
    query = (
        select(Grant)
        .where(
            Grant.parcel_id == parcel_id,
            Grant.action == action,
            Grant.stay == stay,
            Grant.holder_id == holder_id,
        )
        .order_by(col(Grant.created_at).desc(), col(Grant.id).desc())
        .limit(1)
    )
    return (await session.exec(held(query))).one_or_none()


async def list_living_grants(session: AsyncSession, stay: bytes) -> Sequence[Grant]:
    """Grants of the stay that can still change, with their rows held."""
    query = select(Grant).where(Grant.stay == stay, col(Grant.state).in_(LIVING))
    return (await session.exec(held(query.order_by(col(Grant.id))))).all()


async def list_living_grants_of(
    session: AsyncSession, parcel_id: uuid.UUID | None, action: Action
) -> Sequence[Grant]:
    """Grants of this action for the parcel that can still change, with their rows held."""
    query = select(Grant).where(
        Grant.parcel_id == parcel_id, Grant.action == action, col(Grant.state).in_(LIVING)
    )
    return (await session.exec(held(query.order_by(col(Grant.id))))).all()


async def find_removal(session: AsyncSession, parcel_id: uuid.UUID) -> Removal | None:
    """What the newest REMOVE for the stay that the parcel is in was granted for, over or not."""
    query = (
        select(Grant)
        .join(Parcel, col(Parcel.id) == col(Grant.parcel_id))
        .join(Stay, col(Stay.id) == col(Parcel.stay_id))
        .where(
            Grant.parcel_id == parcel_id,
            Grant.action == Action.REMOVE,
            col(Grant.stay) == col(Stay.name),
        )
        .order_by(col(Grant.created_at).desc(), col(Grant.id).desc())
        .limit(1)
    )
    newest = (await session.exec(query)).first()
    return None if newest is None else newest.removal


async def list_lapsed_grants(
    session: AsyncSession, *, now: datetime, limit: int
) -> Sequence[Grant]:
    """Grants whose time is over but whose state does not say so, the longest over first.

    Those that somebody else is changing right now are left to them.
    """
    living = [one for one in GrantState if one in LIVING]
    query = (
        select(Grant)
        .where(is_one_of(col(Grant.state), living), col(Grant.not_after) < now)
        .order_by(col(Grant.not_after), col(Grant.id))
        .limit(limit)
    )
    return (await session.exec(held(query, skip_locked=True))).all()


async def change_grant(
    session: AsyncSession,
    grant: Grant,
    state: GrantState,
    *,
    now: datetime,
    by: uuid.UUID | None = None,
) -> None:
    """Writes the grant's new state; a final one also says when and by whom."""
    changes: dict[str, Any] = {"state": state, "version": Grant.version + 1}
    if state not in LIVING:
        changes |= {"ended_at": now, "ended_by": by}
    await session.exec(update(Grant).where(col(Grant.id) == grant.id).values(**changes))
    await session.refresh(grant)


async def insert_token(session: AsyncSession, token: IssuedToken) -> None:
    """Adds a token that is about to leave."""
    session.add(token)
    await session.flush()


async def find_newest_token(
    session: AsyncSession, *, grant_id: uuid.UUID, device_id: uuid.UUID
) -> IssuedToken | None:
    """The last token that this device got for the grant, unless it was revoked."""
    query = (
        select(IssuedToken)
        .where(
            IssuedToken.grant_id == grant_id,
            IssuedToken.device_id == device_id,
            col(IssuedToken.revoked_at).is_(None),
        )
        .order_by(col(IssuedToken.iat).desc(), col(IssuedToken.exp).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


async def find_token(
    session: AsyncSession, cti: bytes, lid: LockerId
) -> tuple[IssuedToken, Grant] | None:
    """A token that we issued for this locker, with its grant."""
    query = (
        select(IssuedToken, Grant)
        .join(Grant, col(Grant.id) == col(IssuedToken.grant_id))
        .where(IssuedToken.cti == cti, IssuedToken.lid == lid)
    )
    return (await session.exec(query)).one_or_none()


async def revoke_grant_tokens(
    session: AsyncSession, grant_id: uuid.UUID, *, now: datetime, now_s: int
) -> None:
    """Marks the living tokens of the grant as revoked."""
    await _revoke(session, col(IssuedToken.grant_id) == grant_id, now, now_s)


async def revoke_device_tokens(
    session: AsyncSession, device_id: uuid.UUID, *, now: datetime, now_s: int
) -> list[bytes]:
    """Marks the living tokens of a device as revoked; the lockers that they were for."""
    return await _revoke(session, col(IssuedToken.device_id) == device_id, now, now_s)


async def list_revoked(
    session: AsyncSession, lid: LockerId, *, issued_since: int, now_s: int, limit: int
) -> Sequence[IssuedToken]:
    """Revoked tokens of the locker issued since then and not over yet, longest living first."""
    query = (
        select(IssuedToken)
        .where(
            IssuedToken.lid == lid,
            col(IssuedToken.revoked_at).is_not(None),
            IssuedToken.exp >= now_s,
            IssuedToken.iat >= issued_since,
        )
        .order_by(col(IssuedToken.exp).desc(), col(IssuedToken.cti))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def list_grants_about(
    session: AsyncSession, parcel_id: uuid.UUID, *, limit: int
) -> Sequence[Grant]:
    """Grants for a parcel, over or not, the newest first."""
    query = select(Grant).where(Grant.parcel_id == parcel_id)
    return (await session.exec(query.order_by(col(Grant.id).desc()).limit(limit))).all()


async def list_passed_on(
    session: AsyncSession, grant_ids: Collection[uuid.UUID], *, limit: int
) -> Sequence[PassedOn]:
    """What was passed on of these grants, the newest first."""
    query = select(PassedOn).where(col(PassedOn.grant_id).in_(grant_ids))
    return (await session.exec(query.order_by(col(PassedOn.id).desc()).limit(limit))).all()


async def list_tokens_for(
    session: AsyncSession, holder_id: uuid.UUID, parcel_ids: Collection[uuid.UUID]
) -> Sequence[IssuedToken]:
    """Tokens that this person got for these parcels."""
    query = (
        select(IssuedToken)
        .join(Grant, col(Grant.id) == col(IssuedToken.grant_id))
        .where(Grant.holder_id == holder_id, col(Grant.parcel_id).in_(parcel_ids))
    )
    return (await session.exec(query)).all()


async def list_tokens_of(
    session: AsyncSession, device_ids: Collection[uuid.UUID]
) -> Sequence[IssuedToken]:
    """Tokens that these devices ever got."""
    query = select(IssuedToken).where(col(IssuedToken.device_id).in_(device_ids))
    return (await session.exec(query)).all()


async def forget_tokens(session: AsyncSession, names: Sequence[bytes]) -> None:
    """Takes away the bytes of these tokens, which name the key of a phone."""
    for start in range(0, len(names), AT_ONCE):
        part = col(IssuedToken.cti).in_(names[start : start + AT_ONCE])
        await session.exec(update(IssuedToken).where(part).values(raw=b""))


async def forget_holders(session: AsyncSession, keys: Collection[bytes]) -> None:
    """Takes these keys out of what was passed on to them."""
    theirs = col(PassedOn.holder).in_(keys)
    await session.exec(update(PassedOn).where(theirs).values(holder=b""))


async def insert_delegation(session: AsyncSession, passed: PassedOn) -> bool:
    """Adds a delegation; False when one of its name is there already."""
    return await insert_new(session, PassedOn, **passed.model_dump())


async def find_delegation(
    session: AsyncSession, delegation_id: uuid.UUID
) -> tuple[PassedOn, IssuedToken, Grant] | None:
    """The delegation of this id, with its token and grant."""
    query = _delegations().where(PassedOn.id == delegation_id)
    found: tuple[PassedOn, IssuedToken, Grant] | None
    found = (await session.exec(query)).one_or_none()
    return found


async def get_delegation_by_name(session: AsyncSession, name: bytes) -> PassedOn:
    """The delegation of this name, which is there, held."""
    query = select(PassedOn).where(PassedOn.name == name)
    return (await session.exec(held(query))).one()


async def list_delegations_by_names(
    session: AsyncSession, names: Sequence[bytes]
) -> Sequence[PassedOn]:
    """Those of the delegations that we know of."""
    return (await session.exec(select(PassedOn).where(col(PassedOn.name).in_(names)))).all()


async def list_delegations(
    session: AsyncSession, page: Page, *, parcel_id: uuid.UUID, holder_id: uuid.UUID | None
) -> Sequence[tuple[PassedOn, IssuedToken, Grant]]:
    """One more than the page of a parcel's delegations, newest first; `holder_id` keeps to those
    of one person's grants.
    """
    query = _delegations().where(Grant.parcel_id == parcel_id)
    if holder_id is not None:
        query = query.where(Grant.holder_id == holder_id)
    if page.after is not None:
        query = query.where(col(PassedOn.id) < page.after)
    rows: Sequence[tuple[PassedOn, IssuedToken, Grant]]
    rows = (await session.exec(query.order_by(col(PassedOn.id).desc()).limit(page.limit))).all()
    return rows


async def is_passed_on(session: AsyncSession, stay: bytes, *, now_s: int) -> bool:
    """Whether somebody shares what lies under this stay, as far as we know."""
    query = (
        select(PassedOn.id)
        .join(Grant, col(Grant.id) == col(PassedOn.grant_id))
        .where(Grant.stay == stay, col(PassedOn.revoked_at).is_(None), PassedOn.exp >= now_s)
        .limit(1)
    )
    return (await session.exec(query)).first() is not None


async def count_delegations(session: AsyncSession, grant_id: uuid.UUID) -> int:
    """How many delegations of the grant we know of."""
    query = select(func.count()).select_from(PassedOn).where(PassedOn.grant_id == grant_id)
    return (await session.exec(query)).one()


async def revoke_delegation(session: AsyncSession, name: bytes, *, now: datetime) -> None:
    """Marks the delegation, and what we know was made from it, as revoked."""
    which = or_(col(PassedOn.name) == name, col(PassedOn.parent) == name)
    await session.exec(
        update(PassedOn).where(which, col(PassedOn.revoked_at).is_(None)).values(revoked_at=now)
    )


async def list_revoked_delegations(
    session: AsyncSession, lid: LockerId, *, issued_since: int, now_s: int, limit: int
) -> Sequence[tuple[PassedOn, int]]:
    """Revoked delegations that are not over and whose token is neither, with its time of issue.

    Longest living first.
    """
    query = (
        select(PassedOn, IssuedToken.iat)
        .join(IssuedToken, col(IssuedToken.cti) == col(PassedOn.cti))
        .where(
            IssuedToken.lid == lid,
            col(IssuedToken.revoked_at).is_(None),
            IssuedToken.iat >= issued_since,
            col(PassedOn.revoked_at).is_not(None),
            PassedOn.exp >= now_s,
        )
        .order_by(col(PassedOn.exp).desc(), col(PassedOn.name))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def insert_registered_token(session: AsyncSession, token: RegisteredToken) -> bool:
    """Adds a token of a service or hub key; False when one of its name is there already."""
    return await insert_new(session, RegisteredToken, **token.model_dump())


async def list_registered_tokens(
    session: AsyncSession, lid: LockerId, names: Sequence[bytes]
) -> Sequence[RegisteredToken]:
    """Those of these tokens that were registered for the locker."""
    query = select(RegisteredToken).where(
        col(RegisteredToken.cti).in_(names), RegisteredToken.lid == lid
    )
    return (await session.exec(query)).all()


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


async def find_emergency(
    session: AsyncSession, emergency_id: uuid.UUID, *, is_held: bool = False
) -> EmergencyOpening | None:
    """The emergency opening of this id; `is_held` keeps its row until the transaction ends."""
    query = select(EmergencyOpening).where(EmergencyOpening.id == emergency_id)
    return (await session.exec(held(query) if is_held else query)).one_or_none()


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


async def insert_pass(session: AsyncSession, issued: IssuedPass) -> bool:
    """Adds a PIN's issue; False when the phone was given that of this day already."""
    return await insert_new(session, IssuedPass, **issued.model_dump())


async def insert_guest_link(session: AsyncSession, link: GuestLink) -> bool:
    """Adds how the links to a parcel stand; False when that is there already."""
    return await insert_new(session, GuestLink, **link.model_dump())


async def find_guest_link(
    session: AsyncSession, parcel_id: uuid.UUID, *, is_held: bool = False
) -> GuestLink | None:
    """How the links to a parcel stand; `is_held` keeps the row until the transaction ends."""
    query = select(GuestLink).where(GuestLink.parcel_id == parcel_id)
    return (await session.exec(held(query) if is_held else query)).one_or_none()


async def revoke_guest_links(
    session: AsyncSession, parcel_ids: Collection[uuid.UUID], *, now: datetime
) -> None:
    """Withdraws what is not withdrawn of the links to these parcels."""
    live = (col(GuestLink.parcel_id).in_(parcel_ids), col(GuestLink.revoked_at).is_(None))
    await session.exec(update(GuestLink).where(*live).values(revoked_at=now))


async def find_last_pass_day(session: AsyncSession, grant_id: uuid.UUID) -> int | None:
    """The last day for which a PIN was given out for the grant; None without one."""
    query = select(func.max(col(IssuedPass.day))).where(IssuedPass.grant_id == grant_id)
    return (await session.exec(query)).one()


async def find_last_pass_day_of(session: AsyncSession, parcel_id: uuid.UUID) -> int | None:
    """The same for a parcel, whichever grant it was given out for; None once its stay has ended."""
    query = (
        select(func.max(col(IssuedPass.day)))
        .join(Grant, col(Grant.id) == col(IssuedPass.grant_id))
        .join(Stay, col(Stay.name) == col(Grant.stay))
        .where(Grant.parcel_id == parcel_id, col(Stay.ended_at).is_(None))
    )
    return (await session.exec(query)).one()


async def list_outliving_passes(
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


async def draw_seq(session: AsyncSession, kind: StatementType) -> int:
    """The next number of a kind of statement; never drawn twice, and higher than all before."""
    await insert_new(session, StatementCounter, kind=kind.value, seq=0)
    drawn = await session.exec(
        update(StatementCounter)
        .where(col(StatementCounter.kind) == kind.value)
        .values(seq=StatementCounter.seq + 1)
        .returning(col(StatementCounter.seq))
    )
    return cast("int", drawn.scalar_one())


async def insert_statement(session: AsyncSession, statement: SignedStatement) -> None:
    """Adds a statement that is about to leave."""
    session.add(statement)
    await session.flush()


async def find_statement(
    session: AsyncSession, kind: StatementType, lid: LockerId
) -> SignedStatement | None:
    """The statement of this kind that counts for the locker."""
    query = (
        select(SignedStatement)
        .where(
            SignedStatement.kind == kind.value,
            col(SignedStatement.audience).in_((lid, EVERY_LOCKER)),
        )
        .order_by(col(SignedStatement.seq).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


async def _revoke(session: AsyncSession, which: Any, now: datetime, now_s: int) -> list[bytes]:
    living = col(IssuedToken.revoked_at).is_(None) & (col(IssuedToken.exp) >= now_s)
    revoked = await session.exec(
        update(IssuedToken)
        .where(which, living)
        .values(revoked_at=now)
        .returning(col(IssuedToken.lid))
    )
    return sorted(set(revoked.scalars()))


def _delegations() -> Any:
    return (
        select(PassedOn, IssuedToken, Grant)
        .join(IssuedToken, col(IssuedToken.cti) == col(PassedOn.cti))
        .join(Grant, col(Grant.id) == col(PassedOn.grant_id))
    )
