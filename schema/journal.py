"""Entries of a journal, their hash chain and the locker's signature on its head.

An entry's form and body are checked here; what it means for a parcel is the server's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from schema.codec import Malformed, Value, decode, encode
from schema.codec.fields import (
    as_array,
    as_bytes,
    as_compartment,
    as_id,
    as_int,
    as_map,
    as_text,
    as_time,
    as_uint,
)
from schema.cose import SigningKey, verify
from schema.ids import EVERY_LOCKER, LockerId

HEAD_SIZE = 32
SALT_SIZE = 16
FIRST_PREV_HEAD = bytes(HEAD_SIZE)
"""What the first entry of a journal follows."""

MAX_ENTRY_SIZE = 4096
"""Our own bound on one entry; the largest body, a delegated ACCEPTED, stays under 1.5 KB."""

MAX_THUMBPRINT = 64
"""Characters of a device key's thumbprint (RFC 7638); those of SHA-256 have 43."""

FIRST_OWN_KIND = 64
"""Kinds from here on are the server's, and below it lockers'."""

_VERSION = 1


class Kind(IntEnum):
    """What an entry tells, and by that the form of its body (PROTOCOL 8)."""

    BOOT = 1
    ACCEPTED = 2
    PULSED = 3
    DOOR_OPENED = 4
    DOOR_CLOSED = 5
    OPEN_NOT_DETECTED = 6
    CLOSE_OVERDUE = 7
    UNEXPECTED_OPEN = 8
    DENIED = 9
    STATEMENT = 10
    CLOCK = 11
    DEPOSITED = 12
    COLLECTED = 13
    EXCURSION = 14
    SANITISED = 15
    POWER = 16
    FAULT = 17
    REFITTED = 18
    WITHDRAWN = 19
    FOUND_EMPTY = 20


class OwnKind(IntEnum):
    """What an entry of the server's own chain tells; no locker writes these (PROTOCOL 8, 10).

    A person stands in them as `person_mark` only, so that an entry whose salt is gone names nobody.
    """

    DEVICE_ADDED = 64
    """`[thumbprint, person]`: from now on this device key may act for this person."""
    DEVICE_REMOVED = 65
    """`[thumbprint, person]`: it may not any more."""
    KEY_SET_ISSUED = 66
    """`[audience, seq, SHA-256]`: lockers may be told to trust the keys of this statement."""
    REVOCATIONS_ISSUED = 67
    """`[locker, seq, SHA-256]`: the locker may be told to refuse what this statement lists."""
    LOCKER_ENROLLED = 68
    """`[locker, public key, former locker or null]`: what this key signs is that locker's word."""
    EVIDENCE_FROZEN = 69
    """`[SHA-256]`: what was told of a dispute when it was opened, and cannot be changed since."""


class ExcursionPhase(IntEnum):
    """What an EXCURSION entry tells of a cooled compartment; the protocol leaves it to the product.

    Anything else is refused, like a wrong type.
    """

    LEFT = 1
    """It has left the temperature of its zone."""
    BACK = 2
    """It is at the temperature of its zone: again, or for the first time."""
    FAULT = 3
    """Its cooling has failed: what lay inside all the time is safe no longer, or nobody knows."""


DECIDEGREES = range(-2731, 10_001)
"""What an EXCURSION entry may say: absolute zero to a thousand degrees Celsius, in tenths."""

CONFIRM_S = 15 * 60
"""How long a compartment was out of, or back at, its temperature at least before its entry."""

FAULT_FLAPPING = 1
"""FAULT code of a door that opened by itself ten times within an hour."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a locker's journal.

    `t` is the locker's time (Unix seconds) at clock quality `clockq`; `mono_ms` counts from the
    start named by `boot`. `salt` lets a body be erased later while its hash gives nothing away.
    """

    lid: LockerId
    boot: int
    seq: int
    prev_head: bytes
    t: int
    clockq: int
    mono_ms: int
    salt: bytes
    kind: int
    body: list[Value]

    def encode(self) -> bytes:
        """The entry's bytes, which its hash covers."""
        return encode(
            [
                _VERSION,
                self.lid,
                self.boot,
                self.seq,
                self.prev_head,
                self.t,
                self.clockq,
                self.mono_ms,
                self.salt,
                self.kind,
                self.body,
            ]
        )


