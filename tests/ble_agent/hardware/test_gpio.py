"""Real pins, driven through gpiozero's own mock of a board."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from gpiozero.pins.mock import MockFactory

from ble_agent.errors import HardwareFailed
from ble_agent.hardware.gpio import GpioHardware
from ble_agent.hardware.pinmap import parse_pin_map
from ble_agent.hardware.port import Door, Hardware, Visitor
from tests.fakes.scheduler import ManualScheduler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WIRING = """
[[compartment]]
number = 1
bolt = 17
door = 27
occupied = 22

[[compartment]]
number = 4
bolt = 5
door = 6
"""
BOLTS = (17, 5)


class Board:
    """A mock board with shut doors, the locker on it, and what watchers were told."""

    def __init__(self, wiring: str = WIRING) -> None:
        self.factory = MockFactory()
        self.scheduler = ManualScheduler()
        self.held: list[tuple[float, list[int]]] = []
        self.on_hold: Callable[[], None] = lambda: None
        self.told: list[tuple[int, Door]] = []
        self.hardware = GpioHardware(
            parse_pin_map(wiring),
            scheduler=self.scheduler,
            pin_factory=self.factory,
            hold=self._hold,
        )
        for pin in (27, 6):
            self.pin(pin).drive_low()
        self.scheduler.advance(1)
        self.hardware.watch(lambda comp, door: self.told.append((comp, door)))

    def pin(self, number: int) -> Any:  # gpiozero has no types
        return self.factory.pin(number)

    def energised(self) -> list[int]:
        return [pin for pin in BOLTS if self.pin(pin).state]

    def _hold(self, seconds: float) -> None:
        self.held.append((seconds, self.energised()))
        self.on_hold()


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    board = Board()
    yield board
    await board.hardware.close()


def test_locker_has_the_compartments_of_the_map(board: Board) -> None:
    hardware: Hardware = board.hardware
    assert list(hardware.compartments) == [1, 4]
    assert [hardware.door(comp) for comp in (1, 4)] == [Door.CLOSED, Door.CLOSED]


async def test_pulse_energises_its_bolt_for_the_stated_time_and_ends(board: Board) -> None:
    await board.hardware.pulse(4, Visitor.LOOKS)
    assert board.held == [(0.5, [5])]
    assert board.energised() == []


async def test_pulses_asked_for_together_run_one_after_the_other(board: Board) -> None:
    pulses = [board.hardware.pulse(comp, Visitor.TAKES) for comp in (1, 4, 1)]
    await asyncio.gather(*pulses)
    assert board.held == [(0.5, [17]), (0.5, [5]), (0.5, [17])]


async def test_bolt_that_low_energises_rests_high() -> None:
    board = Board('bolt_on = "low"\n' + WIRING)
    assert board.energised() == [17, 5]
    await board.hardware.pulse(1, Visitor.LOOKS)
    assert board.held == [(0.5, [5])]
    assert board.energised() == [17, 5]
    await board.hardware.close()


async def test_pulse_ends_also_when_waiting_it_out_fails(board: Board) -> None:
    def fail() -> None:
        raise OSError("the clock broke")

    board.on_hold = fail
    with pytest.raises(HardwareFailed, match="bolt 1 cannot be driven: the clock broke"):
        await board.hardware.pulse(1, Visitor.LOOKS)
    assert board.energised() == []


async def test_cancelled_caller_leaves_a_pulse_that_ends_by_itself(board: Board) -> None:
    begun, end = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        end.wait(timeout=10)

    board.on_hold = wait
    pulse = asyncio.ensure_future(board.hardware.pulse(1, Visitor.LOOKS))
    await asyncio.to_thread(begun.wait, 10)
    pulse.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulse
    assert board.energised() == [17]
    end.set()
    await board.hardware.close()
    assert board.pin(17).function == "input"


def test_door_change_is_told_once_the_contact_has_settled(board: Board) -> None:
    board.pin(27).drive_high()
    board.scheduler.advance(0.04)
    assert (board.hardware.door(1), board.told) == (Door.CLOSED, [])
    board.scheduler.advance(0.02)
    assert (board.hardware.door(1), board.told) == (Door.OPEN, [(1, Door.OPEN)])


def test_bouncing_contact_is_told_once(board: Board) -> None:
    for _ in range(5):
        board.pin(27).drive_high()
        board.pin(27).drive_low()
        board.scheduler.advance(0.001)
    board.pin(27).drive_high()
    board.scheduler.advance(1)
    assert board.told == [(1, Door.OPEN)]


def test_spike_shorter_than_the_settling_time_goes_unseen(board: Board) -> None:
    board.pin(6).drive_high()
    board.pin(6).drive_low()
    board.scheduler.advance(1)
    assert board.told == []


def test_contact_that_never_rests_is_still_read(board: Board) -> None:
    for _ in range(100):
        board.pin(27).drive_high()
        board.scheduler.advance(0.03)
        board.pin(27).drive_low()
        board.scheduler.advance(0.003)
    assert board.told
    board.scheduler.advance(1)
    assert board.hardware.door(1) is Door.CLOSED


def test_doors_are_told_apart_and_in_order(board: Board) -> None:
    board.pin(6).drive_high()
    board.scheduler.advance(0.01)
    board.pin(27).drive_high()
    board.scheduler.advance(0.2)
    board.pin(6).drive_low()
    board.scheduler.advance(0.2)
    assert board.told == [(4, Door.OPEN), (1, Door.OPEN), (4, Door.CLOSED)]


async def test_levels_of_the_map_turn_the_meaning_round() -> None:
    board = Board('door_closed = "high"\nparcel_present = "high"\n' + WIRING)
    assert board.hardware.door(1) is Door.OPEN
    assert board.hardware.occupied(1) is True
    board.pin(22).drive_low()
    assert board.hardware.occupied(1) is False
    await board.hardware.close()


def test_occupancy_is_read_when_asked_and_none_without_a_sensor(board: Board) -> None:
    assert board.hardware.occupied(1) is False
    board.pin(22).drive_low()
    assert board.hardware.occupied(1) is True
    assert board.hardware.occupied(4) is None


def test_edge_in_another_thread_is_told_on_the_loop(board: Board) -> None:
    threads: list[int] = []
    board.hardware.watch(lambda _comp, _door: threads.append(threading.get_ident()))
    other = threading.Thread(target=board.pin(27).drive_high)
    other.start()
    other.join()
    board.scheduler.advance(1)
    assert threads == [threading.get_ident()]


def test_pin_in_use_is_a_failure_that_lets_go_of_the_others(board: Board) -> None:
    wiring = parse_pin_map("[[compartment]]\nnumber = 1\nbolt = 9\ndoor = 27\n")
    for _ in range(2):
        with pytest.raises(HardwareFailed, match="27 is already in use"):
            GpioHardware(wiring, scheduler=board.scheduler, pin_factory=board.factory)


async def test_closed_pins_drive_nothing_and_tell_nothing(board: Board) -> None:
    board.pin(27).drive_high()
    await board.hardware.close()
    await board.hardware.close()
    board.scheduler.advance(1)
    assert board.told == []
    assert board.hardware.occupied(1) is None
    with pytest.raises(HardwareFailed, match="closed"):
        await board.hardware.pulse(1, Visitor.LOOKS)


async def test_unknown_compartment_is_a_key_error(board: Board) -> None:
    with pytest.raises(KeyError):
        board.hardware.door(2)
    with pytest.raises(KeyError):
        board.hardware.occupied(2)
    with pytest.raises(KeyError):
        await board.hardware.pulse(2, Visitor.LOOKS)


def test_agent_without_pins_does_not_load_gpiozero() -> None:
    program = "import sys, ble_agent.hardware.gpio; sys.exit('gpiozero' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
