"""Carriers and the API keys of their systems. A secret is shown once and kept as a digest only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.db import insert_new
from server.kit.errors import Refusal
from server.people import queries
from server.people.tables import ApiKey, Carrier

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness
    from server.people.roles import CarrierRight

PREFIX = "rst_"
"""Begins every API key, so that a scanner for leaked secrets can know it."""

SECRET_BYTES = 32
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyWish:
    """The key that somebody wants: for which carrier, what for, and with which rights."""

    carrier_id: uuid.UUID
    name: str
    rights: frozenset[CarrierRight]


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key at the one moment when its secret is known."""

    key: ApiKey
    secret: str = field(repr=False)


async def create_carrier(
    session: Session, actor: Actor, *, name: str, ids: Ids, now: datetime
) -> Carrier | Refusal:
    """A carrier of this name; the one that bears it already is returned as it is.

    Refused with NOT_PERMITTED to all but operators of the network.
    """
    if not actor.can(Permission.CARRIER_INVITE_MEMBER):
        return deny(actor)
    await insert_new(session, Carrier, id=ids.new(), created_at=now, name=name)
    return await queries.get_carrier_by_name(session, name)


async def create_api_key(
    session: Session,
    actor: Actor,
    *,
    wish: KeyWish,
    ids: Ids,
    randomness: Randomness,
    now: datetime,
) -> NewApiKey | Refusal:
    """A new key; each call makes another. NOT_FOUND for a carrier the actor has no hand in."""
    if not actor.can(Permission.CARRIER_INVITE_MEMBER, carrier=wish.carrier_id):
        return not_found(actor)
    if await queries.find_carrier(session, wish.carrier_id) is None:
        return Refusal(ProblemCode.NOT_FOUND)
    if not wish.rights:
        reason = "Name at least one permission."
        return Refusal(ProblemCode.POLICY_INVALID, reason, field="permissions")
    secret = randomness.take(SECRET_BYTES)
    key = ApiKey(
        id=ids.new(),
        created_at=now,
        carrier_id=wish.carrier_id,
        name=wish.name,
        digest=hashlib.sha256(secret).digest(),
        permissions=sorted(wish.rights),
    )
    session.add(key)
    await session.flush()
    text = base64.urlsafe_b64encode(key.id.bytes + secret).rstrip(b"=").decode()
    return NewApiKey(key, PREFIX + text)


async def revoke_api_key(
    session: Session, actor: Actor, *, key_id: uuid.UUID, now: datetime
) -> ApiKey | Refusal:
    """Ends a key; repeating changes nothing. NOT_FOUND for keys of carriers of no concern."""
    key = await queries.find_api_key(session, key_id)
    if key is None or not actor.can(Permission.CARRIER_INVITE_MEMBER, carrier=key.carrier_id):
        return not_found(actor)
    if key.revoked_at is None:
        key.revoked_at = now
        session.add(key)
    return key


def read_api_key(text: str) -> tuple[uuid.UUID, bytes] | None:
    """Id and secret of an API key as text, or None if it has not that form."""
    if not text.startswith(PREFIX):
        return None
    try:
        raw = base64.b64decode(text[len(PREFIX) :] + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != ID_BYTES + SECRET_BYTES:
        return None
    return uuid.UUID(bytes=raw[:ID_BYTES]), raw[ID_BYTES:]
