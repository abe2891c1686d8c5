"""Rights passed on by a phone: registered by its giver, learned from a journal, taken back.

A delegation works without us; what is here lets its giver see it and end it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.codes import ProblemCode
from schema.ids import LockerId, parse_locker_text
from schema.tokens.chains import Chain, Fault, find_fault, parse_chain
from server.access import queries, signing
from server.access.rules import (
    MAX_DELEGATIONS_KNOWN,
    DelegationFate,
    GrantState,
    delegation_state,
)
from server.access.service.revocations import may_revoke, tell
from server.access.service.statements import find_revocations
from server.access.tables import PassedOn
from server.kit import outbox
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.parcels import queries as parcels
from server.people import queries as people
from server.people.rules import may_receive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.access.service.facts import Admission
    from server.access.service.statements import Carried
    from server.access.tables import Grant, IssuedToken
    from server.kit.db import Session
    from server.kit.graph import Page
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring

GRANT_DELEGATED = "grant.delegated"
"""Outbox event: a locker let somebody in whom the holder shared with; its subject is the parcel."""

DELEGATION_REGISTERED = "access.delegation_registered"
"""Outbox event: a phone has shared a parcel and told us; its subject is the parcel, its fact
`deviceId` the phone.
"""


@dataclass(frozen=True, slots=True)
class Delegated:
    """A delegation as its giver sees it."""

    row: PassedOn
    state: GrantState


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A delegation that is over, and the list that tells its locker."""

    delegation: Delegated
    statement: Carried | None


async def register_delegation(
    session: Session, actor: Actor, *, parts: Sequence[bytes], ids: Ids, now: datetime
) -> Delegated | Refusal:
    """Takes down a delegation that the caller's phone made; repeating changes nothing.

    `parts` is the token, then one or two delegations. NOT_FOUND for a token that was not issued to
    the caller, DELEGATION_TOO_WIDE for more than it gives, DEVICE_TOO_NEW for a phone that waits,
    WRONG_STATE for what is over.
    """
    device = None if actor.device_id is None else await people.find_device(session, actor.device_id)
    if device is None:
        return deny(actor)
    chain = _read(parts)
    if chain is None or not chain.delegations:
        return _unreadable("chain: must be a token, then one or two delegations.")
    found = await _find_own(session, actor, chain)
    if found is None:
        return not_found(actor, "chain")
    token, grant = found
    parcel = await parcels.get_parcel(session, grant.parcel)
    refusal = (
        may_receive(device.trust, exists_since=parcel.created_at, now=now)
        or _judge(chain)
        or _judge_time(chain, token, grant, now=now)
        or await _judge_number(session, chain, grant)
    )
    if refusal is not None:
        return refusal
    row = await _keep(session, chain, grant, ids=ids, now=now)
    if row.registered_at is None:
        row.registered_at = now
        session.add(row)
        await session.flush()
        await outbox.append(
            session,
            id=uuid.uuid5(row.id, DELEGATION_REGISTERED),
            kind=DELEGATION_REGISTERED,
            subject=parcel.id,
            facts={"delegationId": str(row.id), "deviceId": str(token.device_id)},
            at=now,
        )
    return await _as_delegated(session, row, token, grant, now=now)


async def revoke_delegation(
    session: Session, actor: Actor, *, delegation_id: uuid.UUID, keyring: Keyring, now: datetime
) -> TakenBack | Refusal:
    """Ends one delegation, and what was made from it; everything else under the grant goes on.

    For whoever may revoke the grant; to others it is NOT_FOUND. Repeating gives the newest list.
    """
    found = await queries.find_delegation(session, delegation_id)
    if found is None or not await may_revoke(session, actor, found[2]):
        return not_found(actor, "delegationId")
    row, token, grant = found
    await queries.revoke_delegation(session, row.name, now=now)
    await session.refresh(row)
    statement = await tell(session, LockerId(token.lid), keyring=keyring, now=now)
    return TakenBack(await _as_delegated(session, row, token, grant, now=now), statement)


async def find_delegation(
    session: Session, actor: Actor, delegation_id: uuid.UUID, *, now: datetime
) -> Delegated | None:
    """The delegation, for whoever may revoke its grant; None for others."""
    found = await queries.find_delegation(session, delegation_id)
    if found is None or not await may_revoke(session, actor, found[2]):
        return None
    return await _as_delegated(session, *found, now=now)


async def list_delegations(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, page: Page, now: datetime
) -> list[Delegated]:
    """One more than the page of what we know was passed on of a parcel, newest first.

    Givers see their own, an operator all; others see none.
    """
    sees_all = (Permission.GRANT_REVOKE, Scope.NETWORK, None) in actor.grants
    if not sees_all and (actor.person_id is None or not actor.can(Permission.GRANT_REVOKE)):
        return []
    holder_id = None if sees_all else actor.person_id
    rows = await queries.list_delegations(session, page, parcel_id=parcel_id, holder_id=holder_id)
    oldest = {lid: await _oldest_issue(session, lid) for lid in {token.lid for _, token, _ in rows}}
    return [
        Delegated(row, _state(row, token, grant, oldest[token.lid], now=now))
        for row, token, grant in rows
    ]


