"""bleak on Bumble: what it counts, what its errors say, what happens when connections end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble.core import AdvertisingData
from bumble.device import Device
from bumble.hci import Address
from bumble.transport import open_transport

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.radio.bumble import BumbleRadio
from schema.gatt import COMMAND_UUID, COMPANY_ID, HELLO_UUID, RESULT_UUID, SERVICE_UUID, AttError
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bleak.backends.device import BLEDevice

    from ble_agent.backends.bumble_central import BumbleCentral
    from ble_agent.backends.ether import Ether

LID = bytes.fromhex("4dbe53e4c9f2d2e9")


@dataclass
class Scene:
    """A locker's radio, a phone's central, and the air between them."""

    radio: BumbleRadio
    listener: RecordingListener
    central: BumbleCentral
    ether: Ether

    async def find(self) -> BLEDevice:
        """The locker as bleak sees it."""
        device = await BleakScanner.find_device_by_filter(
            lambda _, heard: SERVICE_UUID in heard.service_uuids,
            timeout=PATIENCE_S,
            backend=self.central.scanner,
        )
        assert device is not None
        return device

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[BleakClient]:
        """The locker, connected."""
        async with BleakClient(await self.find(), backend=self.central.client) as client:
            yield client


@asynccontextmanager
async def _scene(mtu: int = 517) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        ether = await stack.enter_async_context(open_ether(3))
        listener = RecordingListener()
        radio = BumbleRadio(_name(ether, 0))
        await radio.start(LID, listener)
        stack.push_async_callback(radio.stop)
        central = await stack.enter_async_context(open_central(_name(ether, 1), mtu=mtu))
        yield Scene(radio, listener, central, ether)


def _name(ether: Ether, number: int) -> str:
    return f"tcp-client:127.0.0.1:{ether.ports[number]}"


async def test_a_visit_costs_one_read_one_write_one_notification() -> None:
    async with _scene() as scene, scene.connect() as client:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await client.start_notify(RESULT_UUID, lambda _, value: heard.put_nowait(bytes(value)))
        scene.central.traffic.clear()
        await client.read_gatt_char(HELLO_UUID)
        await client.write_gatt_char(COMMAND_UUID, b"\x80" + bytes(304), response=True)
        await scene.radio.reply(scene.listener.links[0], b"\x80" + bytes(127))
        await heard.get()
        assert scene.central.traffic.sent == {"ATT_READ_REQUEST": 1, "ATT_WRITE_REQUEST": 1}
        assert scene.central.traffic.heard == {
            "ATT_READ_RESPONSE": 1,
            "ATT_WRITE_RESPONSE": 1,
            "ATT_HANDLE_VALUE_NOTIFICATION": 1,
        }


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
async def test_mtu_is_what_was_asked_for(mtu: int) -> None:
    async with _scene(mtu) as scene, scene.connect() as client:
        assert client.mtu_size == mtu
        command = client.services.get_characteristic(COMMAND_UUID)
        assert command is not None
        assert command.max_write_without_response_size == mtu - 3
        assert command.properties == ["write"]
        assert client.name == client.address


async def test_att_errors_carry_their_number() -> None:
    async with _scene() as scene:
        scene.listener.refusal = AttError.BAD_MESSAGE
        async with BleakClient(await scene.find(), backend=scene.central.client) as client:
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.write_gatt_char(COMMAND_UUID, b"\x80x", response=True)
            assert refused.value.code == 0x83


async def test_descriptors_are_read_and_subscriptions_end() -> None:
    async with _scene() as scene, scene.connect() as client:
        result = client.services.get_characteristic(RESULT_UUID)
        assert result is not None
        [descriptor] = result.descriptors
        await client.start_notify(result, lambda *_: None)
        assert await client.read_gatt_descriptor(descriptor) == b"\x01\x00"
        await client.stop_notify(result)
        assert await client.read_gatt_descriptor(descriptor) == b"\x00\x00"


async def test_request_under_way_when_the_connection_ends_is_an_error() -> None:
    async with _scene() as scene:
        scene.listener.hold = asyncio.Event()
        gone = asyncio.Event()
        device = await scene.find()
        client = BleakClient(device, lambda _: gone.set(), backend=scene.central.client)
        await client.connect()
        writing = asyncio.create_task(client.write_gatt_char(COMMAND_UUID, b"\x80x", response=True))
        await scene.listener.until(lambda: len(scene.listener.written) == 1)
        await scene.radio.drop(scene.listener.links[0])
        with pytest.raises(BleakError, match="is gone"):
            await writing
        assert gone.is_set()
        assert not client.is_connected
        scene.listener.hold.set()
        with pytest.raises(BleakError):
            await client.read_gatt_char(HELLO_UUID)


async def test_cancelled_request_stays_cancelled() -> None:
    async with _scene() as scene:
        scene.listener.hold = asyncio.Event()
        async with BleakClient(await scene.find(), backend=scene.central.client) as client:
            writing = asyncio.create_task(
                client.write_gatt_char(COMMAND_UUID, b"\x80x", response=True)
            )
            await scene.listener.until(lambda: len(scene.listener.written) == 1)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            scene.listener.hold.set()


async def test_device_that_is_not_there_is_not_found_and_the_next_attempt_works() -> None:
    async with _scene() as scene:
        device = await scene.find()
        await scene.radio.advertise(False)
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient(device, timeout=0.2, backend=scene.central.client).connect()
        attempt = asyncio.create_task(BleakClient(device, backend=scene.central.client).connect())
        async with scene.central.connecting:
            attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await scene.radio.advertise(True)
        async with BleakClient(device, backend=scene.central.client) as client:
            assert client.is_connected


async def test_connecting_twice_and_pairing_are_refused() -> None:
    async with _scene() as scene:
        device = await scene.find()
        async with BleakClient(device, backend=scene.central.client) as client:
            for refused in (client.connect(), client.pair(), client.unpair()):
                with pytest.raises(BleakError):
                    await refused
        with pytest.raises(BleakError, match="does not pair"):
            await BleakClient(device, pair=True, backend=scene.central.client).connect()
        await client.disconnect()


async def test_address_alone_is_enough_to_connect() -> None:
    async with _scene() as scene:
        address = (await scene.find()).address
        async with BleakClient(address, backend=scene.central.client) as client:
            assert client.is_connected


async def test_scanners_of_one_central_do_not_disturb_each_other() -> None:
    async with _scene() as scene, BleakScanner(backend=scene.central.scanner) as outer:
        await scene.find()
        _, heard = await anext(outer.advertisement_data())
        assert heard.manufacturer_data == {COMPANY_ID: LID[:6]}
        assert heard.service_uuids == [SERVICE_UUID]


async def test_advertisements_of_others_are_read_as_far_as_they_make_sense() -> None:
    async with _scene() as scene:
        name = _name(scene.ether, 2)
        async with await open_transport(name) as transport:
            address = Address("F1:F1:F1:F1:F1:F1")
            other = Device.with_hci("", address, transport.source, transport.sink)
            await other.power_on()
            other.advertising_data = bytes(
                AdvertisingData(
                    [
                        (AdvertisingData.COMPLETE_LOCAL_NAME, b"caf\xc3\xa9 \xff"),
                        (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, b"\x01"),
                        (
                            AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                            b"\x0f\x18\xd2\xfc\x00",
                        ),
                    ]
                )
            )
            await other.start_advertising()
            async with BleakScanner(backend=scene.central.scanner) as scanner:
                heard = await anext(
                    heard
                    async for device, heard in scanner.advertisement_data()
                    if device.address == "F1:F1:F1:F1:F1:F1"
                )
            assert heard.local_name == "caf\u00e9 \ufffd"
            assert heard.manufacturer_data == {}
            assert heard.service_uuids == [
                "0000180f-0000-1000-8000-00805f9b34fb",
                "0000fcd2-0000-1000-8000-00805f9b34fb",
            ]


async def test_no_controller_is_an_error_of_bleak() -> None:
    async with open_ether(1) as ether:
        name = _name(ether, 0)
    with pytest.raises(BleakError, match=name):
        async with open_central(name):
            pass


@pytest.mark.parametrize("steps", range(6))
async def test_scan_that_is_given_up_at_any_step_keeps_no_later_one_from_finding(
    steps: int,
) -> None:
    async with _scene() as scene:
        given_up = asyncio.ensure_future(scene.find())
        for _ in range(steps):
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert (await scene.find()).address
