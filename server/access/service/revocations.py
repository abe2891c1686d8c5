"""Taking rights back: a grant, or every token of a device, onto the lists of the lockers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId
from server.access import queries, signing
from server.access.rules import DEPOSITS, Action, GrantState, Turn, pass_end
from server.access.service.grants import end_grant
from server.access.service.statements import ensure_revocations, find_signer
from server.kit.auth import Actor, Permission, Scope, not_found
from server.kit.clock import instant_of
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.service.reading import find_locker
from server.parcels import queries as parcels

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.access.service.statements import Carried
    from server.access.tables import Grant
    from server.kit.db import Session
    from server.kit.keyring import Keyring

OF_THE_HOUSE = frozenset({Action.DEPOSIT, Action.REMOVE, Action.INSPECT, Action.SERVICE})
"""What carriers and hubs are granted, and may take from one another; never a recipient's own."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A grant that is over, and the list that tells its locker; None if nothing had left.

    A PIN that was given out for it opens until the locker has that list, and until `pin_until` at
    the latest; None if none was, or it is over.
    """

    grant: Grant
    statement: Carried | None
    pin_until: datetime | None


async def revoke_grant(
    session: Session, actor: Actor, *, grant_id: uuid.UUID, keyring: Keyring, now: datetime
) -> Withdrawn | Refusal:
    """Ends the grant and puts its tokens on the next list; whoever carries that ends them there.

    Holders take back their own, a carrier or hub what was granted in its parcels' course, an
    operator any. To others it is NOT_FOUND. Repeating gives the newest list again.
    """
    grant = await queries.find_grant(session, grant_id, is_held=True)
    if grant is None or not await may_revoke(session, actor, grant):
        return not_found(actor, "grantId")
    was_living = await end_grant(
        session, grant, Turn.REVOKE, now=now, by=actor.person_id or actor.carrier_id
    )
    if not was_living and grant.state is not GrantState.REVOKED:
        return Refusal(ProblemCode.WRONG_STATE, f"This grant is {grant.state} already.", "grantId")
    locker = await find_locker(session, grant.locker_id)
    if locker is None:
        raise BrokenPromise(f"grant {grant.id} is for no locker")
    lid = LockerId(locker.lid)
    await queries.revoke_grant_tokens(session, grant.id, now=now, now_s=signing.unix_s(now))
    statement = await tell(session, lid, keyring=keyring, now=now)
    return Withdrawn(grant, statement, await find_pin_end(session, grant, now=now))


async def find_pin_end(session: Session, grant: Grant, *, now: datetime) -> datetime | None:
    """When the last PIN that was given out for the grant is over; None if it is, or none was."""
    day = await queries.find_last_pass_day(session, grant.id)
    end = None if day is None else instant_of(pass_end(day))
    return end if end is not None and end > now else None


async def find_grant(session: Session, actor: Actor, grant_id: uuid.UUID) -> Grant | None:
    """The grant, for whoever may revoke it; None for others."""
    grant = await queries.find_grant(session, grant_id)
    may = grant is not None and await may_revoke(session, actor, grant)
    return grant if may else None


async def revoke_device(
    session: Session, device_id: uuid.UUID, *, keyring: Keyring, now: datetime
) -> int:
    """Puts the living tokens of a device on the list of each locker they would open; how many
    lockers. The grants stay: the person's other devices go on.
    """
    lids = await queries.revoke_device_tokens(
        session, device_id, now=now, now_s=signing.unix_s(now)
    )
    for lid in map(LockerId, lids):
        await tell(session, lid, keyring=keyring, now=now)
    return len(lids)


async def revoke_deposits(
    session: Session, parcel_id: uuid.UUID, *, keyring: Keyring, now: datetime
) -> int:
    """Takes back every right to put the parcel into a locker: it was called off; how many."""
    ended: list[Grant] = []
    for action in DEPOSITS:
        ended += await queries.list_living_grants_of(session, parcel_id, action)
    for grant in ended:
        await end_grant(session, grant, Turn.REVOKE, now=now)
        await queries.revoke_grant_tokens(session, grant.id, now=now, now_s=signing.unix_s(now))
    for locker_id in dict.fromkeys(grant.locker_id for grant in ended):
        locker = await find_locker(session, locker_id)
        if locker is not None:
            await tell(session, LockerId(locker.lid), keyring=keyring, now=now)
    return len(ended)


async def tell(
    session: Session, lid: LockerId, *, keyring: Keyring, now: datetime
) -> Carried | None:
    """The list as it is now. Without a living key of ours it waits for the next bundle."""
    signer = await find_signer(session, lid, keyring=keyring, now=now)
    if isinstance(signer, Refusal):
        return None
    return await ensure_revocations(session, signer, now=now)


async def may_revoke(session: Session, actor: Actor, grant: Grant) -> bool:
    """Whether the actor may end the grant, or what was passed on of it."""
    may = Permission.GRANT_REVOKE
    if (may, Scope.NETWORK, None) in actor.grants:
        return True
    if actor.person_id is not None and grant.holder_id == actor.person_id:
        return actor.can(may)
    if grant.action not in OF_THE_HOUSE:
        return False
    if grant.parcel_id is None:
        locker = await find_locker(session, grant.locker_id)
        return locker is not None and actor.can(may, hub=locker.hub_id)
    parcel = await parcels.get_parcel(session, grant.parcel_id)
    return actor.can(may, carrier=parcel.carrier_id) or actor.can(may, hub=parcel.hub_id)
