"""The one way from locker to server: signed, compressed, sealed, and carried by anybody.

The server verifies the locker's signature before it inflates a byte, and inflates within bounds.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nacl import bindings
from nacl.exceptions import CryptoError

from schema.codec import Malformed, Value, decode, encode
from schema.codec.fields import as_array, as_bytes, as_id, as_int, as_time, as_uint
from schema.cose import SIGNATURE_SIZE, SigningKey, verify
from schema.ids import KEY_ID_SIZE, KeyId, LockerId
from schema.journal import HEAD_SIZE
from schema.readings import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ENVELOPE_SIZE = 64 * 1024
"""Bytes of an envelope on its way to the server (PROTOCOL 8)."""

MAX_INFLATED_SIZE = 256 * 1024
"""Bytes that inflating may yield (PROTOCOL 8)."""

SEAL_OVERHEAD = 48
"""Bytes that a libsodium sealed box adds: an ephemeral public key and a tag."""

_VERSION = 1
_ERRORS = (CryptoError, ValueError, TypeError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Outer:
    """What any carrier can read of an envelope; nothing of it is trusted before `open_envelope`."""

    kid: KeyId
    lid: LockerId
    first: int
    last: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """A locker's entries as it signed them; entry `first + i` is `entries[i]`, then `head`."""

    lid: LockerId
    first: int
    entries: tuple[bytes, ...]
    head: bytes
    readings: tuple[Reading, ...]


def pack(
    *, first: int, entries: tuple[bytes, ...], head: bytes, readings: tuple[Reading, ...] = ()
) -> bytes:
    """The compressed middle of an envelope, over whose hash the locker signs."""
    values: list[Value] = [[r.t, r.channel, r.kind, r.value] for r in readings]
    listed: list[Value] = list(entries)
    return zlib.compress(encode([first, listed, head, values]), 9)


def seal_envelope(
    packed: bytes, *, lid: LockerId, first: int, count: int, key: SigningKey, kid: KeyId, to: bytes
) -> bytes:
    """An envelope around `pack`'s bytes, sealed to the server's X25519 key `to` named `kid`.

    Not deterministic: each seal draws its own ephemeral key inside libsodium.
    """
    signature = key.sign(_signed_message(lid, packed))
    sealed = bindings.crypto_box_seal(encode([lid, packed, signature]), to)
    return encode([_VERSION, kid, lid, first, first + count - 1, sealed])


def envelope_size(packed: bytes, *, first: int, count: int) -> int:
    """The exact size of the envelope that `seal_envelope` would make."""
    inner = len(encode([bytes(8), packed, bytes(SIGNATURE_SIZE)]))
    last = max(first + count - 1, 0)
    return len(encode([_VERSION, bytes(2), bytes(8), first, last, bytes(inner + SEAL_OVERHEAD)]))


def parse_outer(envelope: bytes) -> Outer:
    """The outside of an envelope; Malformed when it is too large or has another form."""
    if len(envelope) > MAX_ENVELOPE_SIZE:
        raise Malformed("an envelope of more than 64 KiB")
    version, kid, lid, first, last, sealed = as_array(decode(envelope), 6)
    if as_uint(version) != _VERSION:
        raise Malformed("an envelope of another version")
    return Outer(
        kid=KeyId(as_bytes(kid, KEY_ID_SIZE)),
        lid=LockerId(as_id(lid)),
        first=as_uint(first),
        last=as_uint(last),
        sealed=as_bytes(sealed),
    )


def unseal(sealed: bytes, private_key: bytes) -> bytes:
    """What was sealed to this X25519 key pair; Malformed when it does not open."""
    try:
        public = bindings.crypto_scalarmult_base(private_key)
        opened: bytes = bindings.crypto_box_seal_open(sealed, public, private_key)
    except _ERRORS as error:
        raise Malformed("a sealed box that does not open") from error
    return opened


def open_envelope(
    outer: Outer, inner: bytes, *, find_locker_key: Callable[[LockerId], bytes | None]
) -> Contents:
    """What the locker signed; `inner` is `outer.sealed` once unsealed.

    Malformed, before anything is inflated, unless a known locker signed exactly this; Malformed
    also when inside and outside disagree or inflating leaves its bounds.
    """
    lid_value, packed_value, signature = as_array(decode(inner), 3)
    lid, packed = LockerId(as_id(lid_value)), as_bytes(packed_value)
    public = find_locker_key(lid)
    if lid != outer.lid or public is None:
        raise Malformed("an envelope of an unknown locker")
    if not verify(public, _signed_message(lid, packed), as_bytes(signature, SIGNATURE_SIZE)):
        raise Malformed("an envelope that its locker did not sign")
    contents = _parse_packed(lid, _inflate(packed))
    if (contents.first, contents.first + len(contents.entries) - 1) != (outer.first, outer.last):
        raise Malformed("an envelope whose outside names other entries than it holds")
    return contents


def _signed_message(lid: LockerId, packed: bytes) -> bytes:
    return b"SLK1-up" + lid + hashlib.sha256(packed).digest()


def _inflate(packed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, MAX_INFLATED_SIZE)
    except zlib.error as error:
        raise Malformed("a compressed stream that is broken") from error
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise Malformed("a compressed stream that is too long, cut short or followed by bytes")
    return data


def _parse_packed(lid: LockerId, data: bytes) -> Contents:
    first, entries, head, readings = as_array(decode(data), 4)
    return Contents(
        lid=lid,
        first=as_uint(first),
        entries=tuple(as_bytes(entry) for entry in as_array(entries)),
        head=as_bytes(head, HEAD_SIZE),
        readings=tuple(_parse_reading(item) for item in as_array(readings)),
    )


def _parse_reading(value: Value) -> Reading:
    t, channel, kind, reading = as_array(value, 4)
    return Reading(as_time(t), as_uint(channel), as_uint(kind), as_int(reading))
