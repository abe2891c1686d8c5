"""What all files that describe a locker's wiring have in common: TOML, ranges, and refusals.

A refusal names the entry and what was expected; whoever reads the file adds its name.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

from ble_agent.errors import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

T = TypeVar("T")

PULSE_MS = 500
"""Our figure, no standard's; the data sheet of the lock decides, and `pulse_ms` says it."""

MAX_PULSE_MS = 900
"""A second pulse may follow one second after the first (the opening plan of the locker), and the
coil has to be without current in between: these locks are not made to stay energised."""

MIN_PULSE_MS = 20
"""Below this no bolt of this kind has moved; such a value is a slip, seconds for milliseconds."""

MAX_COMPARTMENT = 255


def read_wiring(path: Path, parse: Callable[[str], T]) -> T:
    """What `parse` makes of the file, or SettingsRefused with its name and what is wrong."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{path} cannot be read: {error}") from error
    except SettingsRefused as error:
        raise SettingsRefused(f"{path}: {error}") from error


def parse_table(text: str, known: Collection[str]) -> dict[str, object]:
    """The whole file as a table with no other names than these."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"not TOML: {error}") from error
    _check_names(table, known, where="the file")
    return table


def take_compartments(
    table: Mapping[str, object], known: Collection[str]
) -> list[Mapping[str, object]]:
    """The tables of `[[compartment]]`, ascending by number; none is there twice."""
    rows = table.get("compartment")
    if not isinstance(rows, list) or not rows:
        raise SettingsRefused("expected at least one [[compartment]]")
    numbers: dict[int, Mapping[str, object]] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise SettingsRefused("expected [[compartment]] with names and numbers")
        _check_names(row, known, where="a compartment")
        number = take_int(row, "number", 0, MAX_COMPARTMENT)
        if number in numbers:
            raise SettingsRefused(f"compartment {number} stands there twice")
        numbers[number] = row
    return [row for _, row in sorted(numbers.items())]


def take_int(
    table: Mapping[str, object], name: str, low: int, high: int, *, default: int | None = None
) -> int:
    """A whole number within bounds; without a default it must be there."""
    value = table.get(name, default)
    if value is None:
        raise SettingsRefused(f"{name} is missing")
    # TOML's true is Python's 1.
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsRefused(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return value


def _check_names(table: Mapping[str, object], known: Collection[str], *, where: str) -> None:
    unknown = sorted(table.keys() - set(known))
    if unknown:
        raise SettingsRefused(
            f"{where} has no {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
