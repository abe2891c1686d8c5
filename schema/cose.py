"""COSE_Sign1 (RFC 9052 s. 4.2) over Ed25519, with algorithm and key id pinned.

`external_aad` names the type of the object, so that no signed object can stand for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from nacl import bindings
from nacl.exceptions import CryptoError

from schema.codec import Malformed, decode, encode
from schema.codec.fields import as_array, as_bytes, as_map
from schema.ids import KEY_ID_SIZE, KeyId

SIGNATURE_SIZE = 64
PUBLIC_KEY_SIZE = 32
SEED_SIZE = 32

_ALG, _KID = 1, 4  # RFC 9052 s. 3.1
_EDDSA = -8  # RFC 9053 s. 2.2


class Aad(bytes, Enum):
    """The eight bytes that name the type of a signed object (PROTOCOL 2)."""

    TOKEN = b"SLK1-tok"
    DELEGATION = b"SLK1-dlg"
    REVOCATIONS = b"SLK1-rev"
    TIME = b"SLK1-tim"
    KEY_SET = b"SLK1-key"
    CONFIGURATION = b"SLK1-cfg"
    ACKNOWLEDGEMENT = b"SLK1-ack"


@dataclass(frozen=True, slots=True)
class Signed:
    """One COSE_Sign1 whose form was checked; its signature was not yet."""

    kid: KeyId | None
    payload: bytes
    signature: bytes
    protected: bytes

    def is_signed_by(self, public: bytes, aad: Aad) -> bool:
        """Whether `public` signed this object as the type that `aad` names."""
        return verify(public, _to_be_signed(self.protected, aad, self.payload), self.signature)


class SigningKey:
    """An Ed25519 key pair grown from a 32-byte seed (RFC 8032); never shown by `repr`."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_SIZE:
            raise ValueError(f"a seed has {SEED_SIZE} bytes, not {len(seed)}")
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `message`."""
        signed: bytes = bindings.crypto_sign(message, self._secret)
        return signed[:SIGNATURE_SIZE]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature holds under libsodium's rules; never raises on hostile input."""
    if len(public) != PUBLIC_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (CryptoError, ValueError, TypeError, RuntimeError):
        return False
    return True


def sign_object(key: SigningKey, aad: Aad, payload: bytes, kid: KeyId | None) -> bytes:
    """A COSE_Sign1 over `payload`; a delegation carries no key id, everything else does."""
    protected = encode({_ALG: _EDDSA} if kid is None else {_ALG: _EDDSA, _KID: kid})
    signature = key.sign(_to_be_signed(protected, aad, payload))
    return encode([protected, {}, payload, signature])


def parse_object(data: bytes, *, with_kid: bool) -> Signed:
    """The parts of a COSE_Sign1; Malformed unless form, algorithm and headers are the pinned."""
    protected, unprotected, payload, signature = as_array(decode(data), 4)
    if as_map(unprotected):
        raise Malformed("the unprotected map must be empty")
    raw = as_bytes(protected)
    headers = as_map(decode(raw))
    if headers.keys() != ({_ALG, _KID} if with_kid else {_ALG}) or headers[_ALG] != _EDDSA:
        raise Malformed("protected headers must be the algorithm EdDSA and, if any, the key id")
    return Signed(
        kid=KeyId(as_bytes(headers[_KID], KEY_ID_SIZE)) if with_kid else None,
        payload=as_bytes(payload),
        signature=as_bytes(signature, SIGNATURE_SIZE),
        protected=raw,
    )


def _to_be_signed(protected: bytes, aad: Aad, payload: bytes) -> bytes:
    return encode(["Signature1", protected, aad.value, payload])
