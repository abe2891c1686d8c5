"""What a compartment is to people and goods: size, climate, reach and door.

Knows nothing of reservations or parcels; all lengths are whole millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SIDE_MM = 5000
"""No compartment or parcel of ours is longer; a larger number is a typing error."""


class ClimateZone(StrEnum):
    """The temperature a compartment is built to hold."""

    AMBIENT = "AMBIENT"
    """As warm or cold as the place itself."""
    CHILLED = "CHILLED"
    """2 to 5 degrees Celsius."""
    FROZEN = "FROZEN"
    """Minus 18 degrees Celsius or colder."""


@dataclass(frozen=True, slots=True)
class Band:
    """From which to which temperature, both included, a zone is right; tenths of a degree."""

    lowest: int
    highest: int

    def holds(self, decidegrees: int) -> bool:
        """Whether this is the temperature of the zone."""
        return self.lowest <= decidegrees <= self.highest


BANDS = MappingProxyType({ClimateZone.CHILLED: Band(20, 50), ClimateZone.FROZEN: Band(-2731, -180)})
"""The temperatures of the cooled zones (DOMAIN 5.1); a zone that is not here holds none."""

THAWING = -120
"""Above this, in tenths of a degree, frozen goods are safe no longer (DOMAIN 5.1)."""

WARM_BUDGET_S = 4 * 3600
"""Chilled goods may be above their band for so long, all spans together (DOMAIN 5.1)."""


class DoorState(StrEnum):
    """What was last observed of a door."""

    CLOSED = "CLOSED"
    """The sensor saw it shut."""
    OPEN = "OPEN"
    """The sensor saw it open."""
    UNKNOWN = "UNKNOWN"
    """The sensor is silent or contradicts itself."""


class Side(StrEnum):
    """Which part of the locker a compartment is in, seen by a person in front of it."""

    LEFT = "LEFT"
    """Left of the panel or of the middle."""
    CENTRE = "CENTRE"
    """In the middle."""
    RIGHT = "RIGHT"
    """Right of the panel or of the middle."""


class SizeClass(StrEnum):
    """A size as people say it; the millimetres decide."""

    S = "S"
    """Smaller than the box of class M."""
    M = "M"
    """Takes a box of 380 x 190 x 640 mm."""
    L = "L"
    """Takes a box of 380 x 410 x 640 mm."""
    XL = "XL"
    """Takes a box of 500 x 800 x 640 mm."""


@dataclass(frozen=True, slots=True)
class SizeMm:
    """Width, height and depth of a box or a room; ValueError unless each is 1 to 5000 mm."""

    width: int
    height: int
    depth: int

    def __post_init__(self) -> None:
        """Refuse lengths that cannot be meant."""
        for side in (self.width, self.height, self.depth):
            if not 1 <= side <= MAX_SIDE_MM:
                message = f"a side is 1 to {MAX_SIDE_MM} mm long, not {side}"
                raise ValueError(message)

    @property
    def volume(self) -> int:
        """Cubic millimetres."""
        return self.width * self.height * self.depth

    def fits(self, room: SizeMm, *, upright: bool = False) -> bool:
        """Whether this box goes into `room` in some rotation; `upright`: about its height only."""
        return any(turned.is_within(room) for turned in self._rotations(upright=upright))

    def is_within(self, room: SizeMm) -> bool:
        """Whether the box goes in as it stands."""
        return self.width <= room.width and self.height <= room.height and self.depth <= room.depth

    def _rotations(self, *, upright: bool) -> Iterator[SizeMm]:
        if upright:
            yield self
            yield SizeMm(self.depth, self.height, self.width)
            return
        for sides in permutations((self.width, self.height, self.depth)):
            yield SizeMm(*sides)


@dataclass(frozen=True, slots=True)
class ReachBand:
    """The heights of a compartment's sill that a person can use, both ends included."""

    lowest_mm: int
    highest_mm: int

    def holds(self, sill_height_mm: int) -> bool:
        """Whether a sill of this height above the floor is within reach."""
        return self.lowest_mm <= sill_height_mm <= self.highest_mm


ACCESSIBLE_REACH = ReachBand(380, 1220)
"""Reach from a wheelchair (DOMAIN 5.1): 15 to 48 inches."""

_CLASS_BOXES = (
    (SizeClass.XL, SizeMm(500, 800, 640)),
    (SizeClass.L, SizeMm(380, 410, 640)),
    (SizeClass.M, SizeMm(380, 190, 640)),
)
"""Largest first; the box of M and L are those of the widest-spread parcel network of Europe."""


def size_class(inner: SizeMm) -> SizeClass:
    """The largest class whose box goes in as it stands; moving a divider changes it."""
    return next((name for name, box in _CLASS_BOXES if box.is_within(inner)), SizeClass.S)
