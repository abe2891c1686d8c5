"""A locker as whoever works there gets it: its keys, what to tell it, and rights with tokens.

What couriers, hub staff and senders take along has this in common; who may have it, each decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId, StayId
from server.access import queries
from server.access.rules import COURIER_LIFE, ROUTE_LIFE, Action, GrantState, Turn
from server.access.service.bundles import Place, Tools
from server.access.service.grants import (
    GrantTerms,
    Holder,
    end_grant,
    extend_grant,
    issue_grant,
    issue_token,
)
from server.access.service.statements import find_signer, list_statements
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import BrokenPromise, Refusal
from server.ledger import service as ledger
from server.lockers import queries as lockers
from server.lockers.rules import LockerState, is_taking_deposits
from server.people import queries as people

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from server.access.service.grants import Issued
    from server.access.service.statements import Carried, Signer
    from server.access.tables import Grant
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.lockers.tables import Compartment, Locker
    from server.parcels.states import Removal
    from server.parcels.tables import Parcel

AT_WORK = frozenset(
    set(LockerState) - {LockerState.PROVISIONING, LockerState.LOCKED_DOWN, LockerState.RETIRED}
)
"""States of a locker in which somebody may take out what lies in it."""

PARCELS_AT_ONCE = 50
"""Parcels of one bundle."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks, on which device, and until when the tokens shall be good."""

    holder_id: uuid.UUID | None
    holder: Holder
    end: datetime
    tools: Tools

    def until(self, latest: datetime) -> Order:
        """The same, ending no later than that."""
        return replace(self, end=min(self.end, latest))


@dataclass(frozen=True, slots=True)
class Site:
    """One locker, with the key that signs for it and what to bring it."""

    hub: Hub
    locker: Locker
    doors: Sequence[Compartment]
    signer: Signer
    statements: list[Carried]

    def place(self, door: Compartment) -> Place:
        """One of its doors, as people look for it."""
        return Place(self.hub, self.locker, door)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to do with one stay: the grant that allows it, and the doors it is for."""

    action: Action
    parcel: Parcel
    stay: bytes
    comps: tuple[int, ...]
    removal: Removal | None = None


@dataclass(frozen=True, slots=True)
class Right:
    """A grant, and the token for it on the calling device."""

    grant: Grant
    token: Issued


async def take_order(
    session: Session, actor: Actor, *, life: timedelta, permission: Permission, tools: Tools
) -> Order | Refusal:
    """The order of a person on their device, who holds the permission somewhere."""
    device = None
    if actor.device_id is not None and any(held is permission for held, _, _ in actor.grants):
        device = await people.find_device(session, actor.device_id)
    if device is None:
        return deny(actor)
    holder = Holder(device.id, device.public_key)
    return Order(actor.person_id, holder, tools.now + life, tools)


def life_of(*, is_route: bool) -> timedelta:
    """How long a courier's tokens last: for a whole tour, or at one stop."""
    return ROUTE_LIFE if is_route else COURIER_LIFE


async def find_site(
    session: Session,
    locker_id: uuid.UUID,
    *,
    is_for_deposits: bool,
    tools: Tools,
    field: str = "parcelIds",
) -> Site | Refusal:
    """The locker with all that tokens for it need; WRONG_STATE while it must not be used so."""
    locker = await lockers.find_locker(session, locker_id)
    hub = None if locker is None else await find_hub(session, locker.hub_id)
    if locker is None or hub is None:
        raise BrokenPromise("a compartment is in a locker at no hub")
    lid, now = LockerId(locker.lid), tools.now
    may = is_taking_deposits(locker.state) if is_for_deposits else locker.state in AT_WORK
    if not may or await ledger.is_distrusted(session, lid):
        what = "takes no parcels" if is_for_deposits else "gives no parcels out"
        return Refusal(ProblemCode.WRONG_STATE, f"This locker {what} now.", field)
    signer = await find_signer(session, lid, keyring=tools.keyring, now=now)
    if isinstance(signer, Refusal):
        return signer
    # Before the tokens: a new list may refuse all that was issued so far.
    statements = await list_statements(session, signer, now=now)
    doors = await lockers.list_compartments(session, [locker.id])
    return Site(hub, locker, doors, signer, statements)


async def grant_job(session: Session, site: Site, order: Order, job: Job) -> Right | Refusal:
    """The right to do this, with a token for it. Asking again gives the same while it is fresh.

    A living grant of the holder for another removal of the same stay is followed by the new one.
    """
    tools = order.tools
    grant = await queries.find_newest_grant(
        session,
        parcel_id=job.parcel.id,
        action=job.action,
        stay=job.stay,
        holder_id=order.holder_id,
    )
    if grant is not None and grant.removal is not job.removal:
        await end_grant(session, grant, Turn.SUPERSEDE, now=tools.now)
    if grant is None or grant.state is not GrantState.ACTIVE:
        terms = GrantTerms(
            action=job.action,
            parcel_id=job.parcel.id,
            locker_id=site.locker.id,
            stay=StayId(job.stay),
            compartment=job.comps[0] if len(job.comps) == 1 else None,
            holder_id=order.holder_id,
            not_after=order.end,
            removal=job.removal,
        )
        grant = await issue_grant(session, terms, grant_id=tools.ids.new(), now=tools.now)
    await extend_grant(session, grant, order.end)
    token = await issue_token(
        session,
        grant,
        order.holder,
        signer=site.signer,
        end=order.end,
        comps=job.comps,
        randomness=tools.randomness,
        now=tools.now,
    )
    return token if isinstance(token, Refusal) else Right(grant, token)
