"""Sizes, rotations, reach."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.compartments import (
    ACCESSIBLE_REACH,
    BANDS,
    MAX_SIDE_MM,
    ClimateZone,
    SizeClass,
    SizeMm,
    size_class,
)

SIDES = st.integers(1, MAX_SIDE_MM)
SIZES = st.builds(SizeMm, SIDES, SIDES, SIDES)


@pytest.mark.parametrize(
    ("zone", "inside", "outside"),
    [
        (ClimateZone.CHILLED, (20, 35, 50), (19, 51)),
        (ClimateZone.FROZEN, (-2731, -250, -180), (-179, 40)),
    ],
)
def test_cooled_zone_holds_its_band_both_ends_included(
    zone: ClimateZone, inside: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    assert all(BANDS[zone].holds(value) for value in inside)
    assert not any(BANDS[zone].holds(value) for value in outside)


@pytest.mark.parametrize("sides", [(0, 1, 1), (1, -1, 1), (1, 1, MAX_SIDE_MM + 1)])
def test_impossible_side_is_refused(sides: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="1 to 5000 mm"):
        SizeMm(*sides)


def test_long_box_fits_when_it_is_laid_down() -> None:
    standing = SizeMm(100, 600, 300)
    room = SizeMm(320, 120, 640)
    assert not standing.is_within(room)
    assert standing.fits(room)


def test_upright_box_is_never_laid_down_but_turned_about_its_height() -> None:
    room = SizeMm(320, 120, 640)
    assert not SizeMm(100, 600, 300).fits(room, upright=True)
    assert SizeMm(600, 100, 300).fits(room, upright=True)


@given(box=SIZES, room=SIZES)
def test_fitting_is_the_same_from_whichever_side_the_box_was_measured(
    box: SizeMm, room: SizeMm
) -> None:
    answers = {
        SizeMm(*sides).fits(room) for sides in permutations((box.width, box.height, box.depth))
    }
    assert answers == {box.fits(room)}


@given(box=SIZES, room=SIZES)
def test_what_fits_is_not_larger_than_the_room(box: SizeMm, room: SizeMm) -> None:
    assert not box.fits(room) or box.volume <= room.volume
    assert box.fits(box, upright=True)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (SizeMm(380, 80, 640), SizeClass.S),
        (SizeMm(380, 189, 640), SizeClass.S),
        (SizeMm(380, 190, 640), SizeClass.M),
        (SizeMm(400, 410, 650), SizeClass.L),
        (SizeMm(500, 800, 640), SizeClass.XL),
        (SizeMm(300, 2000, 640), SizeClass.S),
    ],
)
def test_class_follows_the_millimetres(inner: SizeMm, expected: SizeClass) -> None:
    assert size_class(inner) is expected


def test_reach_holds_its_ends() -> None:
    assert [ACCESSIBLE_REACH.holds(mm) for mm in (379, 380, 1220, 1221)] == [
        False,
        True,
        True,
        False,
    ]
