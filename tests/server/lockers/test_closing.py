"""Which compartments are closed and come back by what, and what counts as a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.lockers.closing import (
    PROOFS,
    Closing,
    DoorVisit,
    find_return,
    find_service,
    is_since,
    read_reason,
)
from server.lockers.rules import ServiceState
from tests.fakes.sources import START

S = ServiceState


def test_only_what_is_not_broken_is_quarantined() -> None:
    taken = {state for state in S if find_service(state, Closing.QUARANTINE) is not None}
    assert taken == {S.IN_SERVICE, S.CLEANING_DUE, S.SANITISING}


def test_everything_can_break_and_only_once() -> None:
    taken = {state for state in S if find_service(state, Closing.BREAK_DOWN) is not None}
    assert taken == set(S) - {S.OUT_OF_SERVICE}


def test_each_closing_has_its_own_way_back() -> None:
    assert {state: find_return(state) for state in S} == {
        S.IN_SERVICE: None,
        S.CLEANING_DUE: None,
        S.SANITISING: None,
        S.QUARANTINED: Closing.PASS_INSPECTION,
        S.OUT_OF_SERVICE: Closing.PASS_TEST,
    }
    for state in (S.QUARANTINED, S.OUT_OF_SERVICE):
        closing = find_return(state)
        assert closing is not None
        assert find_service(state, closing) is S.IN_SERVICE
    assert find_service(S.OUT_OF_SERVICE, Closing.PASS_INSPECTION) is None
    assert find_service(S.QUARANTINED, Closing.PASS_TEST) is None


def test_an_inspection_is_no_test_of_a_repair() -> None:
    assert DoorVisit.INSPECT not in PROOFS[Closing.PASS_TEST]
    assert DoorVisit.OPEN_ALL not in PROOFS[Closing.PASS_INSPECTION]


def test_a_visit_in_the_same_second_is_later() -> None:
    closed_at = START + timedelta(milliseconds=700)
    assert is_since(START, closed_at)
    assert not is_since(START - timedelta(seconds=1), closed_at)


@pytest.mark.parametrize("text", ["", "   ", "two\nlines", "x" * 301])
def test_no_reason_is_no_reason(text: str) -> None:
    assert read_reason(text) is None


def test_a_reason_is_kept_without_what_surrounds_it() -> None:
    assert read_reason(" smells of milk ") == "smells of milk"
