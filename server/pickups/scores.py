"""How well forecasts came true: the figures of the bench, kept as sums. Knows nobody's pickup."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BINS = 10
"""Bins of confidence, as wide as each other."""

TOP = 3
"""As many windows as are offered."""


@dataclass(slots=True)
class Score:
    """Sums over cases; two of them add up."""

    cases: int = 0
    surprise: float = 0.0
    """Of the natural logarithms of one over what came true."""
    first: int = 0
    """How often the likeliest came true."""
    among_top: int = 0
    """How often one of the three likeliest did."""
    in_bin: list[int] = field(default_factory=lambda: [0] * BINS)
    claimed: list[float] = field(default_factory=lambda: [0.0] * BINS)
    kept: list[int] = field(default_factory=lambda: [0] * BINS)
    """Of each bin of confidence in the likeliest: cases, confidence, and how often it came true."""

    def add(self, probabilities: Sequence[float], outcome: int) -> None:
        """Take one case: what was foreseen, and what came true."""
        order = sorted(range(len(probabilities)), key=lambda one: -probabilities[one])
        sure = probabilities[order[0]]
        cell = min(BINS - 1, int(sure * BINS))
        self.cases += 1
        self.surprise -= math.log(probabilities[outcome])
        self.first += order[0] == outcome
        self.among_top += outcome in order[:TOP]
        self.in_bin[cell] += 1
        self.claimed[cell] += sure
        self.kept[cell] += order[0] == outcome

    def figures(self) -> dict[str, float]:
        """`log_loss`, `top1`, `top3` and `ece`, the mean gap between confidence and truth; nothing
        without a case.
        """
        if not self.cases:
            return {}
        gaps = (abs(kept - claimed) for kept, claimed in zip(self.kept, self.claimed, strict=True))
        return {
            "log_loss": self.surprise / self.cases,
            "top1": self.first / self.cases,
            "top3": self.among_top / self.cases,
            "ece": sum(gaps) / self.cases,
        }


def sum_scores(scores: Iterable[Score]) -> Score:
    """All their cases together."""
    whole = Score()
    for one in scores:
        whole.cases += one.cases
        whole.surprise += one.surprise
        whole.first += one.first
        whole.among_top += one.among_top
        for name in ("in_bin", "claimed", "kept"):
            cells = getattr(whole, name)
            cells[:] = [a + b for a, b in zip(cells, getattr(one, name), strict=True)]
    return whole


def store_score(score: Score) -> dict[str, Any]:
    """The sums as JSON knows values."""
    return asdict(score)


def restore_score(kept: dict[str, Any]) -> Score:
    """What `store_score` has kept, in lists of its own."""
    own: dict[str, Any] = deepcopy(kept)
    return Score(**own)
