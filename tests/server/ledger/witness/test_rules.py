"""What a witness cosigns, and what it never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schema.checkpoint.notes import sign_checkpoint
from schema.checkpoint.submissions import parse_submission
from schema.merkle import tree_root
from server.ledger.witness.rules import (
    CONFLICT,
    FORBIDDEN,
    MALFORMED,
    OK,
    UNKNOWN,
    UNPROVEN,
    Held,
    find_stranger,
    judge,
)
from tests.fakes.trees import LID, OTHER, Tree, entries_of
from tests.schema.makers import signing_key

TREE = Tree(entries_of(LID, 1, 9))
FORKED = Tree([*entries_of(LID, 1, 4), *entries_of(OTHER, 1, 5)])


def held(size: int, tree: Tree = TREE) -> Held:
    return Held(size, tree.head(size).root, str(tree.note(size)))


@pytest.mark.parametrize(
    ("old", "new", "known", "status"),
    [
        (0, 0, None, OK),
        (0, 9, None, OK),
        (0, 9, held(0), OK),
        (5, 9, held(5), OK),
        (9, 9, held(9), OK),
        (4, 9, held(5), CONFLICT),
        (0, 9, held(5), CONFLICT),
        (5, 9, None, CONFLICT),
        (4, 4, held(9), CONFLICT),
        (8, 9, held(8, FORKED), UNPROVEN),
        (9, 9, held(9, FORKED), CONFLICT),
    ],
)
def test_a_head_is_cosigned_if_it_continues_what_is_held(
    old: int, new: int, known: Held | None, status: int
) -> None:
    judgement = judge(parse_submission(TREE.show(old, new)), known)
    assert judgement.status == status
    assert judgement.size == ((known.size if known else 0) if status == CONFLICT else None)


def test_a_head_smaller_than_what_it_is_said_to_continue_is_malformed() -> None:
    shown = replace(parse_submission(TREE.show(4, 4)), old=5)
    for known in (None, held(5), held(4)):
        assert judge(shown, known).status == MALFORMED


def test_no_proof_may_be_there_where_there_is_nothing_to_prove() -> None:
    for old, known in ((0, None), (9, held(9))):
        shown = replace(parse_submission(TREE.show(old, 9)), proof=(bytes(32),))
        assert judge(shown, known).status == UNPROVEN


def test_the_empty_log_has_one_root() -> None:
    empty = replace(TREE.head(0), root=bytes(32))
    assert TREE.head(0).root == tree_root([])
    shown = replace(parse_submission(TREE.show(0, 0)), head=empty)
    assert judge(shown, None).status == UNPROVEN


@pytest.mark.parametrize("old", [0, 5, 9])
def test_two_roots_for_one_size_are_a_split_view_whatever_is_said_to_be_old(old: int) -> None:
    judgement = judge(parse_submission(FORKED.show(old, 9)), held(9))
    assert (judgement.status, judgement.size, judgement.is_split) == (CONFLICT, 9, True)
    assert not judge(parse_submission(FORKED.show(old, 9)), held(8)).is_split
    assert not judge(parse_submission(TREE.show(old, 9)), held(9)).is_split


def test_logs_are_known_by_name_and_key() -> None:
    shown = parse_submission(TREE.show(0, 9))
    other = Tree(TREE.leaves, origin="elsewhere.example.org/log")
    assert find_stranger(shown, [other.public, TREE.public]) is None
    unknown = find_stranger(shown, [other.public])
    assert unknown is not None
    assert unknown.status == UNKNOWN
    impostor = Tree(TREE.leaves, key=signing_key("another"))
    forbidden = find_stranger(shown, [impostor.public])
    assert forbidden is not None
    assert forbidden.status == FORBIDDEN


def test_signatures_of_others_count_neither_way_and_a_broken_one_not_at_all() -> None:
    both = sign_checkpoint(TREE.head(9), [signing_key("another"), TREE.key])
    shown = replace(parse_submission(TREE.show(0, 9)), note=both)
    assert find_stranger(shown, [TREE.public]) is None
    (line,) = TREE.note(9).signatures
    broken = replace(TREE.note(9), signatures=(replace(line, value=bytes(64)),))
    refused = find_stranger(replace(shown, note=broken), [TREE.public])
    assert refused is not None
    assert refused.status == FORBIDDEN
