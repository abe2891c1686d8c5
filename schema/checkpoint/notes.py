"""Signed heads of the public log: C2SP signed notes, checkpoints and cosignatures of witnesses.

Formats of c2sp.org/signed-note, /tlog-checkpoint and /tlog-cosignature; Ed25519 alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.cose import PUBLIC_KEY_SIZE, verify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schema.cose import SigningKey

NOTE_BYTES = 16_384
"""Longest note that is read: seventeen signatures of Ed25519 need a tenth of it."""

MOST_SIGNATURES = 64
"""Signatures of a note that are looked at; a reader must take sixteen (signed-note)."""

HASH_SIZE = 32
LARGEST_SIZE = 2**63 - 1

_KEY_ID_SIZE = 4
_TIME_SIZE = 8
_DASH = "\u2014 "


class KeyKind(IntEnum):
    """The byte that tells what a key of a note signs (signed-note, "signature types")."""

    LOG = 0x01
    """Ed25519 over the text."""
    WITNESS = 0x04
    """Ed25519 over a time and the text: a cosignature."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key as readers of notes know it: by name and kind, from somewhere they trust."""

    name: str
    kind: KeyKind
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != PUBLIC_KEY_SIZE:
            raise Malformed(f"a public key has {PUBLIC_KEY_SIZE} bytes")

    @property
    def id(self) -> bytes:
        """Four bytes that point to the key among those of its name."""
        text = f"{self.name}\n".encode() + bytes([self.kind]) + self.public
        return hashlib.sha256(text).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        """The key as a vkey: name, id and key, joined by plus signs."""
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    @classmethod
    def parse(cls, vkey: str) -> NoteKey:
        """The key that a vkey names; Malformed unless its id is that of the key."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _unbase64(encoded)
        try:
            key = cls(name, KeyKind(raw[0] if raw else 0), raw[1:])
        except ValueError as error:
            raise Malformed("no key of a log or of a witness") from error
        if key.id.hex() != key_id:
            raise Malformed(f"the id of the key {name} is not its own")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note, not verified."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """The line, with its end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and what was signed over it, none of it verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """The note as it travels."""
        return f"{self.text}\n" + "".join(map(str, self.signatures))

    def find_time(self, witness: NoteKey) -> int | None:
        """When the witness cosigned this note, in Unix seconds; None without its signature.

        Malformed if a signature in its name does not hold: such a note deserves no trust at all.
        """
        for value in self._values(witness):
            at = int.from_bytes(value[:_TIME_SIZE], "big")
            if not verify(witness.public, _cosigned(self.text, at), value[_TIME_SIZE:]):
                raise Malformed(f"the cosignature of {witness.name} does not hold")
            return at
        return None

    def is_signed_by(self, log: NoteKey) -> bool:
        """Whether the log signed this note. Malformed if a signature in its name does not hold."""
        for value in self._values(log):
            if not verify(log.public, self.text.encode(), value):
                raise Malformed(f"the signature of {log.name} does not hold")
            return True
        return False

    def _values(self, key: NoteKey) -> list[bytes]:
        named = [one for one in self.signatures if (one.name, one.key_id) == (key.name, key.id)]
        return [one.value for one in named]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its name, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed; we write no extension lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, keys: Iterable[SigningKey]) -> Note:
    """The checkpoint as a note signed by its log, whose keys bear the name of the origin.

    There are two keys while one replaces the other: readers need to know but one of them.
    """
    text, name = checkpoint.text, checkpoint.origin
    known = [(NoteKey(name, KeyKind.LOG, key.public), key) for key in keys]
    return Note(text, tuple(Signature(name, one.id, key.sign(text.encode())) for one, key in known))


def cosign(note: Note, key: SigningKey, *, name: str, at: int) -> Signature:
    """A witness's word that at this Unix second no longer head of the log was known to it.

    It must know that the note continues what it has cosigned before.
    """
    known = NoteKey(name, KeyKind.WITNESS, key.public)
    signature = key.sign(_cosigned(note.text, at))
    return Signature(name, known.id, at.to_bytes(_TIME_SIZE, "big") + signature)


def parse_note(raw: bytes) -> Note:
    """The parts of a note; Malformed unless its form is that of signed-note."""
    if len(raw) > NOTE_BYTES:
        raise Malformed(f"a note has at most {NOTE_BYTES} bytes")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a note is UTF-8") from error
    if any(ord(one) < ord(" ") and one != "\n" for one in whole):
        raise Malformed("a note has no control characters")
    text, gap, signed = whole.rpartition("\n\n")
    if not gap or not text or not signed.endswith("\n"):
        raise Malformed("a note is a text, an empty line and signatures")
    return Note(f"{text}\n", parse_signatures(signed))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Signature lines, each with its end; Malformed when there are none or too many."""
    *found, rest = lines.split("\n")
    if rest or not 0 < len(found) <= MOST_SIGNATURES:
        raise Malformed(f"a note has 1 to {MOST_SIGNATURES} signatures, a line each")
    return tuple(map(_parse_signature, found))


def parse_checkpoint(note: Note) -> Checkpoint:
    """The head that a note tells of. Malformed unless it has the three lines and no others."""
    lines = note.text.split("\n")
    if len(lines) != 4 or not lines[0]:
        raise Malformed("a checkpoint has three lines")
    return Checkpoint(lines[0], parse_size(lines[1]), parse_hash(lines[2]))


def parse_hash(text: str) -> bytes:
    """A hash in base64, with no bit to spare."""
    found = _unbase64(text)
    if len(found) != HASH_SIZE:
        raise Malformed(f"a hash has {HASH_SIZE} bytes")
    return found


def parse_size(text: str) -> int:
    """A number of leaves in decimal, with no zero in front."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(LARGEST_SIZE)):
        raise Malformed("a size is a decimal number")
    size = int(text)
    if str(size) != text or size > LARGEST_SIZE:
        raise Malformed("a size has one way to be written")
    return size


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise Malformed("a signature line is a dash, a name and a signature")
    _check_name(name)
    raw = _unbase64(encoded)
    if len(raw) <= _KEY_ID_SIZE:
        raise Malformed("a signature follows the id of its key")
    return Signature(name, raw[:_KEY_ID_SIZE], raw[_KEY_ID_SIZE:])


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _check_name(name: str) -> None:
    if not name or "+" in name or any(one.isspace() for one in name):
        raise Malformed("a key's name has no spaces and no plus signs")


def _unbase64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise Malformed("base64 has one way to be written")
    return raw
