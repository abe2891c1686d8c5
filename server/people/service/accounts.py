"""Accounts, their roles, and who stands behind the credentials of a request (`kit.auth`)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Granted, Permission, Scope, deny
from server.kit.db import insert_new
from server.kit.errors import Refusal
from server.people import queries
from server.people.roles import CARRIER_ROLES, HUB_ROLES, Role, grants_of
from server.people.service.api_keys import read_api_key
from server.people.tables import ContactAddress, Membership, Person

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.people.rules import Contact

SEEN_EVERY = timedelta(hours=1)
"""How exactly `last_seen_at` is kept: writing it at each request would be work for nothing."""


@dataclass(frozen=True, slots=True)
class Post:
    """A role at one hub or in one carrier."""

    role: Role
    subject: uuid.UUID


async def ensure_person(
    session: Session, contact: Contact, *, ids: Ids, now: datetime
) -> uuid.UUID:
    """The account that an address belongs to; an address nobody has yet gets a new account.

    The address counts as verified only after a sign-in with it. Racers end up with one account.
    """
    known = await queries.find_contact(session, contact)
    if known is not None:
        return known.person_id
    person = Person(id=ids.new(), created_at=now)
    session.add(person)
    await session.flush()
    is_new = await insert_new(
        session,
        ContactAddress,
        id=ids.new(),
        created_at=now,
        person_id=person.id,
        kind=contact.kind,
        address=contact.address,
    )
    if is_new:
        return person.id
    await session.delete(person)
    return await ensure_person(session, contact, ids=ids, now=now)


async def add_operator(session: Session, contact: Contact, *, ids: Ids, now: datetime) -> uuid.UUID:
    """Makes the owner of an address an operator of the network; repeating changes nothing.

    For whoever has the server machine; no request from outside leads here.
    """
    person_id = await ensure_person(session, contact, ids=ids, now=now)
    await _add_role(
        session, Membership(id=ids.new(), created_at=now, person_id=person_id, role=Role.OPERATOR)
    )
    return person_id


def may_staff(actor: Actor, post: Post) -> bool:
    """Whether the actor may give this role there. An owner is made by owners and operators only,
    so that no manager rises above the hub's owner; a technician by operators, who hold the keys.
    """
    if post.role in CARRIER_ROLES:
        return actor.can(Permission.CARRIER_INVITE_MEMBER, carrier=post.subject)
    if post.role is Role.TECHNICIAN:
        return (Permission.HUB_STAFF_WRITE, Scope.NETWORK, None) in actor.grants
    needed = {Permission.HUB_STAFF_WRITE}
    if post.role is Role.HUB_OWNER:
        needed.add(Permission.HUB_POLICY_OVERRIDE)
    return post.role in HUB_ROLES and all(actor.can(one, hub=post.subject) for one in needed)


async def invite_member(
    session: Session,
    actor: Actor,
    *,
    contact: Contact,
    post: Post,
    ids: Ids,
    now: datetime,
) -> uuid.UUID | Refusal:
    """Gives the owner of an address a role at a hub or in a carrier; repeating changes nothing.

    Refused with NOT_PERMITTED unless the actor may staff that hub or carrier. That the hub exists
    is the caller's to know.
    """
    if not may_staff(actor, post):
        return deny(actor)
    if post.role in CARRIER_ROLES and await queries.find_carrier(session, post.subject) is None:
        return Refusal(ProblemCode.NOT_FOUND)
    person_id = await ensure_person(session, contact, ids=ids, now=now)
    membership = Membership(
        id=ids.new(),
        created_at=now,
        person_id=person_id,
        role=post.role,
        subject=post.subject,
        given_by=actor.person_id or actor.carrier_id,
    )
    await _add_role(session, membership)
    return person_id


async def find_person(
    session: Session,
    *,
    person_id: uuid.UUID,
    device_id: uuid.UUID,
    thumbprint: str,
    now: datetime,
) -> Actor | None:
    """The person on that device with all grants, or None when it is signed out or removed."""
    device = await queries.find_device(session, device_id)
    if device is None or (device.person_id, device.thumbprint) != (person_id, thumbprint):
        return None
    if device.revoked_at is not None or device.signed_out_at is not None:
        return None
    if now - device.last_seen_at >= SEEN_EVERY:
        device.last_seen_at = now
        session.add(device)
    memberships = await queries.list_memberships(session, person_id)
    grants = frozenset(grants_of(Role.RECIPIENT)).union(
        *(grants_of(held.role, held.subject) for held in memberships)
    )
    return Actor(person_id=person_id, device_id=device_id, grants=grants)


async def find_carrier(session: Session, *, api_key: str, now: datetime) -> Actor | None:
    """The carrier's system that holds this key, with the key's permissions; None if it is dead."""
    del now  # keys have no end but revocation
    parts = read_api_key(api_key)
    key = await queries.find_api_key(session, parts[0]) if parts else None
    if parts is None or key is None or key.revoked_at is not None:
        return None
    if not hmac.compare_digest(hashlib.sha256(parts[1]).digest(), key.digest):
        return None
    grants = frozenset(
        Granted(Permission(name), Scope.CARRIER, key.carrier_id) for name in key.permissions
    )
    return Actor(carrier_id=key.carrier_id, grants=grants)


async def _add_role(session: Session, membership: Membership) -> None:
    await queries.lock_person(session, membership.person_id)
    held = await queries.find_membership(
        session,
        person_id=membership.person_id,
        role=membership.role,
        subject=membership.subject,
    )
    if held is None:
        session.add(membership)
