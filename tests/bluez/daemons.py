"""The daemons of the guest: a system bus, and the real bluetoothd, which may be killed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 40.0
"""An emulated processor is some twenty times slower than the machine that emulates it."""

_PLACES = ("/usr/libexec/bluetooth/bluetoothd", "/usr/lib/bluetooth/bluetoothd")
BLUETOOTHD = next((place for place in _PLACES if Path(place).exists()), None)
DBUS_DAEMON = shutil.which("dbus-daemon")
_GAP_S = 0.05
_CONFIG = Path("/run/bluetooth.conf")
_INTERVAL = 160
"""Of advertising, in units of 0.625 ms; the kernel's own 2048 is most of what a visit takes."""

_CHANNELS = 1
"""Of ATT in one connection, as README asks of a locker's BlueZ: several overtake each other."""

_BUS_FOLDER = Path("/run/dbus")


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for something in another process or in the kernel, of which no event tells us."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_GAP_S)


class Daemons:
    """Starts the system bus once, and bluetoothd as often as it is killed."""

    def __init__(self) -> None:
        self._bluetoothd: subprocess.Popen[bytes] | None = None
        self._bus: MessageBus | None = None

    async def start(self) -> None:
        """Bring up both; returns when bluetoothd answers."""
        _start_bus()
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        await self.start_bluetoothd()

    async def start_bluetoothd(self) -> None:
        """Start it and wait until it answers."""
        self._bluetoothd = _start_bluetoothd()
        await until(self._find_objects)

    def kill_bluetoothd(self) -> None:
        """End it as a crash does."""
        assert self._bluetoothd is not None
        self._bluetoothd.kill()
        self._bluetoothd.wait()

    async def wait_for_adapter(self, name: str) -> None:
        """Wait until bluetoothd has this adapter and can advertise on it, and switch it on."""
        path = f"/org/bluez/{name}"
        on = ("org.bluez.Adapter1", "Powered", Variant("b", True))

        async def is_known() -> bool:
            return bool(await self._manager(path))

        async def is_on() -> bool:  # not at once: it may still be setting it up
            answer = await self._ask(path, "org.freedesktop.DBus.Properties", "Set", *on)
            return answer is not None

        await until(is_known)
        await until(is_on)

    async def wait_for_advertisement(self, adapter: str) -> None:
        """Wait until something is advertised there, by the word of bluetoothd."""

        async def is_advertised() -> bool:
            manager = await self._manager(f"/org/bluez/{adapter}")
            return bool(manager) and manager["ActiveInstances"].value > 0

        await until(is_advertised)

    async def stop(self) -> None:
        """End bluetoothd; the bus ends with the machine."""
        if self._bus is not None:
            self._bus.disconnect()
        self.kill_bluetoothd()

    async def _manager(self, path: str) -> dict[str, Variant]:
        """What bluetoothd says of its advertising there; nothing if it does not know the place."""
        objects = await self._find_objects()
        return dict(objects.get(path, {}).get("org.bluez.LEAdvertisingManager1", {}))

    async def _find_objects(self) -> dict[str, dict[str, Any]]:
        answer = await self._ask("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return {} if answer is None else dict(answer[0])

    async def _ask(self, path: str, interface: str, member: str, *body: Any) -> list[Any] | None:
        """The answer of bluetoothd, None if it gave an error or does not run."""
        assert self._bus is not None
        message = Message(
            destination="org.bluez",
            path=path,
            interface=interface,
            member=member,
            signature="ssv" if body else "",
            body=list(body),
        )
        reply = await self._bus.call(message)
        return None if reply.message_type is MessageType.ERROR else list(reply.body)


def _start_bus() -> None:
    assert DBUS_DAEMON is not None
    _BUS_FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run([DBUS_DAEMON, "--system", "--fork", "--nopidfile"], check=True)


def _start_bluetoothd() -> subprocess.Popen[bytes]:
    assert BLUETOOTHD is not None
    _CONFIG.write_text(
        f"[LE]\nMinAdvertisementInterval={_INTERVAL}\nMaxAdvertisementInterval={_INTERVAL}\n"
        f"[GATT]\nChannels={_CHANNELS}\n"
    )
    return subprocess.Popen([BLUETOOTHD, "--nodetach", f"--configfile={_CONFIG}"])
