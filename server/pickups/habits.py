"""When a person fetches: decayed counts on several levels, and a pool that weighs the levels.

Owns the arithmetic. Knows neither storage nor clock: counts come in, days are whole numbers.

A *delay* is the number of slots between a parcel's arrival and its collection. Each level smooths
its counts towards the level above (Dirichlet-multinomial: the posterior mean with a prior worth
`strength` observations). The levels then vote by a logarithmic opinion pool (Genest and Zidek,
"Combining probability distributions", Statistical Science 1986), whose weights follow what came
true by AdaGrad (Duchi, Hazan and Singer, JMLR 2011). The strengths, half-lives and rates below were
chosen by `./restante bench windows` on the months before the one it reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOTS = 7
"""Slots of one local day."""

DELAYS = 15
"""Delays that are told apart: 0 to 14 slots; what takes longer counts as the last."""


class Level(StrEnum):
    """What a row of counts is about."""

    EVERYONE = "EVERYONE"
    """Delays of all people, by arrival slot."""
    HUB = "HUB"
    """Delays at one hub, by arrival slot."""
    PERSON = "PERSON"
    """Delays of one person."""
    HABIT = "HABIT"
    """Delays of one person by arrival slot and weekend."""
    LATELY = "LATELY"
    """Delays of one person by arrival slot, soon forgotten."""
    HOURS = "HOURS"
    """Slots of the day in which one person fetches."""
    ALL_HOURS = "ALL_HOURS"
    """Slots of the day in which people fetch."""


HALF_LIFE_DAYS = {
    Level.EVERYONE: 30.0,
    Level.HUB: 30.0,
    Level.PERSON: 45.0,
    Level.HABIT: 45.0,
    Level.LATELY: 14.0,
    Level.HOURS: 45.0,
    Level.ALL_HOURS: 30.0,
}
"""After so many days a count weighs half."""

STRENGTH = {
    Level.EVERYONE: 20.0,
    Level.HUB: 12.0,
    Level.PERSON: 4.0,
    Level.HABIT: 6.0,
    Level.LATELY: 2.0,
    Level.HOURS: 3.0,
}
"""How many observations the level above is worth."""

FIRST_WEIGHTS = (0.3, 0.3, 0.2, 0.3)
"""The pool's weights before anything was learned: hub, habit, lately, hours."""

MOST_HALVINGS = 60.0
"""Beyond it a count is dust, and a float still holds its inverse."""

RATE = 0.05
"""AdaGrad's step."""

FADE = 1 - 1 / 5000
"""What is left of the sum of squared slopes at each step: the pool never stops learning."""

PULL = 0.01
"""How strongly weights are drawn back to the first ones (L2)."""

TRUST_BINS = 10
TRUST_HALF_LIFE_DAYS = 7.0
TRUST_STRENGTH = 100.0
"""Bins of confidence, how soon they forget, and how many cases speak for the pool as it is."""

LEAST_SURE, MOST_SURE = 0.02, 0.995
"""Between these stays the confidence in the most likely delay."""

_FLAT = (1 / DELAYS,) * DELAYS


@dataclass(frozen=True, slots=True)
class Arrival:
    """A parcel as the forecast sees it: the day it became ready (a date's ordinal) and the slot."""

    day: int
    slot: int

    @property
    def is_weekend(self) -> bool:
        """Whether the day is a Saturday or a Sunday; ordinal 1 is a Monday."""
        return (self.day - 1) % 7 >= 5


