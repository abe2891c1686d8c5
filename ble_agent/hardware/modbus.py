"""Lock boards on an RS-485 line by Modbus RTU: bolts are coils, doors and parcels are inputs.

The register map that a board must have; which numbers, the wiring file says (`boardmap`):

    what       | table             | function | meaning
    door       | discrete inputs   | 02       | 1: shut (`door_closed = "off"` turns it round)
    occupied   | discrete inputs   | 02       | 1: a parcel (`parcel_present` likewise)
    bolt       | coils             | 05       | FF00 energises, 0000 lets go
    pulse time | holding registers | 06       | ms after which the board lets go by itself

The pulse time is for boards that have it: it is written before each pulse, the bolt is let go all
the same. Without it nothing but our order ends a pulse: if the line breaks or the process is
killed in that half second, the coil keeps its current until the next start. Choose boards that
limit the time by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from ble_agent.errors import HardwareFailed
from ble_agent.hardware.port import Door, Visitor
from ble_agent.hardware.serialline import MAX_INPUTS, BoardRefuses, SerialLine
from ble_agent.hardware.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ble_agent.clock import Scheduler
    from ble_agent.hardware.boardmap import BoardMap, Places

logger = logging.getLogger(__name__)

MISSES = 3
"""So many rounds in a row a board may miss: a spark on the line is no loss of the board."""

RETRY_S = 1.0
"""How often a lost board is asked: often enough for people, seldom enough for its neighbours,
whose doors wait while it is silent."""

OFF_TRIES = 3
"""Orders to let go, one after the other; after these, one in each round until it is obeyed."""


@dataclass(frozen=True, slots=True)
class _Pulse:
    """A pulse that waits for its turn; cancelled by then, it is left out."""

    place: Places
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Board:
    """One board: what hangs on it, and how it answers."""

    unit: int
    places: list[Places]
    runs: list[range]
    answers: bool = False
    misses: int = 0
    retry_at_s: float = 0.0
    last: dict[int, bool] = field(default_factory=dict)
    """Per door input what it said in the round before."""


class ModbusHardware:
    """`Hardware` on the boards of a `BoardMap`; make one with `open_modbus`.

    One task owns the line and asks one thing at a time. Every `poll_ms` it reads the inputs of
    all boards; a door change is observed once two rounds agree on it, and parcels are as old as
    the last round. While a bolt is energised only its own board is asked. A pulse is as long as
    the map says; if an answer is missing in it, up to two timeouts longer. A board that is lost
    makes its doors UNKNOWN and its parcels None, and pulses on it fail. It is asked again every
    `RETRY_S`; when it answers all its bolts are let go, and what its doors did meanwhile goes
    unseen. Not promised: that a coil of a lost board is without current while others are pulsed.
    """

    def __init__(self, board_map: BoardMap, line: SerialLine, *, scheduler: Scheduler) -> None:
        self._map = board_map
        self._line = line
        self._watchers = Watchers(scheduler)
        self._places = {place.number: place for place in board_map.compartments}
        self._boards = _boards(board_map.compartments)
        self._doors = dict.fromkeys(self._places, Door.UNKNOWN)
        self._occupied: dict[int, bool | None] = dict.fromkeys(self._places)
        self._pulses: asyncio.Queue[_Pulse | None] = asyncio.Queue()
        self._hot: Places | None = None
        self._closed = False
        self._looked = asyncio.Event()
        self._driver = asyncio.get_running_loop().create_task(self._drive())
        self._driver.add_done_callback(_report)

    @property
    def compartments(self) -> Sequence[int]:
        """Those of the map; the numbers may have gaps."""
        return tuple(self._places)

    async def pulse(self, comp: int, visitor: Visitor) -> None:
        """Wait for the turn of this bolt, then energise it for `pulse_ms`."""
        place = self._places[comp]
        if self._closed:
            raise HardwareFailed(f"bolt {comp} is not driven: the line is closed")
        pulse = _Pulse(place, asyncio.get_running_loop().create_future())
        self._pulses.put_nowait(pulse)
        await pulse.done

    def door(self, comp: int) -> Door:
        """What two rounds agreed on; UNKNOWN while its board is lost."""
        return self._doors[comp]

    def occupied(self, comp: int) -> bool | None:
        """What the last round said."""
        return self._occupied[comp]

    def watch(self, listener: Callable[[int, Door], None]) -> Callable[[], None]:
        """As the port says; a change takes up to two rounds, and one pulse, to be observed."""
        return self._watchers.add(listener)

    async def look(self) -> None:
        """Wait until every board has been asked once, whether it answered or not."""
        await self._looked.wait()

    async def close(self) -> None:
        """As the port says; waits for a pulse that has begun, the others fail."""
        self._closed = True
        self._watchers.clear()
        self._pulses.put_nowait(None)
        await self._driver

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._closed:
                next_at_s = loop.time() + self._map.poll_ms / 1000
                for board in self._boards.values():
                    await self._poll(board, now_s=loop.time())
                self._looked.set()
                await self._pulse_until(next_at_s)
        finally:
            self._closed = True
            self._end_pulses()
            for board in self._boards.values():
                self._lose(board)
            self._line.close()

    async def _pulse_until(self, until_s: float) -> None:
        """Serve pulses until the next round is due; at least one, if one waits."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            try:
                async with asyncio.timeout_at(until_s):
                    pulse = await self._pulses.get()
            except TimeoutError:
                return
            if pulse is not None and not pulse.done.done():
                await self._serve(pulse)
                if loop.time() >= until_s:
                    return

    async def _serve(self, pulse: _Pulse) -> None:
        failure: HardwareFailed | None = None
        try:
            await self._energise(pulse.place)
        except HardwareFailed as error:
            failure = error
        finally:
            # Whoever asked may have gone, and may not be left waiting either.
            _settle(pulse, failure)

    def _end_pulses(self) -> None:
        while not self._pulses.empty():
            pulse = self._pulses.get_nowait()
            if pulse is not None:
                _settle(pulse, HardwareFailed("the line was closed before the pulse"))

    async def _energise(self, place: Places) -> None:
        if not self._boards[place.unit].answers:
            raise HardwareFailed(f"board {place.unit} is lost")
        if self._hot is not None:
            # The supply carries one coil, and that one may still be on.
            raise HardwareFailed(f"bolt {self._hot.number} has not been let go for certain")
        if self._map.pulse_register is not None:
            await self._line.write_register(
                place.unit, self._map.pulse_register, self._map.pulse_ms
            )
        self._hot = place
        try:
            await self._line.write_coil(place.unit, place.bolt, on=True)
            await self._look_on(self._boards[place.unit])
        except BoardRefuses:
            self._hot = None
            raise
        finally:
            await self._let_go(OFF_TRIES)

    async def _look_on(self, board: _Board) -> None:
        """Watch the doors of this board until the pulse is over: one may open and shut in it."""
        loop, poll_s = asyncio.get_running_loop(), self._map.poll_ms / 1000
        end_s = loop.time() + self._map.pulse_ms / 1000
        look_at_s = loop.time() + poll_s
        while look_at_s < end_s:
            await asyncio.sleep(look_at_s - loop.time())
            try:
                self._on_inputs(board, await self._read(board))
            except HardwareFailed:
                break  # a second missing answer would hold up the end
            look_at_s += poll_s
        await asyncio.sleep(end_s - loop.time())

    async def _let_go(self, tries: int) -> None:
        """End the pulse that may be on; after a failure it stays the first thing to do."""
        for left in reversed(range(tries)):
            if self._hot is None:
                return
            try:
                await self._line.write_coil(self._hot.unit, self._hot.bolt, on=False)
                self._hot = None
            except HardwareFailed:
                if not left:
                    raise

    async def _poll(self, board: _Board, *, now_s: float) -> None:
        if now_s < board.retry_at_s:
            return
        try:
            if self._hot is not None and self._hot.unit == board.unit:
                await self._let_go(1)
            if not board.answers:
                for place in board.places:
                    await self._line.write_coil(board.unit, place.bolt, on=False)
            inputs = await self._read(board)
        except HardwareFailed as error:
            self._on_miss(board, error, now_s=now_s)
        else:
            self._on_inputs(board, inputs)

    async def _read(self, board: _Board) -> dict[int, bool]:
        inputs: dict[int, bool] = {}
        for run in board.runs:
            inputs |= zip(
                run, await self._line.read_inputs(board.unit, run.start, len(run)), strict=True
            )
        return inputs

    def _on_miss(self, board: _Board, error: HardwareFailed, *, now_s: float) -> None:
        board.misses += 1
        if board.answers and board.misses < MISSES:
            return
        if board.answers or board.misses == 1:
            logger.warning("board %d is lost: %s", board.unit, error)
        board.retry_at_s = now_s + RETRY_S
        self._lose(board)

    def _lose(self, board: _Board) -> None:
        board.answers = False
        board.last.clear()
        if self._hot is not None and self._hot.unit == board.unit:
            self._hot = None  # it is let go with all others before this board is used again
        for place in board.places:
            self._occupied[place.number] = None
            self._observe(place.number, Door.UNKNOWN)

    def _on_inputs(self, board: _Board, inputs: dict[int, bool]) -> None:
        if not board.answers:
            logger.info("board %d answers", board.unit)
        board.answers, board.misses, board.retry_at_s = True, 0, 0.0
        for place in board.places:
            if place.occupied is not None:
                self._occupied[place.number] = inputs[place.occupied] is self._map.parcel_present
            said = inputs[place.door]
            # The first word after a silence counts at once: there is none to compare it with.
            if board.last.get(place.door, said) is said:
                is_shut = said is self._map.door_closed
                self._observe(place.number, Door.CLOSED if is_shut else Door.OPEN)
            board.last[place.door] = said

    def _observe(self, comp: int, door: Door) -> None:
        if self._doors[comp] is not door:
            self._doors[comp] = door
            self._watchers.tell(comp, door)


