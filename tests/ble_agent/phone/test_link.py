"""The phone's link: over the loopback for messages, over Bumble for finding and connecting."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.phone.link import (
    LinkError,
    Lost,
    NotFound,
    PhoneLink,
    Refused,
    Silent,
    choose_fragment_size,
    open_link,
)
from ble_agent.radio.bumble import BumbleRadio
from ble_agent.radio.loopback import LoopbackRadio
from schema.gatt import AttError, Reassembler, result_value, split
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ble_agent.backends.bumble_central import BumbleCentral
    from ble_agent.radio.loopback import LoopbackPhone
    from ble_agent.radio.port import Link, Radio

LID = bytes.fromhex("4dbe53e4c9f2d2e9")
OTHER_LID = bytes.fromhex("0001020304050607")


class EchoingLocker(RecordingListener):
    """Answers each whole message with the same bytes turned round, in the phone's own sizes."""

    def __init__(self, radio: Radio) -> None:
        super().__init__()
        self._radio = radio
        self._reassemblers: dict[Link, Reassembler] = {}

    async def write_command(self, link: Link, fragment: bytes) -> None:
        await super().write_command(link, fragment)
        reassembler = self._reassemblers.setdefault(link, Reassembler())
        message = reassembler.take(fragment, now_s=time.monotonic())
        if isinstance(message, bytes):
            for part in split(message[::-1], reassembler.longest):
                await self._radio.reply(link, part)

    async def drop_all(self) -> None:
        """Throw every phone out."""
        for link in self.links:
            await self._radio.drop(link)


async def _at_loopback(mtu: int = 517) -> tuple[LoopbackRadio, EchoingLocker, LoopbackPhone]:
    radio = LoopbackRadio()
    locker = EchoingLocker(radio)
    await radio.start(LID, locker)
    return radio, locker, await radio.connect(mtu)


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
async def test_messages_travel_whole_both_ways(mtu: int) -> None:
    _, _, phone = await _at_loopback(mtu)
    link = PhoneLink(phone)
    assert await link.read_hello() == b"\x01" * 54
    message = bytes(range(200)) * 7
    await link.send(message)
    assert await link.receive(PATIENCE_S) == message[::-1]


async def test_longer_message_than_any_is_not_sent() -> None:
    _, locker, phone = await _at_loopback()
    with pytest.raises(ValueError, match="1401 bytes"):
        await PhoneLink(phone).send(bytes(1401))
    assert locker.written == {}


async def test_refusals_name_the_att_error() -> None:
    _, locker, phone = await _at_loopback()
    locker.refusal = AttError.NO_HELLO
    for attempt in (PhoneLink(phone).read_hello(), PhoneLink(phone).send(b"x")):
        with pytest.raises(Refused, match="0x81") as refused:
            await attempt
        assert refused.value.code == AttError.NO_HELLO


async def test_refused_fragment_ends_the_message() -> None:
    _, locker, phone = await _at_loopback(23)
    locker.refusal = AttError.BUSY
    with pytest.raises(Refused):
        await PhoneLink(phone).send(bytes(100))
    assert [len(fragments) for fragments in locker.written.values()] == [1]


async def test_messages_of_others_between_ours_do_no_harm() -> None:
    radio, _, phone = await _at_loopback()
    link = PhoneLink(phone)
    for fragment in (b"\x00half of ano", b"\x81ther", b"\x05lost", b"", b"\x80ours"):
        await radio.reply(phone.link, fragment)
    assert await link.receive(PATIENCE_S) == b"half of another"
    assert await link.receive(PATIENCE_S) == b"ours"


async def test_result_is_read_where_no_notification_came() -> None:
    _, locker, phone = await _at_loopback()
    locker.result = result_value(b"the answer")
    link = PhoneLink(phone)
    assert await link.receive(0.0) == b"the answer"
    with pytest.raises(Silent):
        await link.receive(0.0)


async def test_result_that_was_notified_before_is_no_answer() -> None:
    radio, locker, phone = await _at_loopback()
    link = PhoneLink(phone)
    await radio.reply(phone.link, b"\x80first")
    assert await link.receive(PATIENCE_S) == b"first"
    locker.result = result_value(b"first")
    with pytest.raises(Silent):
        await link.receive(0.0)
    locker.result = b""
    with pytest.raises(Silent):
        await link.receive(0.0)


