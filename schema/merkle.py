"""The tree of the public log: RFC 6962 hashes over `[1, lid, seq, head]` leaves, and inclusion."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from schema.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.ids import LockerId

_LEAF, _NODE = b"\x00", b"\x01"  # RFC 6962 s. 2.1
_OPENING, _HEAD = b"\x84\x01\x48", b"\x58\x20"
"""Before the locker's 8 bytes: four parts, version 1; before the head: 32 bytes."""


def leaf_data(lid: LockerId, seq: int, head: bytes) -> bytes:
    """What the log commits to for one journal entry (PROTOCOL 10): CBOR `[1, lid, seq, head]`.

    Put together here, since a log that grows does little else.
    """
    return _OPENING + lid + encode(seq) + _HEAD + head


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return pair_hash(left + right)


def pair_hash(pair: bytes) -> bytes:
    """The hash of the inner node over two hashes that lie side by side."""
    return hashlib.sha256(_NODE + pair).digest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (RFC 6962 s. 2.1); of no leaves, the hash of nothing."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_root(hashes[:split]), tree_root(hashes[split:]))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162 s. 2.1.3.2); None if it cannot be one."""
    if not 0 <= index < size:
        return None
    position, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        position, last = position >> 1, last >> 1
    return root if last == 0 else None
