"""The BlueZ radio beyond the contract: daemons that restart, forged signals, what BlueZ is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from dbus_fast import DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from ble_agent.radio.bluez import BluezRadio
from ble_agent.radio.port import RadioLost, Refused
from schema.gatt import COMMAND_UUID, COMPANY_ID, HELLO_UUID, SERVICE_UUID, AttError
from tests.fakes.bluez import (
    ADAPTER_PATH,
    DBUS_DAEMON,
    AttFailure,
    MockBluez,
    open_bus,
)
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    DBUS_DAEMON is None, reason="there is no dbus-daemon on this machine (package dbus)"
)

LID = bytes.fromhex("4dbe53e4c9f2d2e9")


@pytest.fixture
async def bus_address(tmp_path: Path) -> AsyncIterator[str]:
    async with open_bus(tmp_path) as address:
        yield address


@pytest.fixture
async def bluez(bus_address: str) -> AsyncIterator[MockBluez]:
    bluez = MockBluez(bus_address)
    await bluez.start()
    yield bluez
    if bluez.is_running:
        await bluez.stop()


@pytest.fixture
async def radio(bus_address: str) -> AsyncIterator[BluezRadio]:
    """Patient with a daemon that is away, unlike the one in the contract's tests."""
    radio = BluezRadio(bus_address=bus_address, return_s=PATIENCE_S)
    yield radio
    await radio.stop()


@pytest.fixture
def listener() -> RecordingListener:
    return RecordingListener()


