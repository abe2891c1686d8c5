"""Unlock tokens and delegations: bytes in, claims out.

Reading checks form alone. Whether a token is genuine, current and sufficient is decided by whoever
has keys, a clock and a state (the agent's policy).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from schema.codec import Malformed, Value, decode, encode
from schema.codec.fields import (
    as_array,
    as_bytes,
    as_compartment,
    as_id,
    as_map,
    as_text,
    as_time,
    as_uint,
)
from schema.cose import PUBLIC_KEY_SIZE, Aad, Signed, SigningKey, parse_object, sign_object
from schema.ids import ID_SIZE, KeyId, LockerId, StayId, TokenId, locker_text
from schema.keys import Role

MAX_COMPARTMENTS = 64
"""Compartment numbers that one token may name (PROTOCOL 2)."""

MAX_DELEGATIONS = 2
"""Delegations that may follow a token."""

PARENT_SIZE = 16
"""Leading bytes of SHA-256 by which a delegation names its parent."""

_AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _SCOPE = 3, 4, 5, 6, 7, 8, 9  # RFC 8392, RFC 8747, RFC 9200
_COSE_KEY = 1  # RFC 8747 s. 3.1
_OKP_ED25519: dict[int, Value] = {1: 1, -1: 6}  # RFC 9053 s. 7.2
_PUBLIC = -2
_SCOPE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says; `stay` is empty and `comps` is () where the token leaves them open."""

    aud: str
    exp: int
    nbf: int
    iat: int
    cti: TokenId
    holder: bytes
    role: Role
    actions: int
    comps: tuple[int, ...]
    stay: StayId
    depth: int
    minrev: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose form was checked."""

    raw: bytes
    signed: Signed
    claims: Claims


@dataclass(frozen=True, slots=True)
class Delegation:
    """A delegation whose form was checked: it passes on a part of what its parent gives."""

    raw: bytes
    signed: Signed
    exp: int
    holder: bytes
    actions: int
    parent: bytes

    @property
    def id(self) -> bytes:
        """The id by which this delegation alone can be revoked."""
        return delegation_id(self.raw)


def delegation_id(raw: bytes) -> bytes:
    """`SHA-256(delegation)[:8]`, the id of a delegation in a revocation list."""
    return hashlib.sha256(raw).digest()[:ID_SIZE]


def parent_hash(raw: bytes) -> bytes:
    """The name by which a delegation points to the token or delegation before it."""
    return hashlib.sha256(raw).digest()[:PARENT_SIZE]


def issue_token(key: SigningKey, kid: KeyId, lid: LockerId, claims: Claims) -> bytes:
    """A token signed by an issuer key for one locker; `claims.aud` must be that locker's text form.

    Malformed when its form would be refused by a locker. Promises form only: the issuer itself must
    stay within its key's mask and longest life.
    """
    if claims.aud != locker_text(lid):
        raise ValueError(f"the audience is {claims.aud}, not {locker_text(lid)}")
    raw = sign_object(key, Aad.TOKEN, encode(claims_value(claims)), kid)
    parse_token(raw)
    return raw


def claims_value(claims: Claims) -> Value:
    """The claims map as it is signed."""
    scope: Value = [
        _SCOPE_VERSION,
        int(claims.role),
        claims.actions,
        list(claims.comps),
        bytes(claims.stay),
        claims.depth,
        claims.minrev,
    ]
    return {
        _AUD: claims.aud,
        _EXP: claims.exp,
        _NBF: claims.nbf,
        _IAT: claims.iat,
        _CTI: bytes(claims.cti),
        _CNF: _confirmation(claims.holder),
        _SCOPE: encode(scope),
    }


def parse_token(raw: bytes) -> Token:
    """The token in these bytes; Malformed unless its form is exactly the protocol's."""
    signed = parse_object(raw, with_kid=True)
    claims = as_map(decode(signed.payload))
    if claims.keys() != {_AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _SCOPE}:
        raise Malformed("a token has seven claims and no others")
    scope = as_array(decode(as_bytes(claims[_SCOPE])), 7)
    version, role, actions, comps, stay, depth, minrev = scope
    if as_uint(version) != _SCOPE_VERSION:
        raise Malformed("a scope of another version")
    parsed = Claims(
        aud=as_text(claims[_AUD]),
        exp=as_time(claims[_EXP]),
        nbf=as_time(claims[_NBF]),
        iat=as_time(claims[_IAT]),
        cti=TokenId(as_id(claims[_CTI])),
        holder=_parse_confirmation(claims[_CNF]),
        role=Role(as_uint(role, len(Role))),
        actions=as_uint(actions),
        comps=_parse_compartments(comps),
        stay=_parse_stay(stay),
        depth=as_uint(depth, MAX_DELEGATIONS + 1),
        minrev=as_uint(minrev),
    )
    return Token(raw=raw, signed=signed, claims=parsed)


def delegate(key: SigningKey, parent: bytes, *, exp: int, holder: bytes, actions: int) -> bytes:
    """A delegation of `parent` (token or delegation bytes), signed by the parent's holder.

    Malformed when its form would be refused by a locker.
    """
    scope = encode([_SCOPE_VERSION, actions, parent_hash(parent)])
    payload = encode({_EXP: exp, _CNF: _confirmation(holder), _SCOPE: scope})
    raw = sign_object(key, Aad.DELEGATION, payload, None)
    parse_delegation(raw)
    return raw


def parse_delegation(raw: bytes) -> Delegation:
    """The delegation in these bytes; Malformed unless its form is exactly the protocol's."""
    signed = parse_object(raw, with_kid=False)
    claims = as_map(decode(signed.payload))
    if claims.keys() != {_EXP, _CNF, _SCOPE}:
        raise Malformed("a delegation has three claims and no others")
    version, actions, parent = as_array(decode(as_bytes(claims[_SCOPE])), 3)
    if as_uint(version) != _SCOPE_VERSION:
        raise Malformed("a scope of another version")
    return Delegation(
        raw=raw,
        signed=signed,
        exp=as_time(claims[_EXP]),
        holder=_parse_confirmation(claims[_CNF]),
        actions=as_uint(actions),
        parent=as_bytes(parent, PARENT_SIZE),
    )


def _confirmation(holder: bytes) -> Value:
    return {_COSE_KEY: {**_OKP_ED25519, _PUBLIC: holder}}


def _parse_confirmation(value: Value) -> bytes:
    confirmation = as_map(value)
    if confirmation.keys() != {_COSE_KEY}:
        raise Malformed("the confirmation must hold one COSE key")
    key = as_map(confirmation[_COSE_KEY])
    if key.keys() != {1, -1, _PUBLIC} or as_uint(key[1]) != 1 or as_uint(key[-1]) != 6:
        raise Malformed("the device key must be an Ed25519 public key")
    return as_bytes(key[_PUBLIC], PUBLIC_KEY_SIZE)


def _parse_compartments(value: Value) -> tuple[int, ...]:
    comps = as_array(value)
    if len(comps) > MAX_COMPARTMENTS:
        raise Malformed(f"more than {MAX_COMPARTMENTS} compartments in a token")
    return tuple(as_compartment(comp) for comp in comps)


def _parse_stay(value: Value) -> StayId:
    stay = as_bytes(value)
    if len(stay) not in {0, ID_SIZE}:
        raise Malformed("a stay is 8 bytes or empty")
    return StayId(stay)
