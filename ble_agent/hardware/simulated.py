"""A whole locker in memory: doors with springs, visitors with parcels, sensors that may lie.

It plays the world (a person opens, takes, puts in, shuts) and the sensors over it, so that the
agent can be shown any door without one. Nothing outlives the object: a new one starts with all
doors closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, TypeVar, assert_never

from ble_agent.hardware.port import Door, Visitor
from ble_agent.hardware.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ble_agent.clock import Cancellable, Scheduler

T = TypeVar("T")

DOOR_SECONDS = 2.0
"""How long a visitor keeps a door open unless told otherwise; the black-box entry's default."""


class Sensing(Enum):
    """How a sensor treats the truth."""

    HONEST = auto()
    LYING = auto()
    """Says the opposite."""
    STUCK = auto()
    """Repeats for ever what it said when the fault began."""
    SILENT = auto()
    """Says nothing: UNKNOWN for a door, None for a parcel."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with one compartment; the default is nothing."""

    stuck_pulses: int = 0
    """So many of the coming pulses leave the door shut; counted down as they come."""
    stays_open: bool = False
    """The door does not close by itself. Once this ends, it closes after the usual time."""
    door_sensor: Sensing = Sensing.HONEST
    occupancy_sensor: Sensing = Sensing.HONEST
    door_late_s: float = 0.0
    """Seconds by which the door contact reports late, in `door` and to watchers alike."""
    occupancy_late_s: float = 0.0
    """Seconds by which the occupancy sensor follows late."""


@dataclass(slots=True)
class _Box:
    """One compartment: the truth, and beside it what the sensors say."""

    occupied: bool
    occupied_read: bool | None
    is_open: bool = False
    door_read: Door = Door.CLOSED
    visitor: Visitor | None = None
    closing: Cancellable | None = None
    temp_c: float | None = None
    faults: Faults = field(default_factory=Faults)