async def test_end_of_the_connection_ends_the_wait_but_not_what_was_heard() -> None:
    radio, _, phone = await _at_loopback()
    link = PhoneLink(phone)
    await radio.reply(phone.link, b"\x80farewell")
    await radio.drop(phone.link)
    assert await link.receive(PATIENCE_S) == b"farewell"
    for attempt in (link.receive(PATIENCE_S), link.read_hello(), link.send(b"x")):
        with pytest.raises(Lost):
            await attempt


@pytest.mark.parametrize(
    ("size", "trusted", "chosen"),
    [(20, True, 20), (20, False, 180), (182, False, 182), (514, False, 510), (514, True, 510)],
)
def test_fragment_size_is_what_the_system_says_unless_it_knows_nothing(
    size: int, trusted: bool, chosen: int
) -> None:
    assert choose_fragment_size(size, trusted=trusted) == chosen


class _Door:
    """Lockers on the virtual air, and a phone before them."""

    def __init__(self, central: BumbleCentral, lockers: list[EchoingLocker]) -> None:
        self.central = central
        self.lockers = lockers

    @asynccontextmanager
    async def link(self, lid: bytes, timeout_s: float = PATIENCE_S) -> AsyncIterator[PhoneLink]:
        """Open a link to one of them."""
        async with open_link(
            lid,
            timeout_s=timeout_s,
            scanner_backend=self.central.scanner,
            client_backend=self.central.client,
        ) as link:
            yield link


@asynccontextmanager
async def _at_the_door(*lids: bytes, mtu: int = 517) -> AsyncIterator[_Door]:
    async with AsyncExitStack() as stack:
        ether = await stack.enter_async_context(open_ether(len(lids) + 1))
        names = [f"tcp-client:127.0.0.1:{port}" for port in ether.ports]
        lockers = []
        for name, lid in zip(names[1:], lids, strict=True):
            radio = BumbleRadio(name)
            lockers.append(EchoingLocker(radio))
            await radio.start(lid, lockers[-1])
            stack.push_async_callback(radio.stop)
        central = await stack.enter_async_context(open_central(names[0], mtu=mtu))
        yield _Door(central, lockers)


async def test_right_one_of_two_lockers_is_found_and_left_again() -> None:
    async with _at_the_door(OTHER_LID, LID) as door:
        async with door.link(LID) as link:
            await link.read_hello()
        wrong, right = door.lockers
        await right.until(lambda: len(right.lost_links) == 1)
        assert wrong.links == []


@pytest.mark.parametrize(("mtu", "writes"), [(517, 1), (247, 2), (185, 2)])
async def test_visit_costs_one_read_one_notification_and_two_writes_at_most(
    mtu: int, writes: int
) -> None:
    async with _at_the_door(LID, mtu=mtu) as door, door.link(LID) as link:
        door.central.traffic.clear()
        await link.read_hello()
        request = bytes(range(256)) + bytes(48)
        await link.send(request)
        assert await link.receive(PATIENCE_S) == request[::-1]
        assert door.central.traffic.sent == {"ATT_READ_REQUEST": 1, "ATT_WRITE_REQUEST": writes}


async def test_locker_that_does_not_advertise_is_not_found() -> None:
    async with _at_the_door(OTHER_LID) as door:
        with pytest.raises(NotFound, match=LID[:6].hex()):
            async with door.link(LID, timeout_s=0.3):
                pass


async def test_link_to_a_locker_that_dies_is_lost() -> None:
    async with _at_the_door(LID) as door, door.link(LID) as link:
        await link.read_hello()
        locker = door.lockers[0]
        await locker.drop_all()
        with pytest.raises(Lost):
            await link.receive(PATIENCE_S)
        with pytest.raises(Lost):
            await link.read_hello()


async def test_two_phones_that_come_at_once_both_get_in() -> None:
    async with AsyncExitStack() as stack:
        ether = await stack.enter_async_context(open_ether(3))
        names = [f"tcp-client:127.0.0.1:{port}" for port in ether.ports]
        radio = BumbleRadio(names[0])
        locker = EchoingLocker(radio)
        await radio.start(LID, locker)
        stack.push_async_callback(radio.stop)
        doors = [
            _Door(await stack.enter_async_context(open_central(name)), [locker])
            for name in names[1:]
        ]
        links = await asyncio.gather(*(stack.enter_async_context(door.link(LID)) for door in doors))
        for number, link in enumerate(links):
            await link.send(bytes([number, 7]))
            assert await link.receive(PATIENCE_S) == bytes([7, number])


async def test_machine_without_a_controller_finds_nothing() -> None:
    async with _at_the_door(LID) as door:
        gone = door
    with pytest.raises(LinkError):
        async with gone.link(LID, timeout_s=0.2):
            pass
