"""Grants and the tokens issued for them: made, handed out, withdrawn, spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import ID_SIZE, StayId, TokenId
from server.access import queries, signing
from server.access.rules import (
    DEPOSITS,
    DEPTH,
    Action,
    GrantState,
    Turn,
    find_grant_state,
    fit_span,
    is_fresh_enough,
    on_the_wire,
)
from server.access.service.statements import find_revocations
from server.access.tables import Grant, IssuedToken
from server.kit.errors import Refusal

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from schema.statements import Revocations
    from server.access.service.statements import Signer
    from server.kit.db import Session
    from server.kit.ids import Randomness
    from server.parcels.states import Removal

NO_STAY = StayId(b"")
"""What a token names that is about no stay (PROTOCOL 2)."""

EXPIRED_AT_ONCE = 200
"""Grants ended in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """Who may do what with which stay. Without `granted_by` it is the server's own rule.

    To inspect is about no parcel and no stay, for a `reason`.
    """

    action: Action
    locker_id: uuid.UUID
    compartment: int | None
    holder_id: uuid.UUID | None
    parcel_id: uuid.UUID | None = None
    stay: StayId = NO_STAY
    reason: str | None = None
    granted_by: uuid.UUID | None = None
    not_after: datetime | None = None
    removal: Removal | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The device that a token is bound to."""

    device_id: uuid.UUID
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as its device gets it."""

    raw: bytes
    exp: int


async def issue_grant(
    session: Session, terms: GrantTerms, *, grant_id: uuid.UUID, now: datetime
) -> Grant:
    """An active grant of these terms; one of the same id stays as it is and is returned."""
    grant = Grant(
        id=grant_id,
        created_at=now,
        action=terms.action,
        state=GrantState.ACTIVE,
        parcel_id=terms.parcel_id,
        locker_id=terms.locker_id,
        stay=terms.stay,
        compartment=terms.compartment,
        removal=terms.removal,
        reason=terms.reason,
        holder_id=terms.holder_id,
        granted_by=terms.granted_by,
        not_before=now,
        not_after=terms.not_after,
    )
    if await queries.insert_grant(session, grant):
        return grant
    return await queries.get_grant(session, grant_id)


async def issue_token(
    session: Session,
    grant: Grant,
    holder: Holder,
    *,
    signer: Signer,
    end: datetime,
    comps: tuple[int, ...],
    randomness: Randomness,
    now: datetime,
) -> Issued | Refusal:
    """A token for the grant, bound to the device and good until `end` at the latest.

    The one handed out before is given again while at least half of its life is left, nothing about
    it changed and its locker has not been told to refuse all of its age. WRONG_STATE when the grant
    is over or nothing of its time is left.
    """
    now_s = signing.unix_s(now)
    wanted = fit_span(now_s, signing.unix_s(end), signer.issuer.rights)
    if grant.state is not GrantState.ACTIVE or wanted is None:
        return Refusal(ProblemCode.WRONG_STATE, "The time for this is over.")
    revocations = await find_revocations(session, signer.lid)
    former = await queries.find_newest_token(session, grant_id=grant.id, device_id=holder.device_id)
    if (
        former is not None
        and _still_serves(former, signer, comps, revocations)
        and is_fresh_enough(exp=former.exp, wanted=wanted.exp, now=now_s)
    ):
        return Issued(former.raw, former.exp)
    operation, role = on_the_wire(grant.action)
    terms = signing.TokenTerms(
        cti=TokenId(randomness.take(ID_SIZE)),
        holder=holder.public_key,
        role=role,
        operation=operation,
        stay=StayId(grant.stay),
        span=wanted,
        comps=comps,
        depth=DEPTH if grant.action is Action.OPEN else 0,
        minrev=0 if revocations is None else revocations.seq,
    )
    raw = signing.make_token(signer.issuer, signer.lid, terms)
    token = IssuedToken(
        cti=terms.cti,
        grant_id=grant.id,
        device_id=holder.device_id,
        lid=signer.lid,
        kid=signer.issuer.kid,
        iat=wanted.nbf,
        exp=wanted.exp,
        comps=list(comps),
        raw=raw,
    )
    await queries.insert_token(session, token)
    return Issued(raw, wanted.exp)


def _still_serves(
    former: IssuedToken, signer: Signer, comps: tuple[int, ...], revocations: Revocations | None
) -> bool:
    """Whether the locker still takes it, and it says what a new one would."""
    is_alive = revocations is None or former.iat >= revocations.min_iat
    is_for_this_board = former.lid == signer.lid
    is_same = former.kid == signer.issuer.kid and former.comps == list(comps)
    return is_alive and is_for_this_board and is_same


async def end_grant(
    session: Session, grant: Grant, turn: Turn, *, now: datetime, by: uuid.UUID | None = None
) -> bool:
    """Turns the grant; False, and nothing changed, where its state does not take this turn."""
    state = find_grant_state(grant.state, turn)
    if state is None:
        return False
    await queries.change_grant(session, grant, state, now=now, by=by)
    return True


async def extend_grant(session: Session, grant: Grant, not_after: datetime) -> None:
    """Lets the grant last as long as the token that is about to be issued for it."""
    if grant.not_after is not None and grant.not_after < not_after:
        grant.not_after = not_after
        session.add(grant)


async def expire_grants(session: Session, *, now: datetime) -> int:
    """Ends grants whose time is over, at most `EXPIRED_AT_ONCE` of them; how many."""
    lapsed = await queries.list_lapsed_grants(session, now=now, limit=EXPIRED_AT_ONCE)
    for grant in lapsed:
        await end_grant(session, grant, Turn.EXPIRE, now=now)
    return len(lapsed)


async def on_parcel_expired(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> None:
    """The recipient's time is over; a late extension brings another grant."""
    for grant in await queries.list_living_grants_of(session, parcel_id, Action.OPEN):
        await end_grant(session, grant, Turn.EXPIRE, now=now)


async def on_stay_ended(session: Session, stay: StayId, *, now: datetime) -> None:
    """Every grant of the stay is used up: at the locker its tokens are dead with it."""
    for grant in await queries.list_living_grants(session, stay):
        await end_grant(session, grant, Turn.USE_UP, now=now)


async def on_deposited(session: Session, grant: Grant, *, now: datetime) -> None:
    """The door has closed on the grant's parcel: the grant is used up, and others to bring the
    parcel to another place are no longer needed.
    """
    for action in DEPOSITS:
        for other in await queries.list_living_grants_of(session, grant.parcel, action):
            turn = Turn.USE_UP if other.id == grant.id else Turn.SUPERSEDE
            await end_grant(session, other, turn, now=now)
