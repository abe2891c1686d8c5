"""Key sets and the rights of a key: what it may sign, for how long, and in which span of life.

Also the words of those rights: roles and operations.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

from schema.codec.fields import as_array, as_bytes, as_time, as_uint
from schema.cose import PUBLIC_KEY_SIZE
from schema.ids import KEY_ID_SIZE, KeyId, LockerId

if TYPE_CHECKING:
    from schema.codec import Value

MAX_KEYS = 8
"""Entries of a key set (PROTOCOL 2)."""


class Operation(IntFlag):
    """What a request asks for, and the bits of every `actions` mask (PROTOCOL 2)."""

    OPEN = 1
    DEPOSIT = 2
    INSPECT = 4
    SERVICE = 8
    SYNC = 16
    OPEN_ALL = 64


class Role(IntEnum):
    """Whom a token was issued to (PROTOCOL 2)."""

    RECIPIENT = 0
    COURIER = 1
    HUB = 2
    TECHNICIAN = 3
    OPERATOR = 4


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key of a key set; with `actions` 0 it is an X25519 key to which envelopes are sealed."""

    kid: KeyId
    public: bytes
    actions: int
    max_ttl: int
    nbf: int
    exp: int

    def is_alive_at(self, instant: int) -> bool:
        """Whether the key's span of life holds this Unix second."""
        return self.nbf <= instant <= self.exp

    def allows(self, *, actions: int, nbf: int, exp: int) -> bool:
        """Whether a token of these actions and this span stays inside the key's rights."""
        return (
            not actions & ~self.actions
            and 0 <= exp - nbf <= self.max_ttl
            and self.nbf <= nbf
            and exp <= self.exp
        )

    def may_sync(self, instant: int) -> bool:
        """Whether the key may sign a statement made at this instant."""
        return bool(self.actions & Operation.SYNC) and self.is_alive_at(instant)

    def as_value(self) -> Value:
        """The entry as it stands in a key set statement."""
        return [self.kid, self.public, self.actions, self.max_ttl, self.nbf, self.exp]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys that a locker trusts besides its roots; it starts empty."""

    entries: tuple[KeyEntry, ...] = ()

    def find_signer(self, kid: KeyId | None) -> KeyEntry | None:
        """The signing key of this id; an entry for sealing is none."""
        return next((key for key in self.entries if key.kid == kid and key.actions), None)

    def find_sealing_key(self) -> KeyEntry | None:
        """The X25519 key to which envelopes are sealed: the last such entry."""
        return next((key for key in reversed(self.entries) if not key.actions), None)


@dataclass(frozen=True, slots=True)
class Roots:
    """The root public keys put in at commissioning; no message changes them."""

    keys: tuple[tuple[KeyId, bytes], ...]

    def find(self, kid: KeyId | None) -> bytes | None:
        """The public key of a root, or None."""
        return next((public for known, public in self.keys if known == kid), None)


def parse_key_entries(value: Value) -> tuple[KeyEntry, ...]:
    """The entries of a key set; Malformed on a wrong type or more than `MAX_KEYS` of them."""
    items = as_array(value)
    as_uint(len(items), MAX_KEYS + 1)
    return tuple(_parse_entry(item) for item in items)


def _parse_entry(value: Value) -> KeyEntry:
    kid, public, actions, max_ttl, nbf, exp = as_array(value, 6)
    return KeyEntry(
        kid=KeyId(as_bytes(kid, KEY_ID_SIZE)),
        public=as_bytes(public, PUBLIC_KEY_SIZE),
        actions=as_uint(actions),
        max_ttl=as_uint(max_ttl),
        nbf=as_time(nbf),
        exp=as_time(exp),
    )


def bare_code(text: str) -> str:
    """An enrolment code without what people add or lose in typing: case, blanks, dashes."""
    return re.sub(r"[\s-]", "", text).upper()


def enrolment_message(code: str, lid: LockerId, noise_public: bytes, sign_public: bytes) -> bytes:
    """What a locker signs to prove that it holds its keys and was told the code.

    `"SLK1-enrol" || lid (8) || SHA-256(bare code) (32) || X25519 key (32) || Ed25519 key (32)`.
    """
    digest = hashlib.sha256(bare_code(code).encode()).digest()
    return b"SLK1-enrol" + lid + digest + noise_public + sign_public