@dataclass(slots=True)
class Counts:
    """Observations per outcome, as they weighed on `day`."""

    values: list[float]
    total: float
    day: int

    def __init__(self, size: int, *, day: int = 0) -> None:
        """No observation yet."""
        self.values = [0.0] * size
        self.total = 0.0
        self.day = day

    def add(self, outcome: int, *, day: int, half_life_days: float) -> None:
        """Take one observation; what was there loses weight by its age. O(1) in the history.

        A day before the last one counts as the last: late news weighs no less.
        """
        if day > self.day:
            fade = 1 / self.growth(day, half_life_days)
            self.values = [value * fade for value in self.values]
            self.total *= fade
            self.day = day
        self.values[outcome] += 1
        self.total += 1

    def growth(self, day: int, half_life_days: float) -> float:
        """By how much an observation of `day` outweighs one of the counts' own day."""
        if not self.total:
            return 1.0
        halvings = max(0, day - self.day) / half_life_days
        return math.exp2(min(halvings, MOST_HALVINGS))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rows that one forecast reads; a row that nobody wrote yet is empty."""

    everyone: Counts
    hub: Counts
    person: Counts
    habit: Counts
    lately: Counts
    hours: Counts
    all_hours: Counts


@dataclass(frozen=True, slots=True)
class Forecast:
    """Probabilities of the delays, which add up to one.

    `pooled` is what the pool said before its confidence was corrected, `votes` the logarithms of
    the levels behind it.
    """

    probabilities: list[float]
    pooled: list[float]
    votes: tuple[list[float], ...]


@dataclass(slots=True)
class Trust:
    """How often the most likely delay came true of late, by how sure the pool was of it.

    Histogram binning (Zadrozny and Elkan, ICML 2001) on decayed counts.
    """

    cases: list[float] = field(default_factory=lambda: [0.0] * TRUST_BINS)
    claimed: list[float] = field(default_factory=lambda: [0.0] * TRUST_BINS)
    kept: list[float] = field(default_factory=lambda: [0.0] * TRUST_BINS)
    day: int = 0

    def correct(self, pooled: list[float]) -> list[float]:
        """The same order of merit, with the confidence that the past bears out."""
        claimed = max(pooled)
        cell = _cell(claimed)
        gap = (self.kept[cell] - self.claimed[cell]) / (self.cases[cell] + TRUST_STRENGTH)
        sure = min(max(claimed + gap, LEAST_SURE), MOST_SURE)
        scale = (1 - sure) / (1 - claimed) if claimed < 1 else 0.0
        corrected = [probability * scale for probability in pooled]
        corrected[pooled.index(claimed)] = sure
        return corrected

    def add(self, pooled: list[float], delay: int, *, day: int) -> None:
        """Take what came true on `day`."""
        if day > self.day:
            fade = math.exp2(-(day - self.day) / TRUST_HALF_LIFE_DAYS)
            for cells in (self.cases, self.claimed, self.kept):
                cells[:] = [value * fade for value in cells]
            self.day = day
        claimed = max(pooled)
        cell = _cell(claimed)
        self.cases[cell] += 1
        self.claimed[cell] += claimed
        self.kept[cell] += pooled.index(claimed) == delay


def _cell(confidence: float) -> int:
    return min(TRUST_BINS - 1, int(confidence * TRUST_BINS))


@dataclass(slots=True)
class Pool:
    """How much each level counts, and how much each delay is favoured; learned from outcomes."""

    weights: list[float] = field(default_factory=lambda: list(FIRST_WEIGHTS))
    favours: list[float] = field(default_factory=lambda: [0.0] * DELAYS)
    weight_steps: list[float] = field(default_factory=lambda: [1e-8] * len(FIRST_WEIGHTS))
    favour_steps: list[float] = field(default_factory=lambda: [1e-8] * DELAYS)
    trust: Trust = field(default_factory=Trust)


def forecast(evidence: Evidence, pool: Pool, arrival: Arrival) -> Forecast:
    """How likely each delay is, as far as the evidence tells. Never zero for any of them."""
    day = arrival.day
    everyone = smooth(evidence.everyone, Level.EVERYONE, _FLAT, day)
    hub = smooth(evidence.hub, Level.HUB, everyone, day)
    person = smooth(evidence.person, Level.PERSON, hub, day)
    habit = smooth(evidence.habit, Level.HABIT, person, day)
    lately = smooth(evidence.lately, Level.LATELY, habit, day)
    log = math.log
    votes = (
        list(map(log, hub)),
        list(map(log, habit)),
        list(map(log, lately)),
        _vote_of_hours(evidence, arrival),
    )
    of_hub, of_habit, of_lately, of_hours = pool.weights
    scores = [
        math.exp(of_hub * a + of_habit * b + of_lately * c + of_hours * d + favour)
        for a, b, c, d, favour in zip(*votes, pool.favours, strict=True)
    ]
    whole = sum(scores)
    pooled = [score / whole for score in scores]
    return Forecast(pool.trust.correct(pooled), pooled, votes)


def learn(pool: Pool, made: Forecast, delay: int, *, day: int) -> None:
    """Let the pool follow what came true on `day`: one step down the gradient of the log loss."""
    probabilities = made.pooled
    pool.trust.add(probabilities, delay, day=day)
    for level, vote in enumerate(made.votes):
        slope = vote[delay] - sum(map(mul, vote, probabilities))
        slope -= PULL * (pool.weights[level] - FIRST_WEIGHTS[level])
        pool.weight_steps[level] = pool.weight_steps[level] * FADE + slope * slope
        pool.weights[level] += RATE * slope / math.sqrt(pool.weight_steps[level])
    for outcome, probability in enumerate(probabilities):
        slope = (outcome == delay) - probability - PULL * pool.favours[outcome]
        pool.favour_steps[outcome] = pool.favour_steps[outcome] * FADE + slope * slope
        pool.favours[outcome] += RATE * slope / math.sqrt(pool.favour_steps[outcome])


def size_of(level: Level) -> int:
    """How many outcomes a row of this level tells apart."""
    return SLOTS if level in {Level.HOURS, Level.ALL_HOURS} else DELAYS


def smooth(counts: Counts, level: Level, prior: Sequence[float], day: int) -> list[float]:
    """Mean of the posterior: the counts, drawn towards `prior` by the level's strength."""
    strength = STRENGTH[level] * counts.growth(day, HALF_LIFE_DAYS[level])
    scale = 1 / (counts.total + strength)
    share = strength * scale
    return [
        value * scale + share * above for value, above in zip(counts.values, prior, strict=True)
    ]


def _vote_of_hours(evidence: Evidence, arrival: Arrival) -> list[float]:
    """The person's hours of the day, laid along the delays that lead to them."""
    every = evidence.all_hours
    one = every.growth(arrival.day, HALF_LIFE_DAYS[Level.ALL_HOURS])
    whole = every.total + SLOTS * one
    prior = [(value + one) / whole for value in every.values]
    hours = list(map(math.log, smooth(evidence.hours, Level.HOURS, prior, arrival.day)))
    turned = hours[arrival.slot :] + hours[: arrival.slot]
    return (turned * 3)[:DELAYS]


def surprise(made: Forecast, delay: int) -> float:
    """How little the forecast expected what came true: 0 for certainty, towards 1 for a miss."""
    return 1 - made.probabilities[delay]


def bound_of(surprises: list[float], share: float) -> float:
    """The surprise that `share` of cases like the past ones stay within.

    Split-conformal quantile (Lei et al., "Distribution-free predictive inference for regression",
    JASA 2018): with n past cases, the ceil(share * (n + 1))-th smallest. 1 without any past.
    """
    if not surprises:
        return 1.0
    rank = math.ceil(share * (len(surprises) + 1))
    return sorted(surprises)[min(rank, len(surprises)) - 1]


def likely(made: Forecast, bound: float) -> list[int]:
    """The delays within a bound of surprise."""
    return [
        delay for delay, probability in enumerate(made.probabilities) if 1 - probability <= bound
    ]
