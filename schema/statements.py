"""The one way from server to locker: five kinds of signed statement that any phone may carry.

Reading checks form alone; what a statement does is decided by the agent that applies it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from schema.codec import Malformed, Value, decode, encode
from schema.codec.fields import as_array, as_bytes, as_flag, as_id, as_map, as_time, as_uint
from schema.compartments import ClimateZone
from schema.cose import Aad, Signed, SigningKey, parse_object, sign_object
from schema.ids import EVERY_LOCKER, ID_SIZE, KeyId, LockerId
from schema.keys import KeyEntry, parse_key_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_REVOCATIONS = 40
"""Entries of a revocation list; beyond that the server raises `min_iat` (PROTOCOL 2)."""

NONCE_SIZE = 16
HEAD_SIZE = 32

CFG_PRESENCE_CODE = 1
"""Configuration key: whether two digits shown at the locker are asked for."""

CFG_CLOSE_OVERDUE_S = 2
"""Configuration key: seconds until CLOSE_OVERDUE."""

CFG_CHILLED = 17
"""Configuration key of ours: the numbers of the compartments that are CHILLED, one byte each."""

CFG_FROZEN = 18
"""Likewise those that are FROZEN; a number in both is FROZEN."""

MAX_COOLED = 256
"""There are no more numbers of compartments."""

CLOSE_OVERDUE_RANGE_S = range(30, 3601)
CLOSE_OVERDUE_DEFAULT_S = 120


_COOLED = {CFG_CHILLED: ClimateZone.CHILLED, CFG_FROZEN: ClimateZone.FROZEN}


class StatementType(IntEnum):
    """The number that announces a statement's type in a request (PROTOCOL 4)."""

    REVOCATIONS = 1
    TIME = 2
    KEY_SET = 3
    CONFIGURATION = 4
    ACKNOWLEDGEMENT = 5

    @property
    def aad(self) -> Aad:
        """The external data under which this type is signed."""
        return _AADS[self]


_AADS = {
    StatementType.REVOCATIONS: Aad.REVOCATIONS,
    StatementType.TIME: Aad.TIME,
    StatementType.KEY_SET: Aad.KEY_SET,
    StatementType.CONFIGURATION: Aad.CONFIGURATION,
    StatementType.ACKNOWLEDGEMENT: Aad.ACKNOWLEDGEMENT,
}


@dataclass(frozen=True, slots=True)
class Revocations:
    """Everything revoked at a locker: ids with the time from which they need no entry any more."""

    lid: LockerId
    seq: int
    iat: int
    min_iat: int
    entries: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class Time:
    """The server's time, bound to one hello by its nonce."""

    lid: LockerId
    t: int
    nonce: bytes

    @property
    def iat(self) -> int:
        """When it was signed: the time itself."""
        return self.t


