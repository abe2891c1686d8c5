"""The controller is taken away from the real process, and comes back; doors are watched meanwhile.

The doors hang on boards of a line, the process is supervised through a socket as by systemd.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import Ether, open_ether
from ble_agent.phone.link import LinkError
from schema.journal import Kind, parse_entry
from schema.keys import Operation
from tests.fakes.boards import LockBoard, open_line, wiring
from tests.faults.battered import Battered, make_battered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ble_agent.backends.bumble_central import BumbleCentral

PATIENCE_S = 20.0
UNIT = 1
COMPS = (1, 2, 3)
VISIT_S = 0.2
ROUNDS = 4
"""After so many looks at a door the agent has seen what it shows: two of them must agree."""


class Manager:
    """The service manager's ear."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._words: asyncio.Queue[bytes] = asyncio.Queue()
        # Read at once, as systemd does: the kernel keeps some ten words, then nobody can speak.
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    async def hears(self, word: str) -> None:
        """Wait for this word; others before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._words.get() != word.encode():
                pass

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _hear(self) -> None:
        self._words.put_nowait(self._socket.recv(4096))


class Scene:
    """A locker process with boards, air and manager around it; phones come by `central`."""

    def __init__(self, locker: Battered, manager: Manager, ether: Ether, board: LockBoard) -> None:
        self.locker = locker
        self.manager = manager
        self.ether = ether
        self.board = board

    async def visit(self, central: BumbleCentral, op: Operation, stay: bytes) -> None:
        """The phone tries until its token has served its purpose."""
        token = self.locker.token(op, stay)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(LinkError, TimeoutError):
                    if await self.locker.try_once(central, op, token):
                        return

    def put_in(self, coil: int, on: bool) -> None:
        """A person puts a parcel in and shuts the door."""
        self._leave(coil, on, occupied=True)

    def take_out(self, coil: int, on: bool) -> None:
        """A person takes the parcel out and shuts the door."""
        self._leave(coil, on, occupied=False)

    def _leave(self, coil: int, on: bool, *, occupied: bool) -> None:
        if on:
            shut = partial(self.board.shut, coil, occupied=occupied)
            asyncio.get_running_loop().call_later(VISIT_S, shut)

    async def is_seen(self) -> None:
        """Wait until the agent knows what the board shows."""
        seen, looks = asyncio.Event(), 0

        def count(_first: int) -> None:
            nonlocal looks
            looks += 1
            if looks > ROUNDS * len(COMPS):
                seen.set()

        self.board.on_read = count
        async with asyncio.timeout(PATIENCE_S):
            await seen.wait()

    async def lose_radio(self) -> None:
        self.ether.pull(0)
        await self.manager.hears("STATUS=no radio; doors are watched")

    async def find_radio(self) -> None:
        await self.ether.plug(0)
        await self.manager.hears("STATUS=ready for phones")

    def kinds(self) -> list[Kind]:
        return [Kind(parse_entry(raw).kind) for raw in self.locker.entries()]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    board = LockBoard(UNIT)
    manager = Manager(tmp_path / "notify")
    async with open_ether(2) as ether, open_line(tmp_path, [board]) as cable:
        locker = make_battered(tmp_path / "locker", [ether.ports[0]] * 2)
        boards = tmp_path / "boards.toml"
        boards.write_text(wiring(cable.port, {comp: (UNIT, comp) for comp in COMPS}, pulse_ms=500))
        locker.options = ("--hardware", f"modbus:{boards}")
        locker.environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        locker.start()
        await manager.hears("READY=1")
        await manager.hears("STATUS=ready for phones")
        yield Scene(locker, manager, ether, board)
        locker.kill()
    manager.close()


async def end(scene: Scene) -> None:
    """As `systemctl stop`."""
    process = scene.locker.process
    assert process is not None
    process.terminate()
    await scene.manager.hears("STOPPING=1")
    assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0


async def test_door_opened_by_key_is_noted_without_radio_and_phones_are_served_again(
    scene: Scene,
) -> None:
    await scene.lose_radio()
    scene.board.open_by_key(2)
    await scene.is_seen()
    scene.board.shut(2, occupied=False)
    await scene.is_seen()
    await scene.manager.hears("WATCHDOG=1")
    await scene.find_radio()
    scene.board.on_order = scene.put_in
    async with open_central(f"tcp-client:127.0.0.1:{scene.ether.ports[1]}") as central:
        await scene.visit(central, Operation.DEPOSIT, secrets.token_bytes(8))
    await end(scene)
    kinds = scene.kinds()
    key, closed, accepted, deposited = (
        kinds.index(kind)
        for kind in (Kind.UNEXPECTED_OPEN, Kind.DOOR_CLOSED, Kind.ACCEPTED, Kind.DEPOSITED)
    )
    assert key < closed < accepted < deposited
    assert kinds.count(Kind.UNEXPECTED_OPEN) == 1


async def test_deposit_is_concluded_while_the_radio_is_away(scene: Scene) -> None:
    stay = secrets.token_bytes(8)
    opened: asyncio.Queue[int] = asyncio.Queue()
    scene.board.on_order = lambda coil, on: opened.put_nowait(coil) if on else None
    async with open_central(f"tcp-client:127.0.0.1:{scene.ether.ports[1]}") as central:
        token = scene.locker.token(Operation.DEPOSIT, stay)
        courier = asyncio.create_task(scene.locker.try_once(central, Operation.DEPOSIT, token))
        coil = await asyncio.wait_for(opened.get(), PATIENCE_S)
        await scene.is_seen()
        await scene.lose_radio()
        with pytest.raises(LinkError):
            await courier
        scene.board.shut(coil, occupied=True)
        await scene.is_seen()
        await scene.find_radio()
        scene.board.on_order = scene.take_out
        await scene.visit(central, Operation.OPEN, stay)
    await end(scene)
    kinds = scene.kinds()
    assert [kinds.count(kind) for kind in (Kind.BOOT, Kind.DEPOSITED, Kind.COLLECTED)] == [1, 1, 1]


async def test_process_that_is_killed_in_a_pulse_lets_the_bolt_go_at_its_next_start(
    scene: Scene,
) -> None:
    fired = asyncio.Event()
    scene.board.on_order = lambda _coil, on: fired.set() if on else None
    async with open_central(f"tcp-client:127.0.0.1:{scene.ether.ports[1]}") as central:
        courier = asyncio.create_task(
            scene.visit(central, Operation.DEPOSIT, secrets.token_bytes(8))
        )
        await asyncio.wait_for(fired.wait(), PATIENCE_S)
        scene.locker.kill()
        assert len(scene.board.coils) == 1
        scene.locker.start()
        await scene.manager.hears("READY=1")
        assert scene.board.coils == set()
        courier.cancel()
        await asyncio.gather(courier, return_exceptions=True)