class SimulatedHardware:
    """`Hardware` of compartments 1..count, each with a door contact and an occupancy sensor.

    A pulse opens a closed door at once; `door_seconds` later it closes by itself. What the
    visitor does shows when the door closes: until then the occupancy sensor keeps its old
    value, and the watchers of the close already read the new one. A pulse on an open door
    changes nothing, neither the time of closing nor the visitor. There is no bounce, so no
    settling time.

    With `door_seconds=None` nobody is at the door: it stays open and the inside stays as it is
    until `swing_shut`.
    """

    def __init__(
        self,
        count: int,
        *,
        scheduler: Scheduler,
        occupied: Collection[int] = (),
        door_seconds: float | None = DOOR_SECONDS,
    ) -> None:
        self._scheduler = scheduler
        self._door_seconds = door_seconds
        self._watchers = Watchers(scheduler)
        self._late: set[Cancellable] = set()
        self._boxes = {
            comp: _Box(occupied=comp in occupied, occupied_read=comp in occupied)
            for comp in range(1, count + 1)
        }
        strangers = set(occupied) - self._boxes.keys()
        if strangers:
            raise KeyError(*sorted(strangers))

    @property
    def compartments(self) -> Sequence[int]:
        """1 to the count given."""
        return tuple(self._boxes)

    async def pulse(self, comp: int, visitor: Visitor) -> None:
        """Open the door, unless the fault `stuck_pulses` swallows this pulse."""
        box = self._boxes[comp]
        if box.faults.stuck_pulses > 0:
            box.faults = replace(box.faults, stuck_pulses=box.faults.stuck_pulses - 1)
        elif not box.is_open:
            box.visitor = None if self._door_seconds is None else visitor
            self._open(comp, box)

    def door(self, comp: int) -> Door:
        """What the contact says: the truth at once, unless a fault falsifies or delays it."""
        return self._boxes[comp].door_read

    def occupied(self, comp: int) -> bool | None:
        """What the sensor says; a visit shows in it from the moment the door closes."""
        return self._boxes[comp].occupied_read

    def temperature_c(self, comp: int) -> float | None:
        """What was set last; None until then."""
        return self._boxes[comp].temp_c

    def watch(self, listener: Callable[[int, Door], None]) -> Callable[[], None]:
        """As the port says; changes of a faulty contact's word are changes too."""
        return self._watchers.add(listener)

    async def close(self) -> None:
        """Send the visitors home: whatever is still to happen does not happen."""
        self._watchers.clear()
        for box in self._boxes.values():
            self._cancel_closing(box)
        for timer in self._late:
            timer.cancel()
        self._late.clear()

    def set_faults(self, comp: int, faults: Faults) -> None:
        """Replace the faults of a compartment; sensors show it now, or late where they are late."""
        box = self._boxes[comp]
        box.faults = faults
        self._sense_door(comp, box)
        self._sense_occupied(box)
        self._close_later(comp, box)

    def set_temperature(self, temp_c: float | None, *comps: int) -> None:
        """Let it be this cold at these doors, or at all; None: nothing measures it."""
        for comp in comps or self._boxes:
            self._boxes[comp].temp_c = temp_c

    def swing_open(self, comp: int) -> None:
        """The door opens with no pulse and no visitor, as by force; it waits for `swing_shut`."""
        box = self._boxes[comp]
        if not box.is_open:
            box.visitor = None
            self._open(comp, box)

    def swing_shut(self, comp: int, *, occupied: bool | None = None) -> None:
        """Shut the door now, by hand.

        `occupied` says what is inside from now on; None leaves that to the visitor, if there
        is one. On a closed door this only changes what is inside, which no honest person can.
        """
        box = self._boxes[comp]
        if occupied is not None:
            box.visitor = None
            box.occupied = occupied
        self._shut(comp, box)

    def _open(self, comp: int, box: _Box) -> None:
        box.is_open = True
        self._sense_door(comp, box)
        self._close_later(comp, box)

    def _close_later(self, comp: int, box: _Box) -> None:
        if box.faults.stays_open:
            self._cancel_closing(box)
        elif self._door_seconds is not None and box.visitor is not None and box.closing is None:
            shut = partial(self._shut, comp, box)
            box.closing = self._scheduler.call_later(self._door_seconds, shut)

    def _shut(self, comp: int, box: _Box) -> None:
        self._cancel_closing(box)
        box.occupied = _leave(box.visitor, occupied=box.occupied)
        box.visitor = None
        box.is_open = False
        self._sense_occupied(box)
        self._sense_door(comp, box)

    @staticmethod
    def _cancel_closing(box: _Box) -> None:
        if box.closing is not None:
            box.closing.cancel()
            box.closing = None

    def _sense_door(self, comp: int, box: _Box) -> None:
        self._when(box.faults.door_late_s, partial(self._read_door, comp, box, box.is_open))

    def _read_door(self, comp: int, box: _Box, is_open: bool) -> None:
        read = _sense(
            box.faults.door_sensor,
            Door.OPEN if is_open else Door.CLOSED,
            Door.CLOSED if is_open else Door.OPEN,
            last=box.door_read,
            silent=Door.UNKNOWN,
        )
        if box.door_read is not read:
            box.door_read = read
            self._watchers.tell(comp, read)

    def _sense_occupied(self, box: _Box) -> None:
        self._when(box.faults.occupancy_late_s, partial(self._read_occupied, box, box.occupied))

    @staticmethod
    def _read_occupied(box: _Box, occupied: bool) -> None:
        box.occupied_read = _sense(
            box.faults.occupancy_sensor, occupied, not occupied, last=box.occupied_read, silent=None
        )

    def _when(self, late_s: float, act: Callable[[], None]) -> None:
        if late_s <= 0:
            act()
            return

        def act_late() -> None:
            self._late.discard(timer)
            act()

        timer = self._scheduler.call_later(late_s, act_late)
        self._late.add(timer)


def _sense(sensing: Sensing, truth: T, opposite: T, *, last: T, silent: T) -> T:
    match sensing:
        case Sensing.HONEST:
            return truth
        case Sensing.LYING:
            return opposite
        case Sensing.STUCK:
            return last
        case Sensing.SILENT:
            return silent
        case _:
            assert_never(sensing)


def _leave(visitor: Visitor | None, *, occupied: bool) -> bool:
    """What is inside after the visit, given what was inside before."""
    match visitor:
        case Visitor.TAKES | Visitor.TAKES_BACK:
            return False
        case Visitor.PUTS:
            return True
        case Visitor.LOOKS | None:
            return occupied
        case _:
            assert_never(visitor)
