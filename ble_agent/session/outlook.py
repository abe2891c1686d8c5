"""What lies outside the tables: doors, sensors, room on the disk; each asked only when it matters.

A stranger's request is refused before any of it matters, however many doors a locker has. A
decision is one step of the event loop, so what it asks twice has not changed in between.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from ble_agent.hardware.port import Door
from ble_agent.policy.world import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ble_agent.hardware.port import Hardware
    from ble_agent.policy.world import Compartment
    from ble_agent.store import Store

ROOM_S = 1.0
"""Within this no disk of ours fills: room is measured at most so often."""


class OpenDoors(Container[int]):
    """The compartments whose doors count as open."""

    def __init__(
        self,
        hardware: Hardware,
        compartments: Mapping[int, Compartment],
        owes_opening: Callable[[int], bool],
    ) -> None:
        self._hardware = hardware
        self._compartments = compartments
        self._owes_opening = owes_opening

    def __contains__(self, number: object) -> bool:
        """Open, or shut a moment ago, or seen open and not noted: what that proves is unknown."""
        compartment = self._compartments.get(number) if isinstance(number, int) else None
        if compartment is None:
            return False
        door, opening = self._hardware.door(compartment.number), compartment.opening
        is_untold = door is Door.CLOSED and opening is not None and opening.phase is Phase.OPENED
        return door is Door.OPEN or is_untold or self._owes_opening(compartment.number)


class Sensed(Mapping[int, bool]):
    """What each compartment's occupancy sensor says; a silent one, or none, is left out."""

    def __init__(self, hardware: Hardware, compartments: Mapping[int, Compartment]) -> None:
        self._hardware = hardware
        self._compartments = compartments

    def __getitem__(self, number: int) -> bool:
        """KeyError where nothing is sensed."""
        occupied = self._hardware.occupied(number) if number in self._compartments else None
        if occupied is None:
            raise KeyError(number)
        return occupied

    def __iter__(self) -> Iterator[int]:
        return (n for n in self._compartments if self._hardware.occupied(n) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Room:
    """The share of storage that is left, measured at most once a second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measured_s: float | None = None
        self._share = 1.0

    def share(self, uptime_s: float) -> float:
        """From 0 to 1, as old as `ROOM_S` at most."""
        if self._measured_s is None or uptime_s - self._measured_s >= ROOM_S:
            self._share, self._measured_s = self._store.room(), uptime_s
        return self._share

    def forget(self) -> None:
        """Measure anew next time: lines have gone."""
        self._measured_s = None
