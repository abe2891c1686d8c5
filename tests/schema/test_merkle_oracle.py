"""The log's tree beside another implementation of RFC 9162, which knows nothing of ours."""

from __future__ import annotations

import itertools

import pytest
from pymerkle import InmemoryTree

from schema.checkpoint.spans import Span, consistency_spans, inclusion_spans, is_consistent
from schema.merkle import leaf_data, leaf_hash, root_from_inclusion, tree_root
from tests.schema.makers import LID

SIZE = 40
DATA = [leaf_data(LID, seq, bytes([seq]) * 32) for seq in range(1, SIZE + 1)]
LEAVES = [leaf_hash(data) for data in DATA]


@pytest.fixture(scope="module")
def oracle() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for data in DATA:
        tree.append_entry(data)
    return tree


def hashes(spans: list[Span]) -> list[bytes]:
    return [tree_root(LEAVES[span.start : span.end]) for span in spans]


def path_of(proof: object) -> list[bytes]:
    return [bytes.fromhex(one) for one in proof.serialize()["path"]]  # type: ignore[attr-defined]  # an untyped library


def test_roots_are_the_same(oracle: InmemoryTree) -> None:
    for size in range(1, SIZE + 1):
        assert tree_root(LEAVES[:size]) == oracle.get_root(size)


def test_proofs_of_inclusion_hold_the_same_hashes_and_lead_to_its_roots(
    oracle: InmemoryTree,
) -> None:
    for size in range(1, SIZE + 1):
        for index in range(size):
            proof = hashes(inclusion_spans(index, size))
            root = root_from_inclusion(LEAVES[index], index, size, proof)
            assert root == oracle.get_root(size)
            told = path_of(oracle.prove_inclusion(index + 1, size))
            assert sorted([*proof, LEAVES[index]]) == sorted(told)


def test_proofs_of_consistency_join_its_roots_and_no_others(oracle: InmemoryTree) -> None:
    for old, new in itertools.combinations(range(1, SIZE + 1), 2):
        proof = hashes(consistency_spans(old, new))
        before, after = oracle.get_root(old), oracle.get_root(new)
        assert is_consistent(old, new, old_root=before, new_root=after, proof=proof)
        assert not is_consistent(old, new, old_root=after, new_root=before, proof=proof)
