"""A log in memory that says whatever a test lets it say, and signs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.checkpoint.notes import Checkpoint, KeyKind, Note, NoteKey, sign_checkpoint
from schema.checkpoint.spans import consistency_spans
from schema.checkpoint.submissions import write_submission
from schema.ids import LockerId
from schema.merkle import leaf_data, leaf_hash, tree_root
from tests.schema.makers import signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.cose import SigningKey

ORIGIN = "hubs.example.org/log"
LID, OTHER = LockerId(b"locker-1"), LockerId(b"locker-2")


def head_of(seq: int, word: str = "") -> bytes:
    """The head of a journal after an entry; another one for another word."""
    return f"{seq}{word}".encode().rjust(32, b"-")


def entries_of(lid: LockerId, first: int, last: int, word: str = "") -> list[bytes]:
    """Leaves of one locker's entries in their order."""
    return [leaf_data(lid, seq, head_of(seq, word)) for seq in range(first, last + 1)]


@dataclass
class Tree:
    """Leaves, and heads over the first so many of them."""

    leaves: Sequence[bytes]
    origin: str = ORIGIN
    key: SigningKey = field(default_factory=lambda: signing_key("log"))

    @property
    def public(self) -> NoteKey:
        return NoteKey(self.origin, KeyKind.LOG, self.key.public)

    @property
    def size(self) -> int:
        return len(self.leaves)

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, self._root(0, size))

    def note(self, size: int) -> Note:
        return sign_checkpoint(self.head(size), [self.key])

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(self._root(*span) for span in consistency_spans(old, new))

    def show(self, old: int, new: int) -> bytes:
        """What an honest log sends to a witness."""
        return write_submission(self.note(new), old=old, proof=self.proof(old, new))

    def _root(self, start: int, end: int) -> bytes:
        return tree_root([leaf_hash(one) for one in self.leaves[start:end]])
