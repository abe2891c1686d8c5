"""Ids that sort by time, and randomness."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.clock import SystemClock
from server.kit.ids import RANDOM_BITS, SystemRandomness, TimedIds, uuid7
from tests.fakes.sources import MovableClock, SeededRandomness


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**RANDOM_BITS - 1))
def test_an_id_is_a_version_7_uuid_and_keeps_its_parts(unix_ms: int, random: int) -> None:
    made = uuid7(unix_ms, random)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == unix_ms
    assert ((made.int >> 64) & 0xFFF) << 62 | made.int & (2**62 - 1) == random


def test_ids_of_later_milliseconds_sort_later() -> None:
    clock = MovableClock()
    ids = TimedIds(clock, SeededRandomness())
    made = []
    for _ in range(5):
        made.append(ids.new())
        clock.move(milliseconds=1)
    assert made == sorted(made)
    assert len(set(made)) == 5


def test_ids_of_one_millisecond_differ() -> None:
    ids = TimedIds(MovableClock(), SystemRandomness())
    assert len({ids.new() for _ in range(1_000)}) == 1_000


def test_the_system_gives_aware_time_and_fresh_bytes() -> None:
    offset = SystemClock().now().utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
    one, other = SystemRandomness().take(32), SystemRandomness().take(32)
    assert len(one) == 32
    assert one != other


@pytest.mark.parametrize("size", [0, 1, 100])
def test_seeded_bytes_are_the_same_for_the_same_seed(size: int) -> None:
    assert SeededRandomness("a").take(size) == SeededRandomness("a").take(size)
