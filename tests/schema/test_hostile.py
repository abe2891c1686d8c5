"""Whatever a stranger sends, every parser answers with a value or with Malformed, nothing else."""

from __future__ import annotations

import random
import sys
from itertools import cycle

import pytest

from tests.schema.hostile import hostile_bytes
from tests.schema.targets import make_targets, survives

SEED = 7
"""Each run tries the same inputs, so that a failure comes back."""


@pytest.mark.timeout(1800)
def test_hostile_inputs_end_in_a_value_or_in_our_one_error(
    hostile_inputs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    targets = make_targets()
    rounds = [name for name, target in targets.items() for _ in range(target.weight)]
    rng.shuffle(rounds)
    name, data, taken = "", b"", 0
    try:
        for _, name in zip(range(hostile_inputs), cycle(rounds), strict=False):
            data = hostile_bytes(rng, targets[name].specimens)
            taken += survives(targets[name], data)
    finally:
        sys.stdout.write(f"last input, to {name}: {data.hex()}\n")  # shown if the test fails
    with capsys.disabled():
        sys.stdout.write(f"\n{hostile_inputs:,} hostile inputs, {taken:,} of them well formed\n")


@pytest.mark.parametrize("name", make_targets())
def test_specimens_are_what_the_parser_takes(name: str) -> None:
    target = make_targets()[name]
    if name != "sealed frame":
        assert any(survives(target, specimen) for specimen in target.specimens)
