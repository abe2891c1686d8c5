"""What a locker's hardware must offer: bolts to pulse, doors and parcels to observe.

It knows compartments by number and nothing of tokens, stays or sessions.
All calls are made on the event loop's thread; implementations with threads of their own cross
over before they report. A number outside `compartments` raises KeyError everywhere.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Door(StrEnum):
    """What the door contact says, which is not always what the door does."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """No contact, a silent one, or one whose word cannot be true."""


class Visitor(Enum):
    """What the person at the door is expected to do: real locks ignore it, a simulation acts it."""

    TAKES = auto()
    """Takes the parcel out: operation OPEN."""
    PUTS = auto()
    """Puts a parcel in: operation DEPOSIT."""
    TAKES_BACK = auto()
    """Opens a closed deposit again and takes its parcel out."""
    LOOKS = auto()
    """Leaves the inside as it is: every other operation."""


class Bolts(Protocol):
    """The locks. At most one is energised at any moment, so the supply can be small."""

    async def pulse(self, comp: int, visitor: Visitor) -> None:
        """Energise the bolt once; returns when the current is off again.

        Not promised: that the door opens, nor that it has not opened already when this
        returns. Repeating is harmless, also with an open door. A pulse that has begun ends by
        itself when the caller is cancelled. Raises HardwareFailed if the bolt cannot be driven.
        """


class Probes(Protocol):
    """The observations: a door contact each, an occupancy sensor where there is one."""

    def door(self, comp: int) -> Door:
        """The last observed state; contact bounce is already taken out (see `watch`)."""

    def occupied(self, comp: int) -> bool | None:
        """What the sensor says now. None: there is no sensor, or it is silent."""

    def watch(self, listener: Callable[[int, Door], None]) -> Callable[[], None]:
        """Call `listener(comp, door)` at each observed change, from now on, in order.

        A change is observed once the contact has settled; each implementation states how long
        that takes, and opposite changes within that time may go unseen. The listener runs as a
        callback of its own on the event loop, never inside a call into the hardware, so a
        `door` or `occupied` read in it is at least as new as the change it is told. A listener
        that raises ends in the loop's exception handler; others are still told. The returned
        function ends the watch at once and may be called twice.
        """


@runtime_checkable
class Thermometer(Protocol):
    """How cold it is at a door; hardware may have one."""

    def temperature_c(self, comp: int) -> float | None:
        """Degrees Celsius at the seal of this door, or near it. None: nothing measures it now."""


class Hardware(Bolts, Probes, Protocol):
    """One locker's whole hardware."""

    @property
    def compartments(self) -> Sequence[int]:
        """All compartment numbers, ascending; fixed for the life of the object."""

    async def close(self) -> None:
        """Switch every bolt off, end all watches, let go of pins and lines.

        Returns when that is done; a pulse that has begun comes to its end. Repeating is harmless.
        """
