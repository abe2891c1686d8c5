"""A phone's Bluetooth on Bumble, for bleak: scanner and client types for its `backend=` argument.

No pairing, no bonding. Counts what travels as ATT, so that the cost of a visit can be stated.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import att, hci
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration, Peer
from bumble.host import Host
from bumble.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bleak.args import SizedBuffer
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback
    from bumble import gatt_client
    from bumble.gatt_client import CharacteristicProxy

_T = TypeVar("_T")

LARGEST_MTU: Final = 517
SMALLEST_MTU: Final = 23
"""What holds without any exchange (Core, Vol 3, Part G, 5.2.1)."""

COMMAND_TIMEOUT_S: Final = 5.0
"""A controller that leaves a command unanswered this long is gone."""

_ATT_WRITE_HEADER: Final = 3
_UUID_LISTS: Final = {
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}


class AttTraffic:
    """ATT packets by name, as they pass the phone's end: `ATT_READ_REQUEST` and so on."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()

    def clear(self) -> None:
        """Start counting anew, after discovery for instance."""
        self.sent.clear()
        self.heard.clear()


class _CentralDevice(Device):
    """Bumble's device, counting."""

    def __init__(self, host: Host, address: hci.Address) -> None:
        config = DeviceConfiguration(name="", address=address, gatt_service_enabled=False)
        super().__init__(config=config, host=host)
        self.command_timeout = COMMAND_TIMEOUT_S
        self.traffic = AttTraffic()

    def send_l2cap_pdu(self, connection_handle: int, cid: int, pdu: bytes) -> None:
        if cid == att.ATT_CID:
            self.traffic.sent[att.Opcode(pdu[0]).name] += 1
        super().send_l2cap_pdu(connection_handle, cid, pdu)

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        if pdu:
            self.traffic.heard[att.Opcode(pdu[0]).name] += 1
        super().on_gatt_pdu(connection_handle, pdu)


class BumbleCentral:
    """One phone's Bluetooth; `scanner` and `client` go into bleak's `backend=`.

    Several scans and several connections at once are fine. `mtu` is what its connections ask
    for; 23 asks for nothing.
    """

    def __init__(self, device: _CentralDevice, mtu: int) -> None:
        self.device = device
        self.mtu = mtu
        self.traffic = device.traffic
        self.connecting = asyncio.Lock()
        self._scans = 0

        class BumbleScanner(_Scanner):
            central = self

        class BumbleClient(_Client):
            central = self

        self.scanner: type[BaseBleakScanner] = BumbleScanner
        self.client: type[BaseBleakClient] = BumbleClient

    async def start_scan(self) -> None:
        """Listen for advertisements, for one more listener."""
        self._scans += 1
        if self._scans == 1:
            await self.device.start_scanning(filter_duplicates=False)

    async def stop_scan(self) -> None:
        """Let one listener go; the last one ends the scan."""
        self._scans -= 1
        if self._scans == 0:
            await self.device.stop_scanning()


@asynccontextmanager
async def open_central(
    transport_name: str,
    *,
    mtu: int = LARGEST_MTU,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[BumbleCentral]:
    """Take the controller that this transport of Bumble leads to, under an address just drawn.

    Raises BleakError if there is none.
    """
    drawn = bytearray(random(6))
    drawn[5] |= 0xC0  # static random address; the bytes come lowest first
    address = hci.Address(bytes(drawn), hci.Address.RANDOM_DEVICE_ADDRESS)
    try:
        transport = await open_transport(transport_name)
    except (OSError, BaseBumbleError) as error:
        raise BleakError(f"no controller at {transport_name}: {error}") from error
    async with transport:
        device = _CentralDevice(Host(transport.source, transport.sink), address)
        try:
            await device.power_on()
        except BaseBumbleError as error:
            raise BleakError(f"the controller at {transport_name} fails: {error}") from error
        yield BumbleCentral(device, mtu)


class _Scanner(BaseBleakScanner):
    central: BumbleCentral

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        **_: Any,
    ) -> None:
        # The mode makes no difference: the advertisement says all there is.
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices = {}
        self.central.device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        await _translated(self.central.start_scan())

    async def stop(self) -> None:
        self.central.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        await _translated(self.central.stop_scan())

    def _on_advertisement(self, heard: Advertisement) -> None:
        data = _advertisement_data(heard)
        address = heard.address.to_string(with_type_qualifier=False)
        device = self.create_or_update_device(
            address, address, data.local_name, heard.address, data
        )
        if self.is_allowed_uuid(data.service_uuids):
            self.call_detection_callbacks(device, data)


