"""Key sets: what the roots signed, kept until a newer one replaces it.

The roots' private keys are never here; what they sign is brought in and verified.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.codec import Malformed, encode
from schema.codes import ProblemCode
from schema.ids import EVERY_LOCKER, KeyId, LockerId
from schema.keys import MAX_KEYS, KeyEntry, KeySet, Operation, Roots
from schema.statements import KeySetStatement, StatementType, parse_statement
from server.kit.auth import Actor, Permission, Scope, deny
from server.kit.clock import LAST_INSTANT_S, instant_of
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Keyring, PrivateKey, Purpose
from server.ledger.own.rules import key_set_issued
from server.ledger.own.service import note
from server.lockers import queries
from server.lockers.tables import SignedKeySet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

ISSUER_ACTIONS = Operation.OPEN | Operation.DEPOSIT | Operation.INSPECT | Operation.SYNC
"""What the online issuer may sign (PROTOCOL 2)."""

ISSUER_MAX_TTL = timedelta(days=7)
"""Longest life of a token of the online issuer (PROTOCOL 2)."""


def roots_of(root_keys: Iterable[bytes]) -> Roots:
    """The roots as the settings name them: key id (2 bytes), then the public key (32)."""
    return Roots(tuple((KeyId(key[:2]), key[2:]) for key in root_keys))


async def draft_key_set(
    session: Session, *, keyring: Keyring, lid: LockerId = EVERY_LOCKER, now: datetime
) -> KeySetStatement:
    """The next key set for one locker or all of them, unsigned; drafts take no number.

    Service and hub keys of the former set stay in while they live. A locker that had none of its
    own begins with those of everybody's.
    """
    seq = await next_key_set_seq(session)
    row = await queries.find_newest_key_set_for(session, lid) or await queries.find_newest_key_set(
        session, lid
    )
    former = KeySet() if row is None else keys_of(row)
    body = compose_key_set(keyring, seq=seq, now=now, former=former)
    return replace(body, lid=lid)


def compose_key_set(
    keyring: Keyring, *, seq: int, now: datetime, former: KeySet | None = None
) -> KeySetStatement:
    """What a root should sign for every locker: all issuer keys alive, then what other keys of the
    former set still live, then the sealing key.

    An issuer key that was replaced stays in as long as it lives, so tokens that it signed do too.
    BrokenPromise when there are more than a key set holds.
    """
    issuers = keyring.list_keys(Purpose.ISSUER)
    others = _kept(former or KeySet(), {key.kid for key in issuers}, now=int(now.timestamp()))
    if len(issuers) + len(others) >= MAX_KEYS:
        message = f"{len(issuers)} issuer keys and {len(others)} others live, more than a set holds"
        raise BrokenPromise(message)
    seal = keyring.list_keys(Purpose.SEAL)[0]
    entries = (*(_issuer_entry(key) for key in issuers), *others, _sealing_entry(seal))
    return KeySetStatement(EVERY_LOCKER, seq, int(now.timestamp()), entries)


def payload_of(body: KeySetStatement) -> bytes:
    """What a root signs, as it stands in the statement."""
    return encode([body.lid, body.seq, body.iat, [key.as_value() for key in body.keys]])


async def hand_in_key_set(
    session: Session,
    actor: Actor,
    statement: bytes,
    *,
    roots: Roots,
    ids: Ids,
    now: datetime,
) -> SignedKeySet | Refusal:
    """The same as `add_key_set`, for whoever provisions lockers in the whole network."""
    if (Permission.LOCKER_PROVISION, Scope.NETWORK, None) not in actor.grants:
        return deny(actor)
    return await add_key_set(session, statement, roots=roots, ids=ids, now=now)


async def add_key_set(
    session: Session, statement: bytes, *, roots: Roots, ids: Ids, now: datetime
) -> SignedKeySet | Refusal:
    """Keeps a key set that one of the roots signed. The same bytes again change nothing.

    CHANGED_MEANWHILE when its number was given to another: each number is used once.
    """
    try:
        parsed = parse_statement(StatementType.KEY_SET, statement)
    except Malformed:
        return Refusal(ProblemCode.INPUT_INVALID, "This is no key set statement.", "statement")
    root = roots.find(parsed.signed.kid)
    if root is None or not parsed.is_signed_by(root):
        sentence = "No root that this server knows has signed this key set."
        return Refusal(ProblemCode.INPUT_INVALID, sentence, "statement")
    body = parsed.body
    if not isinstance(body, KeySetStatement):
        message = f"a key set was parsed as {type(body).__name__}"
        raise BrokenPromise(message)
    if body.iat > LAST_INSTANT_S:
        return Refusal(ProblemCode.INPUT_INVALID, "Its time is no time.", "statement")
    row = SignedKeySet(
        id=ids.new(),
        received_at=now,
        audience=body.lid,
        seq=body.seq,
        issued_at=instant_of(body.iat),
        statement=statement,
    )
    if await queries.insert_key_set(session, row):
        digest = hashlib.sha256(statement).digest()
        note(session, key_set_issued(LockerId(body.lid), body.seq, digest), now=now)
    kept = await queries.find_key_set(session, body.seq)
    if kept is None or kept.statement != statement:
        return Refusal(ProblemCode.CHANGED_MEANWHILE, field="statement")
    return kept


async def find_key_set(session: Session, lid: LockerId) -> SignedKeySet | None:
    """The newest key set for this locker, its own or everybody's."""
    return await queries.find_newest_key_set(session, lid)


async def find_key_set_by_seq(session: Session, seq: int) -> SignedKeySet | None:
    """The key set of this number, if it was ever handed in here."""
    return await queries.find_key_set(session, seq)


async def next_key_set_seq(session: Session) -> int:
    """The number that the next key set must have; one counter serves every audience."""
    return await queries.find_last_key_set_seq(session) + 1


def keys_of(row: SignedKeySet) -> KeySet:
    """The keys in a key set that we keep: a locker that applied it trusts these."""
    body = parse_statement(StatementType.KEY_SET, row.statement).body
    if not isinstance(body, KeySetStatement):
        message = f"a kept key set was parsed as {type(body).__name__}"
        raise BrokenPromise(message)
    return KeySet(body.keys)


def _kept(former: KeySet, ours: Collection[KeyId], *, now: int) -> list[KeyEntry]:
    """Living keys that are not the server's: only those may make no statement."""
    return [
        key
        for key in former.entries
        if key.actions
        and not key.actions & Operation.SYNC
        and key.kid not in ours
        and now <= key.exp
    ]


def _issuer_entry(key: PrivateKey) -> KeyEntry:
    return KeyEntry(
        kid=key.kid,
        public=key.public,
        actions=int(ISSUER_ACTIONS),
        max_ttl=int(ISSUER_MAX_TTL.total_seconds()),
        nbf=int(key.not_before.timestamp()),
        exp=int(key.expires_at.timestamp()),
    )


def _sealing_entry(key: PrivateKey) -> KeyEntry:
    return KeyEntry(kid=key.kid, public=key.public, actions=0, max_ttl=0, nbf=0, exp=0)
