"""The log's tree: every inclusion proof leads to the root, and no other does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.merkle import leaf_data, leaf_hash, node_hash, root_from_inclusion, tree_root
from tests.schema.makers import LID


def _leaves(size: int) -> list[bytes]:
    return [leaf_hash(leaf_data(LID, seq, bytes(32))) for seq in range(1, size + 1)]


def _proof(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 s. 2.1.1, as the recursion that defines it."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*_proof(index, leaves[:split]), tree_root(leaves[split:])]
    return [*_proof(index - split, leaves[split:]), tree_root(leaves[:split])]


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_is_proved_in_trees_of_every_shape(size: int) -> None:
    leaves = _leaves(size)
    for index, leaf in enumerate(leaves):
        assert root_from_inclusion(leaf, index, size, _proof(index, leaves)) == tree_root(leaves)


@given(st.integers(2, 40), st.data())
def test_proof_at_another_place_leads_elsewhere(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index))
    assert root_from_inclusion(leaves[index], other, size, _proof(index, leaves)) != tree_root(
        leaves
    )


@given(st.integers(2, 40), st.data())
def test_altered_sibling_leads_elsewhere(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = _proof(index, leaves)
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] = bytes(32)
    assert root_from_inclusion(leaves[index], index, size, proof) != tree_root(leaves)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (1, 1), (0, 0), (0, -1)])
def test_leaf_outside_the_tree_has_no_root(index: int, size: int) -> None:
    assert root_from_inclusion(bytes(32), index, size, []) is None


def test_proof_of_wrong_length_leads_nowhere() -> None:
    leaves = _leaves(5)
    proof = _proof(2, leaves)
    assert root_from_inclusion(leaves[2], 2, 5, proof[:-1]) is None
    assert root_from_inclusion(leaves[2], 2, 5, [*proof, bytes(32)]) is None


def test_hashes_are_those_of_rfc_6962() -> None:
    assert tree_root([]) == hashlib.sha256(b"").digest()
    assert leaf_hash(b"data") == hashlib.sha256(b"\x00data").digest()
    assert node_hash(b"left", b"right") == hashlib.sha256(b"\x01leftright").digest()
    assert tree_root(_leaves(1)) == _leaves(1)[0]