def entry_head(raw: bytes) -> bytes:
    """The chain's head after this entry."""
    return hashlib.sha256(b"SLK1-log" + raw).digest()


def parse_entry(raw: bytes) -> Entry:
    """The entry in these bytes; Malformed on any deviation, in the body of a known kind too.

    A kind that this version does not know is kept with its body as it is.
    """
    if len(raw) > MAX_ENTRY_SIZE:
        raise Malformed("an entry of more than 4096 bytes")
    version, lid, boot, seq, prev, t, clockq, mono_ms, salt, kind, body = as_array(decode(raw), 11)
    if as_uint(version) != _VERSION:
        raise Malformed("an entry of another version")
    entry = Entry(
        lid=LockerId(as_id(lid)),
        boot=as_uint(boot),
        seq=as_uint(seq),
        prev_head=as_bytes(prev, HEAD_SIZE),
        t=as_time(t),
        clockq=as_uint(clockq, 3),
        mono_ms=as_uint(mono_ms),
        salt=as_bytes(salt, SALT_SIZE),
        kind=as_uint(kind),
        body=as_array(body),
    )
    _check_body(entry.kind, entry.body)
    return entry


def head_message(lid: LockerId, seq: int, head: bytes) -> bytes:
    """What a locker signs to vouch for its journal up to `seq`."""
    return b"SLK1-head" + lid + seq.to_bytes(8, "big") + head


def sign_head(key: SigningKey, lid: LockerId, seq: int, head: bytes) -> bytes:
    """The locker's signature on its head, the receipt that every result carries."""
    return key.sign(head_message(lid, seq, head))


def verify_head(public: bytes, *, lid: LockerId, seq: int, head: bytes, signature: bytes) -> bool:
    """Whether the locker of this signing key vouches for `head` at `seq`."""
    return verify(public, head_message(lid, seq, head), signature)


def check_chain(raws: Iterable[bytes], *, lid: LockerId, first: int, prev_head: bytes) -> bytes:
    """The head after entries that follow `prev_head` without a gap from `first` on.

    Malformed when one is of another locker, out of sequence or does not follow its predecessor.
    """
    head = prev_head
    for seq, raw in enumerate(raws, first):
        entry = parse_entry(raw)
        if entry.lid != lid or entry.seq != seq or entry.prev_head != head:
            raise Malformed(f"entry {seq} does not follow the one before it")
        head = entry_head(raw)
    return head


