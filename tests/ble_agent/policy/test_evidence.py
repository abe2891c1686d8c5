"""What a close, or a door that stands open, proves: the whole table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ble_agent.policy.evidence import Conclusion, conclude_close, conclude_overdue
from ble_agent.policy.world import Bearer, Opening, Phase
from schema.codes import DoorEvent
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation

STAY, OTHER = StayId(b"stay0001"), StayId(b"stay0002")
CLOSED = {
    True: DoorEvent.CLOSED_OCCUPIED,
    False: DoorEvent.CLOSED_EMPTY,
    None: DoorEvent.CLOSED_UNKNOWN,
}
OPEN = Opening(
    comp=3,
    op=Operation.OPEN,
    bearer=Bearer(b"holder", b"token"),
    cti=b"cti00001",
    second_cti=None,
    stay=STAY,
    exp=0,
    phase=Phase.OPENED,
    accepted_seq=1,
    occupied_before=True,
)
DEPOSIT = replace(OPEN, op=Operation.DEPOSIT, occupied_before=False)


def kinds(conclusion: Conclusion) -> list[Kind]:
    return [kind for kind, _ in conclusion.lines]


@pytest.mark.parametrize("occupied", CLOSED)
def test_every_close_writes_and_tells_what_the_sensor_says(occupied: bool | None) -> None:
    for opening in (OPEN, DEPOSIT, replace(OPEN, op=Operation.SERVICE)):
        conclusion = conclude_close(opening, stored=None, occupied=occupied)
        assert conclusion.event is CLOSED[occupied]
        assert conclusion.lines[0] == (Kind.DOOR_CLOSED, [3, occupied])


@pytest.mark.parametrize(
    ("before", "after", "kind", "grade"),
    [
        (True, False, Kind.COLLECTED, 1),
        (True, None, Kind.COLLECTED, 2),
        (None, False, Kind.COLLECTED, 2),
        (None, None, Kind.COLLECTED, 2),
        (False, False, Kind.FOUND_EMPTY, None),
        (False, None, Kind.FOUND_EMPTY, None),
    ],
)
def test_a_close_not_sensed_occupied_ends_the_stay(
    before: bool | None, after: bool | None, kind: Kind, grade: int | None
) -> None:
    opening = replace(OPEN, occupied_before=before)
    conclusion = conclude_close(opening, stored=STAY, occupied=after)
    assert conclusion.ends == STAY
    assert conclusion.lines[1] == (kind, [3, STAY] if grade is None else [3, STAY, grade])


@pytest.mark.parametrize("before", CLOSED)
def test_a_close_sensed_occupied_leaves_the_stay(before: bool | None) -> None:
    opening = replace(OPEN, occupied_before=before)
    conclusion = conclude_close(opening, stored=STAY, occupied=True)
    assert (conclusion.ends, kinds(conclusion)) == (None, [Kind.DOOR_CLOSED])


@pytest.mark.parametrize("stored", [None, OTHER])
def test_only_the_stored_stay_is_collected(stored: StayId | None) -> None:
    for conclusion in (
        conclude_close(OPEN, stored=stored, occupied=False),
        conclude_overdue(OPEN, stored=stored),
    ):
        assert conclusion.ends is None
        assert len(conclusion.lines) == 1
    assert conclude_overdue(OPEN, stored=stored).event is DoorEvent.CLOSE_OVERDUE


@pytest.mark.parametrize(
    "op", [Operation.INSPECT, Operation.SERVICE, Operation.OPEN_ALL, Operation.DEPOSIT]
)
def test_no_other_operation_collects(op: Operation) -> None:
    opening = replace(OPEN, op=op)
    assert conclude_overdue(opening, stored=STAY).ends is None
    if op is not Operation.DEPOSIT:
        assert conclude_close(opening, stored=STAY, occupied=False).ends is None


def test_overdue_collects_with_grade_3() -> None:
    conclusion = conclude_overdue(OPEN, stored=STAY)
    assert conclusion.event is DoorEvent.CLOSE_OVERDUE
    assert conclusion.lines == (
        (Kind.CLOSE_OVERDUE, [3]),
        (Kind.COLLECTED, [3, STAY, 3]),
    )
    assert conclusion.ends == STAY


def test_overdue_over_what_was_sensed_empty_is_found_empty() -> None:
    conclusion = conclude_overdue(replace(OPEN, occupied_before=False), stored=STAY)
    assert kinds(conclusion) == [Kind.CLOSE_OVERDUE, Kind.FOUND_EMPTY]


@pytest.mark.parametrize("occupied", [True, None])
def test_a_deposit_is_stored_unless_sensed_empty(occupied: bool | None) -> None:
    conclusion = conclude_close(DEPOSIT, stored=None, occupied=occupied)
    assert conclusion.event is CLOSED[occupied]
    assert conclusion.lines[1] == (Kind.DEPOSITED, [3, STAY])
    assert conclusion.stores == STAY
    assert conclusion.consumes_deposit


def test_a_deposit_sensed_empty_stores_and_consumes_nothing() -> None:
    conclusion = conclude_close(DEPOSIT, stored=None, occupied=False)
    assert conclusion == Conclusion(DoorEvent.CLOSED_EMPTY, conclusion.lines)
    assert kinds(conclusion) == [Kind.DOOR_CLOSED]


@pytest.mark.parametrize("occupied", [True, None])
def test_a_deposit_opened_again_changes_nothing_unless_sensed_empty(occupied: bool | None) -> None:
    conclusion = conclude_close(DEPOSIT, stored=STAY, occupied=occupied)
    assert kinds(conclusion) == [Kind.DOOR_CLOSED]
    assert conclusion.event is CLOSED[occupied]
    assert conclusion.consumes_deposit
    assert (conclusion.stores, conclusion.ends) == (None, None)


def test_a_deposit_opened_again_and_sensed_empty_is_withdrawn() -> None:
    conclusion = conclude_close(DEPOSIT, stored=STAY, occupied=False)
    assert conclusion.event is DoorEvent.CLOSED_EMPTY
    assert conclusion.lines[1] == (Kind.WITHDRAWN, [3, STAY])
    assert conclusion.ends == STAY
    assert conclusion.consumes_deposit


@pytest.mark.parametrize("occupied", CLOSED)
def test_a_deposit_never_displaces_another_stay(occupied: bool | None) -> None:
    conclusion = conclude_close(DEPOSIT, stored=OTHER, occupied=occupied)
    assert kinds(conclusion) == [Kind.DOOR_CLOSED]
    assert (conclusion.stores, conclusion.ends) == (None, None)
