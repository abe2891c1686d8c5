"""Root, service and hub keys as encrypted files, and their public halves as files for others.

Knows no key set and no token: what a key signs is decided by those who open it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from schema.codec import Malformed, decode, encode
from schema.codec.fields import as_array, as_bytes, as_text, as_time
from schema.cose import PUBLIC_KEY_SIZE, SEED_SIZE, SigningKey
from schema.ids import KEY_ID_SIZE, KeyId
from schema.keys import KeyEntry, Operation
from server.kit import durable
from server.kit.errors import KeyringError

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.ids import Randomness

FORMAT, PUBLIC_FORMAT = "restante key", "restante public key"
VERSION = 1

SHORTEST_PASSPHRASE = 12
"""Characters. argon2id makes each guess dear; it cannot make a short word long."""

MOST_PASSES, MOST_MEMORY = 16, 1 << 30
"""What opening a file may cost at most, whatever the file asks for."""


class KeyKind(StrEnum):
    """What an offline key is for."""

    ROOT = "root"
    """Signs key sets. Lockers and servers are given its public half by hand."""
    SERVICE = "service"
    """Signs what technicians open doors with."""
    HUB = "hub"
    """Signs deposits and openings at the lockers of one hub, which may have no network."""


RIGHTS: Final = {
    KeyKind.SERVICE: (Operation.SERVICE | Operation.OPEN_ALL, 4 * 3600),
    KeyKind.HUB: (Operation.DEPOSIT | Operation.OPEN, 24 * 3600),
}
"""Actions and longest life of a token, in seconds (PROTOCOL 2)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What deriving a key from a passphrase costs: passes over so many bytes of memory."""

    passes: int
    memory: int


MODERATE = Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
"""256 MiB and about half a second (libsodium's own word for it)."""


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """What others may know of a key; a root's has no span of life (zeros)."""

    kind: KeyKind
    kid: KeyId
    public: bytes
    nbf: int
    exp: int

    @property
    def hex(self) -> str:
        """Key id and key as lockers (`--root`) and the server (RESTANTE_ROOT_KEYS) take a root."""
        return (self.kid + self.public).hex()

    def as_entry(self) -> KeyEntry:
        """The key as it stands in a key set; KeyringError for a root, which never stands there."""
        if self.kind is KeyKind.ROOT:
            raise KeyringError(f"key {self.kid.hex()} is a root: no message tells of roots")
        actions, max_ttl = RIGHTS[self.kind]
        return KeyEntry(self.kid, self.public, int(actions), max_ttl, self.nbf, self.exp)


@dataclass(frozen=True, slots=True)
class OfflineKey:
    """A private key in memory, for as long as something is signed with it."""

    kind: KeyKind
    kid: KeyId
    seed: bytes = field(repr=False)
    nbf: int
    exp: int

    @property
    def signing(self) -> SigningKey:
        """The key pair."""
        return SigningKey(self.seed)

    @property
    def half(self) -> PublicHalf:
        """What others may know."""
        return PublicHalf(self.kind, self.kid, self.signing.public, self.nbf, self.exp)


def make_key(kind: KeyKind, randomness: Randomness, *, nbf: int = 0, exp: int = 0) -> OfflineKey:
    """A new key; two random bytes name it, so a key set must be looked at for a namesake."""
    return OfflineKey(
        kind, KeyId(randomness.take(KEY_ID_SIZE)), randomness.take(SEED_SIZE), nbf, exp
    )


def seal_key(
    key: OfflineKey, passphrase: bytes, randomness: Randomness, *, cost: Cost = MODERATE
) -> str:
    """The text of a key file. KeyringError for a passphrase that is too short."""
    if len(passphrase.decode(errors="replace")) < SHORTEST_PASSPHRASE:
        raise KeyringError(f"the passphrase must have {SHORTEST_PASSPHRASE} characters or more")
    salt = randomness.take(argon2id.SALTBYTES)
    secret = encode([key.kind.value, key.kid, key.seed, key.nbf, key.exp])
    box = _box(passphrase, salt, cost).encrypt(secret, randomness.take(SecretBox.NONCE_SIZE))
    kdf = {"name": "argon2id13", "passes": cost.passes, "memory": cost.memory, "salt": _text(salt)}
    return _dump(FORMAT, {**_public_words(key.half), "kdf": kdf, "secretbox": _text(bytes(box))})


def open_key(text: str, passphrase: bytes) -> OfflineKey:
    """The key in the text of a key file.

    KeyringError for a wrong passphrase, for a file that is none, and for one whose public words
    are not those of the key inside.
    """
    words = _load(text, FORMAT)
    try:
        kdf = words["kdf"]
        cost = Cost(int(kdf["passes"]), int(kdf["memory"]))
        salt, box = _bytes(kdf["salt"]), _bytes(words["secretbox"])
        if kdf["name"] != "argon2id13" or not _is_affordable(cost):
            raise KeyringError("the file asks for a derivation that this version does not do")
        kind, kid, seed, nbf, exp = as_array(decode(_box(passphrase, salt, cost).decrypt(box)), 5)
        key = OfflineKey(
            KeyKind(as_text(kind)),
            KeyId(as_bytes(kid, KEY_ID_SIZE)),
            as_bytes(seed, SEED_SIZE),
            as_time(nbf),
            as_time(exp),
        )
    except CryptoError as error:
        raise KeyringError("the passphrase is wrong, or the file was changed") from error
    except (KeyError, TypeError, ValueError, Malformed) as error:
        raise KeyringError("this is no key file of ours") from error
    if key.half != _half_of(words):
        raise KeyringError("the public words of the file are not those of the key inside")
    return key


def write_half(half: PublicHalf) -> str:
    """The public half as the text of a file, for `keys sign --include` elsewhere."""
    return _dump(PUBLIC_FORMAT, _public_words(half))


def read_half(text: str) -> PublicHalf:
    """The public half in a public file or, without opening it, in a key file. KeyringError."""
    return _half_of(_load(text, FORMAT, PUBLIC_FORMAT))


def write_new(path: Path, text: str) -> None:
    """A new file for its owner's eyes alone; KeyringError, and none, where that cannot be."""
    try:
        durable.write_new(path, text)
    except OSError as error:
        raise KeyringError(f"{path} cannot be written: {error.strerror}") from error


def read_text(path: Path) -> str:
    """What a person named; KeyringError where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"{path} cannot be read") from error


def armour(raw: bytes) -> str:
    """Bytes as text of one line, to be carried on paper or a stick: base64, as the API has it."""
    return base64.b64encode(raw).decode() + "\n"


def read_armoured(path: Path) -> bytes:
    """The bytes in such a file; KeyringError."""
    try:
        return base64.b64decode("".join(read_text(path).split()), validate=True)
    except ValueError as error:
        raise KeyringError(f"{path} holds no base64") from error


def _public_words(half: PublicHalf) -> dict[str, Any]:
    return {
        "kind": half.kind.value,
        "kid": half.kid.hex(),
        "public": half.public.hex(),
        "not_before": half.nbf,
        "expires": half.exp,
    }


def _half_of(words: dict[str, Any]) -> PublicHalf:
    try:
        return PublicHalf(
            KeyKind(words["kind"]),
            KeyId(as_bytes(bytes.fromhex(words["kid"]), KEY_ID_SIZE)),
            as_bytes(bytes.fromhex(words["public"]), PUBLIC_KEY_SIZE),
            as_time(words["not_before"]),
            as_time(words["expires"]),
        )
    except (KeyError, TypeError, ValueError, Malformed) as error:
        raise KeyringError("this is no key file of ours") from error


def _dump(form: str, words: dict[str, Any]) -> str:
    return json.dumps({"format": form, "version": VERSION, **words}, indent=1) + "\n"


def _load(text: str, *forms: str) -> dict[str, Any]:
    try:
        words = json.loads(text)
    except ValueError as error:
        raise KeyringError("this is no key file of ours") from error
    if not isinstance(words, dict) or words.get("format") not in forms:
        raise KeyringError(f"a file was expected that says it is a {forms[-1]}")
    if words.get("version") != VERSION:
        raise KeyringError(f"version {words.get('version')} of key files is not known here")
    return words


def _is_affordable(cost: Cost) -> bool:
    return (
        argon2id.OPSLIMIT_MIN <= cost.passes <= MOST_PASSES
        and argon2id.MEMLIMIT_MIN <= cost.memory <= MOST_MEMORY
    )


def _box(passphrase: bytes, salt: bytes, cost: Cost) -> SecretBox:
    key = argon2id.kdf(
        SecretBox.KEY_SIZE, passphrase, salt, opslimit=cost.passes, memlimit=cost.memory
    )
    return SecretBox(key)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
