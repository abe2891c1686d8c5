"""Layouts of lockers, and the codes for them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from schema.compartments import ClimateZone, Side, SizeMm
from schema.keys import bare_code
from server.lockers.layout import Door, EnrolmentDraft, check_layout, write_code

DOOR = Door(
    label="1",
    side=Side.LEFT,
    row=1,
    column=1,
    inner=SizeMm(380, 80, 640),
    sill_height_mm=900,
    climate_zone=ClimateZone.CHILLED,
)
DRAFT = EnrolmentDraft(uuid.UUID(int=1), "SN-1", [DOOR, replace(DOOR, label="2", row=2)])


def test_door_survives_being_kept() -> None:
    assert Door.from_json(DOOR.as_json()) == DOOR


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (replace(DRAFT, serial=""), "serial"),
        (replace(DRAFT, serial="a b"), "serial"),
        (replace(DRAFT, doors=[]), "compartments"),
        (replace(DRAFT, doors=[DOOR] * 256), "compartments"),
        (replace(DRAFT, doors=[DOOR, replace(DOOR, row=2)]), "compartments"),
        (replace(DRAFT, doors=[DOOR, replace(DOOR, label="2")]), "compartments"),
        (replace(DRAFT, doors=[replace(DOOR, label="first one")]), "compartments"),
        (replace(DRAFT, doors=[replace(DOOR, column=0)]), "compartments"),
        (replace(DRAFT, doors=[replace(DOOR, sill_height_mm=-1)]), "compartments"),
    ],
)
def test_impossible_layout_is_refused_by_field(draft: EnrolmentDraft, field: str) -> None:
    refusal = check_layout(draft)
    assert refusal is not None
    assert refusal.field == field


def test_possible_layout_passes() -> None:
    assert check_layout(DRAFT) is None


def test_code_is_read_however_it_was_typed() -> None:
    code = write_code(bytes(range(13)))
    assert len(code) == 23
    assert bare_code(code.lower().replace("-", " ")) == bare_code(code)
    assert len(bare_code(code)) == 20


def test_codes_of_different_randomness_differ() -> None:
    codes = {write_code(bytes([number]) + bytes(11) + bytes([255 - number])) for number in range(9)}
    assert len(codes) == 9
