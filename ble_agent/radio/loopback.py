"""A radio in memory, without any Bluetooth: phones are objects in the same process.

Keeps the port's promises and the sizes of ATT, nothing else of the air.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ble_agent.radio.port import Link, Listener, RadioLost, Refused
from schema.gatt import MAX_ATTRIBUTE, AttError, fragment_size

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_MTU: Final = 517
_ATT_NOTIFY_HEADER: Final = 3
_ATT_READ_HEADER: Final = 1


class LoopbackPhone:
    """One phone on a loopback radio; what it may send and hear follows its MTU.

    After its connection has ended `gone` is set, and every call raises RadioLost.
    """

    def __init__(self, radio: LoopbackRadio, link: Link, mtu: int) -> None:
        self.link = link
        self.fragment_size = fragment_size(mtu)
        self.gone = asyncio.Event()
        self._radio = radio
        self._mtu = mtu
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def read_hello(self) -> bytes:
        """Read the hello as ATT does, in pieces of MTU - 1. Raises Refused."""
        return self._read_long(self._radio.listener_of(self.link).read_hello)

    async def read_result(self) -> bytes:
        """Read the result in pieces of MTU - 1. Raises Refused."""
        return self._read_long(self._radio.listener_of(self.link).read_result)

    async def write(self, fragment: bytes) -> None:
        """Write one fragment with response. Raises Refused; ValueError beyond an attribute."""
        if len(fragment) > MAX_ATTRIBUTE:
            raise ValueError(f"an attribute has {MAX_ATTRIBUTE} bytes, not {len(fragment)}")
        await self._radio.take_write(self.link, fragment)

    async def next_fragment(self) -> bytes:
        """Wait for the next notification, for as long as it takes."""
        return await self._heard.get()

    def has_heard(self) -> bool:
        """Whether a notification waits to be taken."""
        return not self._heard.empty()

    async def leave(self) -> None:
        """End the connection from the phone's side; twice is harmless."""
        await self._radio.drop(self.link)

    def hear(self, fragment: bytes) -> None:
        """Be notified; what exceeds the MTU is cut off, as a controller would."""
        self._heard.put_nowait(fragment[: self._mtu - _ATT_NOTIFY_HEADER])

    def _read_long(self, read: Callable[[Link, int], bytes]) -> bytes:
        piece = self._mtu - _ATT_READ_HEADER
        value = b""
        while True:
            part = read(self.link, len(value))[:piece]
            value += part
            if len(part) < piece or len(value) >= MAX_ATTRIBUTE:
                return value


class LoopbackRadio:
    """The port `Radio` in memory; `connect` is how a phone comes to the door."""

    def __init__(self) -> None:
        self.lid = b""
        self.advertising = False
        self._listener: Listener | None = None
        self._phones: dict[Link, LoopbackPhone] = {}
        self._writing: set[Link] = set()
        self._ended = asyncio.Event()
        self._taken_away = False
        self._count = 0

    async def start(self, lid: bytes, listener: Listener) -> None:
        """Serve `listener` and be found; see the port."""
        self.lid = lid
        self._listener = listener
        self._ended.clear()
        self._taken_away = False
        self.advertising = True

    async def watch(self) -> None:
        """Wait for `stop` or `vanish`; see the port."""
        await self._ended.wait()
        if self._taken_away:
            raise RadioLost("the loopback radio was taken away")

    async def advertise(self, on: bool) -> None:
        """Let phones connect, or not."""
        if self._listener is None:
            raise RadioLost("the radio is not started")
        self.advertising = on

    async def reply(self, link: Link, fragment: bytes) -> None:
        """Put a notification before the phone at once."""
        phone = self._phones.get(link)
        if phone is not None:
            phone.hear(fragment)

    async def drop(self, link: Link) -> None:
        """End a connection; both sides know on return."""
        phone = self._phones.pop(link, None)
        if phone is not None and self._listener is not None:
            phone.gone.set()
            self._listener.lost(link)

    async def stop(self) -> None:
        """End everything; `watch` returns."""
        await self._end()

    async def connect(self, mtu: int = _DEFAULT_MTU) -> LoopbackPhone:
        """Bring a phone to the door. Raises RadioLost while nothing is advertised."""
        if self._listener is None or not self.advertising:
            raise RadioLost("nothing is advertised")
        self._count += 1
        link = Link(f"loopback {self._count}")
        phone = self._phones[link] = LoopbackPhone(self, link, mtu)
        self._listener.connected(link)
        return phone

    async def vanish(self) -> None:
        """Take the controller away, as a pulled dongle would: links are lost, `watch` raises."""
        self._taken_away = True
        await self._end()

    def listener_of(self, link: Link) -> Listener:
        """Return who answers this link. Raises RadioLost once it is gone."""
        if self._listener is None or link not in self._phones:
            raise RadioLost(f"{link.name} is gone")
        return self._listener

    async def take_write(self, link: Link, fragment: bytes) -> None:
        """Hand a phone's write to the listener, one at a time for each link. Raises Refused."""
        listener = self.listener_of(link)
        if link in self._writing:
            raise Refused(AttError.BUSY)
        self._writing.add(link)
        try:
            await listener.write_command(link, fragment)
        finally:
            self._writing.discard(link)

    async def _end(self) -> None:
        self.advertising = False
        for link in list(self._phones):
            await self.drop(link)
        self._listener = None
        self._ended.set()
