"""Making what the server signs for lockers: tokens and statements; and key sets for a root to sign.

Pure: keys, numbers and times are arguments. Root keys never come near it but in `sign_key_set`,
which the operator runs where the root key is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import decode, encode
from schema.cose import Aad, SigningKey, sign_object
from schema.ids import KEY_ID_SIZE, KeyId, locker_text
from schema.keys import KeyEntry, KeySet, Operation
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    SignedStatement,
    StatementType,
    Time,
    parse_statement,
    sign_statement,
)
from schema.tokens import Claims, issue_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schema.codec import Value
    from schema.ids import LockerId, StayId, TokenId
    from schema.keys import Role, Roots
    from server.access.rules import RevocationList, Span
    from server.kit.keyring import PrivateKey

ISSUER_ACTIONS = Operation.OPEN | Operation.DEPOSIT | Operation.INSPECT | Operation.SYNC
"""What an online issuer may sign (PROTOCOL 2, key roles)."""

ISSUER_TTL_S = 7 * 86_400
"""Longest life of a token that an online issuer signs (PROTOCOL 2, key roles)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer key of ours together with the rights that a root gave it."""

    key: SigningKey
    rights: KeyEntry

    @property
    def kid(self) -> KeyId:
        """The id under which lockers know it."""
        return self.rights.kid


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """What one token allows and to whom."""

    cti: TokenId
    holder: bytes
    role: Role
    operation: Operation
    stay: StayId
    span: Span
    comps: tuple[int, ...] = ()
    depth: int = 0
    minrev: int = 0


def find_issuer(keys: Sequence[PrivateKey], trusted: KeySet, *, now: int) -> Issuer | None:
    """The first of our keys, newest first, that lockers can learn from the published key set.

    A key that no root has signed yet is passed over, so a rotation takes effect with its key set.
    """
    for key in keys:
        rights = trusted.find_signer(key.kid)
        if rights is not None and rights.public == key.public and rights.may_sync(now):
            return Issuer(SigningKey(key.seed), rights)
    return None


def make_token(issuer: Issuer, lid: LockerId, terms: TokenTerms) -> bytes:
    """The signed token; ValueError when the issuer's rights do not reach so far."""
    span = terms.span
    if not issuer.rights.allows(actions=int(terms.operation), nbf=span.nbf, exp=span.exp):
        raise ValueError("the token would exceed the rights of its issuer key")
    claims = Claims(
        aud=locker_text(lid),
        exp=span.exp,
        nbf=span.nbf,
        iat=span.nbf,
        cti=terms.cti,
        holder=terms.holder,
        role=terms.role,
        actions=int(terms.operation),
        comps=terms.comps,
        stay=terms.stay,
        depth=terms.depth,
        minrev=terms.minrev,
    )
    return issue_token(issuer.key, issuer.kid, lid, claims)


def make_time(issuer: Issuer, lid: LockerId, *, now: int, nonce: bytes) -> bytes:
    """The time, for the one hello that the nonce belongs to."""
    return sign_statement(issuer.key, issuer.kid, Time(lid, now, nonce))


def make_acknowledgement(
    issuer: Issuer, lid: LockerId, *, now: int, upto_seq: int, head: bytes
) -> bytes:
    """That the journal is stored up to this entry."""
    return sign_statement(issuer.key, issuer.kid, Acknowledgement(lid, now, upto_seq, head))


def make_revocations(
    issuer: Issuer, lid: LockerId, *, seq: int, now: int, listed: RevocationList
) -> bytes:
    """The whole list of revocations."""
    body = Revocations(lid, seq, now, listed.min_iat, listed.entries)
    return sign_statement(issuer.key, issuer.kid, body)


def make_configuration(
    issuer: Issuer, lid: LockerId, *, seq: int, now: int, values: dict[int, Value]
) -> bytes:
    """The whole configuration."""
    return sign_statement(issuer.key, issuer.kid, Configuration(lid, seq, now, values))


def draft_key_set(
    audience: LockerId, *, seq: int, now: int, issuers: Sequence[PrivateKey], seal: PrivateKey
) -> bytes:
    """What a root is asked to sign: all living issuer keys, and the key that envelopes go to."""
    keys = (*(_issuer_entry(key) for key in issuers), _seal_entry(seal))
    body = KeySetStatement(audience, seq, now, keys)
    return encode([body.lid, body.seq, body.iat, [key.as_value() for key in body.keys]])


def sign_key_set(draft: bytes, *, kid: KeyId, seed: bytes) -> bytes:
    """The draft signed by a root; Malformed when a locker would refuse its form."""
    decode(draft)
    signed = sign_object(SigningKey(seed), Aad.KEY_SET, draft, kid)
    parse_statement(StatementType.KEY_SET, signed)
    return signed


def is_by_root(statement: SignedStatement, roots: Roots) -> bool:
    """Whether one of the roots signed the statement."""
    public = roots.find(statement.signed.kid)
    return public is not None and statement.is_signed_by(public)


def split_root_key(root: bytes) -> tuple[KeyId, bytes]:
    """Id and public key of a root as settings and `locker init` write it: 2 and 32 bytes."""
    return KeyId(root[:KEY_ID_SIZE]), root[KEY_ID_SIZE:]


def unix_s(at: datetime) -> int:
    """The Unix second of an instant."""
    return int(at.timestamp())


def _issuer_entry(key: PrivateKey) -> KeyEntry:
    return KeyEntry(
        kid=key.kid,
        public=key.public,
        actions=int(ISSUER_ACTIONS),
        max_ttl=ISSUER_TTL_S,
        nbf=unix_s(key.not_before),
        exp=unix_s(key.expires_at),
    )


def _seal_entry(key: PrivateKey) -> KeyEntry:
    return KeyEntry(kid=key.kid, public=key.public, actions=0, max_ttl=0, nbf=0, exp=0)
