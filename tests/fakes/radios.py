"""Airs for the contract of radios: a radio, phones that come to it, a hand on its controller."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakGATTProtocolError

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.radio.bumble import BumbleRadio
from ble_agent.radio.loopback import LoopbackPhone, LoopbackRadio
from ble_agent.radio.port import Link, Radio, Refused
from schema.gatt import COMMAND_UUID, HELLO_UUID, RESULT_UUID, SERVICE_UUID, AttError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.characteristic import BleakGATTCharacteristic

    from ble_agent.backends.ether import Ether

PATIENCE_S = 20.0


class RecordingListener:
    """Answers with what a test has put there, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.lost_links: list[Link] = []
        self.offsets: list[tuple[str, int]] = []
        self.written: defaultdict[Link, list[bytes]] = defaultdict(list)
        self.finished = 0
        self.hellos = 0
        self.hello_bytes = 54
        self.result = b""
        self.refusal: AttError | None = None
        self.hold: asyncio.Event | None = None
        self._current: dict[Link, bytes] = {}
        self._happened = asyncio.Event()

    def connected(self, link: Link) -> None:
        self.links.append(link)
        self._happened.set()

    def lost(self, link: Link) -> None:
        self.lost_links.append(link)
        self._happened.set()

    def read_hello(self, link: Link, offset: int) -> bytes:
        self.offsets.append(("hello", offset))
        if self.refusal is not None:
            raise Refused(self.refusal)
        if offset == 0:
            self.hellos += 1
            self._current[link] = bytes([self.hellos]) * self.hello_bytes
        return self._current[link][offset:]

    def read_result(self, link: Link, offset: int) -> bytes:
        self.offsets.append(("result", offset))
        return self.result[offset:]

    async def write_command(self, link: Link, fragment: bytes) -> None:
        self.written[link].append(fragment)
        self._happened.set()
        if self.hold is not None:
            await self.hold.wait()
        self.finished += 1
        self._happened.set()
        if self.refusal is not None:
            raise Refused(self.refusal)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that happened makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._happened.clear()
                await self._happened.wait()


class Phone(Protocol):
    """A phone at the door, of whatever air; its calls raise Refused."""

    fragment_size: int
    gone: asyncio.Event

    async def read_hello(self) -> bytes: ...
    async def read_result(self) -> bytes: ...
    async def write(self, fragment: bytes) -> None: ...
    async def next_fragment(self) -> bytes: ...
    async def leave(self) -> None: ...


class Air(Protocol):
    """One radio under test and what is around it."""

    @property
    def radio(self) -> Radio: ...
    async def phone(self, mtu: int = 517) -> Phone: ...
    async def until_advertised(self, on: bool) -> None: ...
    async def take_away(self) -> None: ...
    async def bring_back(self) -> None: ...


class LoopbackAir:
    """Nothing but memory."""

    def __init__(self) -> None:
        self.radio = LoopbackRadio()

    async def phone(self, mtu: int = 517) -> LoopbackPhone:
        return await self.radio.connect(mtu)

    async def until_advertised(self, on: bool) -> None:
        assert self.radio.advertising is on

    async def take_away(self) -> None:
        await self.radio.vanish()

    async def bring_back(self) -> None:
        """Nothing to bring: it was only switched off."""


class BleakPhone:
    """A phone by bleak, with ATT errors as `Refused`."""

    def __init__(self, client: BleakClient, gone: asyncio.Event) -> None:
        self.client = client
        self.gone = gone
        command = client.services.get_characteristic(COMMAND_UUID)
        assert command is not None
        self.fragment_size = min(command.max_write_without_response_size, 512)
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def subscribe(self) -> None:
        def hear(_: BleakGATTCharacteristic, value: bytearray) -> None:
            self._heard.put_nowait(bytes(value))

        await self.client.start_notify(RESULT_UUID, hear)

    async def read_hello(self) -> bytes:
        return await self._read(HELLO_UUID)

    async def read_result(self) -> bytes:
        return await self._read(RESULT_UUID)

    async def write(self, fragment: bytes) -> None:
        try:
            await self.client.write_gatt_char(COMMAND_UUID, fragment, response=True)
        except BleakGATTProtocolError as error:
            raise Refused(AttError(error.code)) from error

    async def next_fragment(self) -> bytes:
        return await self._heard.get()

    async def leave(self) -> None:
        await self.client.disconnect()

    async def _read(self, uuid: str) -> bytes:
        try:
            return bytes(await self.client.read_gatt_char(uuid))
        except BleakGATTProtocolError as error:
            raise Refused(AttError(error.code)) from error


class BumbleAir:
    """Virtual controllers: the radio's is number 0, each phone takes the next one."""

    def __init__(self, ether: Ether, stack: AsyncExitStack) -> None:
        self.radio = BumbleRadio(f"tcp-client:127.0.0.1:{ether.ports[0]}")
        self._ether = ether
        self._stack = stack
        self._phones = 0

    async def phone(self, mtu: int = 517) -> BleakPhone:
        self._phones += 1
        return await come(self._ether.ports[self._phones], self._stack, mtu=mtu)

    async def until_advertised(self, on: bool) -> None:
        assert self._ether.is_advertising(0) is on

    async def take_away(self) -> None:
        self._ether.oust(0)

    async def bring_back(self) -> None:
        """The port accepts a new host at any time."""


async def come(port: int, stack: AsyncExitStack, *, mtu: int) -> BleakPhone:
    """A phone on the controller behind `port` comes to the one locker; it goes with the stack."""
    name = f"tcp-client:127.0.0.1:{port}"
    central = await stack.enter_async_context(open_central(name, mtu=mtu))
    device = await BleakScanner.find_device_by_filter(
        lambda _, heard: SERVICE_UUID in heard.service_uuids,
        timeout=PATIENCE_S,
        backend=central.scanner,
    )
    assert device is not None
    gone = asyncio.Event()
    client = BleakClient(device, lambda _: gone.set(), backend=central.client)
    await stack.enter_async_context(client)
    phone = BleakPhone(client, gone)
    await phone.subscribe()
    return phone


@asynccontextmanager
async def open_bumble_air() -> AsyncIterator[BumbleAir]:
    async with AsyncExitStack() as stack:
        ether = await stack.enter_async_context(open_ether(6))
        air = BumbleAir(ether, stack)
        yield air
        await air.radio.stop()
