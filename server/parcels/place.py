"""Where a parcel is, in words that lead a person to the door."""

from __future__ import annotations

from dataclasses import dataclass

from schema.compartments import Side

_SIDES = {Side.LEFT: "left side", Side.CENTRE: "middle", Side.RIGHT: "right side"}


@dataclass(frozen=True, slots=True)
class DoorPlace:
    """A door as a person looks for it."""

    label: str
    side: Side
    row: int
    column: int


def place_in_words(hub: str, street: str, city: str, door: DoorPlace | None) -> str:
    """Hub and address, then the door: its label, side, row from the top, column from the left."""
    where = f"{hub}, {street}, {city}"
    if door is None:
        return where
    return (
        f"{where}: compartment {door.label}, {_SIDES[door.side]}, "
        f"row {door.row} from the top, column {door.column} from the left"
    )
