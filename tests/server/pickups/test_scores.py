"""Sums of how forecasts came true give the figures that one by one would."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pickups.scores import BINS, Score, restore_score, store_score, sum_scores

CASES = st.lists(
    st.tuples(
        st.lists(st.integers(1, 100), min_size=5, max_size=5).map(
            lambda parts: [part / sum(parts) for part in parts]
        ),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=30,
)


def test_without_a_case_nothing_is_said() -> None:
    assert Score().figures() == {}
    assert sum_scores([]).figures() == {}


@given(CASES)
def test_figures_are_those_of_the_cases_one_by_one(cases: list[tuple[list[float], int]]) -> None:
    score = Score()
    for shown, outcome in cases:
        score.add(shown, outcome)
    figures, count = score.figures(), len(cases)
    losses = [-math.log(shown[outcome]) for shown, outcome in cases]
    assert figures["log_loss"] == pytest.approx(sum(losses) / count)
    hits = [
        shown[outcome] == max(shown) and shown.index(max(shown)) == outcome
        for shown, outcome in cases
    ]
    assert figures["top1"] == pytest.approx(sum(hits) / count)
    gap = 0.0
    for cell in range(BINS):
        inside = [
            (max(shown), hit)
            for (shown, _), hit in zip(cases, hits, strict=True)
            if min(BINS - 1, int(max(shown) * BINS)) == cell
        ]
        gap += abs(sum(sure for sure, _ in inside) - sum(hit for _, hit in inside))
    assert figures["ece"] == pytest.approx(gap / count)


@given(CASES, st.integers(0, 30))
def test_scores_add_up_and_come_back_from_their_stored_form(
    cases: list[tuple[list[float], int]], cut: int
) -> None:
    whole, parts = Score(), (Score(), Score())
    for index, (shown, outcome) in enumerate(cases):
        whole.add(shown, outcome)
        parts[index >= cut].add(shown, outcome)
    joined = sum_scores(restore_score(store_score(one)) for one in parts)
    assert joined.cases == whole.cases
    assert joined.figures() == pytest.approx(whole.figures())
