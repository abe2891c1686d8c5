"""What pytest does otherwise when it judges a mutant: less, sooner and always the same.

Loaded by mutmut's runs alone, in the folder of mutated files.
"""

from __future__ import annotations

import gc
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = 25
"""Of each property. Fewer kill less, more cost time with each survivor; a property that kills only
with luck is a property that wants an example of its own."""

HOSTILE_INPUTS = 2_000

TIMES = Path("mutmut-stats.json")


def pytest_configure() -> None:
    """Examples are the same in each run and not shrunk; what was imported is not collected."""
    settings.register_profile(
        "mutants",
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    gc.freeze()  # pytest collects garbage ten times a run; the heap of a fork is not its own


@cache
def _read_times() -> dict[str, float]:
    """How long each test took; read before the forks, which are thousands."""
    times: dict[str, float] = json.loads(TIMES.read_text())["duration_by_test"]
    return times


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quickest tests first, for one that fails is enough."""
    for item in items:
        if "\\\\" in item.nodeid:
            raise pytest.UsageError(f"pytest does not find a test again by this id: {item.nodeid}")
    took = _read_times() if TIMES.exists() else {}
    items.sort(key=lambda item: took.get(item.nodeid, 0.0))


@pytest.fixture
def hostile_inputs() -> int:
    """Instead of the option of every other run."""
    return HOSTILE_INPUTS
