"""`Noise_KN_25519_ChaChaPoly_SHA256` (Noise revision 34), both roles, without I/O.

The locker is the initiator with the static key that the phone knows; the phone is anonymous.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import CryptoError

from schema.codec import Malformed

KEY_SIZE = 32
TAG_SIZE = 16
_PROTOCOL_NAME = b"Noise_KN_25519_ChaChaPoly_SHA256"  # 32 bytes: h starts as the name itself
_CRYPTO_ERRORS = (CryptoError, ValueError, TypeError, RuntimeError)
_NONCE_LIMIT = (1 << 64) - 1  # Noise s. 5.1 reserves the last nonce


def x25519_public(private_key: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a 32-byte private key."""
    return bindings.crypto_scalarmult_base(private_key)


def _dh(private_key: bytes, public_key: bytes) -> bytes:
    """X25519; Malformed when the result is all zero, that is for a low-order public key."""
    try:
        shared = bindings.crypto_scalarmult(private_key, public_key)
    except _CRYPTO_ERRORS as error:
        raise Malformed("a public key of low order or wrong length") from error
    if not any(shared):
        raise Malformed("a public key of low order")
    return shared


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """HKDF with two outputs (Noise s. 4.3)."""
    seed = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(seed, b"\x01", "sha256")
    return first, hmac.digest(seed, first + b"\x02", "sha256")


class Cipher:
    """One direction of ChaCha20-Poly1305 with a counter as nonce (Noise s. 5.1 and 12.3).

    `seal` never uses a number twice. `open` counts only what it could open.
    """

    __slots__ = ("key", "number")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.number = 0

    def seal(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        """The next message of this direction."""
        sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            plaintext, associated, self._nonce(self.number), self.key
        )
        self.number += 1
        return sealed

    def open(self, sealed: bytes, associated: bytes = b"", *, ahead: int = 1) -> bytes:
        """The plaintext of one of the next `ahead` messages; Malformed if it is none of them.

        Messages that were skipped can no longer be opened afterwards.
        """
        for number in range(self.number, self.number + ahead):
            try:
                plaintext: bytes = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
                    sealed, associated, self._nonce(number), self.key
                )
            except _CRYPTO_ERRORS:
                continue
            self.number = number + 1
            return plaintext
        raise Malformed("a message that does not open")

    @staticmethod
    def _nonce(number: int) -> bytes:
        if number >= _NONCE_LIMIT:
            raise Malformed("the message numbers of this session are used up")
        return bytes(4) + number.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class Transport:
    """What a finished handshake leaves: a cipher for each direction, and the proof's hash `h`."""

    sending: Cipher
    receiving: Cipher
    handshake_hash: bytes


class _Symmetric:
    """Chaining key, hash and cipher of a handshake in progress (Noise s. 5.2)."""

    def __init__(self, prologue: bytes, initiator_static: bytes) -> None:
        self.h = self.chaining_key = _PROTOCOL_NAME
        self.cipher: Cipher | None = None
        self.mix_hash(prologue)
        self.mix_hash(initiator_static)

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, material: bytes) -> None:
        self.chaining_key, key = _hkdf(self.chaining_key, material)
        self.cipher = Cipher(key)

    def seal(self, plaintext: bytes) -> bytes:
        sealed = plaintext if self.cipher is None else self.cipher.seal(plaintext, self.h)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        plaintext = sealed if self.cipher is None else self.cipher.open(sealed, self.h)
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> tuple[Cipher, Cipher]:
        first, second = _hkdf(self.chaining_key, b"")
        return Cipher(first), Cipher(second)


class Initiator:
    """The locker's side: one hello, one request.

    `write` and `read` are each called once, in this order; a second `read` is Malformed, so
    that one ephemeral key never serves two requests.
    """

    def __init__(self, prologue: bytes, *, static: bytes, ephemeral: bytes) -> None:
        self._static = static
        self._ephemeral = ephemeral
        self._state: _Symmetric | None = _Symmetric(prologue, x25519_public(static))

    def write(self, payload: bytes) -> bytes:
        """Message 1: the ephemeral public key, then `payload` in clear."""
        assert self._state is not None
        public = x25519_public(self._ephemeral)
        self._state.mix_hash(public)
        return public + self._state.seal(payload)

    def read(self, message: bytes) -> tuple[bytes, Transport]:
        """Open message 2: its payload and the session; Malformed if it does not open."""
        state, self._state = self._state, None
        if state is None:
            raise Malformed("this hello has served its request")
        if len(message) < KEY_SIZE + TAG_SIZE:
            raise Malformed("a handshake message too short")
        remote = message[:KEY_SIZE]
        state.mix_hash(remote)
        state.mix_key(_dh(self._ephemeral, remote))
        state.mix_key(_dh(self._static, remote))
        h = state.h
        payload = state.open(message[KEY_SIZE:])
        sending, receiving = state.split()
        return payload, Transport(sending, receiving, h)


class Responder:
    """The phone's side: reads the hello, answers with one sealed request.

    `read` and `write` are each called once, in this order: two sessions out of one handshake
    would seal different messages under the same key and number.
    """

    def __init__(self, prologue: bytes, *, remote_static: bytes, ephemeral: bytes) -> None:
        self._remote_static = remote_static
        self._ephemeral = ephemeral
        self._state: _Symmetric | None = _Symmetric(prologue, remote_static)

    def read(self, message: bytes) -> bytes:
        """The clear payload of message 1; Malformed when it is too short or of low order.

        Mixes the keys too, so that `handshake_hash` is ready before the request is written.
        """
        if len(message) < KEY_SIZE:
            raise Malformed("a handshake message too short")
        remote, state = message[:KEY_SIZE], self._state
        assert state is not None
        state.mix_hash(remote)
        payload = state.open(message[KEY_SIZE:])
        state.mix_hash(x25519_public(self._ephemeral))
        state.mix_key(_dh(self._ephemeral, remote))
        state.mix_key(_dh(self._ephemeral, self._remote_static))
        return payload

    @property
    def handshake_hash(self) -> bytes:
        """`h` of PROTOCOL 4, over which the holder signs; after `write` it is the session's."""
        assert self._state is not None
        return self._state.h

    def write(self, payload: bytes) -> tuple[bytes, Transport]:
        """Message 2 and the session that it begins."""
        state, self._state = self._state, None
        assert state is not None
        h = state.h
        message = x25519_public(self._ephemeral) + state.seal(payload)
        receiving, sending = state.split()
        return message, Transport(sending, receiving, h)