class _Client(BaseBleakClient):
    central: BumbleCentral

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
        return self.address

    @property
    def mtu_size(self) -> int:
        return SMALLEST_MTU if self._connection is None else self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        if self._connection is not None:
            raise BleakError("already connected")
        if pair:
            raise BleakError("this backend does not pair")
        self._connection = await self._reach()
        self._connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._ended.clear()
        try:
            async with asyncio.timeout(self._timeout):
                self.services = await self._use(self._discover(Peer(self._connection)))
        except TimeoutError as error:
            raise BleakError(f"{self.address} connected and fell silent") from error
        finally:
            if self.services is None:
                await self.disconnect()

    async def disconnect(self) -> None:
        if self._connection is None:
            return
        with suppress(BaseBumbleError):  # it may be ending already: the event tells
            await self.central.device.send_async_command(
                hci.HCI_Disconnect_Command(
                    connection_handle=self._connection.handle,
                    reason=hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR,
                )
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), COMMAND_TIMEOUT_S)

    async def pair(self, *_: Any, **__: Any) -> None:
        raise BleakError("this backend does not pair")

    async def unpair(self) -> None:
        raise BleakError("this backend does not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        return bytearray(await self._use(self._gatt().read_value(characteristic.handle)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        return bytearray(await self._use(self._gatt().read_value(descriptor.handle)))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        write = self._gatt().write_value(characteristic.handle, bytes(data), response)
        await self._use(write)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        await self._use(self._gatt().write_value(descriptor.handle, bytes(data), True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
    ) -> None:
        def subscriber(value: bytes) -> None:
            callback(bytearray(value))

        await self._use(self._gatt().subscribe(characteristic.obj, subscriber))
        self._subscribers[characteristic.handle] = subscriber

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        subscriber = self._subscribers.pop(characteristic.handle, None)
        await self._use(self._gatt().unsubscribe(characteristic.obj, subscriber))

    async def _reach(self) -> Connection:
        device = self.central.device
        async with self.central.connecting:
            try:
                return await device.connect(self._target, timeout=self._timeout)
            except (BaseBumbleError, TimeoutError) as error:
                raise BleakDeviceNotFoundError(self.address, str(error)) from error
            except asyncio.CancelledError:
                # Without this the controller goes on trying and refuses the next attempt.
                with suppress(BaseBumbleError):
                    await device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                raise

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        if self.central.mtu > SMALLEST_MTU:
            await peer.request_mtu(self.central.mtu)
        found = BleakGATTServiceCollection()
        for proxy in await peer.discover_services():
            service = BleakGATTService(proxy, proxy.handle, _uuid_text(proxy.uuid))
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
            _uuid_text(proxy.uuid),
            sorted(gatt_char_props_to_strs(int(proxy.properties))),
            lambda: self.mtu_size - _ATT_WRITE_HEADER,
            service,
        )
        found.add_characteristic(characteristic)
        for descriptor in await peer.discover_descriptors(characteristic=proxy):
            uuid = _uuid_text(descriptor.type)
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


async def _translated(operation: Awaitable[_T]) -> _T:
    try:
        return await operation
    except BaseBumbleError as error:
        raise BleakError(f"the controller refuses: {error}") from error


def _uuid_text(uuid: UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str(separator="-"))


def _advertisement_data(heard: Advertisement) -> AdvertisementData:
    makers: dict[int, bytes] = {}
    services: list[str] = []
    name: str | None = None
    for kind, value in heard.data.ad_structures:
        if kind == AdvertisingData.COMPLETE_LOCAL_NAME:
            name = value.decode("utf-8", "replace")
        elif kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA and len(value) >= 2:
            makers[int.from_bytes(value[:2], "little")] = bytes(value[2:])
        elif size := _UUID_LISTS.get(kind):
            ends = range(size, len(value) + 1, size)
            services += [_uuid_text(UUID.from_bytes(value[end - size : end])) for end in ends]
    return AdvertisementData(
        local_name=name,
        manufacturer_data=makers,
        service_data={},
        service_uuids=services,
        tx_power=None,
        rssi=heard.rssi,
        platform_data=(heard,),
    )
