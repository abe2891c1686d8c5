"""Words to the service manager, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import SettingsRefused
from ble_agent.hardware.watchdog import READY, ServiceManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "n") if request.param == "path" else f"@restante-{os.urandom(8).hex()}"


@pytest.fixture
def ear(address: str) -> Iterator[socket.socket]:
    """The manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address.replace("@", "\0"))
        ear.settimeout(10)
        yield ear


def still_unread(ear: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield ear.recv(100)


def test_words_arrive_one_by_one(address: str, ear: socket.socket) -> None:
    manager = ServiceManager.from_environ({"NOTIFY_SOCKET": address}, pid=PID)
    manager.tell(READY)
    manager.tell_status("no radio")
    assert [ear.recv(100) for _ in range(2)] == [b"READY=1", b"STATUS=no radio"]


async def test_signs_of_life_go_on_while_the_loop_turns(address: str, ear: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(PID)}
    alive = asyncio.create_task(ServiceManager.from_environ(environ, pid=PID).keep_alive())
    for _ in range(3):
        assert await asyncio.to_thread(ear.recv, 100) == b"WATCHDOG=1"
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)
    ear.setblocking(False)
    assert list(still_unread(ear)) in ([], [b"WATCHDOG=1"])


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(PID + 1)}], ids=["none", "other"]
)
async def test_watchdog_that_is_not_ours_gets_no_signs(
    address: str, ear: socket.socket, watchdog: dict[str, str]
) -> None:
    manager = ServiceManager.from_environ({"NOTIFY_SOCKET": address} | watchdog, pid=PID)
    alive = asyncio.create_task(manager.keep_alive())
    await asyncio.sleep(0)
    assert not alive.done()
    alive.cancel()
    ear.setblocking(False)
    assert list(still_unread(ear)) == []


async def test_unsupervised_process_tells_nobody() -> None:
    manager = ServiceManager.from_environ({"WATCHDOG_USEC": "1000"}, pid=PID)
    manager.tell(READY)
    alive = asyncio.create_task(manager.keep_alive())
    await asyncio.sleep(0)
    assert not alive.done()
    alive.cancel()


def test_manager_that_is_gone_is_no_matter_to_the_locker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager(str(tmp_path / "nobody")).tell(READY)
    assert "does not hear READY=1" in caplog.text


def test_manager_that_does_not_read_never_holds_us_up(address: str, ear: socket.socket) -> None:
    manager = ServiceManager(address)
    for number in range(2000):
        manager.tell_status(str(number))
    assert ear.recv(100) == b"STATUS=0"


@pytest.mark.parametrize("microseconds", ["", "soon", "0", "-5", "1.5"])
def test_watchdog_that_is_no_time_is_refused(microseconds: str) -> None:
    with pytest.raises(SettingsRefused, match="WATCHDOG_USEC"):
        ServiceManager.from_environ({"WATCHDOG_USEC": microseconds}, pid=PID)
