"""What the port `Radio` promises, held by every radio.

Which radios there are says who gives the fixture `air`: `conftest.py`, and `tests/bluez`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ble_agent.phone.link import LONGEST_WRITE
from ble_agent.radio.port import Link, RadioLost, Refused
from schema.gatt import AttError, split
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from tests.fakes.radios import Air, Phone

LID = bytes.fromhex("4dbe53e4c9f2d2e9")
OTHER_LID = bytes.fromhex("0001020304050607")


@pytest.fixture
def listener() -> RecordingListener:
    return RecordingListener()


async def _meet(air: Air, listener: RecordingListener, *, mtu: int = 517) -> tuple[Phone, Link]:
    """A phone comes, and the listener knows it."""
    before = len(listener.links)
    phone = await air.phone(mtu)
    await listener.until(lambda: len(listener.links) > before)
    return phone, listener.links[before]


async def _heard(phone: Phone, count: int, mark: bytes = b"") -> list[bytes]:
    """The next fragments that begin with `mark`; a radio may bring those of others too."""
    fragments: list[bytes] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(fragments) < count:
            fragment = await phone.next_fragment()
            if fragment.startswith(mark):
                fragments.append(fragment)
    return fragments


@pytest.mark.parametrize(("mtu", "offsets"), [(517, [0]), (185, [0]), (23, [0, 22, 44])])
async def test_hello_is_read_on_from_where_the_phone_is(
    air: Air, listener: RecordingListener, mtu: int, offsets: list[int]
) -> None:
    await air.radio.start(LID, listener)
    phone = await air.phone(mtu)
    assert await phone.read_hello() == b"\x01" * 54
    assert listener.offsets == [("hello", offset) for offset in offsets]


async def test_hello_that_ends_with_a_full_piece_is_read_whole(
    air: Air, listener: RecordingListener
) -> None:
    listener.hello_bytes = 44
    await air.radio.start(LID, listener)
    phone = await air.phone(23)
    assert await phone.read_hello() == b"\x01" * 44


async def test_each_phone_and_each_reading_has_its_own_hello(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    first, second = await air.phone(), await air.phone()
    hellos = [await phone.read_hello() for phone in (first, second, first)]
    assert [hello[:1] for hello in hellos] == [b"\x01", b"\x02", b"\x03"]


@pytest.mark.parametrize("refusal", list(AttError))
async def test_refusals_reach_the_phone_by_their_number(
    air: Air, listener: RecordingListener, refusal: AttError
) -> None:
    listener.refusal = refusal
    await air.radio.start(LID, listener)
    phone = await air.phone()
    with pytest.raises(Refused) as written:
        await phone.write(b"\x80x")
    with pytest.raises(Refused) as read:
        await phone.read_hello()
    assert (written.value.att_error, read.value.att_error) == (refusal, refusal)


async def test_refusal_in_the_middle_of_a_hello_reaches_the_phone(
    air: Air, listener: RecordingListener
) -> None:
    listener.refusal = AttError.NO_HELLO
    await air.radio.start(LID, listener)
    phone = await air.phone(23)
    with pytest.raises(Refused):
        await phone.read_hello()


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
async def test_fragments_travel_whole_both_ways(
    air: Air, listener: RecordingListener, mtu: int
) -> None:
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener, mtu=mtu)
    size = min(mtu - 3, LONGEST_WRITE)
    assert phone.fragment_size >= size
    fragments = split(bytes(range(200)) + bytes(348), size)
    for fragment in fragments:
        await phone.write(fragment)
    assert listener.written[link] == fragments
    for fragment in fragments:
        await air.radio.reply(link, fragment)
    assert await _heard(phone, len(fragments)) == fragments


async def test_fragment_longer_than_the_mtu_allows_is_written_whole(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    phone = await air.phone(23)
    await phone.write(b"\x80" + bytes(179))
    assert listener.written[listener.links[0]] == [b"\x80" + bytes(179)]


async def test_phones_get_their_replies_in_order(air: Air, listener: RecordingListener) -> None:
    await air.radio.start(LID, listener)
    met = {mark: await _meet(air, listener) for mark in (b"a", b"b")}
    for number in range(20):
        for mark, (_, link) in met.items():
            await air.radio.reply(link, mark + bytes([number]))
    for mark, (phone, _) in met.items():
        heard = await _heard(phone, 20, mark)
        assert [fragment[1] for fragment in heard] == list(range(20))


async def test_result_is_read_at_any_offset(air: Air, listener: RecordingListener) -> None:
    await air.radio.start(LID, listener)
    phone = await air.phone(185)
    assert await phone.read_result() == b""
    listener.result = b"\x80" + bytes(range(255)) * 2
    assert await phone.read_result() == listener.result
    assert [offset for _, offset in listener.offsets] == [0, 0, 184, 368]


async def test_four_phones_are_served_at_once(air: Air, listener: RecordingListener) -> None:
    await air.radio.start(LID, listener)
    phones = [await air.phone() for _ in range(4)]
    for phone in phones:
        await phone.write(b"\x80x")
    assert len(set(listener.links)) == 4
    assert all(listener.written[link] == [b"\x80x"] for link in listener.links)


async def test_phone_that_leaves_is_lost_once(air: Air, listener: RecordingListener) -> None:
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener)
    await phone.leave()
    await listener.until(lambda: listener.lost_links == [link])
    await air.radio.reply(link, b"\x80too late")
    await air.radio.drop(link)
    assert listener.lost_links == [link]


async def test_phone_that_comes_back_is_another_link(air: Air, listener: RecordingListener) -> None:
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener)
    await phone.leave()
    await listener.until(lambda: listener.lost_links == [link])
    _, other = await _meet(air, listener)
    assert other != link


async def test_dropped_phone_is_disconnected_and_the_other_stays(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    first, link = await _meet(air, listener)
    second, _ = await _meet(air, listener)
    await air.radio.drop(link)
    assert listener.lost_links == [link]
    await asyncio.wait_for(first.gone.wait(), PATIENCE_S)
    await second.read_hello()


async def test_work_on_a_write_outlives_its_link(air: Air, listener: RecordingListener) -> None:
    listener.hold = asyncio.Event()
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener)
    writing = asyncio.create_task(phone.write(b"\x80x"))
    await listener.until(lambda: listener.written[link] == [b"\x80x"])
    await air.radio.drop(link)
    assert listener.finished == 0
    listener.hold.set()
    await listener.until(lambda: listener.finished == 1)
    await asyncio.wait([writing], timeout=PATIENCE_S)
    assert writing.done()
    writing.exception()  # whatever the phone was told, it was told something


async def test_advertisement_goes_off_and_on_and_connections_stay(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    await air.until_advertised(True)
    phone = await air.phone()
    await air.radio.advertise(False)
    await air.radio.advertise(False)
    await air.until_advertised(False)
    await phone.read_hello()
    await air.radio.advertise(True)
    await air.until_advertised(True)
    await (await air.phone()).read_hello()


async def test_stopped_radio_is_gone_and_can_start_again(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener)
    watching = asyncio.create_task(air.radio.watch())
    await air.radio.stop()
    await air.radio.stop()
    await asyncio.wait_for(watching, PATIENCE_S)
    assert listener.lost_links == [link]
    await asyncio.wait_for(phone.gone.wait(), PATIENCE_S)
    await air.until_advertised(False)
    again = RecordingListener()
    await air.radio.start(OTHER_LID, again)
    await (await air.phone()).read_hello()
    assert len(again.links) == 1


async def test_lost_controller_ends_every_link_and_the_radio_can_start_again(
    air: Air, listener: RecordingListener
) -> None:
    await air.radio.start(LID, listener)
    phone, link = await _meet(air, listener)
    watching = asyncio.create_task(air.radio.watch())
    await air.take_away()
    with pytest.raises(RadioLost):
        await asyncio.wait_for(watching, PATIENCE_S)
    assert listener.lost_links == [link]
    await asyncio.wait_for(phone.gone.wait(), PATIENCE_S)
    await air.radio.reply(link, b"\x80x")
    await air.radio.drop(link)
    with pytest.raises(RadioLost):
        await air.radio.advertise(True)
    await air.bring_back()
    await air.radio.start(LID, listener)
    await (await air.phone()).read_hello()
