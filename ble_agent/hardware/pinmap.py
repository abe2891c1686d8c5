"""The file that says which pin does what: read, checked whole, and refused with a sentence.

    pulse_ms = 500           # how long a bolt is energised
    debounce_ms = 50         # how long a door contact is left alone after it moves
    bolt_on = "high"         # the level that energises a bolt
    door_closed = "low"      # the level of a contact whose door is shut
    parcel_present = "low"   # the level of a sensor that sees a parcel

    [[compartment]]
    number = 1
    bolt = 17
    door = 27
    occupied = 22            # only where there is a sensor

Every line above the first compartment may be left out; these are the defaults. Pins are counted
as on the chip (BCM), not as on the header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ble_agent.errors import SettingsRefused
from ble_agent.hardware.wiring import (
    MAX_COMPARTMENT,
    MAX_PULSE_MS,
    MIN_PULSE_MS,
    PULSE_MS,
    parse_table,
    read_wiring,
    take_compartments,
    take_int,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Level = Literal["high", "low"]

DEBOUNCE_MS = 50
"""Reed and micro switches rest within some 10 ms; the rest is for the door that hits its frame."""

MAX_DEBOUNCE_MS = 1000

FIRST_PIN, LAST_PIN = 2, 27
"""The pins of the 40-pin header; 0 and 1 belong to the identification of expansion boards."""


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of one compartment."""

    number: int
    bolt: int
    door: int
    occupied: int | None


@dataclass(frozen=True, slots=True)
class PinMap:
    """A whole locker's wiring: compartments ascending, no pin twice."""

    compartments: tuple[Pins, ...]
    pulse_ms: int
    debounce_ms: int
    bolt_on: Level
    door_closed: Level
    parcel_present: Level


def read_pin_map(path: Path) -> PinMap:
    """The wiring in the file, or SettingsRefused with its name and what is wrong."""
    return read_wiring(path, parse_pin_map)


def parse_pin_map(text: str) -> PinMap:
    """The wiring that `text` describes, or SettingsRefused: unknown names are refused too."""
    known = {"pulse_ms", "debounce_ms", "bolt_on", "door_closed", "parcel_present", "compartment"}
    table = parse_table(text, known)
    rows = take_compartments(table, {"number", "bolt", "door", "occupied"})
    compartments = tuple(map(_parse_compartment, rows))
    _check_unique(compartments)
    return PinMap(
        compartments=compartments,
        pulse_ms=take_int(table, "pulse_ms", MIN_PULSE_MS, MAX_PULSE_MS, default=PULSE_MS),
        debounce_ms=take_int(table, "debounce_ms", 1, MAX_DEBOUNCE_MS, default=DEBOUNCE_MS),
        bolt_on=_level(table, "bolt_on", default="high"),
        door_closed=_level(table, "door_closed", default="low"),
        parcel_present=_level(table, "parcel_present", default="low"),
    )


def _parse_compartment(row: Mapping[str, object]) -> Pins:
    number = take_int(row, "number", 0, MAX_COMPARTMENT)
    try:
        return Pins(
            number=number,
            bolt=take_int(row, "bolt", FIRST_PIN, LAST_PIN),
            door=take_int(row, "door", FIRST_PIN, LAST_PIN),
            occupied=take_int(row, "occupied", FIRST_PIN, LAST_PIN) if "occupied" in row else None,
        )
    except SettingsRefused as error:
        raise SettingsRefused(f"compartment {number}: {error}") from error


def _check_unique(compartments: Collection[Pins]) -> None:
    users: dict[int, str] = {}
    for pins in compartments:
        for name, pin in (("bolt", pins.bolt), ("door", pins.door), ("occupied", pins.occupied)):
            user = f"{name} of compartment {pins.number}"
            if pin is not None and users.setdefault(pin, user) != user:
                raise SettingsRefused(f"pin {pin} is wanted by {users[pin]} and by {user}")


def _level(table: Mapping[str, object], name: str, *, default: Level) -> Level:
    value = table.get(name, default)
    if value not in ("high", "low"):
        raise SettingsRefused(f'{name} must be "high" or "low", got {value!r}')
    return value
