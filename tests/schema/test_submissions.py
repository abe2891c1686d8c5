"""How a head is shown to a witness: one form, and nothing else is read."""

from __future__ import annotations

import base64

import pytest

from schema.checkpoint.submissions import (
    MOST_HASHES,
    SUBMISSION_BYTES,
    parse_submission,
    write_submission,
)
from schema.codec import Malformed
from tests.fakes.trees import LID, Tree, entries_of

TREE = Tree(entries_of(LID, 1, 9))
HASH = base64.b64encode(bytes(32))


def test_what_is_written_is_read_again() -> None:
    for old, new in ((0, 9), (5, 9), (9, 9)):
        shown = parse_submission(TREE.show(old, new))
        assert (shown.old, shown.proof) == (old, TREE.proof(old, new))
        assert (shown.note, shown.head) == (TREE.note(new), TREE.head(new))


def test_the_form_is_that_of_the_specification() -> None:
    proof = [bytes(32), b"\1" * 32]
    first, second, third, gap, rest = (
        write_submission(TREE.note(9), old=5, proof=proof).decode().split("\n", 4)
    )
    assert (first, gap) == ("old 5", "")
    assert [base64.b64decode(one) for one in (second, third)] == proof
    assert rest == str(TREE.note(9))


def test_the_largest_proof_is_read() -> None:
    proof = [bytes(32)] * MOST_HASHES
    assert len(parse_submission(write_submission(TREE.note(9), old=5, proof=proof)).proof) == 63
    with pytest.raises(Malformed):
        parse_submission(write_submission(TREE.note(9), old=5, proof=[*proof, bytes(32)]))


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"5",
        b"old",
        b"old 05",
        b"old -1",
        b"old 5 ",
        b"old  5",
        b"OLD 5",
        b"old 9223372036854775808",
        b"old 5\r",
        b"\xc3\xb6ld 5",
        b"old 5\n" + HASH[:-4],
        b"old 5\n" + HASH + b" ",
        b"old 5\n" + base64.b64encode(bytes(31)),
        b"old 5\nold 5",
    ],
)
def test_another_form_is_refused(asked: bytes) -> None:
    with pytest.raises(Malformed):
        parse_submission(asked + b"\n\n" + str(TREE.note(9)).encode())


def test_a_head_must_follow() -> None:
    for tail in (b"", b"\n", b"\n\n", b"\n\nhubs.example.org/log\n9\n", b"\n\n\n\n"):
        with pytest.raises(Malformed):
            parse_submission(b"old 5\n" + HASH + tail)


def test_more_than_the_largest_is_not_read() -> None:
    shown = TREE.show(5, 9)
    with pytest.raises(Malformed, match="at most"):
        parse_submission(shown + b"x" * (SUBMISSION_BYTES + 1 - len(shown)))
