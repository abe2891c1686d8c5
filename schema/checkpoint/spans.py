"""Which subtrees of the log's tree prove what, and the check that one tree continues another.

Whoever keeps the hashes of perfect subtrees puts a proof together from few of them; whoever checks
one needs the hashes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schema.merkle import node_hash, tree_root

if TYPE_CHECKING:
    from collections.abc import Sequence


class Span(NamedTuple):
    """The subtree over the leaves from `start` up to, not with, `end`."""

    start: int
    end: int


class Node(NamedTuple):
    """A perfect subtree: this one, from the left, of those over 2**level leaves."""

    level: int
    number: int


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose hashes prove leaf `index` in a tree of `size` leaves, from the leaf up.

    RFC 6962 s. 2.1.1. Raises ValueError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return _inclusion(index, Span(0, size))


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees whose hashes prove that a tree of `new` leaves continues one of `old`.

    RFC 6962 s. 2.1.2. None for the empty tree and for one of the same size; raises ValueError when
    the tree would shrink.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not continue one of {old}")
    if old in {0, new}:
        return []
    return _consistency(old, Span(0, new))


def perfect_nodes(span: Span) -> list[Node]:
    """The perfect subtrees that make up a subtree of such a tree, from left to right."""
    nodes, start, leaves = [], span.start, span.end - span.start
    for level in reversed(range(leaves.bit_length())):
        if leaves >> level & 1:
            nodes.append(Node(level, start >> level))
            start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of the subtree that these perfect ones make up, from left to right."""
    *others, root = hashes
    for left in reversed(others):
        root = node_hash(left, root)
    return root


def is_consistent(
    old: int, new: int, *, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the newer tree holds all of the older one, in its order.

    RFC 9162 s. 2.1.4.2. Nothing needs to be shown of the empty tree; its root is that of no leaves.
    """
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root and (new > 0 or new_root == tree_root([]))
    if old == 0:
        return not proof and old_root == tree_root([])
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return bool(path) and _roots_of(old, new, path) == (old_root, new_root)


def _roots_of(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots of both trees that the hashes lead to, the first of them a part of the older."""
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_root = node_hash(new_root, sibling)
        position, last = position >> 1, last >> 1
    return (old_root, new_root) if last == 0 else None


def _inclusion(index: int, span: Span) -> list[Span]:
    start, end = span
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    left, right = Span(start, middle), Span(middle, end)
    if index < middle:
        return [*_inclusion(index, left), right]
    return [*_inclusion(index, right), left]


def _consistency(old: int, span: Span) -> list[Span]:
    start, end = span
    if end == old:
        # The old tree itself is known to whoever checks, unless it is only a part of a subtree.
        return [span] if start else []
    middle = start + _split(end - start)
    left, right = Span(start, middle), Span(middle, end)
    if old <= middle:
        return [*_consistency(old, left), right]
    return [*_consistency(old, right), left]


def _split(size: int) -> int:
    """How many leaves of `size`, two at least, hang on the left (RFC 6962 s. 2.1)."""
    return 1 << (size - 1).bit_length() - 1
