"""One life of the BlueZ radio on one bus connection: what is registered, and who is connected."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dbus_fast import DBusError

from ble_agent.radio.bluez.daemon import Daemon
from ble_agent.radio.bluez.objects import (
    ADVERTISEMENT_PATH,
    SERVICE_PATH,
    Advertisement,
    GattService,
    make_command,
    make_hello,
    make_result,
)
from ble_agent.radio.port import Link, Listener, RadioLost, Refused
from schema.gatt import AttError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 10.0
"""BlueZ was seen to take up to 2.8 s to end a connection, less for anything else."""


@dataclass(slots=True)
class _Phone:
    link: Link
    path: str
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    writing: bool = False


class Station:
    """Serves on one adapter until closed or lost; `ended` is set exactly then.

    A daemon or an adapter that comes back within `return_s` finds everything registered again.
    """

    def __init__(
        self, bus: MessageBus, adapter: str, listener: Listener, *, return_s: float
    ) -> None:
        self.ended = asyncio.Event()
        self.lost: RadioLost | None = None
        self.advertise = True
        self._bus = bus
        self._daemon = Daemon(bus, adapter, self)
        self._listener = listener
        self._return_s = return_s
        self._missing: asyncio.TimerHandle | None = None
        self._registered = self._advertised = False
        self._settling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outliving: set[asyncio.Task[Refused | None]] = set()
        self._phones: dict[str, _Phone] = {}
        self._count = 0
        self._result = make_result()

    async def open(self, lid: bytes) -> None:
        """Export and register everything. Raises DBusError, RadioLost."""
        hello, command = make_hello(), make_command()
        hello.on_read, self._result.on_read = self._read_hello, self._read_result
        command.on_write = self._write
        self._bus.export(SERVICE_PATH, GattService())
        for characteristic in (hello, command, self._result):
            self._bus.export(characteristic.path, characteristic)
        self._bus.export(ADVERTISEMENT_PATH, Advertisement(lid))
        self._spawn(self._watch_bus())
        await self._daemon.listen()
        await self.settle()

    async def settle(self) -> None:
        """Bring BlueZ in line with what is wanted. Raises DBusError, RadioLost."""
        async with self._settling, asyncio.timeout(CALL_TIMEOUT_S):
            if self.ended.is_set():
                return
            if not self._registered:
                await self._daemon.power()
                await self._daemon.register_application()
                self._registered = True
                self._stop_missing()
            if self.advertise and not self._advertised:
                await self._daemon.register_advertisement()
            elif self._advertised and not self.advertise:
                await self._daemon.unregister_advertisement()
            self._advertised = self.advertise

    def reply(self, link: Link, fragment: bytes) -> None:
        """Notify every phone that has subscribed, if this one is there."""
        if self._find(link) is not None:
            self._result.notify(fragment)

    async def drop(self, link: Link) -> None:
        """Disconnect one phone and wait until BlueZ says so."""
        phone = self._find(link)
        if phone is None:
            return
        phone.leaving.set()
        with suppress(DBusError):  # it may be leaving by itself: `gone` tells
            await self._daemon.disconnect(phone.path)
        try:
            await asyncio.wait_for(phone.gone.wait(), CALL_TIMEOUT_S)
        except TimeoutError:
            self.lose("BlueZ does not end a connection")

    async def close(self) -> None:
        """Unregister and let go of every phone, as far as BlueZ still listens."""
        if not self.ended.is_set() and self._registered:
            self.advertise = False
            with suppress(DBusError, RadioLost, TimeoutError):
                await self.settle()
                links = [phone.link for phone in self._phones.values()]
                await asyncio.gather(*(self.drop(link) for link in links))
                await self._daemon.unregister_application()
        self._end()

    def lose(self, reason: str) -> None:
        """End for a reason that is not ours."""
        if not self.ended.is_set():
            self.lost = RadioLost(reason)
            self._end()

    def on_away(self) -> None:
        """Report every link as lost and wait for the adapter to come back."""
        self._registered = self._advertised = False
        for path in list(self._phones):
            self.on_device(path, connected=False)
        if self._missing is None and not self.ended.is_set():
            loop = asyncio.get_running_loop()
            self._missing = loop.call_later(self._return_s, self.lose, "BlueZ has no such adapter")

    def on_back(self) -> None:
        """Register again."""
        self._spawn(self.settle_if_possible())

    def on_device(self, path: str, *, connected: bool) -> None:
        """Meet a phone, or report its link as lost."""
        if connected:
            self._meet(path)
            return
        phone = self._phones.pop(path, None)
        if phone is not None:
            phone.gone.set()
            self._listener.lost(phone.link)

    def _end(self) -> None:
        self.ended.set()
        for path in list(self._phones):
            self.on_device(path, connected=False)
        self._stop_missing()
        for task in self._tasks:
            task.cancel()
        self._bus.disconnect()

    def _stop_missing(self) -> None:
        if self._missing is not None:
            self._missing.cancel()
            self._missing = None

    async def settle_if_possible(self) -> None:
        """Settle, or leave it to the next event: BlueZ may be on its way back."""
        try:
            await self.settle()
        except (DBusError, RadioLost, TimeoutError) as error:
            log.info("BlueZ is not ready: %s", error)  # another event follows, or the time is up

    async def _watch_bus(self) -> None:
        with suppress(OSError, EOFError):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # as published
        self.lose("the D-Bus connection is gone")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _read_hello(self, path: str, offset: int) -> bytes:
        return self._listener.read_hello(self._meet(path).link, offset)

    def _read_result(self, path: str, offset: int) -> bytes:
        return self._listener.read_result(self._meet(path).link, offset)

    async def _write(self, path: str, fragment: bytes) -> None:
        phone = self._meet(path)
        if phone.writing:
            raise Refused(AttError.BUSY)
        phone.writing = True
        work = asyncio.ensure_future(self._take(phone, fragment))
        leaving = asyncio.ensure_future(phone.leaving.wait())
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not work.done():
            # bluetoothd 5.66 crashes over a write that is unanswered when we end its connection.
            self._outliving.add(work)
            work.add_done_callback(self._outliving.discard)
            raise Refused(AttError.BUSY)
        refusal = work.result()
        if refusal is not None:
            raise refusal

    async def _take(self, phone: _Phone, fragment: bytes) -> Refused | None:
        try:
            await self._listener.write_command(phone.link, fragment)
        except Refused as refusal:
            return refusal
        finally:
            phone.writing = False
        return None

    def _meet(self, path: str) -> _Phone:
        # A phone that was connected before us makes itself known by its first request.
        phone = self._phones.get(path)
        if phone is None:
            self._count += 1
            address = path.rpartition("/dev_")[2].replace("_", ":")
            phone = self._phones[path] = _Phone(Link(f"{address} {self._count}"), path)
            self._listener.connected(phone.link)
        return phone

    def _find(self, link: Link) -> _Phone | None:
        return next((phone for phone in self._phones.values() if phone.link == link), None)
