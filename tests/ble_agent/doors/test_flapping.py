"""A door that opens by itself speaks ten times in an hour, then once more as a fault."""

from __future__ import annotations

from ble_agent.doors.flapping import LIMIT, WINDOW_S, Flapping
from schema.journal import Kind


def openings(flapping: Flapping, *at_s: float, comp: int = 1) -> list[Kind | None]:
    return [flapping.on_unexpected(comp, now_s) for now_s in at_s]


def test_tenth_opening_within_an_hour_is_the_fault_and_the_rest_is_silence() -> None:
    found = openings(Flapping(), *range(200))
    assert found == [Kind.UNEXPECTED_OPEN] * (LIMIT - 1) + [Kind.FAULT] + [None] * (200 - LIMIT)


def test_openings_far_apart_are_no_fault() -> None:
    found = openings(Flapping(), *(n * WINDOW_S / 9 for n in range(1, 60)))
    assert Kind.FAULT in found  # ten fit into an hour just so
    assert set(openings(Flapping(), *(n * WINDOW_S / 8 for n in range(60)))) == {
        Kind.UNEXPECTED_OPEN
    }


def test_any_hour_counts_not_only_whole_ones() -> None:
    late = [3590.0 + n for n in range(9)]
    assert openings(Flapping(), 0.0, *late)[-1] is Kind.FAULT


def test_one_fault_an_hour() -> None:
    found = openings(Flapping(), *range(0, 10 * WINDOW_S, 7))
    assert 5 <= found.count(Kind.FAULT) <= 10


def test_doors_are_counted_apart() -> None:
    flapping = Flapping()
    openings(flapping, *range(50), comp=1)
    assert openings(flapping, 50, comp=2) == [Kind.UNEXPECTED_OPEN]


def test_each_written_opening_has_one_written_close() -> None:
    flapping = Flapping()
    assert not flapping.on_closed(1)
    openings(flapping, 0)
    assert [flapping.on_closed(1) for _ in range(3)] == [True, False, False]


def test_closings_of_a_flapping_door_are_not_written() -> None:
    flapping = Flapping()
    written = 0
    for now_s in range(200):
        flapping.on_unexpected(1, now_s)
        written += flapping.on_closed(1)
    assert written == LIMIT - 1