async def open_modbus(board_map: BoardMap, *, scheduler: Scheduler) -> ModbusHardware:
    """The boards of this map, each asked once: lost boards and a missing line are tried again.

    Raises SettingsRefused without pymodbus.
    """
    hardware = ModbusHardware(board_map, SerialLine(board_map), scheduler=scheduler)
    await hardware.look()
    return hardware


def _report(driver: asyncio.Task[None]) -> None:
    """A fault of ours that ended the driver goes to the loop's exception handler at once."""
    if not driver.cancelled():
        driver.result()


def _settle(pulse: _Pulse, failure: HardwareFailed | None) -> None:
    if pulse.done.done():
        return
    if failure is None:
        pulse.done.set_result(None)
    else:
        pulse.done.set_exception(failure)


def _boards(places: Iterable[Places]) -> dict[int, _Board]:
    by_unit: dict[int, list[Places]] = {}
    for place in places:
        by_unit.setdefault(place.unit, []).append(place)
    return {unit: _Board(unit, rows, _runs(rows)) for unit, rows in sorted(by_unit.items())}


def _runs(places: Iterable[Places]) -> list[range]:
    """The inputs in as few requests as can be, without those between that may not exist."""
    addresses = sorted(
        address
        for place in places
        for address in (place.door, place.occupied)
        if address is not None
    )
    runs: list[range] = []
    for _, group in groupby(enumerate(addresses), key=lambda pair: pair[1] - pair[0]):
        run = [address for _, address in group]
        runs += [
            range(start, min(start + MAX_INPUTS, run[-1] + 1))
            for start in range(run[0], run[-1] + 1, MAX_INPUTS)
        ]
    return runs
