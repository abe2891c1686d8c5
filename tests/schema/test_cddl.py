"""The protocol in CDDL says what the parsers say, and names everything that the code names."""

from __future__ import annotations

import importlib
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import schema
from schema import handshake, journal, merkle
from schema.codes import Code, DoorEvent
from schema.cose import Aad
from schema.journal import Kind, OwnKind
from schema.keys import Operation, Role
from schema.statements import StatementType
from tests.schema.frozen import load_frozen
from tests.schema.hostile import bend
from tests.schema.makers import LID
from tests.schema.targets import make_targets, survives

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import IntEnum, IntFlag

FILE = Path(schema.__file__).parent / "slk1.cddl"
TEXT = FILE.read_text(encoding="utf-8")
GIVEN = load_frozen("slk1.json")

RULES = {
    "token": "token",
    "delegation": "delegation",
    "REVOCATIONS": "revocations",
    "TIME": "time-statement",
    "KEY_SET": "key-set",
    "CONFIGURATION": "configuration",
    "ACKNOWLEDGEMENT": "acknowledgement",
    "request": "request",
    "phone frame": "phone-frame",
    "hello": "hello",
    "entry": "entry",
    "envelope": "envelope",
}
"""Parsers of form alone, and the rule of the file that says what they take."""


@pytest.mark.parametrize("numbers", [Code, DoorEvent, Operation, Role], ids=lambda e: e.__name__)
def test_every_number_has_its_name_in_the_file(numbers: type[IntEnum | IntFlag]) -> None:
    found = dict(re.findall(r"\b([A-Z_]+): (\d+)", TEXT))
    assert {name: found.get(name) for name in numbers.__members__} == {
        member.name: str(int(member)) for member in numbers
    }


def test_every_type_of_signed_object_is_in_the_file() -> None:
    assert set(re.findall(r"'(SLK1-\w{3})'", TEXT)) == {aad.value.decode() for aad in Aad}
    numbers = re.findall(r"\[type: (\d), bstr", TEXT)
    assert sorted(map(int, numbers)) == sorted(int(kind) for kind in StatementType)


def test_every_kind_of_entry_is_in_the_file() -> None:
    found = {
        int(number): name for number, name in re.findall(r"kind: (\d+), body: ([a-z-]+)", TEXT)
    }
    names = {int(kind): kind.name.lower().replace("_", "-") for kind in (*Kind, *OwnKind)}
    assert found == names | {int(Kind.STATEMENT): "statement-applied"}


@pytest.fixture(scope="module")
def validates() -> Callable[[str, bytes], bool]:
    """A stranger's validator of CBOR by CDDL."""
    # It is published without types, so it is loaded by name.
    library: Any = importlib.import_module("cddl_verifier")
    validator = library.Validator(FILE)
    return lambda rule, data: bool(validator.validate(data, root_type=rule).valid)


def test_given_objects_are_valid(validates: Callable[[str, bytes], bool]) -> None:
    visit = GIVEN["visit"]
    objects = {
        "token": [GIVEN["token"]],
        "delegation": [GIVEN["delegation"]["bytes"]],
        "revocations": [GIVEN["statements"]["rev"]],
        "time-statement": [GIVEN["statements"]["tim"]],
        "key-set": [GIVEN["statements"]["key"], GIVEN["state"]["key_set_statement"]],
        "configuration": [GIVEN["statements"]["cfg"]],
        "acknowledgement": [GIVEN["statements"]["ack"]],
        "hello": [visit["hello"][64:]],
        "request": [visit["message2_plain"]],
        "result": [visit["message3_plain"]],
        "event": [visit["door_opened"]["plain"], visit["door_closed"]["plain"]],
        "sync": [visit["sync"]["plain"]],
        "sync-answer": [visit["sync"]["answer_plain"], visit["ack"]["answer_plain"]],
        "entry": GIVEN["journal"]["entries"],
        "envelope": [GIVEN["envelope"]["sample"]],
        "packed": [GIVEN["envelope"]["z_plain"]],
        "leaf": GIVEN["tree"]["leaves"],
    }
    for rule, examples in objects.items():
        for example in examples:
            assert validates(rule, bytes.fromhex(example)), (rule, example)


ONLY_ENCODING = {"indefinite array", "unsorted keys", "not the shortest integer"}
"""Cases that CDDL cannot tell: it speaks of values, not of their one encoding."""


def test_given_cases_are_valid_exactly_if_their_form_is_good(
    validates: Callable[[str, bytes], bool],
) -> None:
    for case in GIVEN["cases"]:
        expected = case["expect"].get("code")
        if expected is not None and case["name"] not in ONLY_ENCODING:
            is_valid = validates("request", bytes.fromhex(case["plain"]))
            assert is_valid is (expected != Code.BAD_FORMAT), case["name"]


@pytest.mark.parametrize("name", RULES)
def test_bent_objects_are_judged_alike_by_file_and_parser(
    name: str, validates: Callable[[str, bytes], bool]
) -> None:
    rng = random.Random(name)
    target = make_targets()[name]
    for _ in range(200):
        data = bend(rng, target.specimens)
        assert validates(RULES[name], data) is survives(target, data), data.hex()


def test_leaf_and_answers_are_valid_as_written(validates: Callable[[str, bytes], bool]) -> None:
    assert validates("leaf", merkle.leaf_data(LID, 1, journal.FIRST_PREV_HEAD))
    frame = handshake.EnvelopeFrame(b"sealed", 0)
    assert validates("locker-frame", handshake.encode_envelope_frame(frame))
