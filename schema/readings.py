"""What a locker measures besides its doors: kinds, units and channels of the values it sends along.

A reading proves nothing and is not part of the journal: it may be lost, and never moves a parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

WHOLE_LOCKER = 0
"""The channel of what is measured once for the whole locker; every other one is a compartment."""


class ReadingKind(IntEnum):
    """What was measured; a server keeps kinds that it does not know as they are."""

    TEMPERATURE = 1
    """Tenths of a degree Celsius at the door of a compartment."""
    STORAGE_FREE = 2
    """Thousandths of the agent's room on its disk that can still be filled."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value in scaled integers, taken at `t` (Unix seconds) by the locker's clock."""

    t: int
    channel: int
    kind: int
    value: int
