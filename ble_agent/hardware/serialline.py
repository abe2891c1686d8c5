"""One RS-485 line spoken to by Modbus RTU: one request at a time, and nothing late is believed.

It knows units, coils, inputs and registers, and nothing of doors.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ble_agent.errors import HardwareFailed, SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ble_agent.hardware.boardmap import BoardMap

READ_INPUTS, WRITE_COIL, WRITE_REGISTER = 2, 5, 6
"""The three functions that we ask of a board (Modbus application protocol 1.1b3, 6)."""

MAX_INPUTS = 2000
"""In one request, by the same page."""


class BoardRefuses(HardwareFailed):
    """A board has answered that it does not do this: the wiring file does not fit it."""


class SerialLine:
    """The port of a `BoardMap`, opened by the first request and again after it was lost.

    Calls must not overlap. Each raises HardwareFailed when the line is gone or the board does
    not answer within `timeout_ms`, BoardRefuses when it answers with an exception.
    """

    def __init__(self, board_map: BoardMap) -> None:
        """Raises SettingsRefused without pymodbus. Must run on the event loop."""
        try:
            from pymodbus import ModbusException
            from pymodbus.client import AsyncModbusSerialClient
        except ImportError as error:
            raise SettingsRefused("Modbus needs pymodbus: install the extra `sensors`") from error
        self._port = board_map.port
        self._timeout_s = board_map.timeout_ms / 1000
        self._errors: tuple[type[Exception], ...] = (ModbusException, OSError)
        self._client = AsyncModbusSerialClient(
            board_map.port,
            baudrate=board_map.baud,
            parity=board_map.parity[0].upper(),
            stopbits=board_map.stop_bits,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,  # when to try again is for whoever asks
        )

    async def read_inputs(self, unit: int, first: int, count: int) -> list[bool]:
        """Discrete inputs of a board, at most MAX_INPUTS."""
        answer = await self._ask(
            READ_INPUTS,
            unit,
            lambda: self._client.read_discrete_inputs(first, count=count, device_id=unit),
        )
        bits: list[bool] = list(answer.bits)
        if len(bits) < count:
            raise HardwareFailed(f"board {unit} answers {len(bits)} inputs, not {count}")
        return bits[:count]

    async def write_coil(self, unit: int, coil: int, *, on: bool) -> None:
        """Set or clear one coil. After a failure nobody knows which it is, unless refused."""
        await self._ask(WRITE_COIL, unit, lambda: self._client.write_coil(coil, on, device_id=unit))

    async def write_register(self, unit: int, register: int, value: int) -> None:
        """Set one holding register."""
        await self._ask(
            WRITE_REGISTER,
            unit,
            lambda: self._client.write_register(register, value, device_id=unit),
        )

    def close(self) -> None:
        """Let go of the port. Repeating is harmless."""
        self._client.close()

    async def _ask(self, function: int, unit: int, send: Callable[[], Awaitable[Any]]) -> Any:
        """One request; `Any` is pymodbus's answer, whose fields differ by function."""
        if not self._client.connected and not await self._client.connect():
            raise HardwareFailed(f"the line {self._port} cannot be opened")
        try:
            answer = await send()
        except self._errors as error:
            # Answers bear no number: one that comes late would pass for the next one's.
            await asyncio.sleep(self._timeout_s)
            raise HardwareFailed(f"board {unit} does not answer: {error}") from error
        if answer.isError():
            raise BoardRefuses(f"board {unit} refuses with exception {answer.exception_code}")
        if answer.function_code != function:
            raise HardwareFailed(f"board {unit} answers something else")
        return answer
