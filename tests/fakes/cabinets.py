"""Lockers without electronics of their own: each kind of hardware with doors that a test moves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from gpiozero.pins.mock import MockFactory

from ble_agent.hardware.boardmap import parse_board_map
from ble_agent.hardware.gpio import GpioHardware
from ble_agent.hardware.modbus import open_modbus
from ble_agent.hardware.pinmap import parse_pin_map
from ble_agent.hardware.port import Door, Hardware
from ble_agent.hardware.simulated import SimulatedHardware
from tests.fakes.boards import LockBoard, open_line, wiring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE_S = 10.0
COMPS = (1, 2)


class Cabinet(Protocol):
    """A locker with compartments 1 and 2, both shut and empty, and the hardware on it."""

    hardware: Hardware

    def open_by_key(self, comp: int) -> None:
        """Open the door with no pulse."""

    def shut(self, comp: int, *, occupied: bool) -> None:
        """Shut the door by hand on what is inside."""


class Ear:
    """What watchers are told, and a way to wait for it."""

    def __init__(self, hardware: Hardware) -> None:
        self.told: list[tuple[int, Door]] = []
        self.sensed: list[bool | None] = []
        self._hardware = hardware
        self._news = asyncio.Event()
        self.leave = hardware.watch(self._hear)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a change after which the condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def count(self, changes: int) -> None:
        """Wait until so many changes were told."""
        await self.until(lambda: len(self.told) >= changes)

    def _hear(self, comp: int, door: Door) -> None:
        assert self._hardware.door(comp) is door
        self.told.append((comp, door))
        self.sensed.append(self._hardware.occupied(comp))
        self._news.set()


class SimulatedCabinet:
    """The locker in memory, with nobody at its doors."""

    def __init__(self) -> None:
        self._doors = SimulatedHardware(
            len(COMPS), scheduler=asyncio.get_running_loop(), door_seconds=None
        )
        self.hardware: Hardware = self._doors

    def open_by_key(self, comp: int) -> None:
        """See Cabinet."""
        self._doors.swing_open(comp)

    def shut(self, comp: int, *, occupied: bool) -> None:
        """See Cabinet."""
        self._doors.swing_shut(comp, occupied=occupied)


class GpioCabinet:
    """gpiozero's mock of a board; compartment n has the pins n + 3 (bolt), n + 13 and n + 23."""

    def __init__(self) -> None:
        self._factory = MockFactory()
        rows = [
            f"[[compartment]]\nnumber={n}\nbolt={n + 3}\ndoor={n + 13}\noccupied={n + 23}"
            for n in COMPS
        ]
        self.hardware: Hardware = GpioHardware(
            parse_pin_map("\n".join(["debounce_ms = 1", "pulse_ms = 20", *rows])),
            scheduler=asyncio.get_running_loop(),
            pin_factory=self._factory,
            hold=self._hold,
        )

    async def settle(self) -> None:
        """All doors are shut, and the hardware knows."""
        ear = Ear(self.hardware)
        for comp in COMPS:
            self.shut(comp, occupied=False)
        await ear.until(lambda: all(self.hardware.door(comp) is Door.CLOSED for comp in COMPS))
        ear.leave()

    def open_by_key(self, comp: int) -> None:
        """See Cabinet."""
        self._pin(comp + 13).drive_high()

    def shut(self, comp: int, *, occupied: bool) -> None:
        """See Cabinet."""
        sensor = self._pin(comp + 23)
        sensor.drive_low() if occupied else sensor.drive_high()
        self._pin(comp + 13).drive_low()

    def _pin(self, number: int) -> Any:  # gpiozero has no types
        return self._factory.pin(number)

    def _hold(self, _seconds: float) -> None:
        (comp,) = (comp for comp in COMPS if self._pin(comp + 3).state)
        self.open_by_key(comp)


class ModbusCabinet:
    """Two boards on one line, with one compartment each."""

    def __init__(self, hardware: Hardware, boards: dict[int, LockBoard]) -> None:
        self.hardware = hardware
        self._boards = boards

    def open_by_key(self, comp: int) -> None:
        """See Cabinet."""
        self._boards[comp].open_by_key(comp)

    def shut(self, comp: int, *, occupied: bool) -> None:
        """See Cabinet."""
        self._boards[comp].shut(comp, occupied=occupied)


@asynccontextmanager
async def open_cabinet(kind: str, folder: Path) -> AsyncIterator[Cabinet]:
    """A cabinet of this kind of hardware; the hardware is closed at the end."""
    cabinet: Cabinet
    if kind == "modbus":
        boards = {comp: LockBoard(unit=comp) for comp in COMPS}
        async with open_line(folder, list(boards.values())) as cable:
            board_map = parse_board_map(wiring(cable.port, {comp: (comp, comp) for comp in COMPS}))
            hardware = await open_modbus(board_map, scheduler=asyncio.get_running_loop())
            yield ModbusCabinet(hardware, boards)
            await hardware.close()
        return
    if kind == "gpio":
        cabinet = gpio = GpioCabinet()
        await gpio.settle()
    else:
        cabinet = SimulatedCabinet()
    yield cabinet
    await cabinet.hardware.close()
