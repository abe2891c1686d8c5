"""Five tries, then 15 minutes, then twice as long, up to a day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ble_agent.policy.lockout import FIRST_S, LONGEST_S, TRIES, Lockout

NOW = 1_760_000_000
YEAR_S = 365 * 86_400


@pytest.mark.parametrize(
    ("wrong", "span_s"),
    [
        *((wrong, 0) for wrong in (0, 1, 4, 6, 9, 11)),
        (5, 900),
        (10, 1800),
        (15, 3600),
        (35, 57_600),
        (40, 86_400),
        (45, 86_400),
        (5_000_000, 86_400),
    ],
)
def test_each_row_of_five_locks_twice_as_long_up_to_a_day(wrong: int, span_s: int) -> None:
    assert Lockout(wrong, NOW).span_s == span_s


def test_a_lock_runs_out_to_the_second() -> None:
    locked = Lockout(TRIES, NOW)
    assert [locked.left_s(NOW + s) for s in (0, 1, FIRST_S - 1, FIRST_S)] == [900, 899, 1, 0]


def test_a_clock_set_back_makes_no_lock_longer() -> None:
    locked = Lockout(TRIES, NOW)
    assert locked.left_s(NOW - YEAR_S) == FIRST_S
    assert locked.since(NOW - YEAR_S).left_s(NOW - YEAR_S + FIRST_S) == 0
    assert locked.since(NOW + 1) == locked


def test_somebody_who_never_rests_has_about_1900_tries_a_year() -> None:
    now, tries, lockout = NOW, 0, Lockout()
    while now < NOW + YEAR_S:
        now += lockout.left_s(now)
        lockout = lockout.after_wrong(now)
        tries += 1
    assert 1800 <= tries <= 1900


@given(wrong=st.integers(0, 10**6), ahead_s=st.integers(-(10**9), 10**9))
def test_no_lock_is_ever_longer_than_a_day(wrong: int, ahead_s: int) -> None:
    assert 0 <= Lockout(wrong, NOW).left_s(NOW + ahead_s) <= LONGEST_S
