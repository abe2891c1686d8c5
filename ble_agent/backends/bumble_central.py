"""A phone's Bluetooth on Bumble, for bleak: scanner and client types for its `backend=` argument.

No pairing, no bonding. Counts what travels as ATT, so that the cost of a visit can be stated.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakError
from bumble import att, hci
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport import open_transport

from ble_agent.backends.bumble_client import (
    COMMAND_TIMEOUT_S,
    LARGEST_MTU,
    BumbleClient,
    uuid_text,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bleak.backends.client import BaseBleakClient
    from bleak.backends.scanner import AdvertisementDataCallback

_T = TypeVar("_T")

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
        """Count and send."""
        if cid == att.ATT_CID:
            self.traffic.sent[att.Opcode(pdu[0]).name] += 1
        super().send_l2cap_pdu(connection_handle, cid, pdu)

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        """Count and take in."""
        if pdu:
            self.traffic.heard[att.Opcode(pdu[0]).name] += 1
        super().on_gatt_pdu(connection_handle, pdu)


class BumbleCentral:
    """One phone's Bluetooth; `scanner` and `client` go into bleak's `backend=`.

    Several scans and several connections at once are fine. `mtu` is what its connections ask
    for, and what they grant a locker that asks; 23 asks for nothing.
    """

    def __init__(self, device: _CentralDevice, mtu: int) -> None:
        self.traffic = device.traffic
        self._device = device
        self._scans = 0
        self._switch_lock = asyncio.Lock()
        self._switching: set[asyncio.Task[None]] = set()
        self.connecting = outer_lock = asyncio.Lock()
        outer_device, outer_mtu = device, mtu

        class Scanner(_Scanner):
            central = self
            device = outer_device

        class Client(BumbleClient):
            device = outer_device
            mtu = outer_mtu
            connecting = outer_lock

        self.scanner: type[BaseBleakScanner] = Scanner
        self.client: type[BaseBleakClient] = Client

    async def start_scan(self) -> None:
        """Listen for advertisements, for one more listener; cancelled, as if never asked."""
        self._scans += 1
        try:
            await self._settle()
        except BaseException:
            await self.stop_scan()
            raise

    async def stop_scan(self) -> None:
        """Let one listener go; the last one ends the scan."""
        self._scans -= 1
        await self._settle()

    async def _settle(self) -> None:
        """Bring the controller in line with its listeners.

        A caller who gives up must not tear a command apart, so it goes on without them.
        """
        task = asyncio.ensure_future(self._switch())
        self._switching.add(task)
        task.add_done_callback(self._switching.discard)
        await asyncio.shield(task)

    async def _switch(self) -> None:
        async with self._switch_lock:
            wanted = self._scans > 0
            if wanted and not self._device.is_scanning:
                await self._device.start_scanning(filter_duplicates=False)
            elif not wanted and self._device.is_scanning:
                await self._device.stop_scanning()


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
        device.gatt_server.max_mtu = mtu  # BlueZ asks every phone by itself
        yield BumbleCentral(device, mtu)


class _Scanner(BaseBleakScanner):
    central: BumbleCentral
    device: Device

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
        """Listen, beside other scanners of the same central."""
        self.seen_devices = {}
        self.device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        await _translated(self.central.start_scan())

    async def stop(self) -> None:
        """Stop listening; the controller scans on while others listen."""
        self.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        await _translated(self.central.stop_scan())

    def _on_advertisement(self, heard: Advertisement) -> None:
        data = _advertisement_data(heard)
        address = heard.address.to_string(with_type_qualifier=False)
        device = self.create_or_update_device(
            address, address, data.local_name, heard.address, data
        )
        if self.is_allowed_uuid(data.service_uuids):
            self.call_detection_callbacks(device, data)


async def _translated(operation: Awaitable[_T]) -> _T:
    try:
        return await operation
    except BaseBumbleError as error:
        raise BleakError(f"the controller refuses: {error}") from error


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
            services += [uuid_text(UUID.from_bytes(value[end - size : end])) for end in ends]
    return AdvertisementData(
        local_name=name,
        manufacturer_data=makers,
        service_data={},
        service_uuids=services,
        tx_power=None,
        rssi=heard.rssi,
        platform_data=(heard,),
    )
