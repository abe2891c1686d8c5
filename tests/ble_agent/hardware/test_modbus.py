"""Boards on a line: real frames between pymodbus's server and ours, over a pair of terminals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import HardwareFailed
from ble_agent.hardware.boardmap import parse_board_map
from ble_agent.hardware.modbus import MISSES, ModbusHardware, open_modbus
from ble_agent.hardware.port import Door, Visitor
from ble_agent.hardware.serialline import BoardRefuses
from tests.fakes.boards import OCCUPIED_FROM, PULSE_REGISTER, Cable, LockBoard, open_line, wiring
from tests.fakes.cabinets import Ear

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

NEAR, FAR = 1, 7
COMPS = {1: (NEAR, 0), 2: (NEAR, 5), 40: (FAR, 0)}


@dataclass
class Line:
    """A cable, two boards on it, and our hardware at its end."""

    cable: Cable
    near: LockBoard
    far: LockBoard
    hardware: ModbusHardware
    ear: Ear

    def energised(self) -> int:
        return len(self.near.coils) + len(self.far.coils)


@asynccontextmanager
async def open_boards(folder: Path, near: LockBoard, **settings: object) -> AsyncIterator[Line]:
    far = LockBoard(FAR)
    async with open_line(folder, [near, far]) as cable:
        board_map = parse_board_map(wiring(cable.port, COMPS, **settings))
        hardware = await open_modbus(board_map, scheduler=asyncio.get_running_loop())
        yield Line(cable, near, far, hardware, Ear(hardware))
        await hardware.close()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with open_boards(tmp_path, LockBoard(NEAR)) as line:
        yield line


def distinct(orders: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """The orders without repetitions: on a slow machine an unanswered one is given again."""
    return [order for at, order in enumerate(orders) if at == 0 or orders[at - 1] != order]


async def test_locker_is_known_when_it_is_opened_and_no_bolt_is_on(tmp_path: Path) -> None:
    board = LockBoard(NEAR, coils={5})
    board.open_by_key(5)
    board.inputs[OCCUPIED_FROM] = True
    async with open_boards(tmp_path, board) as line:
        hardware = line.hardware
        assert list(hardware.compartments) == [1, 2, 40]
        assert [hardware.door(comp) for comp in COMPS] == [Door.CLOSED, Door.OPEN, Door.CLOSED]
        assert [hardware.occupied(comp) for comp in COMPS] == [True, False, False]
        assert distinct(board.orders) == [(0, False), (5, False)]


async def test_pulse_is_an_order_and_its_end(line: Line) -> None:
    line.near.orders.clear()
    await line.hardware.pulse(2, Visitor.TAKES)
    assert distinct(line.near.orders) == [(5, True), (5, False)]
    assert line.energised() == 0
    await line.ear.count(1)
    assert line.ear.told == [(2, Door.OPEN)]


async def test_door_that_opens_and_shuts_within_a_pulse_is_told(tmp_path: Path) -> None:
    async with open_boards(tmp_path, LockBoard(NEAR), pulse_ms=600) as line:
        pulse = asyncio.create_task(line.hardware.pulse(1, Visitor.LOOKS))
        await line.ear.count(1)
        line.near.shut(0, occupied=True)
        await line.ear.count(2)
        assert line.near.coils == {0}
        await pulse
        assert line.ear.told == [(1, Door.OPEN), (1, Door.CLOSED)]
        assert line.near.coils == set()


async def test_board_that_goes_silent_in_a_pulse_is_still_told_its_end(tmp_path: Path) -> None:
    async with open_boards(tmp_path, LockBoard(NEAR), pulse_ms=100) as line:
        begun = asyncio.Event()
        line.near.on_order = lambda _coil, _on: begun.set()
        pulse = asyncio.create_task(line.hardware.pulse(1, Visitor.LOOKS))
        await begun.wait()
        line.near.deaf_for = 1
        await pulse
        assert distinct(line.near.orders)[-2:] == [(0, True), (0, False)]


async def test_board_with_a_clock_of_its_own_is_told_the_time_first(tmp_path: Path) -> None:
    board = LockBoard(NEAR)
    async with open_boards(tmp_path, board, pulse_register=PULSE_REGISTER, pulse_ms=30) as line:
        board.orders.clear()
        await line.hardware.pulse(1, Visitor.LOOKS)
        assert board.pulse_ms == [30]
        assert distinct(board.orders) == [(0, True), (0, False)]


async def test_at_most_one_bolt_of_all_boards_is_energised(line: Line) -> None:
    most: list[int] = []
    for board in (line.near, line.far):
        board.on_order = lambda _coil, on: most.append(line.energised() + on)
    await asyncio.gather(*(line.hardware.pulse(comp, Visitor.LOOKS) for comp in (1, 40, 2, 1)))
    assert max(most) == 1
    assert len(most) == 8


async def test_levels_of_the_map_turn_the_meaning_round(tmp_path: Path) -> None:
    levels = {"door_closed": "off", "parcel_present": "off"}
    async with open_boards(tmp_path, LockBoard(NEAR), **levels) as line:
        assert line.hardware.door(1) is Door.OPEN
        assert line.hardware.occupied(1) is True


async def test_cancelled_caller_leaves_a_pulse_that_ends_by_itself(line: Line) -> None:
    begun = asyncio.Event()
    line.near.on_order = lambda _coil, _on: begun.set()
    pulse = asyncio.create_task(line.hardware.pulse(1, Visitor.LOOKS))
    await begun.wait()
    pulse.cancel()
    await asyncio.gather(pulse, return_exceptions=True)
    await line.hardware.close()
    assert distinct(line.near.orders)[-2:] == [(0, True), (0, False)]


async def test_pulse_that_waits_when_the_line_is_closed_fails(line: Line) -> None:
    begun = asyncio.Event()
    line.near.on_order = lambda _coil, _on: begun.set()
    first = asyncio.create_task(line.hardware.pulse(1, Visitor.LOOKS))
    await begun.wait()
    waiting = asyncio.create_task(line.hardware.pulse(2, Visitor.LOOKS))
    await asyncio.sleep(0)
    await line.hardware.close()
    await first
    with pytest.raises(HardwareFailed, match="closed before the pulse"):
        await waiting
    with pytest.raises(HardwareFailed, match="the line is closed"):
        await line.hardware.pulse(1, Visitor.LOOKS)


async def test_lost_board_is_unknown_and_pulses_on_it_fail_while_others_serve(line: Line) -> None:
    line.near.is_silent = True
    await line.ear.count(2)
    assert line.ear.told == [(1, Door.UNKNOWN), (2, Door.UNKNOWN)]
    assert line.hardware.occupied(1) is None
    with pytest.raises(HardwareFailed, match="board 1 is lost"):
        await line.hardware.pulse(1, Visitor.LOOKS)
    await line.hardware.pulse(40, Visitor.LOOKS)
    await line.ear.count(3)
    assert line.ear.told[-1] == (40, Door.OPEN)


async def test_board_that_comes_back_is_let_go_and_serves(line: Line) -> None:
    line.near.is_silent = True
    await line.ear.count(2)
    line.near.orders.clear()
    line.near.open_by_key(5)
    line.near.is_silent = False
    await line.ear.count(4)
    assert line.ear.told[2:] == [(1, Door.CLOSED), (2, Door.OPEN)]
    assert distinct(line.near.orders) == [(0, False), (5, False)]
    await line.hardware.pulse(1, Visitor.LOOKS)


async def test_board_that_misses_an_answer_or_two_is_not_lost(line: Line) -> None:
    line.near.deaf_for = MISSES - 1
    line.near.open_by_key(0)
    await line.ear.count(1)
    assert line.ear.told == [(1, Door.OPEN)]


async def test_adapter_that_is_pulled_out_is_found_again(line: Line) -> None:
    line.cable.pull()
    await line.ear.until(lambda: line.hardware.door(40) is Door.UNKNOWN)
    with pytest.raises(HardwareFailed):
        await line.hardware.pulse(40, Visitor.LOOKS)
    line.cable.plug()
    await line.ear.until(lambda: line.hardware.door(40) is Door.CLOSED)
    await line.hardware.pulse(40, Visitor.LOOKS)


async def test_line_that_is_cut_in_a_pulse_blocks_no_other_board_for_long(line: Line) -> None:
    def go_silent(_coil: int, _on: bool) -> None:
        line.near.is_silent = True

    line.near.on_order = go_silent
    with pytest.raises(HardwareFailed, match="board 1 does not answer"):
        await line.hardware.pulse(1, Visitor.LOOKS)
    with pytest.raises(HardwareFailed, match="bolt 1 has not been let go"):
        await line.hardware.pulse(40, Visitor.LOOKS)
    await line.ear.until(lambda: line.hardware.door(1) is Door.UNKNOWN)
    await line.hardware.pulse(40, Visitor.LOOKS)
    line.near.on_order = lambda _coil, _on: None
    line.near.is_silent = False
    await line.ear.until(lambda: line.hardware.door(2) is Door.CLOSED)
    assert line.near.coils == set()


async def test_bolt_that_is_not_let_go_is_told_again_in_each_round(line: Line) -> None:
    line.near.deaf_to_off = True
    with pytest.raises(HardwareFailed, match="refuses"):
        await line.hardware.pulse(1, Visitor.LOOKS)
    assert line.near.coils == {0}
    told_again = asyncio.Event()
    line.near.on_order = lambda _coil, _on: told_again.set()
    line.near.deaf_to_off = False
    await told_again.wait()
    await line.hardware.pulse(40, Visitor.LOOKS)
    assert line.energised() == 0


async def test_board_that_refuses_the_order_was_never_energised(line: Line) -> None:
    line.near.orders.clear()
    line.near.refuses.add(5)
    with pytest.raises(BoardRefuses, match="board 1 refuses with exception 2"):
        await line.hardware.pulse(1, Visitor.LOOKS)
    line.near.refuses.clear()
    await line.hardware.pulse(1, Visitor.LOOKS)
    assert distinct(line.near.orders) == [(0, True), (0, False)]


async def test_contact_that_bounces_between_two_rounds_is_not_told(line: Line) -> None:
    rounds: list[bool] = []
    bounced = asyncio.Event()

    def bounce(first: int) -> None:
        if first == 0:
            rounds.append(len(rounds) % 2 == 1)
            line.near.inputs[0] = rounds[-1]
            if len(rounds) == 20:
                bounced.set()

    line.near.on_read = bounce
    await bounced.wait()
    assert line.ear.told == []


async def test_missing_line_is_tried_again_until_it_is_there(tmp_path: Path) -> None:
    async with open_line(tmp_path, [LockBoard(NEAR), LockBoard(FAR)]) as cable:
        cable.pull()
        board_map = parse_board_map(wiring(cable.port, COMPS))
        hardware = await open_modbus(board_map, scheduler=asyncio.get_running_loop())
        assert {hardware.door(comp) for comp in COMPS} == {Door.UNKNOWN}
        cable.plug()
        await Ear(hardware).count(3)
        assert {hardware.door(comp) for comp in COMPS} == {Door.CLOSED}
        await hardware.close()


def test_agent_with_other_hardware_does_not_load_pymodbus() -> None:
    program = "import sys, ble_agent.hardware.modbus as m; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
