"""The server's private keys by purpose: made on first use, kept as files, replaced with an overlap.

Root keys never come here: what they sign is carried in by hand. Nothing here is shown by `repr`
or logged.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from schema.cose import SigningKey
from schema.ids import KEY_ID_SIZE, KeyId
from schema.noise import x25519_public
from server.kit.durable import write_whole
from server.kit.errors import KeyringError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from server.kit.clock import Clock
    from server.kit.ids import Randomness

logger = logging.getLogger(__name__)

SEED_SIZE = 32


class Purpose(StrEnum):
    """What a key is for; no key serves two purposes."""

    ISSUER = "issuer"
    """Ed25519; signs unlock tokens and statements. Lockers learn it from a signed key set."""
    SEAL = "seal"
    """X25519; opens the envelopes of lockers, which learn it from the same key set."""
    ACCESS = "access"
    """Ed25519; signs access tokens, which only this server reads."""
    CODES = "codes"
    """A secret from which one-time codes are derived."""
    LINKS = "links"
    """A secret by which guests' links are signed, which only this server reads."""
    LOG = "log"
    """Ed25519; signs the heads of the public log, whose readers know it from elsewhere."""


SECRETS = frozenset({Purpose.CODES, Purpose.LINKS})
"""Purposes whose keys have no public half."""


LIVES = {
    Purpose.ISSUER: timedelta(days=45),  # the most that PROTOCOL 2 allows
    Purpose.SEAL: timedelta(
        days=730
    ),  # a locker without a visit for long must still find us able to read
    Purpose.ACCESS: timedelta(days=45),
    Purpose.CODES: timedelta(days=45),
    Purpose.LINKS: timedelta(days=90),
    # Whoever keeps a receipt must find somebody who remembers the key.
    Purpose.LOG: timedelta(days=3_650),
}

OVERLAPS = {
    # Time for a root to sign the key set that holds both, and for phones to carry it to lockers.
    Purpose.ISSUER: timedelta(days=15),
    # A locker that nobody has visited for so long still seals to a key that we can read with.
    Purpose.SEAL: timedelta(days=365),
    Purpose.ACCESS: timedelta(days=15),
    Purpose.CODES: timedelta(days=15),
    # A link is good for 30 days at most: the key that signed it is alive for as long.
    Purpose.LINKS: timedelta(days=31),
    # Both keys sign, so that witnesses and readers have a year to hear of the new one.
    Purpose.LOG: timedelta(days=365),
}
"""A new key is made when the newest has this much left, and stands beside it for as long.

A new key that lockers must learn is in the next draft of a key set, and signs nothing before a
root has signed that.
"""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """One key with its span of life: `not_before <= now < expires_at`."""

    purpose: Purpose
    kid: KeyId
    seed: bytes = field(repr=False)
    not_before: datetime
    expires_at: datetime

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes; of a secret there is none (KeyringError)."""
        if self.purpose in SECRETS:
            raise KeyringError(f"a secret for {self.purpose} has no public half")
        if self.purpose is Purpose.SEAL:
            return x25519_public(self.seed)
        return self.signing.public

    @property
    def signing(self) -> SigningKey:
        """The key pair that signs; KeyringError for a key that is made for something else."""
        if self.purpose not in {Purpose.ISSUER, Purpose.ACCESS, Purpose.LOG}:
            raise KeyringError(f"a key for {self.purpose} signs nothing")
        return SigningKey(self.seed)

    def is_alive_at(self, instant: datetime) -> bool:
        """Whether the key's span of life holds this instant.

        A key to seal to has no beginning: lockers use it once they know it, and a clock of ours
        that was set back must not keep us from reading.
        """
        has_begun = self.purpose is Purpose.SEAL or self.not_before <= instant
        return has_begun and instant < self.expires_at


class Keyring(Protocol):
    """Gives private keys to those that sign, unseal or derive."""

    def list_keys(self, purpose: Purpose) -> tuple[PrivateKey, ...]:
        """The keys alive now, newest first, at least one: a new one is made in time."""

    def rotate(self, purpose: Purpose) -> PrivateKey:
        """A new key beside those that are alive; it is the newest from now on."""


def current_key(keyring: Keyring, purpose: Purpose) -> PrivateKey:
    """The key to sign with now: the newest that is alive."""
    return keyring.list_keys(purpose)[0]


def is_renewal_due(alive: Iterable[PrivateKey], purpose: Purpose, *, now: datetime) -> bool:
    """Whether none of the living keys lasts beyond the overlap, so that a new one is needed."""
    latest = max((key.expires_at for key in alive), default=now)
    return latest - now <= OVERLAPS[purpose]


def derive(key: PrivateKey, *parts: bytes) -> bytes:
    """32 bytes that only the key's holder can foretell (HMAC-SHA-256 over the framed parts)."""
    framed = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key.seed, framed, hashlib.sha256)