@dataclass(frozen=True, slots=True)
class KeySetStatement:
    """All keys that a locker shall trust from now on."""

    lid: LockerId
    seq: int
    iat: int
    keys: tuple[KeyEntry, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole configuration; keys that a locker does not know are kept."""

    lid: LockerId
    seq: int
    iat: int
    values: dict[int, Value]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The server has stored the journal up to this entry, whose head it names."""

    lid: LockerId
    iat: int
    upto_seq: int
    head: bytes


Statement: TypeAlias = Revocations | Time | KeySetStatement | Configuration | Acknowledgement


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement whose form was checked; its signature was not yet."""

    raw: bytes
    type: StatementType
    signed: Signed
    body: Statement

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether this key signed it as a statement of this type."""
        return self.signed.is_signed_by(public_key, self.type.aad)


def time_nonce(hello: bytes) -> bytes:
    """The nonce that binds a time statement to a hello message (PROTOCOL 5)."""
    return hashlib.sha256(b"SLK1-tnonce" + hello).digest()[:NONCE_SIZE]


def zones_as_values(zones: Mapping[int, ClimateZone]) -> dict[int, Value]:
    """What a configuration says of compartments; an ambient one is not named."""
    named = {
        key: bytes(sorted(number for number, one in zones.items() if one is zone))
        for key, zone in _COOLED.items()
    }
    return {key: numbers for key, numbers in named.items() if numbers}


def zones_of(values: Mapping[int, Value]) -> dict[int, ClimateZone]:
    """The cooled compartments that a configuration names; Malformed for another form."""
    zones: dict[int, ClimateZone] = {}
    for key, zone in _COOLED.items():
        numbers = as_bytes(values.get(key, b""))
        if len(numbers) > MAX_COOLED:
            raise Malformed(f"more than {MAX_COOLED} compartments of a zone")
        zones |= dict.fromkeys(numbers, zone)
    return zones


def sign_statement(key: SigningKey, kid: KeyId, body: Statement) -> bytes:
    """The statement as signed bytes; Malformed when its form would be refused by a locker."""
    kind, payload = _payload(body)
    raw = sign_object(key, kind.aad, encode(payload), kid)
    parse_statement(kind, raw)
    return raw


def parse_statement(kind: StatementType, raw: bytes) -> SignedStatement:
    """The statement of this type in these bytes; Malformed on any deviation of form."""
    signed = parse_object(raw, with_kid=True)
    return SignedStatement(raw, kind, signed, _PARSERS[kind](decode(signed.payload)))


def _payload(body: Statement) -> tuple[StatementType, Value]:
    match body:
        case Revocations():
            entries: list[Value] = [[revoked, exp] for revoked, exp in body.entries]
            listed: Value = [body.lid, body.seq, body.iat, body.min_iat, entries]
            return StatementType.REVOCATIONS, listed
        case Time():
            return StatementType.TIME, [body.lid, body.t, body.nonce]
        case KeySetStatement():
            keys: list[Value] = [key.as_value() for key in body.keys]
            return StatementType.KEY_SET, [body.lid, body.seq, body.iat, keys]
        case Configuration():
            return StatementType.CONFIGURATION, [body.lid, body.seq, body.iat, body.values]
        case Acknowledgement():
            fields: Value = [body.lid, body.iat, body.upto_seq, body.head]
            return StatementType.ACKNOWLEDGEMENT, fields


def _parse_audience(value: Value) -> LockerId:
    lid = LockerId(as_bytes(value))
    if lid != EVERY_LOCKER and len(lid) != ID_SIZE:
        raise Malformed("a statement is for one locker id or for every locker")
    return lid


def _parse_revocations(value: Value) -> Revocations:
    lid, seq, iat, min_iat, entries = as_array(value, 5)
    items = as_array(entries)
    if len(items) > MAX_REVOCATIONS:
        raise Malformed(f"more than {MAX_REVOCATIONS} revocations")
    pairs = [as_array(item, 2) for item in items]
    return Revocations(
        lid=_parse_audience(lid),
        seq=as_uint(seq),
        iat=as_time(iat),
        min_iat=as_time(min_iat),
        entries=tuple((as_id(revoked), as_time(exp)) for revoked, exp in pairs),
    )


def _parse_time(value: Value) -> Time:
    lid, t, nonce = as_array(value, 3)
    return Time(_parse_audience(lid), as_time(t), as_bytes(nonce, NONCE_SIZE))


def _parse_key_set(value: Value) -> KeySetStatement:
    lid, seq, iat, keys = as_array(value, 4)
    return KeySetStatement(
        _parse_audience(lid), as_uint(seq), as_time(iat), parse_key_entries(keys)
    )


def _parse_configuration(value: Value) -> Configuration:
    lid, seq, iat, values = as_array(value, 4)
    known = as_map(values)
    if CFG_PRESENCE_CODE in known:
        as_flag(known[CFG_PRESENCE_CODE])
    overdue_s = as_uint(known.get(CFG_CLOSE_OVERDUE_S, CLOSE_OVERDUE_DEFAULT_S))
    if overdue_s not in CLOSE_OVERDUE_RANGE_S:
        raise Malformed("seconds until CLOSE_OVERDUE must be from 30 to 3600")
    zones_of(known)
    return Configuration(_parse_audience(lid), as_uint(seq), as_time(iat), known)


def _parse_acknowledgement(value: Value) -> Acknowledgement:
    lid, iat, upto_seq, head = as_array(value, 4)
    return Acknowledgement(
        lid=LockerId(as_id(lid)),
        iat=as_time(iat),
        upto_seq=as_uint(upto_seq),
        head=as_bytes(head, HEAD_SIZE),
    )


_PARSERS: Final[dict[StatementType, Callable[[Value], Statement]]] = {
    StatementType.REVOCATIONS: _parse_revocations,
    StatementType.TIME: _parse_time,
    StatementType.KEY_SET: _parse_key_set,
    StatementType.CONFIGURATION: _parse_configuration,
    StatementType.ACKNOWLEDGEMENT: _parse_acknowledgement,
}
