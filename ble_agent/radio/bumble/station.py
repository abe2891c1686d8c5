"""One life of the Bumble radio on one open transport: its service, its phones, its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bumble import att, gatt, hci
from bumble.core import BaseBumbleError
from bumble.device import Connection, Device
from bumble.host import Host

from ble_agent.radio.bumble.device import COMMAND_TIMEOUT_S, LockerDevice
from ble_agent.radio.port import Link, Listener, RadioLost, Refused
from schema.gatt import (
    COMMAND_UUID,
    HELLO_UUID,
    RESULT_UUID,
    SERVICE_UUID,
    AttError,
    advertisement,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.transport.common import Transport

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Phone:
    link: Link
    connection: Connection
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    writing: bool = False


class Station:
    """One life of the radio, from an open transport to its end; `ended` is set exactly then."""

    def __init__(self, transport: Transport, address: hci.Address, listener: Listener) -> None:
        self.ended = asyncio.Event()
        self.lost: RadioLost | None = None
        self.advertise = True
        self._transport = transport
        self._listener = listener
        self._device = LockerDevice(Host(transport.source, transport.sink), address)
        self._phones: dict[Connection, _Phone] = {}
        self._settling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._result = self._build_service()
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        transport.source.terminated.add_done_callback(self._on_terminated)

    async def open(self, lid: bytes) -> None:
        """Reset the controller and advertise."""
        await self._device.power_on()
        self._device.advertising_data = advertisement(lid)
        self._device.scan_response_data = b""
        await self.settle()

    async def settle(self) -> None:
        """Bring the controller's advertising in line with `advertise`."""
        async with self._settling:
            if self.ended.is_set() or self.advertise == self._device.is_advertising:
                return
            if not self.advertise:
                await self._device.stop_advertising()
                return
            try:
                await self._device.start_advertising()
            except BaseBumbleError:
                self._device.legacy_advertiser = None
                raise

    async def reply(self, link: Link, fragment: bytes) -> None:
        """Notify one phone, if it is there and has subscribed."""
        phone = self._find(link)
        if phone is not None:
            await self._device.notify_subscriber(phone.connection, self._result, fragment)

    async def drop(self, link: Link) -> None:
        """Disconnect one phone and wait until the controller says so."""
        phone = self._find(link)
        if phone is None:
            return
        with suppress(BaseBumbleError):  # the phone may be leaving by itself: `gone` tells
            await self._device.send_async_command(
                hci.HCI_Disconnect_Command(
                    connection_handle=phone.connection.handle,
                    reason=hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR,
                )
            )
        try:
            await asyncio.wait_for(phone.gone.wait(), COMMAND_TIMEOUT_S)
        except TimeoutError:
            self._lose("the controller does not end a connection")

    async def close(self) -> None:
        """Leave nothing in the air, as far as the controller still listens."""
        if not self.ended.is_set():
            self.advertise = False
            with suppress(BaseBumbleError):
                await self.settle()
            for phone in list(self._phones.values()):
                await self.drop(phone.link)
        self.ended.set()
        for task in self._tasks:
            task.cancel()
        await self._transport.close()

    def _build_service(self) -> gatt.Characteristic[bytes]:
        kind, server = gatt.Characteristic, self._device.att_server
        hello_from = self._reader(self._listener.read_hello)
        result_from = self._reader(self._listener.read_result)
        hello = gatt.Characteristic[bytes](
            HELLO_UUID,
            kind.Properties.READ,
            kind.READABLE,
            gatt.CharacteristicValue(read=lambda connection: hello_from(connection, 0)),
        )
        command = gatt.Characteristic[bytes](
            COMMAND_UUID,
            kind.Properties.WRITE,
            kind.WRITEABLE,
            gatt.CharacteristicValue(read=_refuse_read, write=self._write),
        )
        result = gatt.Characteristic[bytes](
            RESULT_UUID,
            kind.Properties.NOTIFY | kind.Properties.READ,
            kind.READABLE,
            gatt.CharacteristicValue(read=lambda connection: result_from(connection, 0)),
        )
        server.add_service(gatt.Service(SERVICE_UUID, [hello, command, result]))
        server.long_reads = {hello.handle: hello_from, result.handle: result_from}
        # The server has put the subscription's descriptor last in its group.
        server.writable = {command.handle, result.end_group_handle}
        return result

    def _reader(self, read: Callable[[Link, int], bytes]) -> Callable[[Connection, int], bytes]:
        def answer(connection: Connection, offset: int) -> bytes:
            try:
                return read(self._phone(connection).link, offset)
            except Refused as refusal:
                raise att.ATT_Error(refusal.att_error) from refusal

        return answer

    async def _write(self, connection: Connection, fragment: bytes) -> None:
        phone = self._phone(connection)
        if phone.writing:
            raise att.ATT_Error(AttError.BUSY)
        phone.writing = True
        try:
            await self._listener.write_command(phone.link, bytes(fragment))
        except Refused as refusal:
            raise att.ATT_Error(refusal.att_error) from refusal
        finally:
            phone.writing = False

    def _phone(self, connection: Connection) -> _Phone:
        phone = self._phones.get(connection)
        if phone is None:
            raise att.ATT_Error(att.ErrorCode.UNLIKELY_ERROR)
        return phone

    def _find(self, link: Link) -> _Phone | None:
        return next((phone for phone in self._phones.values() if phone.link == link), None)

    def _on_connection(self, connection: Connection) -> None:
        self._count += 1
        link = Link(f"{connection.peer_address.to_string(with_type_qualifier=False)} {self._count}")
        self._phones[connection] = _Phone(link, connection)
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._on_disconnection(connection))
        self._listener.connected(link)
        self._resettle()  # a controller ends its advertisement at each connection

    def _on_disconnection(self, connection: Connection) -> None:
        phone = self._phones.pop(connection, None)
        if phone is None:
            return
        phone.gone.set()
        self._listener.lost(phone.link)
        self._resettle()

    def _resettle(self) -> None:
        task = asyncio.get_running_loop().create_task(self._settle_if_possible())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle_if_possible(self) -> None:
        try:
            await self.settle()
        except BaseBumbleError as error:
            # Some controllers cannot advertise beside connections; the next one to end retries.
            log.info("the controller does not advertise now: %s", error)

    def _on_terminated(self, source: asyncio.Future[None]) -> None:
        cause = source.exception() if not source.cancelled() else None
        self._lose(f"the way to the controller is closed ({cause or 'end of stream'})")

    def _lose(self, reason: str) -> None:
        if self.ended.is_set():
            return
        self.lost = RadioLost(reason)
        self.ended.set()
        for connection in list(self._phones):
            self._on_disconnection(connection)


def _refuse_read(connection: Connection) -> bytes:
    raise att.ATT_Error(att.ErrorCode.READ_NOT_PERMITTED)
