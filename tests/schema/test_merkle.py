"""The log's tree: every inclusion proof leads to the root, and no other does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.checkpoint.spans import (
    Node,
    Span,
    consistency_spans,
    fold,
    inclusion_spans,
    is_consistent,
    perfect_nodes,
)
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


REFERENCE = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
"""Leaves of the reference tree of Certificate Transparency, in hexadecimal."""

REFERENCE_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize(("size", "root"), [*enumerate(REFERENCE_ROOTS, 1)])
def test_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE[:size]]
    assert tree_root(leaves).hex() == root


LEFT = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
PAIR = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LATE_HALF = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
LATE_PAIR = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
FIFTH = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
MIDDLE_PAIR = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
FIRST, FIRST_PAIR, FIRST_HALF = (REFERENCE_ROOTS[size - 1] for size in (1, 2, 4))
"""Inner nodes of that tree, as the tests of transparency-dev/merkle publish them."""


@pytest.mark.parametrize(
    ("number", "size", "proof"),
    [
        (1, 1, []),
        (1, 8, [LEFT, PAIR, LATE_HALF]),
        (6, 8, [FIFTH, LATE_PAIR, FIRST_HALF]),
        (3, 3, [FIRST_PAIR]),
        (2, 5, [FIRST, PAIR, FIFTH]),
    ],
)
def test_inclusion_is_proved_as_in_certificate_transparency(
    number: int, size: int, proof: list[str]
) -> None:
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE[:size]]
    made = [_hash_of(span, leaves).hex() for span in inclusion_spans(number - 1, size)]
    assert made == proof
    path = [bytes.fromhex(one) for one in proof]
    root = root_from_inclusion(leaves[number - 1], number - 1, size, path)
    assert root == bytes.fromhex(REFERENCE_ROOTS[size - 1])


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, []),
        (1, 8, [LEFT, PAIR, LATE_HALF]),
        (6, 8, [MIDDLE_PAIR, LATE_PAIR, FIRST_HALF]),
        (2, 5, [PAIR, FIFTH]),
    ],
)
def test_consistency_is_proved_as_in_certificate_transparency(
    old: int, new: int, proof: list[str]
) -> None:
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in REFERENCE[:new]]
    assert [one.hex() for one in _consistency(old, leaves)] == proof
    roots = {size: bytes.fromhex(REFERENCE_ROOTS[size - 1]) for size in (old, new)}
    path = [bytes.fromhex(one) for one in proof]
    assert is_consistent(old, new, old_root=roots[old], new_root=roots[new], proof=path)


def _hash_of(span: Span, leaves: list[bytes]) -> bytes:
    return tree_root(leaves[span.start : span.end])


def _consistency(old: int, leaves: list[bytes]) -> list[bytes]:
    return [_hash_of(span, leaves) for span in consistency_spans(old, len(leaves))]


@pytest.mark.parametrize("size", range(1, 34))
def test_spans_of_an_inclusion_are_those_of_its_definition(size: int) -> None:
    leaves = _leaves(size)
    for index in range(size):
        found = [_hash_of(span, leaves) for span in inclusion_spans(index, size)]
        assert found == _proof(index, leaves)


@pytest.mark.parametrize("new", range(34))
def test_every_older_tree_is_shown_to_be_continued(new: int) -> None:
    leaves = _leaves(new)
    for old in range(new + 1):
        assert is_consistent(
            old,
            new,
            old_root=tree_root(leaves[:old]),
            new_root=tree_root(leaves),
            proof=_consistency(old, leaves),
        )


@pytest.mark.parametrize("new", range(1, 20))
def test_another_past_is_never_shown_to_be_continued(new: int) -> None:
    leaves = _leaves(new)
    for old in range(1, new + 1):
        past = [*leaves[: old - 1], leaf_hash(b"rewritten")]
        for proof in (_consistency(old, leaves), _consistency(old, [*past, *leaves[old:]])):
            assert not is_consistent(
                old, new, old_root=tree_root(past), new_root=tree_root(leaves), proof=proof
            )


@given(st.integers(1, 40), st.data())
def test_a_changed_proof_shows_no_continuation(new: int, data: st.DataObject) -> None:
    leaves = _leaves(new)
    old = data.draw(st.integers(0, new))
    right = _consistency(old, leaves)
    changed = data.draw(
        st.sampled_from(
            [
                [*right, bytes(32)],
                [bytes(32), *right],
                right[:-1],
                right[1:],
                [bytes(32) if at == 0 else one for at, one in enumerate(right)],
                [bytes(32) if at == len(right) - 1 else one for at, one in enumerate(right)],
            ]
        ).filter(lambda proof: proof != right)
    )
    assert not is_consistent(
        old, new, old_root=tree_root(leaves[:old]), new_root=tree_root(leaves), proof=changed
    )


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1), (-2, -1)])
def test_a_tree_that_shrinks_is_not_consistent(old: int, new: int) -> None:
    root = tree_root(_leaves(1))
    assert not is_consistent(old, new, old_root=root, new_root=root, proof=[])
    with pytest.raises(ValueError, match="does not continue"):
        consistency_spans(old, new)


def test_of_the_same_size_only_the_same_tree_is_consistent() -> None:
    one, other = _leaves(2)
    assert is_consistent(1, 1, old_root=one, new_root=one, proof=[])
    assert not is_consistent(1, 1, old_root=one, new_root=other, proof=[])
    assert not is_consistent(0, 0, old_root=tree_root([]), new_root=other, proof=[])
    assert not is_consistent(0, 1, old_root=other, new_root=one, proof=[])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, -1)])
def test_there_are_no_spans_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_spans(index, size)


@given(st.integers(1, 300))
def test_perfect_subtrees_make_up_the_whole(size: int) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    hashes = [
        tree_root(leaves[node.number << node.level : (node.number + 1) << node.level])
        for node in perfect_nodes(Span(0, size))
    ]
    assert fold(hashes) == tree_root(leaves)


def test_perfect_subtrees_of_a_span_are_counted_from_the_left_of_the_tree() -> None:
    assert perfect_nodes(Span(8, 15)) == [Node(2, 2), Node(1, 6), Node(0, 14)]
    assert perfect_nodes(Span(4, 4)) == []