def person_mark(salt: bytes, person: bytes) -> bytes:
    """How an entry of the server's own chain names a person, by their id: only with its salt."""
    return hashlib.sha256(b"SLK1-who" + salt + person).digest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The body of an ACCEPTED entry: who was let in to what.

    `cti` and `chain_hash` are None for a PIN; `h` and `pop` are None without a handshake (PIN, QR).
    `rest` are the delegations as bytes, so that the proof verifies and none can be denied.
    """

    op: int
    asked_comp: int | None
    code: int | None
    comp: int | None
    cti: bytes | None
    h: bytes | None
    pop: bytes | None
    chain_hash: bytes | None
    rest: tuple[bytes, ...]

    def as_body(self) -> list[Value]:
        """The body as it stands in the entry."""
        request: list[Value] = [self.op, self.asked_comp, self.code]
        rest: list[Value] = list(self.rest)
        return [request, self.comp, self.cti, self.h, self.pop, self.chain_hash, rest]


def parse_accepted(body: list[Value]) -> Accepted:
    """The body of an ACCEPTED entry; Malformed on a wrong type."""
    request, comp, cti, h, pop, chain_hash, rest = as_array(body, 7)
    op, asked, code = as_array(request, 3)
    return Accepted(
        op=as_uint(op),
        asked_comp=None if asked is None else as_compartment(asked),
        code=None if code is None else as_uint(code, 100),
        comp=None if comp is None else as_compartment(comp),
        cti=None if cti is None else as_id(cti),
        h=None if h is None else as_bytes(h, 32),
        pop=None if pop is None else as_bytes(pop, 64),
        chain_hash=None if chain_hash is None else as_bytes(chain_hash, 32),
        rest=tuple(as_bytes(item) for item in as_array(rest)),
    )


_Check = Callable[[Value], object]


def _optional_flag(value: Value) -> None:
    if value is not None and not isinstance(value, bool):
        raise Malformed("expected true, false or null")


def _optional_compartment(value: Value) -> None:
    if value is not None:
        as_compartment(value)


def _counters(value: Value) -> None:
    for code, count in as_map(value).items():
        as_uint(code)
        as_uint(count)


def _compartments(value: Value) -> None:
    for comp in as_array(value):
        as_compartment(comp)


def _aad(value: Value) -> None:
    as_bytes(value, 8)


def _phase(value: Value) -> None:
    if as_uint(value) not in set(ExcursionPhase):
        raise Malformed("an excursion has the phases 1 to 3")


def _decidegrees(value: Value) -> None:
    if as_int(value) not in DECIDEGREES:
        raise Malformed("no such temperature")


def _digest(value: Value) -> None:
    as_bytes(value, HEAD_SIZE)


def _thumbprint(value: Value) -> None:
    if not 0 < len(as_text(value)) <= MAX_THUMBPRINT:
        raise Malformed("no thumbprint of a key")


def _audience(value: Value) -> None:
    if value != EVERY_LOCKER:
        as_id(value)


def _optional_id(value: Value) -> None:
    if value is not None:
        as_id(value)


def _check_body(kind: int, body: list[Value]) -> None:
    """Each field in its form; a body of an unknown kind may hold anything."""
    if kind == Kind.ACCEPTED:
        parse_accepted(body)
    elif kind in _FORMS:
        checks = _FORMS[kind]
        for field, check in zip(as_array(body, len(checks)), checks, strict=True):
            check(field)


_FORMS: Final[dict[int, tuple[_Check, ...]]] = {
    Kind.BOOT: (as_text, as_uint),
    Kind.PULSED: (as_compartment, as_uint),
    Kind.DOOR_OPENED: (as_compartment, _optional_flag),
    Kind.DOOR_CLOSED: (as_compartment, _optional_flag),
    Kind.OPEN_NOT_DETECTED: (as_compartment,),
    Kind.CLOSE_OVERDUE: (as_compartment,),
    Kind.UNEXPECTED_OPEN: (as_compartment,),
    Kind.DENIED: (as_time, _counters),
    Kind.STATEMENT: (_aad, as_uint),
    Kind.CLOCK: (as_time, as_time, as_uint),
    Kind.DEPOSITED: (as_compartment, as_id),
    Kind.COLLECTED: (as_compartment, as_id, as_uint),
    Kind.EXCURSION: (as_compartment, _phase, _decidegrees),
    Kind.SANITISED: (as_compartment, as_uint, as_uint),
    Kind.POWER: (as_uint,),
    Kind.FAULT: (_optional_compartment, as_uint),
    Kind.REFITTED: (_compartments,),
    Kind.WITHDRAWN: (as_compartment, as_id),
    Kind.FOUND_EMPTY: (as_compartment, as_id),
    OwnKind.DEVICE_ADDED: (_thumbprint, _digest),
    OwnKind.DEVICE_REMOVED: (_thumbprint, _digest),
    OwnKind.KEY_SET_ISSUED: (_audience, as_uint, _digest),
    OwnKind.REVOCATIONS_ISSUED: (as_id, as_uint, _digest),
    OwnKind.LOCKER_ENROLLED: (as_id, _digest, _optional_id),
    OwnKind.EVIDENCE_FROZEN: (_digest,),
}
