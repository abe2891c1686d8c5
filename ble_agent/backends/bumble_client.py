"""bleak's client on a Bumble connection. No pairing, no bonding, nothing cached.

Made by `bumble_central`, one type for each central.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import att, hci
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection, Device, Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bleak.args import SizedBuffer
    from bleak.backends.client import NotifyCallback
    from bumble import gatt_client
    from bumble.gatt_client import CharacteristicProxy

_T = TypeVar("_T")

LARGEST_MTU: Final = 517
SMALLEST_MTU: Final = 23
"""What holds without any exchange (Core, Vol 3, Part G, 5.2.1)."""
COMMAND_TIMEOUT_S: Final = 5.0
"""A controller that leaves a command unanswered this long is gone."""
_ATT_WRITE_HEADER: Final = 3


class BumbleClient(BaseBleakClient):
    """A connection through `device`; `mtu` is what it asks for, 23 asks for nothing.

    A lost connection ends each call under way with BleakError. `connecting` is shared by the
    clients of one device: a controller makes one connection at a time.
    """

    device: Device
    mtu: int
    connecting: asyncio.Lock

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        known = address_or_ble_device
        self._target = known.details if isinstance(known, BLEDevice) else hci.Address(known)
        self._connection: Connection | None = None
        self._ended = asyncio.Event()
        self._subscribers: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        """Its address; lockers advertise no name."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """What both sides have agreed on."""
        return SMALLEST_MTU if self._connection is None else self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        """Whether requests can be made now."""
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        """Connect, agree on the MTU and discover everything; nothing stays open on failure."""
        if self._connection is not None:
            raise BleakError("already connected")
        if pair:
            raise BleakError("this backend does not pair")
        connection = await self._reach()
        if self.device.lookup_connection(connection.handle) is not connection:
            # Made and ended at once, before anybody could listen for the end.
            raise BleakError(f"another phone was faster at {self.address}")
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._connection = connection
        self._ended.clear()
        try:
            async with asyncio.timeout(self._timeout):
                self.services = await self._use(self._discover(Peer(connection)))
        except TimeoutError as error:
            raise BleakError(f"{self.address} connected and fell silent") from error
        finally:
            if self.services is None:
                await self.disconnect()

    async def disconnect(self) -> None:
        """End the connection and wait until it has ended; nothing happens without one."""
        if self._connection is None:
            return
        with suppress(BaseBumbleError):  # it may be ending already: the event tells
            await self.device.send_async_command(
                hci.HCI_Disconnect_Command(
                    connection_handle=self._connection.handle,
                    reason=hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR,
                )
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), COMMAND_TIMEOUT_S)

    async def pair(self, *_: Any, **__: Any) -> None:
        """Refuse: lockers do not pair."""
        raise BleakError("this backend does not pair")

    async def unpair(self) -> None:
        """Refuse: there is nothing to undo."""
        raise BleakError("this backend does not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read the whole value, in as many pieces as the MTU asks for."""
        return bytearray(await self._use(self._gatt().read_value(characteristic.handle)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read the whole value."""
        return bytearray(await self._use(self._gatt().read_value(descriptor.handle)))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write, as a long write where the MTU is too small for one request."""
        write = self._gatt().write_value(characteristic.handle, bytes(data), response)
        await self._use(write)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write with response."""
        await self._use(self._gatt().write_value(descriptor.handle, bytes(data), True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
    ) -> None:
        """Subscribe; notifications come in the order in which they were sent."""

        def subscriber(value: bytes) -> None:
            callback(bytearray(value))

        await self._use(self._gatt().subscribe(characteristic.obj, subscriber))
        self._subscribers[characteristic.handle] = subscriber

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe; without a subscription too."""
        subscriber = self._subscribers.pop(characteristic.handle, None)
        await self._use(self._gatt().unsubscribe(characteristic.obj, subscriber))

    async def _reach(self) -> Connection:
        async with self.connecting:
            try:
                async with asyncio.timeout(self._timeout):
                    return await self.device.connect(self._target, timeout=None)
            except (BaseBumbleError, TimeoutError) as error:
                await self._give_up()
                raise BleakDeviceNotFoundError(self.address, str(error)) from error
            except asyncio.CancelledError:
                await self._give_up()
                raise

    async def _give_up(self) -> None:
        # Without this the controller goes on trying and refuses the next attempt.
        with suppress(BaseBumbleError):
            await self.device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        if self.mtu > SMALLEST_MTU:
            await peer.request_mtu(self.mtu)
        found = BleakGATTServiceCollection()
        for proxy in await peer.discover_services():
            service = BleakGATTService(proxy, proxy.handle, uuid_text(proxy.uuid))
            found.add_service(service)
            for characteristic in await peer.discover_characteristics(service=proxy):
                await self._describe(peer, characteristic, service, found)
        return found

    async def _describe(
        self,
        peer: Peer,
        proxy: CharacteristicProxy[bytes],
        service: BleakGATTService,
        found: BleakGATTServiceCollection,
    ) -> None:
        characteristic = BleakGATTCharacteristic(
            proxy,
            proxy.handle,
            uuid_text(proxy.uuid),
            sorted(gatt_char_props_to_strs(int(proxy.properties))),
            lambda: self.mtu_size - _ATT_WRITE_HEADER,
            service,
        )
        found.add_characteristic(characteristic)
        for descriptor in await peer.discover_descriptors(characteristic=proxy):
            uuid = uuid_text(descriptor.type)
            found.add_descriptor(
                BleakGATTDescriptor(descriptor, descriptor.handle, uuid, characteristic)
            )

    def _gatt(self) -> gatt_client.Client:
        if self._connection is None:
            raise BleakError("not connected")
        return self._connection.gatt_client

    async def _use(self, operation: Awaitable[_T]) -> _T:
        try:
            return await operation
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(int(error.error_code)) from error
        except BaseBumbleError as error:
            raise BleakError(f"{self.address}: {error}") from error
        except asyncio.CancelledError as error:
            # Bumble cancels the request under way when the connection ends.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise BleakError(f"{self.address} is gone") from error

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = self.services = None
        self._subscribers.clear()
        self._ended.set()
        if self._disconnected_callback is not None:
            self._disconnected_callback()


def uuid_text(uuid: UUID) -> str:
    """The long form that bleak compares."""
    return normalize_uuid_str(uuid.to_hex_str(separator="-"))