async def test_bluez_is_told_the_service_and_the_tag_and_nothing_else(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    assert bluez.powered
    assert bluez.advertisement is not None
    maker = bluez.advertisement.pop("ManufacturerData")
    assert {company: bytes(data.value) for company, data in maker.items()} == {COMPANY_ID: LID[:6]}
    assert bluez.advertisement == {
        "Type": "peripheral",
        "ServiceUUIDs": [SERVICE_UUID],
        "Discoverable": True,
    }
    assert sorted(bluez.flags.values()) == [["read"], ["read", "notify"], ["write"]]


async def test_start_warns_where_replies_may_overtake_each_other(
    bluez: MockBluez,
    bus_address: str,
    listener: RecordingListener,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    radio = BluezRadio(bus_address=bus_address, config=tmp_path / "main.conf")
    await radio.start(LID, listener)
    assert "out of order" in caplog.text
    await radio.stop()


async def test_restarted_daemon_finds_everything_registered_again(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    bluez.connect_phone(517)
    await listener.until(lambda: len(listener.links) == 1)
    await bluez.stop()
    await listener.until(lambda: listener.lost_links == listener.links)
    await bluez.start(with_adapter=False)
    bluez.plug_adapter()
    await bluez.advertised.wait()
    assert await bluez.connect_phone(517).read_hello() == b"\x01" * 54


async def test_adapter_that_comes_back_serves_again(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    bluez.pull_adapter()
    assert not bluez.advertised.is_set()
    bluez.plug_adapter()
    await bluez.advertised.wait()
    assert await bluez.connect_phone(517).read_hello() == b"\x01" * 54


async def test_wish_not_to_be_found_outlives_a_restart(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    await bluez.stop()
    await radio.advertise(False)
    await bluez.start()
    await bluez.registered.wait()
    await radio.advertise(False)
    assert not bluez.advertised.is_set()
    await radio.advertise(True)
    assert bluez.advertised.is_set()


async def test_daemon_that_stays_away_is_a_lost_radio(
    bluez: MockBluez, bus_address: str, listener: RecordingListener
) -> None:
    radio = BluezRadio(bus_address=bus_address, return_s=0.0)
    await radio.start(LID, listener)
    await bluez.stop()
    with pytest.raises(RadioLost, match="no such adapter"):
        await asyncio.wait_for(radio.watch(), PATIENCE_S)


async def test_bus_that_ends_is_a_lost_radio(tmp_path: Path, listener: RecordingListener) -> None:
    async with open_bus(tmp_path) as address:
        bluez = MockBluez(address)
        await bluez.start()
        radio = BluezRadio(bus_address=address, return_s=PATIENCE_S)
        await radio.start(LID, listener)
        bluez.connect_phone(517)
        await listener.until(lambda: len(listener.links) == 1)
        await bluez.stop()
    with pytest.raises(RadioLost, match="D-Bus connection"):
        await asyncio.wait_for(radio.watch(), PATIENCE_S)
    assert listener.lost_links == listener.links
    with pytest.raises(RadioLost, match="no D-Bus system bus"):
        await radio.start(LID, listener)


async def test_without_daemon_or_adapter_the_start_says_so(
    bus_address: str, radio: BluezRadio, listener: RecordingListener
) -> None:
    with pytest.raises(RadioLost, match="hci0"):
        await radio.start(LID, listener)
    bluez = MockBluez(bus_address)
    await bluez.start(with_adapter=False)
    with pytest.raises(RadioLost, match="hci0"):
        await radio.start(LID, listener)
    await bluez.stop()


async def test_signal_of_another_account_is_not_believed(
    bluez: MockBluez, radio: BluezRadio, bus_address: str, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    phone = bluez.connect_phone(517)
    await listener.until(lambda: len(listener.links) == 1)
    forger = await MessageBus(bus_address=bus_address).connect()
    gone = ["org.bluez.Device1", {"Connected": Variant("b", False)}, []]
    await forger.send(
        Message(
            message_type=MessageType.SIGNAL,
            destination=bluez.client,
            path=phone.path,
            interface="org.freedesktop.DBus.Properties",
            member="PropertiesChanged",
            signature="sa{sv}as",
            body=gone,
        )
    )
    forger.disconnect()
    await phone.read_hello()
    assert (len(listener.links), listener.lost_links) == (1, [])


async def test_devices_of_other_adapters_are_not_ours(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    bluez.connect_phone(517, adapter_path="/org/bluez/hci1")
    ours = bluez.connect_phone(517)
    await ours.read_hello()
    assert len(listener.links) == 1


async def test_phone_that_was_connected_before_is_met_at_its_first_request(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    phone = bluez.connect_phone(517)
    await radio.start(LID, listener)
    assert listener.links == []
    await phone.read_hello()
    await phone.write(b"\x80x")
    [link] = listener.links
    assert listener.written[link] == [b"\x80x"]


async def test_second_write_during_the_first_is_refused_as_busy(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    listener.hold = asyncio.Event()
    await radio.start(LID, listener)
    phone = bluez.connect_phone(517)
    first = asyncio.create_task(phone.write(b"\x80a"))
    await listener.until(lambda: len(listener.written) == 1)
    with pytest.raises(Refused) as second:
        await phone.write(b"\x80b")
    assert second.value.att_error is AttError.BUSY
    listener.hold.set()
    await first


async def test_write_in_progress_is_answered_when_its_phone_is_dropped(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    listener.hold = asyncio.Event()
    await radio.start(LID, listener)
    writing = asyncio.create_task(bluez.connect_phone(517).write(b"\x80x"))
    await listener.until(lambda: len(listener.written) == 1)
    await radio.drop(listener.links[0])
    with pytest.raises(Refused) as answered:
        await writing
    assert (answered.value.att_error, listener.finished) == (AttError.BUSY, 0)
    listener.hold.set()
    await listener.until(lambda: listener.finished == 1)


async def test_reply_reaches_every_phone_for_bluez_knows_no_other_way(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    phones = [bluez.connect_phone(517) for _ in range(2)]
    await listener.until(lambda: len(listener.links) == 2)
    await radio.reply(listener.links[0], b"\x80sealed")
    assert [await phone.next_fragment() for phone in phones] == [b"\x80sealed"] * 2


@pytest.mark.parametrize(("uuid", "member"), [(COMMAND_UUID, "read"), (HELLO_UUID, "write")])
async def test_what_a_characteristic_is_not_for_is_not_permitted(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener, uuid: str, member: str
) -> None:
    await radio.start(LID, listener)
    phone = bluez.connect_phone(517)
    with pytest.raises(AttFailure) as failure:
        await (phone.read_from(uuid, 0) if member == "read" else phone.write_to(uuid, b"\x80x"))
    assert failure.value.code == 0x03


async def test_request_that_names_no_phone_is_not_permitted(
    bluez: MockBluez, radio: BluezRadio, listener: RecordingListener
) -> None:
    await radio.start(LID, listener)
    path = bluez.characteristics[HELLO_UUID]
    with pytest.raises(DBusError, match="only for phones"):
        await bluez.call(path, "org.bluez.GattCharacteristic1", "ReadValue", "a{sv}", {})
    assert ADAPTER_PATH not in path
