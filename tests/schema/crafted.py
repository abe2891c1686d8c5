"""Bytes crafted by hand beside the schema's own writers: base45, zlib streams, sealed boxes."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from nacl import bindings

from schema.codec import encode
from schema.envelopes import Contents, Outer, open_envelope
from schema.noise import x25519_public
from tests.schema.makers import LID, SEALING_KID, signing_key

if TYPE_CHECKING:
    from schema.ids import LockerId

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45(data: bytes) -> str:
    """RFC 9285 written a second time, from its text."""
    out = ""
    for at in range(0, len(data) - 1, 2):
        high, low = divmod(data[at] * 256 + data[at + 1], 45)
        out += LETTERS[low] + LETTERS[high % 45] + LETTERS[high // 45]
    return out + (LETTERS[data[-1] % 45] + LETTERS[data[-1] // 45] if len(data) % 2 else "")


def stored_stream(plain: bytes) -> bytes:
    """A zlib stream of one stored block (RFC 1950, 1951): the same bytes by every library."""
    size = len(plain).to_bytes(2, "little")
    inverse = bytes(byte ^ 0xFF for byte in size)
    return b"\x78\x01\x01" + size + inverse + plain + zlib.adler32(plain).to_bytes(4, "big")


def sealed_box(message: bytes, *, to: bytes, ephemeral: bytes) -> bytes:
    """libsodium's sealed box as its manual describes it, with a key that is not drawn but given."""
    public = x25519_public(ephemeral)
    nonce = hashlib.blake2b(public + to, digest_size=24).digest()
    return public + bindings.crypto_box(message, nonce, to, ephemeral)


def make_inner(packed: bytes, *, lid: LockerId = LID, signer: str = "locker") -> bytes:
    """The inside of an envelope as `signer` would sign it, whatever `packed` is."""
    signed = b"SLK1-up" + lid + hashlib.sha256(packed).digest()
    return encode([lid, packed, signing_key(signer).sign(signed)])


def make_outer(*, lid: LockerId = LID, first: int = 1, last: int = 1) -> Outer:
    """The outside of an envelope, unsealed already."""
    return Outer(kid=SEALING_KID, lid=lid, first=first, last=last, sealed=b"")


def open_packed(packed: bytes) -> Contents:
    """Open signed contents that a locker gone bad compressed as it liked."""
    known = {LID: signing_key("locker").public}.get
    return open_envelope(make_outer(), make_inner(packed), find_locker_key=known)