async def on_delegate_admitted(
    session: Session, admission: Admission, *, at: datetime, ids: Ids, now: datetime
) -> None:
    """A locker let the last holder of a chain in: the giver learns of it, also of one never
    registered. The same delegation is news once only.
    """
    if admission.chain is None or not admission.chain.delegations:
        return
    row = await _keep(session, admission.chain, admission.grant, ids=ids, now=now)
    if row.first_used_at is not None:
        return
    row.first_used_at = at
    session.add(row)
    await outbox.append(
        session,
        id=uuid.uuid5(row.id, GRANT_DELEGATED),
        kind=GRANT_DELEGATED,
        subject=admission.grant.parcel,
        facts={"delegationId": str(row.id), "isRegistered": row.registered_at is not None},
        at=now,
    )


def _read(parts: Sequence[bytes]) -> Chain | None:
    try:
        return parse_chain(parts)
    except Malformed:
        return None


async def _find_own(
    session: Session, actor: Actor, chain: Chain
) -> tuple[IssuedToken, Grant] | None:
    """The token as we issued it, and its grant if it is the caller's own, with its row held."""
    try:
        lid = parse_locker_text(chain.token.claims.aud)
    except ValueError:
        return None
    found = await queries.find_token(session, chain.token.claims.cti, lid)
    if found is None or found[0].raw != chain.token.raw:
        return None
    grant = await queries.find_grant(session, found[1].id, is_held=True)
    is_own = grant is not None and grant.holder_id == actor.person_id
    if grant is None or not is_own or not actor.can(Permission.PARCEL_DELEGATE):
        return None
    return found[0], grant


def _judge(chain: Chain) -> Refusal | None:
    match find_fault(chain):
        case None:
            return None
        case Fault.FOREIGN as fault:
            return _unreadable(f"chain: {fault}.")
        case _:
            until = instant_of(chain.token.claims.exp)
            sentence = f"You can share only what you hold, for no longer than {until:%F %R} UTC."
            return Refusal(ProblemCode.DELEGATION_TOO_WIDE, sentence, "chain")


def _judge_time(chain: Chain, token: IssuedToken, grant: Grant, *, now: datetime) -> Refusal | None:
    is_over = token.revoked_at is not None or chain.exp < signing.unix_s(now)
    if grant.state is GrantState.ACTIVE and not is_over:
        return None
    return Refusal(ProblemCode.WRONG_STATE, "The time for this is over.", "chain")


async def _judge_number(session: Session, chain: Chain, grant: Grant) -> Refusal | None:
    names = [part.id for part in chain.delegations]
    known = len(await queries.list_delegations_by_names(session, names))
    new = len(names) - known
    if not new or await queries.count_delegations(session, grant.id) + new <= MAX_DELEGATIONS_KNOWN:
        return None
    sentence = f"A parcel is shared at most {MAX_DELEGATIONS_KNOWN} times."
    return Refusal(ProblemCode.POLICY_INVALID, sentence, "chain")


async def _keep(
    session: Session, chain: Chain, grant: Grant, *, ids: Ids, now: datetime
) -> PassedOn:
    """The row of the chain's last delegation; rows are made for those that were not known.

    What is made from something revoked is born revoked.
    """
    parent: PassedOn | None = None
    for part in chain.delegations:
        passed = PassedOn(
            id=ids.new(),
            name=part.id,
            created_at=now,
            grant_id=grant.id,
            cti=chain.token.claims.cti,
            parent=None if parent is None else parent.name,
            holder=part.holder,
            exp=part.exp,
            revoked_at=None if parent is None else parent.revoked_at,
        )
        await queries.insert_delegation(session, passed)
        parent = await queries.get_delegation_by_name(session, part.id)
    assert parent is not None
    return parent


async def _as_delegated(
    session: Session, row: PassedOn, token: IssuedToken, grant: Grant, *, now: datetime
) -> Delegated:
    oldest = await _oldest_issue(session, token.lid)
    return Delegated(row, _state(row, token, grant, oldest, now=now))


async def _oldest_issue(session: Session, lid: bytes) -> int:
    """Tokens that were issued before are refused at the locker, whatever they say."""
    listed = await find_revocations(session, LockerId(lid))
    return 0 if listed is None else listed.min_iat


def _state(
    row: PassedOn, token: IssuedToken, grant: Grant, oldest_iat: int, *, now: datetime
) -> GrantState:
    fate = DelegationFate(
        grant=grant.state,
        is_revoked=row.revoked_at is not None or token.revoked_at is not None,
        is_outdated=token.iat < oldest_iat,
        exp=row.exp,
    )
    return delegation_state(fate, now=signing.unix_s(now))


def _unreadable(sentence: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, sentence, "chain")