class FileKeyring:
    """Keys as files (0600) in a folder (0700), shared by all processes of one machine.

    A file is complete or absent. Whoever needs a first key makes it under a lock, so that two
    processes agree. A key that another process made is seen at the next call.
    """

    def __init__(self, folder: Path, *, clock: Clock, randomness: Randomness) -> None:
        self._folder = folder
        self._clock = clock
        self._randomness = randomness
        self._seen: tuple[int, tuple[PrivateKey, ...]] | None = None

    def list_keys(self, purpose: Purpose) -> tuple[PrivateKey, ...]:
        """The keys alive now, newest first; a new one is made where none has enough time left.

        A disk that takes no new key is warned of for as long as an older one is alive, and a
        KeyringError after that.
        """
        if self._wants_new(purpose):
            self._renew(purpose)
        return self._alive(purpose)

    def rotate(self, purpose: Purpose) -> PrivateKey:
        """A new key beside those that are alive; it is the newest from now on.

        KeyringError, and none made, where the disk takes no new key.
        """
        with self._locked():
            return self._make(purpose)

    def _renew(self, purpose: Purpose) -> None:
        try:
            with self._locked():
                if self._wants_new(purpose):
                    self._make(purpose)
        except KeyringError as error:
            if not self._alive(purpose):
                raise
            logger.warning("no new key for %s: %s", purpose, error)

    def _alive(self, purpose: Purpose) -> tuple[PrivateKey, ...]:
        now = self._clock.now()
        alive = [key for key in self._all() if key.purpose is purpose and key.is_alive_at(now)]
        return tuple(sorted(alive, key=lambda key: (key.not_before, key.kid), reverse=True))

    def _wants_new(self, purpose: Purpose) -> bool:
        return is_renewal_due(self._alive(purpose), purpose, now=self._clock.now())

    def _make(self, purpose: Purpose) -> PrivateKey:
        # A key set names keys of two purposes by their ids, so these differ across all.
        taken = {key.kid for key in self._all()}
        kid = KeyId(self._randomness.take(KEY_ID_SIZE))
        while kid in taken:
            kid = KeyId(self._randomness.take(KEY_ID_SIZE))
        now = self._clock.now().replace(microsecond=0)
        key = PrivateKey(purpose, kid, self._randomness.take(SEED_SIZE), now, now + LIVES[purpose])
        self._write(key)
        return key

    def _write(self, key: PrivateKey) -> None:
        text = json.dumps(
            {
                "purpose": key.purpose,
                "kid": key.kid.hex(),
                "seed": base64.b64encode(key.seed).decode(),
                "not_before": key.not_before.isoformat(),
                "expires_at": key.expires_at.isoformat(),
            }
        )
        path = self._folder / f"{key.purpose}-{key.kid.hex()}.json"
        # Once this returns the key may sign: a key that a power cut took back could not be read by.
        write_whole(path, text, draft=self._folder / "new.draft")
        self._seen = None

    def _all(self) -> tuple[PrivateKey, ...]:
        """Every key in the folder, dead ones too; the folder is read again only when it changed."""
        self._make_folder()
        changed = self._folder.stat().st_mtime_ns
        if self._seen is None or self._seen[0] != changed:
            self._seen = (
                changed,
                tuple(_read_key(path) for path in sorted(self._folder.glob("*.json"))),
            )
        return self._seen[1]

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise KeyringError(f"{self._folder} cannot be made: {error.strerror}") from error
        if self._folder.stat().st_mode & 0o077:
            raise KeyringError(
                f"{self._folder} holds private keys but is open to others; chmod 700 it"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._make_folder()
        try:
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise KeyringError(f"{self._folder} takes no new key: {error.strerror}") from error


def _read_key(path: Path) -> PrivateKey:
    if path.stat().st_mode & 0o077:
        message = (
            f"{path} is a private key that others may read; chmod 600 it, and think of replacing it"
        )
        raise KeyringError(message)
    try:
        words = json.loads(path.read_text())
        return PrivateKey(
            purpose=Purpose(words["purpose"]),
            kid=KeyId(bytes.fromhex(words["kid"])),
            seed=base64.b64decode(words["seed"], validate=True),
            not_before=datetime.fromisoformat(words["not_before"]).astimezone(UTC),
            expires_at=datetime.fromisoformat(words["expires_at"]).astimezone(UTC),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringError(f"{path} is no key file of ours") from error
