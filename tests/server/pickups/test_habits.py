"""Forecasts are probabilities, follow what people do, forget, and admit how sure they may be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pickups import habits
from server.pickups.habits import DELAYS, SLOTS, Arrival, Counts, Evidence, Level, Pool

DAY = 739_000
ARRIVAL = Arrival(DAY, 3)

counts = st.builds(
    lambda values, age: _counts(values, day=DAY - age),
    st.lists(st.floats(0, 1e6), min_size=DELAYS, max_size=DELAYS),
    st.integers(-10, 100_000),
)
hours = st.builds(
    lambda values, age: _counts(values, day=DAY - age),
    st.lists(st.floats(0, 1e6), min_size=SLOTS, max_size=SLOTS),
    st.integers(-10, 100_000),
)
evidence = st.builds(Evidence, counts, counts, counts, counts, counts, hours, hours)


def _counts(values: list[float], *, day: int) -> Counts:
    row = Counts(len(values), day=day)
    row.values, row.total = list(values), sum(values)
    return row


class Person:
    """Somebody whose parcels always come in one slot."""

    def __init__(self) -> None:
        self.rows = {level: Counts(habits.size_of(level)) for level in Level}
        self.pool = Pool()

    @property
    def evidence(self) -> Evidence:
        return Evidence(**{level.name.lower(): row for level, row in self.rows.items()})

    def expect(self, day: int, slot: int = 3) -> list[float]:
        return habits.forecast(self.evidence, self.pool, Arrival(day, slot)).probabilities

    def fetch(self, day: int, delay: int, slot: int = 3) -> None:
        made = habits.forecast(self.evidence, self.pool, Arrival(day, slot))
        habits.learn(self.pool, made, delay, day=day)
        for level, row in self.rows.items():
            outcome = (slot + delay) % SLOTS if habits.size_of(level) == SLOTS else delay
            row.add(outcome, day=day, half_life_days=habits.HALF_LIFE_DAYS[level])


@given(evidence, st.integers(0, SLOTS - 1), st.lists(st.integers(0, DELAYS - 1), max_size=30))
def test_a_forecast_is_positive_and_adds_up_to_one(
    rows: Evidence, slot: int, outcomes: list[int]
) -> None:
    pool, arrival = Pool(), Arrival(DAY, slot)
    for day, delay in enumerate(outcomes):
        habits.learn(pool, habits.forecast(rows, pool, arrival), delay, day=DAY + day)
    made = habits.forecast(rows, pool, arrival)
    assert all(probability > 0 for probability in made.probabilities)
    assert math.isclose(sum(made.probabilities), 1)
    assert math.isclose(sum(made.pooled), 1)


def test_nobody_known_is_foreseen_from_the_hub_alone() -> None:
    person = Person()
    flat = person.expect(DAY)
    assert max(flat) - min(flat) < 1e-9
    for _ in range(200):
        person.rows[Level.HUB].add(2, day=DAY, half_life_days=30)
    assert person.expect(DAY)[2] == max(person.expect(DAY)) > 0.4


def test_what_a_person_does_ten_times_is_expected_of_them() -> None:
    person = Person()
    for day in range(10):
        person.fetch(DAY + day, 4)
    expected = person.expect(DAY + 10)
    assert expected.index(max(expected)) == 4
    assert expected[4] > 0.5


@pytest.mark.parametrize(("slot", "delay"), [(2, 3), (3, 2), (5, 0), (6, 6)])
def test_an_hour_of_the_day_is_expected_whenever_the_parcel_came(slot: int, delay: int) -> None:
    person = Person()
    for _ in range(30):
        person.rows[Level.HOURS].add(5, day=DAY, half_life_days=45)
    expected = person.expect(DAY, slot=slot)
    assert expected.index(max(expected[:SLOTS])) == delay


def test_a_new_habit_outweighs_the_old_one() -> None:
    person = Person()
    for day in range(40):
        person.fetch(DAY + day, 1)
    for day in range(200, 215):
        person.fetch(DAY + day, 6)
    expected = person.expect(DAY + 215)
    assert expected[6] > expected[1]


@given(st.integers(1, 400), st.floats(1, 90))
def test_a_count_weighs_half_after_its_half_life(days: int, half_life: float) -> None:
    row = Counts(DELAYS)
    row.add(3, day=DAY, half_life_days=half_life)
    row.add(5, day=DAY + days, half_life_days=half_life)
    assert row.values[3] == pytest.approx(max(0.5 ** (days / half_life), 2.0**-60))
    assert row.total == pytest.approx(sum(row.values))


def test_news_of_an_older_day_weighs_as_of_the_last_one() -> None:
    row = Counts(DELAYS)
    row.add(3, day=DAY, half_life_days=10)
    row.add(4, day=DAY - 30, half_life_days=10)
    assert (row.values[3], row.values[4], row.day) == (1, 1, DAY)


@given(counts, st.integers(1, 5000))
def test_time_alone_moves_a_level_towards_the_one_above(row: Counts, later: int) -> None:
    prior = [1 / DELAYS] * DELAYS
    now = habits.smooth(row, Level.HABIT, prior, max(DAY, row.day))
    then = habits.smooth(row, Level.HABIT, prior, max(DAY, row.day) + later)
    far = [abs(a - p) for a, p in zip(now, prior, strict=True)]
    near = [abs(a - p) for a, p in zip(then, prior, strict=True)]
    assert sum(near) <= sum(far) + 1e-9


def test_a_pool_that_claims_too_much_is_corrected_downwards() -> None:
    pool = Pool()
    claim = [0.9, *[0.1 / (DELAYS - 1)] * (DELAYS - 1)]
    for case in range(1000):
        pool.trust.add(claim, case % 2, day=DAY)
    corrected = pool.trust.correct(claim)
    assert corrected[0] == pytest.approx(0.5, abs=0.05)
    assert sum(corrected) == pytest.approx(1)


def test_a_corrected_confidence_is_forgotten_within_weeks() -> None:
    pool = Pool()
    claim = [0.9, *[0.1 / (DELAYS - 1)] * (DELAYS - 1)]
    for case in range(1000):
        pool.trust.add(claim, case % 2, day=DAY)
    pool.trust.add([1 / DELAYS] * DELAYS, 0, day=DAY + 200)
    assert pool.trust.correct(claim)[0] == pytest.approx(0.9, abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0.05, 0.95))
def test_the_bound_holds_its_share_of_the_past(past: list[float], share: float) -> None:
    bound = habits.bound_of(past, share)
    assert sum(one <= bound for one in past) >= share * len(past)


def test_without_a_past_every_delay_is_likely() -> None:
    made = habits.forecast(Person().evidence, Pool(), ARRIVAL)
    assert habits.likely(made, habits.bound_of([], 0.9)) == list(range(DELAYS))


def test_the_sets_hold_the_share_they_promise() -> None:
    person = Person()
    surprises: list[float] = []
    inside: list[bool] = []
    for case in range(600):
        delay = (1, 1, 1, 2, 2, 5, 9)[case % 7]
        made = habits.forecast(person.evidence, person.pool, Arrival(DAY + case // 7, 3))
        inside.append(delay in habits.likely(made, habits.bound_of(surprises[-200:], 0.8)))
        surprises.append(habits.surprise(made, delay))
        person.fetch(DAY + case // 7, delay)
    assert sum(inside[200:]) / len(inside[200:]) == pytest.approx(0.8, abs=0.1)
