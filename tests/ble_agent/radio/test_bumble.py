"""The Bumble radio against phones that break the rules, and against missing controllers."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from bumble import att, hci
from bumble.core import UUID, ProtocolError
from bumble.device import Device, Peer
from bumble.transport import open_transport

from ble_agent.backends.ether import open_ether
from ble_agent.errors import SettingsRefused
from ble_agent.radio.bumble import BumbleRadio
from ble_agent.radio.port import RadioLost
from schema.gatt import COMMAND_UUID, HELLO_UUID, RESULT_UUID, AttError, advertisement
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bumble.device import Advertisement
    from bumble.gatt_client import CharacteristicProxy

LID = bytes.fromhex("4dbe53e4c9f2d2e9")


class Stranger:
    """A phone that sends what it likes."""

    def __init__(self, device: Device) -> None:
        self.device = device

    async def hear_advertisement(self) -> Advertisement:
        """The next advertisement of anybody."""
        heard: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()

        def hear(advertisement: Advertisement) -> None:
            if not heard.done():
                heard.set_result(advertisement)

        self.device.on(Device.EVENT_ADVERTISEMENT, hear)
        await self.device.start_scanning()
        advertisement = await asyncio.wait_for(heard, PATIENCE_S)
        await self.device.stop_scanning()
        self.device.remove_listener(Device.EVENT_ADVERTISEMENT, hear)
        return advertisement

    async def connect(self) -> Peer:
        """Connect to whoever advertises, and discover everything."""
        found = await self.hear_advertisement()
        peer = Peer(await self.device.connect(found.address, timeout=PATIENCE_S))
        await peer.discover_services()
        await peer.discover_characteristics()
        return peer


@asynccontextmanager
async def _scene(listener: RecordingListener) -> AsyncIterator[tuple[BumbleRadio, Stranger]]:
    async with AsyncExitStack() as stack:
        ether = await stack.enter_async_context(open_ether(2))
        radio = BumbleRadio(f"tcp-client:127.0.0.1:{ether.ports[0]}")
        await radio.start(LID, listener)
        stack.push_async_callback(radio.stop)
        transport = await open_transport(f"tcp-client:127.0.0.1:{ether.ports[1]}")
        await stack.enter_async_context(transport)
        address = hci.Address("F1:F1:F1:F1:F1:F1")
        device = Device.with_hci("", address, transport.source, transport.sink)
        await device.power_on()
        yield radio, Stranger(device)


def _characteristic(peer: Peer, uuid: str) -> CharacteristicProxy[bytes]:
    return peer.get_characteristics_by_uuid(UUID(uuid))[0]


async def test_advertisement_is_the_protocols_own_31_bytes() -> None:
    async with _scene(RecordingListener()) as (_, stranger):
        heard = await stranger.hear_advertisement()
        assert heard.data_bytes == advertisement(LID)


async def test_address_is_new_at_each_start_and_marked_static() -> None:
    listener = RecordingListener()
    async with _scene(listener) as (radio, stranger):
        first = (await stranger.hear_advertisement()).address
        await radio.start(LID, listener)
        second = (await stranger.hear_advertisement()).address
        assert first != second
        assert first.is_static
        assert second.is_static


async def test_only_the_command_is_writable_and_it_is_not_readable() -> None:
    async with _scene(RecordingListener()) as (_, stranger):
        peer = await stranger.connect()
        command = _characteristic(peer, COMMAND_UUID)
        for handle in range(1, command.handle):
            with pytest.raises(att.ATT_Error) as refused:
                await peer.gatt_client.write_value(handle, b"\x80x", with_response=True)
            assert refused.value.error_code == att.ErrorCode.WRITE_NOT_PERMITTED
            with pytest.raises(att.ATT_Error):
                await peer.gatt_client.write_long_value(handle, bytes(100))
        with pytest.raises(att.ATT_Error) as unread:
            await command.read_value()
        assert unread.value.error_code == att.ErrorCode.READ_NOT_PERMITTED


async def test_write_without_response_is_not_taken() -> None:
    listener = RecordingListener()
    async with _scene(listener) as (_, stranger):
        peer = await stranger.connect()
        await _characteristic(peer, COMMAND_UUID).write_value(b"\x80x", with_response=False)
        await _characteristic(peer, HELLO_UUID).read_value()
        assert listener.written == {}


async def test_second_request_during_a_write_is_refused_as_busy() -> None:
    listener = RecordingListener()
    listener.hold = asyncio.Event()
    async with _scene(listener) as (_, stranger):
        peer = await stranger.connect()
        handle = _characteristic(peer, COMMAND_UUID).handle
        first = asyncio.create_task(
            peer.gatt_client.write_value(handle, b"\x80a", with_response=True)
        )
        await listener.until(lambda: len(listener.written) == 1)
        again = att.ATT_Write_Request(attribute_handle=handle, attribute_value=b"\x80b")
        peer.connection.send_l2cap_pdu(att.ATT_CID, bytes(again))
        with pytest.raises(att.ATT_Error) as refused:
            await first  # a phone takes the first answer for the answer to its first request
        assert refused.value.error_code == AttError.BUSY
        listener.hold.set()
        await listener.until(lambda: listener.finished == 1)
        assert listener.written[listener.links[0]] == [b"\x80a"]


async def test_pairing_is_turned_down() -> None:
    async with _scene(RecordingListener()) as (_, stranger):
        peer = await stranger.connect()
        with pytest.raises(ProtocolError):
            await peer.connection.pair()
        assert await _characteristic(peer, RESULT_UUID).read_value() == b""


async def test_malformed_requests_are_answered_and_others_still_served() -> None:
    dice = random.Random("malformed requests")
    listener = RecordingListener()
    async with _scene(listener) as (_, stranger):
        peer = await stranger.connect()
        for opcode in (*range(0x100), *dice.choices(range(0, 0x20, 2), k=500)):
            pdu = bytes([opcode]) + dice.randbytes(dice.randrange(8))
            peer.connection.send_l2cap_pdu(att.ATT_CID, pdu)
        peer.connection.send_l2cap_pdu(att.ATT_CID, b"")
        await peer.connection.disconnect()
        await listener.until(lambda: listener.lost_links == listener.links)
        again = await stranger.connect()
        assert len(await _characteristic(again, HELLO_UUID).read_value()) == 54
        assert listener.written == {}


@pytest.mark.parametrize("name", ["carrier-pigeon:3", "tcp-client:nowhere", "tcp-client"])
async def test_transport_that_cannot_be_is_a_fault_of_the_settings(name: str) -> None:
    with pytest.raises(SettingsRefused, match=name):
        await BumbleRadio(name).start(LID, RecordingListener())


async def test_controller_that_is_not_there_is_a_lost_radio() -> None:
    async with open_ether(1) as ether:
        [port] = ether.ports
    radio = BumbleRadio(f"tcp-client:127.0.0.1:{port}")
    with pytest.raises(RadioLost, match=str(port)):
        await radio.start(LID, RecordingListener())
    await radio.watch()
    await radio.stop()
