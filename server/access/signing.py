"""Making what the server signs for lockers: tokens and statements, all but key sets.

Pure: keys, numbers and times are arguments. Key sets are signed by a root, which is never here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.cose import SigningKey
from schema.ids import KeyId, locker_text
from schema.statements import (
    Acknowledgement,
    Configuration,
    Revocations,
    Time,
    sign_statement,
)
from schema.tokens import Claims, issue_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from schema.codec import Value
    from schema.ids import LockerId, StayId, TokenId
    from schema.keys import KeyEntry, KeySet, Operation, Role
    from server.access.rules import RevocationList, Span
    from server.kit.keyring import PrivateKey


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


def unix_s(at: datetime) -> int:
    """The Unix second of an instant."""
    return int(at.timestamp())
