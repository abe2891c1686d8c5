"""Codes are API: their numbers are frozen, and each says what it means."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import schema.codes
from schema.codes import Code, DoorEvent, ProblemCode

if TYPE_CHECKING:
    from enum import Enum

# The table of the protocol, typed once more by hand: a renumbering must not go unseen.
WIRE = """
0 OK, 1 BAD_FORMAT, 2 BAD_SIGNATURE, 3 WRONG_LOCKER, 4 EXPIRED, 5 NOT_YET_VALID, 6 REVOKED, 7 USED,
8 OUT_OF_SCOPE, 9 HOLDER_PROOF_FAILED, 10 CLOCK_UNTRUSTED, 11 REVOCATIONS_NEEDED, 12 BAD_DELEGATION,
13 COMPARTMENT_BUSY, 14 COMPARTMENT_FAULT, 15 RATE_LIMITED, 16 POWER_CRITICAL, 17 QUARANTINED,
18 CLIMATE_HOLD, 19 HOST_CLOSED, 20 PRESENCE_CODE_WRONG, 21 STORAGE_FULL, 100 DOOR_OPENED,
101 CLOSED_EMPTY, 102 CLOSED_OCCUPIED, 103 CLOSED_UNKNOWN, 104 OPEN_NOT_DETECTED, 105 CLOSE_OVERDUE
"""


def test_wire_codes_have_the_protocols_numbers() -> None:
    table = [tuple(pair.split()) for pair in WIRE.split(",")]
    assert [(str(int(member)), member.name) for member in (*Code, *DoorEvent)] == table


def test_problem_codes_are_spelt_like_their_names() -> None:
    assert all(member.value == member.name for member in ProblemCode)


@pytest.mark.parametrize("codes", [Code, DoorEvent, ProblemCode], ids=lambda codes: codes.__name__)
def test_each_code_is_followed_by_what_it_means(codes: type[Enum]) -> None:
    tree = ast.parse(Path(schema.codes.__file__).read_text(encoding="utf-8"))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == codes.__name__
    )
    members = [at for at, node in enumerate(body) if isinstance(node, ast.Assign)]
    assert len(members) == len(codes)
    for at in members:
        meaning = body[at + 1]
        assert isinstance(meaning, ast.Expr)
        assert isinstance(meaning.value, ast.Constant)
