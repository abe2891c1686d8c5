"""How full a locker will be: the mean of the same slot of past weeks, with an interval.

Pure: the past comes in as days of equal slots. Chosen on public receipts by `./restante bench
windows`, where seasonal models did no better than such means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WEEK = 7
WEEKS = 10
"""How many past weeks the mean looks at."""

FADE = 0.9
"""What each week further back weighs less."""

CARRIED = 0.3
"""Share of yesterday's mean error that is expected again."""

CALIBRATION_DAYS = 56
"""How far back errors count for the interval."""

HELD = 0.8
"""Share of cases the interval is meant to hold."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Compartments in use in one slot: what to expect, and between what in 80 % of cases."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Look:
    """How many of so many usable compartments were in use at one moment."""

    in_use: float
    usable: float

    @property
    def share(self) -> float:
        """The part of them that was in use."""
        return self.in_use / self.usable


def expect_day(days: Sequence[Sequence[float]], *, ahead: int = 1) -> list[Expectation]:
    """What the day `ahead` days after the last of `days` will bring, slot by slot.

    `days` are whole days in order, oldest first, of equally many slots; the last 140 are looked at.
    ValueError with less than a week of them, with days of unequal length, or beyond a week ahead.
    """
    if not 1 <= ahead <= WEEK:
        message = "a week at most can be foreseen"
        raise ValueError(message)
    past = list(days[-(CALIBRATION_DAYS + (WEEKS + 2) * WEEK) :])
    if len(past) < WEEK or len({len(day) for day in past}) != 1:
        message = "the past is at least a week of days with equally many slots"
        raise ValueError(message)
    # Each past day as it would have been foreseen so long before: the errors give the interval.
    foreseen = {index: _mean_day(past, index) for index in range(WEEK, len(past) + ahead)}
    corrected = {index: _correct(past, foreseen, index, ahead) for index in foreseen}
    errors = [
        abs(seen - expected) / _scale(expected)
        for index, day in corrected.items()
        if len(past) - CALIBRATION_DAYS <= index < len(past)
        for seen, expected in zip(past[index], day, strict=True)
    ]
    reach = _quantile(errors)
    return [_interval(expected, reach) for expected in corrected[len(past) + ahead - 1]]


def _mean_day(past: Sequence[Sequence[float]], index: int) -> list[float]:
    """The fading mean of the same weekday in the weeks before the day `index`."""
    same = [past[at] for at in range(index - WEEK, -1, -WEEK)][:WEEKS]
    weights = [FADE**age for age in range(len(same))]
    whole = sum(weights)
    return [
        sum(weight * value for weight, value in zip(weights, slot, strict=True)) / whole
        for slot in zip(*same, strict=True)
    ]


def _correct(
    past: Sequence[Sequence[float]], foreseen: dict[int, list[float]], index: int, ahead: int
) -> list[float]:
    """A share of the mean error of the last day known carries over, less for each day between."""
    last = index - ahead
    if last not in foreseen or last >= len(past):
        return foreseen[index]
    before = [seen - mean for seen, mean in zip(past[last], foreseen[last], strict=True)]
    carried = CARRIED**ahead * sum(before) / len(before)
    return [max(0.0, mean + carried) for mean in foreseen[index]]


def _scale(expected: float) -> float:
    """Counts scatter like the root of their mean (Poisson)."""
    return math.sqrt(expected + 1)


def _quantile(errors: list[float]) -> float:
    """Split-conformal quantile (Lei et al., JASA 2018); one Poisson deviation without a past."""
    if not errors:
        return 1.0
    rank = math.ceil(HELD * (len(errors) + 1))
    return sorted(errors)[min(rank, len(errors)) - 1]


def _interval(expected: float, reach: float) -> Expectation:
    width = reach * _scale(expected)
    return Expectation(expected, max(0.0, expected - width), expected + width)
