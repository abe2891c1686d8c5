"""What an operator says about a locker that is to be enrolled, and the code for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, Side, SizeMm
from server.kit.errors import Refusal

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

MAX_DOORS = 255
"""Compartments are numbered from 1 in one byte (PROTOCOL 1)."""

MAX_PLACE = 100
"""Highest row or column."""

MAX_SILL_MM = 3000

CODE_BYTES = 13
"""Randomness behind an enrolment code: 100 bits of it are used."""

CODE_LIFE = timedelta(hours=24)
"""A technician has a day to stand before the locker with the code."""

_CODE_LENGTH = 20
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that reads like a digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One compartment as built; its number is its place in the list, from 1."""

    label: str
    side: Side
    row: int
    column: int
    inner: SizeMm
    sill_height_mm: int
    climate_zone: ClimateZone = ClimateZone.AMBIENT

    def as_json(self) -> dict[str, Any]:
        """The door as an enrolment keeps it."""
        return {
            "label": self.label,
            "side": self.side.value,
            "row": self.row,
            "column": self.column,
            "inner": [self.inner.width, self.inner.height, self.inner.depth],
            "sill_height_mm": self.sill_height_mm,
            "climate_zone": self.climate_zone.value,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Door:
        """The door that `as_json` wrote."""
        return cls(
            label=kept["label"],
            side=Side(kept["side"]),
            row=kept["row"],
            column=kept["column"],
            inner=SizeMm(*kept["inner"]),
            sill_height_mm=kept["sill_height_mm"],
            climate_zone=ClimateZone(kept["climate_zone"]),
        )


@dataclass(frozen=True, slots=True)
class EnrolmentDraft:
    """A locker that is to join a hub."""

    hub_id: uuid.UUID
    serial: str
    doors: Sequence[Door]
    has_keypad: bool = False


def check_layout(draft: EnrolmentDraft) -> Refusal | None:
    """Why no locker can be built like this, or None."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", draft.serial):
        return _wrong("serial", "must be 1 to 64 letters, digits, dots, slashes or dashes")
    if not 1 <= len(draft.doors) <= MAX_DOORS:
        return _wrong("compartments", f"must be 1 to {MAX_DOORS}")
    rule = next(filter(None, map(_broken_rule, draft.doors)), None)
    if rule is not None:
        return _wrong("compartments", rule)
    if len({door.label for door in draft.doors}) < len(draft.doors):
        return _wrong("compartments", "must have labels that differ")
    if len({(door.side, door.row, door.column) for door in draft.doors}) < len(draft.doors):
        return _wrong("compartments", "must not be two in one place")
    return None


def _broken_rule(door: Door) -> str | None:
    """What one door must be and is not."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,8}", door.label):
        return "must have labels of 1 to 8 letters or digits"
    if not (1 <= door.row <= MAX_PLACE and 1 <= door.column <= MAX_PLACE):
        return f"must have rows and columns from 1 to {MAX_PLACE}"
    if not 0 <= door.sill_height_mm <= MAX_SILL_MM:
        return f"must have sills at 0 to {MAX_SILL_MM} mm"
    return None


def write_code(random: bytes) -> str:
    """An enrolment code of 100 bits: 20 characters in four groups."""
    number = int.from_bytes(random[:CODE_BYTES])
    letters = "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_CODE_LENGTH))
    return "-".join(letters[start : start + 5] for start in range(0, _CODE_LENGTH, 5))


def _wrong(field: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, f"{field}: {rule}.", field)
