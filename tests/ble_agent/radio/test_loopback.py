"""What the loopback radio adds to the contract: the sizes of ATT, and phones that find no door."""

from __future__ import annotations

import asyncio

import pytest

from ble_agent.radio.loopback import LoopbackRadio
from ble_agent.radio.port import RadioLost, Refused
from schema.gatt import AttError
from tests.fakes.radios import RecordingListener

LID = bytes(8)


async def test_no_phone_connects_before_the_start_or_while_nothing_is_advertised() -> None:
    radio = LoopbackRadio()
    with pytest.raises(RadioLost):
        await radio.connect()
    with pytest.raises(RadioLost):
        await radio.advertise(True)
    await radio.start(LID, RecordingListener())
    await radio.advertise(False)
    with pytest.raises(RadioLost):
        await radio.connect()


async def test_notification_is_cut_to_the_mtu() -> None:
    radio = LoopbackRadio()
    await radio.start(LID, RecordingListener())
    phone = await radio.connect(mtu=23)
    await radio.reply(phone.link, bytes(21))
    assert await phone.next_fragment() == bytes(20)


async def test_value_longer_than_an_attribute_cannot_be_written() -> None:
    radio = LoopbackRadio()
    await radio.start(LID, RecordingListener())
    phone = await radio.connect()
    with pytest.raises(ValueError, match="512 bytes, not 513"):
        await phone.write(bytes(513))


async def test_second_write_during_the_first_is_refused_as_busy() -> None:
    radio, listener = LoopbackRadio(), RecordingListener()
    listener.hold = asyncio.Event()
    await radio.start(LID, listener)
    phone = await radio.connect()
    first = asyncio.create_task(phone.write(b"\x80a"))
    await listener.until(lambda: len(listener.written[phone.link]) == 1)
    with pytest.raises(Refused) as second:
        await phone.write(b"\x80b")
    assert second.value.att_error is AttError.BUSY
    listener.hold.set()
    await first
    await phone.write(b"\x80c")
    assert listener.written[phone.link] == [b"\x80a", b"\x80c"]


async def test_phone_that_left_can_do_nothing() -> None:
    radio = LoopbackRadio()
    await radio.start(LID, RecordingListener())
    phone = await radio.connect()
    await phone.leave()
    await phone.leave()
    assert phone.gone.is_set()
    with pytest.raises(RadioLost):
        await phone.read_hello()
    with pytest.raises(RadioLost):
        await phone.write(b"\x80x")
