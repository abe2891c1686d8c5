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

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ble_agent.errors import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Level = Literal["high", "low"]

PULSE_MS = 500
"""Our figure, no standard's; the data sheet of the lock decides, and `pulse_ms` says it."""

MAX_PULSE_MS = 900
"""A second pulse may follow one second after the first (the opening plan of the locker), and the
coil has to be without current in between: these locks are not made to stay energised."""

MIN_PULSE_MS = 20
"""Below this no bolt of this kind has moved; such a value is a slip, seconds for milliseconds."""

DEBOUNCE_MS = 50
"""Reed and micro switches rest within some 10 ms; the rest is for the door that hits its frame."""

MAX_DEBOUNCE_MS = 1000

FIRST_PIN, LAST_PIN = 2, 27
"""The pins of the 40-pin header; 0 and 1 belong to the identification of expansion boards."""

MAX_COMPARTMENT = 255


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
    try:
        return parse_pin_map(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{path} cannot be read: {error}") from error
    except SettingsRefused as error:
        raise SettingsRefused(f"{path}: {error}") from error


def parse_pin_map(text: str) -> PinMap:
    """The wiring that `text` describes, or SettingsRefused: unknown names are refused too."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"not TOML: {error}") from error
    known = {"pulse_ms", "debounce_ms", "bolt_on", "door_closed", "parcel_present", "compartment"}
    _check_names(table, known, where="the file")
    rows = table.get("compartment")
    if not isinstance(rows, list) or not rows:
        raise SettingsRefused("expected at least one [[compartment]]")
    compartments = tuple(sorted(map(_parse_compartment, rows), key=lambda pins: pins.number))
    _check_unique(compartments)
    return PinMap(
        compartments=compartments,
        pulse_ms=_int(table, "pulse_ms", MIN_PULSE_MS, MAX_PULSE_MS, default=PULSE_MS),
        debounce_ms=_int(table, "debounce_ms", 1, MAX_DEBOUNCE_MS, default=DEBOUNCE_MS),
        bolt_on=_level(table, "bolt_on", default="high"),
        door_closed=_level(table, "door_closed", default="low"),
        parcel_present=_level(table, "parcel_present", default="low"),
    )


def _parse_compartment(row: object) -> Pins:
    if not isinstance(row, dict):
        raise SettingsRefused("expected [[compartment]] with names and numbers")
    _check_names(row, {"number", "bolt", "door", "occupied"}, where="a compartment")
    number = _int(row, "number", 0, MAX_COMPARTMENT)
    try:
        return Pins(
            number=number,
            bolt=_int(row, "bolt", FIRST_PIN, LAST_PIN),
            door=_int(row, "door", FIRST_PIN, LAST_PIN),
            occupied=_int(row, "occupied", FIRST_PIN, LAST_PIN) if "occupied" in row else None,
        )
    except SettingsRefused as error:
        raise SettingsRefused(f"compartment {number}: {error}") from error


def _check_names(table: Mapping[str, object], known: Collection[str], *, where: str) -> None:
    unknown = sorted(table.keys() - set(known))
    if unknown:
        raise SettingsRefused(
            f"{where} has no {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )


def _check_unique(compartments: Collection[Pins]) -> None:
    numbers: set[int] = set()
    users: dict[int, str] = {}
    for pins in compartments:
        if pins.number in numbers:
            raise SettingsRefused(f"compartment {pins.number} stands there twice")
        numbers.add(pins.number)
        for name, pin in (("bolt", pins.bolt), ("door", pins.door), ("occupied", pins.occupied)):
            user = f"{name} of compartment {pins.number}"
            if pin is not None and users.setdefault(pin, user) != user:
                raise SettingsRefused(f"pin {pin} is wanted by {users[pin]} and by {user}")


def _int(
    table: Mapping[str, object], name: str, low: int, high: int, *, default: int | None = None
) -> int:
    value = table.get(name, default)
    if value is None:
        raise SettingsRefused(f"{name} is missing")
    # TOML's true is Python's 1.
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsRefused(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return value


def _level(table: Mapping[str, object], name: str, *, default: Level) -> Level:
    value = table.get(name, default)
    if value not in ("high", "low"):
        raise SettingsRefused(f'{name} must be "high" or "low", got {value!r}')
    return value
