"""Tomorrow's occupancy: as in past weeks, never less than empty, with an interval that holds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.lockers.occupancy import expect_day

days = st.integers(1, 6).flatmap(
    lambda slots: st.lists(
        st.lists(st.floats(0, 500), min_size=slots, max_size=slots), min_size=7, max_size=90
    )
)


@given(days)
def test_every_slot_lies_within_its_interval_and_above_empty(past: list[list[float]]) -> None:
    expected = expect_day(past)
    assert len(expected) == len(past[0])
    assert all(0 <= slot.low <= slot.mean <= slot.high for slot in expected)


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=7, max_size=7))
def test_a_week_that_repeats_is_foreseen_exactly(week: list[list[float]]) -> None:
    past = week * 20
    expected = expect_day(past)
    assert [slot.mean for slot in expected] == pytest.approx(week[0])
    assert [slot.low for slot in expected] == pytest.approx([slot.mean for slot in expected])


def test_a_fuller_day_before_raises_the_next_one() -> None:
    calm = [[4.0, 6.0]] * 40
    plain, raised = expect_day([*calm, [4.0, 6.0]]), expect_day([*calm, [8.0, 10.0]])
    assert [slot.mean for slot in plain] == pytest.approx([4.0, 6.0])
    assert [slot.mean for slot in raised] == pytest.approx([5.2, 7.2])


def test_what_yesterday_added_is_expected_less_the_further_ahead() -> None:
    raised = [[4.0, 6.0]] * 40 + [[8.0, 10.0]]
    means = [expect_day(raised, ahead=ahead)[0].mean for ahead in range(1, 4)]
    assert means == pytest.approx([5.2, 4.36, 4.108])


def test_a_week_ahead_is_foreseen_and_no_more() -> None:
    week = [[float(day)] for day in range(7)]
    assert [expect_day(week * 20, ahead=ahead)[0].mean for ahead in range(1, 8)] == pytest.approx(
        [float(day) for day in range(7)]
    )
    for ahead in (0, 8):
        with pytest.raises(ValueError, match="week at most"):
            expect_day(week * 20, ahead=ahead)


def test_intervals_hold_four_fifths_of_random_days() -> None:
    dice = random.Random(5)
    past = [[float(dice.randint(4, 14)) for _ in range(7)] for _ in range(300)]
    held = [
        slot.low <= seen <= slot.high
        for day in range(150, 300)
        for seen, slot in zip(past[day], expect_day(past[:day]), strict=True)
    ]
    assert sum(held) / len(held) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("past", [[], [[1.0]] * 6, [[1.0]] * 7 + [[1.0, 2.0]]])
def test_less_than_a_week_of_equal_days_is_refused(past: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least a week"):
        expect_day(past)
