"""The witness's own key: made at its first start, kept as a file that only its owner reads."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.checkpoint.notes import KeyKind, Note, NoteKey, Signature, cosign
from schema.codec import Malformed
from schema.cose import SEED_SIZE, SigningKey
from server.kit.durable import write_new
from server.kit.errors import KeyringError, SettingsError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from server.kit.ids import Randomness

KEY_FILE = "witness-key.json"


@dataclass(frozen=True, slots=True)
class Seal:
    """The name and the key with which a witness cosigns."""

    name: str
    key: SigningKey

    @property
    def public(self) -> NoteKey:
        """What others put into their trust files."""
        return NoteKey(self.name, KeyKind.WITNESS, self.key.public)

    def press(self, note: Note, *, now: datetime) -> Signature:
        """The cosignature of a head that is known, durably, to continue the last one."""
        return cosign(note, self.key, name=self.name, at=int(now.timestamp()))


def open_seal(folder: Path, name: str | None, randomness: Randomness) -> Seal:
    """The seal in this folder. One is made under `name` where there is none; it keeps its name.

    SettingsError without a name at first, or with another one later; KeyringError for a file that
    others may read, or that is none of ours.
    """
    file = folder / KEY_FILE
    if not file.exists():
        _make(file, name, randomness)
    seal = _read(file)
    if name not in {None, seal.name}:
        raise SettingsError(f"--name: this witness is called {seal.name}, by the key in {file}")
    return seal


def _make(file: Path, name: str | None, randomness: Randomness) -> None:
    if name is None:
        raise SettingsError("--name is needed at the first start: the witness's name for good")
    seed = randomness.take(SEED_SIZE)
    try:
        NoteKey(name, KeyKind.WITNESS, SigningKey(seed).public)
    except Malformed as error:
        raise SettingsError(f"--name: {error}") from error
    try:
        write_new(file, json.dumps({"name": name, "seed": base64.b64encode(seed).decode()}))
    except OSError as error:
        raise KeyringError(f"{file} cannot be written: {error.strerror}") from error


def _read(file: Path) -> Seal:
    try:
        if file.stat().st_mode & 0o077:
            raise KeyringError(f"{file} is a private key that others may read; chmod 600 it")
        words = json.loads(file.read_text())
        return Seal(words["name"], SigningKey(base64.b64decode(words["seed"], validate=True)))
    except OSError as error:
        raise KeyringError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringError(f"{file} is no key of a witness") from error
