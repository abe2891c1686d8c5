"""A line with lock boards on it: pymodbus's own server at the far end of a pair of terminals.

What travels is Modbus RTU as on a wire; boards can be deaf, and the adapter be pulled out.
"""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

INPUTS = 64
COILS = 64
PULSE_REGISTER = 100
OCCUPIED_FROM = 32
"""Input `n` is the door of coil `n`, input `n + 32` its parcel."""

_READ_INPUTS, _WRITE_COIL, _WRITE_REGISTER = 2, 5, 6


@dataclass
class LockBoard:
    """One board: doors that open when their coil is energised, and its log of orders.

    `is_silent` keeps it from hearing anything, `deaf_for` from so many requests; `refuses` are
    the functions that it answers with an exception; with `deaf_to_off` no coil is let go.
    """

    unit: int
    inputs: list[bool] = field(default_factory=lambda: [i < OCCUPIED_FROM for i in range(INPUTS)])
    coils: set[int] = field(default_factory=set)
    orders: list[tuple[int, bool]] = field(default_factory=list)
    pulse_ms: list[int] = field(default_factory=list)
    is_silent: bool = False
    deaf_for: int = 0
    refuses: set[int] = field(default_factory=set)
    springs: bool = True
    deaf_to_off: bool = False
    on_order: Callable[[int, bool], None] = lambda _coil, _on: None
    on_read: Callable[[int], None] = lambda _first: None

    def device(self) -> SimDevice:
        """This board as pymodbus's simulator takes it."""
        bits = SimData(0, values=[False] * INPUTS, datatype=DataType.BITS)
        register = SimData(PULSE_REGISTER, datatype=DataType.UINT16)
        return SimDevice(
            self.unit, simdata=([bits], [bits], [register], [register]), action=self._act
        )

    def hears(self) -> bool:
        """Whether the request that comes now reaches it."""
        self.deaf_for -= 1
        return not self.is_silent and self.deaf_for < 0

    def open_by_key(self, door: int) -> None:
        """The door opens with no order."""
        self.inputs[door] = False

    def shut(self, door: int, *, occupied: bool) -> None:
        """The door is shut by hand on what is inside."""
        self.inputs[OCCUPIED_FROM + door] = occupied
        self.inputs[door] = True

    async def _act(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if function in self.refuses:
            return ExcCodes.ILLEGAL_ADDRESS
        if function == _READ_INPUTS:
            self.on_read(address)
            for number in range(len(registers) - 1):
                word = self.inputs[16 * number : 16 * number + 16]
                registers[number] = sum(said << place for place, said in enumerate(word))
        elif function == _WRITE_COIL and values is not None:
            return self._order(address, on=bool(values[0]))
        elif function == _WRITE_REGISTER and values is not None:
            self.pulse_ms.append(int(values[0]))
        return None

    def _order(self, coil: int, *, on: bool) -> ExcCodes | None:
        self.on_order(coil, on)
        if not on and self.deaf_to_off:
            return ExcCodes.DEVICE_FAILURE
        self.orders.append((coil, on))
        if on:
            self.coils.add(coil)
            if self.springs:
                self.inputs[coil] = False
        else:
            self.coils.discard(coil)
        return None


class Cable:
    """Two terminals whose far sides are wired together; `port` is the agent's, by a link.

    A pulled adapter is gone from the system until it is plugged in.
    """

    def __init__(self, port: Path, is_heard: Callable[[int], bool]) -> None:
        """`is_heard` says whether the board of this address hears anything now."""
        self.port = port
        self._is_heard = is_heard
        self._far, self._far_end = self._open()
        self.board_port = os.ttyname(self._far_end)
        self._near, self._near_end = -1, -1
        self.plug()

    def plug(self) -> None:
        """Put the adapter in: the same name, another device."""
        self._near, self._near_end = self._open()
        self.port.symlink_to(os.ttyname(self._near_end))
        loop = asyncio.get_running_loop()
        loop.add_reader(self._near, self._carry, self._near, self._far)
        loop.add_reader(self._far, self._carry, self._far, self._near)

    def pull(self) -> None:
        """Take the adapter out."""
        self.port.unlink()
        self._unwire()
        os.close(self._near_end)
        os.close(self._near)

    def close(self) -> None:
        """Let go of what is left."""
        if self.port.is_symlink():
            self.pull()
        os.close(self._far_end)
        os.close(self._far)

    @staticmethod
    def _open() -> tuple[int, int]:
        master, end = os.openpty()
        tty.setraw(end)
        os.set_blocking(master, False)
        return master, end

    def _unwire(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._near)
        loop.remove_reader(self._far)

    def _carry(self, source: int, sink: int) -> None:
        with suppress(OSError):
            data = os.read(source, 1024)
            if source == self._far or self._is_heard(data[0]):
                os.write(sink, data)


@asynccontextmanager
async def open_line(folder: Path, boards: Sequence[LockBoard]) -> AsyncIterator[Cable]:
    """A cable with these boards at its far end."""

    by_unit = {board.unit: board for board in boards}
    cable = Cable(folder / "ttyLINE", is_heard=lambda unit: by_unit[unit].hears())
    server = ModbusSerialServer([board.device() for board in boards], port=cable.board_port)
    await server.serve_forever(background=True)
    try:
        yield cable
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left it so
        cable.close()


def wiring(port: Path, comps: dict[int, tuple[int, int]], **settings: object) -> str:
    """A wiring file: per compartment its board and the number of its coil, door and parcel."""
    quick = {"parity": "none", "poll_ms": 10, "timeout_ms": 150, "pulse_ms": 20} | settings
    lines = [f'port = "{port}"']
    lines += [f"{name} = {f'{value!r}'.replace(chr(39), chr(34))}" for name, value in quick.items()]
    for number, (unit, place) in comps.items():
        lines += [
            "[[compartment]]",
            f"number = {number}",
            f"unit = {unit}",
            f"bolt = {place}",
            f"door = {place}",
            f"occupied = {OCCUPIED_FROM + place}",
        ]
    return "\n".join(lines)
