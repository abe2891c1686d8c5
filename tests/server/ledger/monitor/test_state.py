"""What a monitor remembers: the same after it was written, and never half of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.ledger.monitor.findings import MOST_OF_A_KIND, CannotTell, Finding, Found
from server.ledger.monitor.rules import Frontier, Place
from server.ledger.monitor.state import State, add_findings, read_state, write_state
from tests.fakes.trees import LID, head_of

if TYPE_CHECKING:
    from pathlib import Path

STATE = State(
    origin="hubs.example.org/log",
    size=300,
    root=bytes(32),
    note="note",
    frontier=Frontier(((9, head_of(1)), (8, head_of(2)))),
    places={LID: Place(300, head_of(300))},
    ahead_of=300,
    ahead_since=7,
    findings=(Found(Finding.FORK, "two", ("a", "b")), Found(Finding.GAP, "one")),
)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "state"
    assert read_state(file) == State()
    for state in (State(), STATE):
        write_state(file, state)
        assert read_state(file) == state
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"root": "00"},
        {"nodes": [["x", "00"]]},
        {"lockers": {"zz": [1, "00"]}},
        {"findings": [["WHAT", "", []]]},
        {"size": None},
    ],
)
def test_a_damaged_state_is_told_and_not_taken_for_an_empty_one(
    tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / "state"
    write_state(file, STATE)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CannotTell, match="no state of a monitor"):
        read_state(file)
    file.write_text("[")
    with pytest.raises(CannotTell):
        read_state(file)


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotTell):
        read_state(tmp_path)
    with pytest.raises(CannotTell):
        write_state(tmp_path / "missing" / "state", STATE)


def test_the_same_finding_is_kept_once_and_all_are_bounded() -> None:
    one = Found(Finding.GAP, "one", ("first",))
    again = Found(Finding.GAP, "one", ("second",))
    assert add_findings((one,), [again]) == (one,)
    many = [Found(Finding.GAP, f"{number}") for number in range(MOST_OF_A_KIND + 1)]
    last = Found(Finding.FORK, "of another kind")
    kept = add_findings((one,), [*many, last])
    assert (len(kept), kept[-1]) == (MOST_OF_A_KIND + 1, last)
