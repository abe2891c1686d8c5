"""What is told of a compartment, reading by reading."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ble_agent.climate import FAULT_AFTER_S, HYSTERESIS, Line, Standing, observe
from schema.compartments import BANDS, ClimateZone
from schema.journal import ExcursionPhase

EVERY_S = 900
LEFT, BACK, FAULT = ExcursionPhase
CHILLED, FROZEN = ClimateZone.CHILLED, ClimateZone.FROZEN
READINGS = st.lists(st.none() | st.integers(-400, 200), max_size=80)


def tell(
    readings: list[int | None], zone: ClimateZone = CHILLED, standing: Standing | None = None
) -> list[tuple[ExcursionPhase, int]]:
    """What the readings, a quarter of an hour apart, have written."""
    standing, told = standing or Standing(), list[Line]()
    for reading in readings:
        standing, lines = observe(zone, standing, reading, passed_s=EVERY_S)
        told += lines
    return [(line.phase, line.decidegrees) for line in told]


def test_a_compartment_is_prepared_until_two_readings_find_it_cold() -> None:
    assert tell([200, 120, 60, 55, 51]) == []
    assert tell([200, 50, 52, 50, 49, 40]) == [(BACK, 49)]


def test_one_warm_reading_is_an_open_door_and_two_are_an_excursion() -> None:
    assert tell([40, 40, 90, 40, 90, 40]) == [(BACK, 40)]
    assert tell([40, 40, 90, 80, 70, 60, 51]) == [(BACK, 40), (LEFT, 80)]


def test_an_excursion_is_told_once_and_its_end_once() -> None:
    assert tell([40, 40, 70, 70, 70, 50, 60, 50, 45, 40]) == [(BACK, 40), (LEFT, 70), (BACK, 45)]


def test_noise_about_the_edge_tells_nothing() -> None:
    edge = BANDS[CHILLED].highest
    assert tell([40, 40, *[edge + HYSTERESIS, edge - 1] * 9, *[edge + HYSTERESIS] * 9]) == [
        (BACK, 40)
    ]
    assert tell([40, 40, *[edge + HYSTERESIS + 1] * 3])[1:] == [(LEFT, edge + HYSTERESIS + 1)]


def test_too_cold_is_an_excursion_as_well_and_the_other_side_is_another() -> None:
    assert tell([30, 30, 0, 0, 90, 90]) == [(BACK, 30), (LEFT, 0), (BACK, 90), (LEFT, 90)]


def test_out_for_hours_in_one_piece_the_cooling_has_failed() -> None:
    warm = FAULT_AFTER_S // EVERY_S
    assert tell([40, 40, *[90] * warm]) == [(BACK, 40), (LEFT, 90)]
    assert tell([40, 40, *[90] * (warm + 20)]) == [(BACK, 40), (LEFT, 90), (FAULT, 90)]


def test_a_silent_thermometer_is_no_proof_of_cold() -> None:
    silent = FAULT_AFTER_S // EVERY_S
    assert tell([40, 40, *[None] * silent, 40, *[None] * silent]) == [(BACK, 40)]
    assert tell([40, 40, *[None] * (silent + 9)]) == [(BACK, 40), (FAULT, 40)]
    assert tell([None] * 99) == []


def test_a_failed_cooling_that_is_cold_again_says_so() -> None:
    hours = [*[90] * (FAULT_AFTER_S // EVERY_S + 1)]
    assert tell([40, 40, *hours, 0, 0, 40, 40])[2:] == [(FAULT, 90), (BACK, 40)]


def test_frozen_goods_that_thaw_are_a_failure_at_once() -> None:
    cold = [-200, -200]
    assert tell([*cold, -150, -150], FROZEN) == [(BACK, -200), (LEFT, -150)]
    assert tell([*cold, -150, -150, -110, -120, -119, -118], FROZEN)[1:] == [
        (LEFT, -150),
        (FAULT, -118),
    ]
    assert tell([*cold, 40, 40, 50], FROZEN)[1:] == [(FAULT, 40)]


def test_frozen_goods_that_thaw_after_the_cooling_has_failed_are_told_of() -> None:
    hours = [*[-150] * (FAULT_AFTER_S // EVERY_S + 1)]
    told = tell([-200, -200, *hours, -110, -110, -110, -150, -150, -110, -110], FROZEN)
    assert told[1:] == [(LEFT, -150), (FAULT, -150), (FAULT, -110)]


@pytest.mark.parametrize("zone", [CHILLED, FROZEN])
@given(readings=READINGS)
def test_no_state_is_told_twice_in_a_row(zone: ClimateZone, readings: list[int | None]) -> None:
    phases = [phase for phase, _ in tell(readings, zone)]
    assert phases[:1] in ([], [BACK])
    for before, after in pairwise(phases):
        assert before is not after or (zone, after) == (FROZEN, FAULT)
        assert (before, after) != (FAULT, LEFT)


@pytest.mark.parametrize("zone", [CHILLED, FROZEN])
@given(readings=READINGS)
def test_two_readings_in_the_band_always_end_with_the_truth(
    zone: ClimateZone, readings: list[int | None]
) -> None:
    inside = BANDS[zone].highest
    told = tell([*readings, inside, inside], zone)
    assert told[-1][0] is BACK


@given(readings=READINGS, at=st.integers(0, 80))
def test_a_restart_in_the_middle_tells_nothing_twice(readings: list[int | None], at: int) -> None:
    standing, told = Standing(), list[Line]()
    for number, reading in enumerate(readings):
        if number == at:
            standing = Standing(standing.told, standing.out_s)
        standing, lines = observe(CHILLED, standing, reading, passed_s=EVERY_S)
        told += lines
    phases = [line.phase for line in told]
    assert all(before is not after for before, after in pairwise(phases))
