"""One connection from a phone to one locker: whole messages over the three characteristics.

Knows fragments, refuses to know what is in the messages.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError, BleakGATTProtocolError

from ble_agent.errors import AgentError
from ble_agent.radio import port
from schema.gatt import (
    COMMAND_UUID,
    COMPANY_ID,
    HELLO_UUID,
    RESULT_UUID,
    SERVICE_UUID,
    UNKNOWN_MTU_FRAGMENT,
    Reassembler,
    lid_tag,
    split,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from bleak.args.bluez import BlueZClientArgs, BlueZScannerArgs
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import BaseBleakScanner

FIND_TIMEOUT_S: Final = 20.0
_ATTEMPTS: Final = 3
"""Two phones that answer the same advertisement collide, and one of them has to try again."""
_MOST_UNREAD: Final = 256
"""Fragments kept for a caller who does not receive; what exceeds them is dropped."""
LONGEST_WRITE: Final = 510
"""An attribute may have 512 bytes, but BlueZ 5.66 counts the two bytes of its handle among them."""
_SMALLEST_FRAGMENT: Final = 20
"""At the smallest MTU, 23."""


class LinkError(AgentError):
    """Root of what may go wrong between a phone and a locker."""


class NotFound(LinkError):
    """Nobody advertised this locker in time: come nearer, or it has no power."""


class Lost(LinkError):
    """The connection could not be made or has ended: open a new link and read a new hello."""


class Silent(LinkError):
    """No answer in time, neither notified nor readable: the outcome is not known."""


class Refused(LinkError):
    """The locker answered a read or a write with an ATT error; `code` is its number.

    0x80 and above are `schema.gatt.AttError`.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the locker refused with ATT error {code:#04x}")
        self.code = code


class Channel(Protocol):
    """What a link needs of a connection; `port.Refused` and BleakError may come from each call."""

    gone: asyncio.Event
    fragment_size: int

    async def read_hello(self) -> bytes:
        """Read the whole hello, from offset 0 on."""

    async def read_result(self) -> bytes:
        """Read the whole result."""

    async def write(self, fragment: bytes) -> None:
        """Write to the command characteristic, with response."""

    async def next_fragment(self) -> bytes:
        """Wait for the next notification."""


class PhoneLink:
    """Whole messages over a channel. Not for several tasks at once."""

    def __init__(self, channel: Channel, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._channel = channel
        self._clock = clock
        self._reassembler = Reassembler()
        self._last = b""

    async def read_hello(self) -> bytes:
        """Read a new hello, which ends the former one's session. Raises Refused, Lost."""
        with _reported():
            return await self._channel.read_hello()

    async def send(self, message: bytes) -> None:
        """Write a message of at most 1400 bytes, in as many fragments as the MTU asks for.

        Raises Refused, Lost; then the locker has dropped the message.
        """
        with _reported():
            for fragment in split(message, self._channel.fragment_size):
                await self._channel.write(fragment)

    async def receive(self, timeout_s: float) -> bytes:
        """Return the next message from the locker, notified or, after `timeout_s`, read.

        It may be meant for another phone: ignore what does not open. Raises Silent, Lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._next_message()
        except TimeoutError:
            message = await self._read_message()
        self._last = message
        return message

    async def _next_message(self) -> bytes:
        while True:
            fragment = await self._next_fragment()
            message = self._reassembler.take(fragment, now_s=self._clock())
            if isinstance(message, bytes):
                return message

    async def _next_fragment(self) -> bytes:
        fragment = asyncio.ensure_future(self._channel.next_fragment())
        gone = asyncio.ensure_future(self._channel.gone.wait())
        try:
            await asyncio.wait((fragment, gone), return_when=asyncio.FIRST_COMPLETED)
            if fragment.done():
                return fragment.result()
        finally:
            fragment.cancel()
            gone.cancel()
        raise Lost("the connection has ended")

    async def _read_message(self) -> bytes:
        with _reported():
            value = await self._channel.read_result()
        message = Reassembler().take(value, now_s=self._clock())
        if not isinstance(message, bytes) or message == self._last:
            raise Silent("the locker did not answer in time")
        return message


@dataclass(frozen=True, slots=True)
class _Connection:
    client: BleakClient
    channel: Channel


class _BleakChannel:
    """A connected bleak client as a channel."""

    def __init__(self, client: BleakClient, gone: asyncio.Event, fragment_size: int) -> None:
        self.gone = gone
        self.fragment_size = fragment_size
        self._client = client
        self._heard: asyncio.Queue[bytes] = asyncio.Queue(_MOST_UNREAD)

    async def read_hello(self) -> bytes:
        """Read in as many pieces as the MTU asks for."""
        return bytes(await self._client.read_gatt_char(HELLO_UUID))

    async def read_result(self) -> bytes:
        """Read in as many pieces as the MTU asks for."""
        return bytes(await self._client.read_gatt_char(RESULT_UUID))

    async def write(self, fragment: bytes) -> None:
        """Write with response, the only way there is."""
        await self._client.write_gatt_char(COMMAND_UUID, fragment, response=True)

    async def next_fragment(self) -> bytes:
        """Wait for the next one that has not been dropped as too many."""
        return await self._heard.get()

    async def subscribe(self) -> None:
        """Begin to listen; what the locker notified before is not heard."""
        await self._client.start_notify(RESULT_UUID, self._on_notification)

    def _on_notification(self, _: BleakGATTCharacteristic, value: bytearray) -> None:
        with suppress(asyncio.QueueFull):
            self._heard.put_nowait(bytes(value))


@dataclass(frozen=True, slots=True)
class _Stack:
    """Which Bluetooth to use: two backends of one kind, or the platform's own."""

    scanner: type[BaseBleakScanner] | None
    client: type[BaseBleakClient] | None
    adapter: str | None

    async def find(self, lid: bytes, timeout_s: float) -> BLEDevice | None:
        """Return the first device that advertises this locker, None if none does in time."""
        tag = lid_tag(lid)
        scanner = BleakScanner(
            service_uuids=[SERVICE_UUID], bluez=self._scanner_args(), backend=self.scanner
        )
        try:
            async with asyncio.timeout(timeout_s), scanner:
                async for device, heard in scanner.advertisement_data():
                    if heard.manufacturer_data.get(COMPANY_ID) == tag:
                        return device
        except TimeoutError:
            return None
        return None

    async def connect(self, device: BLEDevice, timeout_s: float) -> _Connection:
        """Connect and subscribe. Raises BleakError, TimeoutError; nothing stays open then."""
        gone = asyncio.Event()
        client = BleakClient(
            device,
            disconnected_callback=lambda _: gone.set(),
            timeout=timeout_s,
            bluez=self._client_args(),
            backend=self.client,
        )
        try:
            await client.connect()
            channel = _BleakChannel(client, gone, self._fragment_size(client))
            await channel.subscribe()
        except BaseException:
            with suppress(BleakError):
                await client.disconnect()
            raise
        return _Connection(client, channel)

    def _scanner_args(self) -> BlueZScannerArgs:
        return {} if self.adapter is None else {"adapter": self.adapter}

    def _client_args(self) -> BlueZClientArgs:
        return {} if self.adapter is None else {"adapter": self.adapter}

    def _fragment_size(self, client: BleakClient) -> int:
        command = client.services.get_characteristic(COMMAND_UUID)
        if command is None:
            raise BleakError("the device has no command characteristic")
        size = command.max_write_without_response_size
        return choose_fragment_size(size, trusted=self.client is not None)


def choose_fragment_size(size: int, *, trusted: bool) -> int:
    """Return how long fragments may be, where the system says that `size` bytes fit one packet.

    `trusted` is a system that knows its MTU. Others say 20 for "unknown": older versions of
    BlueZ never say anything else.
    """
    if size <= _SMALLEST_FRAGMENT and not trusted:
        return UNKNOWN_MTU_FRAGMENT
    return min(size, LONGEST_WRITE)


@asynccontextmanager
async def open_link(
    lid: bytes,
    *,
    timeout_s: float = FIND_TIMEOUT_S,
    scanner_backend: type[BaseBleakScanner] | None = None,
    client_backend: type[BaseBleakClient] | None = None,
    adapter: str | None = None,
) -> AsyncIterator[PhoneLink]:
    """Find the locker, connect and subscribe; disconnect at the end.

    Without backends the platform's Bluetooth is used, on BlueZ that of `adapter` ("hci1").
    Raises NotFound, Lost.
    """
    stack = _Stack(scanner_backend, client_backend, adapter)
    connection = await _reach(lid, stack, timeout_s)
    try:
        yield PhoneLink(connection.channel)
    finally:
        with suppress(BleakError):
            await connection.client.disconnect()


async def _reach(lid: bytes, stack: _Stack, timeout_s: float) -> _Connection:
    deadline_s = time.monotonic() + timeout_s
    error: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            device = await stack.find(lid, deadline_s - time.monotonic())
        except BleakError as failure:
            raise NotFound(f"this machine cannot scan: {failure}") from failure
        if device is None:
            break
        try:
            return await stack.connect(device, max(1.0, deadline_s - time.monotonic()))
        except (BleakError, TimeoutError) as failure:
            error = failure
    if error is None:
        raise NotFound(f"no locker with tag {lid_tag(lid).hex()} advertised in {timeout_s:g} s")
    raise Lost(f"the locker is there and cannot be connected: {error}") from error


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except BleakGATTProtocolError as error:
        raise Refused(error.code) from error
    except port.Refused as error:
        raise Refused(error.att_error) from error
    except (BleakError, port.RadioLost, TimeoutError) as error:
        raise Lost(f"the connection has ended: {error}") from error
