"""What is checked of a head's signatures and of each locker's chain. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from schema.checkpoint.notes import HASH_SIZE
from schema.checkpoint.spans import fold
from schema.checkpoint.tiles import HEIGHT
from schema.codec import Malformed, decode
from schema.codec.fields import as_array, as_bytes, as_id, as_uint
from schema.ids import LockerId
from schema.merkle import leaf_data, node_hash, tree_root
from server.ledger.monitor.findings import Finding, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schema.checkpoint.notes import Checkpoint, Note, NoteKey
    from schema.checkpoint.trust import Trust


MOST_AGAIN = 10_000
"""Leaves of one look whose number was passed, and which are held against all former ones."""


class Place(NamedTuple):
    """How far a locker's journal is known: the number of an entry, and the head after it."""

    seq: int
    head: bytes


class Leaf(NamedTuple):
    """An entry of a locker as the log's leaf `number` tells it."""

    number: int
    lid: LockerId
    seq: int
    head: bytes

    def __str__(self) -> str:
        """Which entry it is, for people."""
        return f"entry {self.seq} of locker {self.lid.hex()}, leaf {self.number}"


def find_log_key(note: Note, head: Checkpoint, trust: Trust) -> NoteKey | None:
    """A key of this log that is trusted and has signed its head."""
    for key in trust.logs:
        if key.name == head.origin and _signs(note, key):
            return key
    return None


def check_signatures(note: Note, head: Checkpoint, trust: Trust) -> Iterator[Found]:
    """What is wrong with the lines below a head that its log has signed."""
    name = f"the head of {head.size} leaves"
    seen, known = [], {(key.name, key.id) for key in trust.logs if key.name == head.origin}
    for witness, key in trust.witnesses.items():
        known.add((key.name, key.id))
        try:
            seen += [] if note.find_time(key) is None else [witness]
        except Malformed:
            yield Found(Finding.FALSE_SIGNATURE, f"{name}: not by {key.name}", (str(note),))
    strangers = [one for one in note.signatures if (one.name, one.key_id) not in known]
    for one in strangers:
        text = f"{one.name}, key {one.key_id.hex()}, is not in the trust file"
        yield Found(Finding.UNKNOWN_KEY, text, (str(note),))
    if not trust.is_quorum(seen):
        yield Found(Finding.NO_QUORUM, f"{name}: cosigned by {', '.join(seen) or 'nobody'}")


def parse_leaf(number: int, raw: bytes) -> Leaf:
    """The entry that a leaf tells of; Malformed unless it is written in its one way."""
    version, lid, seq, head = as_array(decode(raw), 4)
    leaf = Leaf(number, LockerId(as_id(lid)), as_uint(seq), as_bytes(head, HASH_SIZE))
    if as_uint(version) != 1 or leaf_data(leaf.lid, leaf.seq, leaf.head) != raw:
        raise Malformed("a leaf of another kind")
    return leaf


@dataclass(slots=True)
class Chains:
    """Where each locker's journal stands in the log. `again` are leaves whose number was passed."""

    places: dict[LockerId, Place]
    again: list[Leaf] = field(default_factory=list)

    def follow(self, leaf: Leaf) -> Found | None:
        """Takes the next leaf of the log; what is wrong with it if that can be told at once."""
        place = self.places.get(leaf.lid, Place(0, b""))
        if leaf.seq <= place.seq:
            self.again += [leaf] if len(self.again) < MOST_AGAIN else []
            return None
        self.places[leaf.lid] = Place(leaf.seq, leaf.head)
        if leaf.seq == place.seq + 1:
            return None
        missing = f"{place.seq + 1} to {leaf.seq - 1}"
        return Found(Finding.GAP, f"{leaf}: entries {missing} are not before it")


def judge_again(leaf: Leaf, former: Leaf | None) -> Found:
    """What it means that an entry comes whose number was passed; `former` has the same number."""
    if former is None:
        return Found(Finding.REORDERED, f"{leaf}: after later ones")
    if former.head == leaf.head:
        return Found(Finding.REPEATED, f"{leaf}: it is leaf {former.number} too")
    return Found(Finding.FORK, f"{leaf}: another one than leaf {former.number}")


@dataclass(frozen=True, slots=True)
class Frontier:
    """The tree up to its last full tile, by as few hashes as there are bits in its size.

    `nodes` are the perfect subtrees from left to right, each with its level.
    """

    nodes: tuple[tuple[int, bytes], ...] = ()

    def add(self, tile: Sequence[bytes]) -> Frontier:
        """The tree with one more full tile of leaf hashes."""
        nodes, level, right = list(self.nodes), HEIGHT, tree_root(tile)
        while nodes and nodes[-1][0] == level:
            right = node_hash(nodes.pop()[1], right)
            level += 1
        return Frontier((*nodes, (level, right)))

    def root(self, edge: Sequence[bytes]) -> bytes:
        """The root with these leaf hashes, less than a tile, at the end."""
        parts = [node for _, node in self.nodes]
        parts += [tree_root(edge)] if edge or not parts else []
        return fold(parts)


def _signs(note: Note, key: NoteKey) -> bool:
    try:
        return note.is_signed_by(key)
    except Malformed:
        return False
