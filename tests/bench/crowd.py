"""A crowd of WebSocket clients that cost little: they count frames and tell when each has one."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

PER_SOURCE = 400
"""Connections from one address; the loopback network has plenty of them."""

AT_ONCE = 100
"""Handshakes under way at the same time."""

PATIENCE_S = 120.0

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


def _frame(kind: int, data: bytes) -> bytes:
    """A masked frame of a client (RFC 6455 s. 5.2), up to 64 KiB."""
    length = len(data)
    head = bytes([0x80 | kind])
    head += bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2)
    mask = secrets.token_bytes(4)
    repeated = mask * (length // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(data, repeated, strict=False))


class Client(asyncio.Protocol):
    """One connection: the handshake, what it says first, then a count of what comes."""

    def __init__(
        self, path: str, protocol: str | None, says: list[object], on_text: OnText
    ) -> None:
        self._path, self._protocol, self._says, self._on_text = path, protocol, says, on_text
        self._data = bytearray()
        self._is_open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        named = f"Sec-WebSocket-Protocol: {self._protocol}\r\n" if self._protocol else ""
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: crowd\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{named}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take whole frames; the server's are not masked."""
        self._data += data
        if not self._is_open and not self._open():
            return
        while (whole := self._next()) is not None:
            kind, body = whole
            if kind == TEXT:
                self._on_text(body)
            elif kind == PING:
                self._write(PONG, body)

    def close(self) -> None:
        """Leave without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _open(self) -> bool:
        head, end, _ = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            message = f"no upgrade: {bytes(head[:100])!r}"
            raise ConnectionError(message)
        del self._data[: len(head) + 4]
        self._is_open = True
        for said in self._says:
            self._write(TEXT, json.dumps(said).encode())
        return True

    def _next(self) -> tuple[int, bytes] | None:
        if len(self._data) < 2:
            return None
        length, start = self._data[1], 2
        if length == 126:
            length, start = int.from_bytes(self._data[2:4]), 4
        if len(self._data) < start + length:
            return None
        kind, body = self._data[0] & 0x0F, bytes(self._data[start : start + length])
        del self._data[: start + length]
        return kind, body

    def _write(self, kind: int, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(_frame(kind, data))


_numbers = itertools.count()
"""Counts all clients: an address that is full is not used again, for rates remember it."""

OnText = Callable[[bytes], None]


@dataclass(slots=True)
class Crowd:
    """Clients of one server, and how many of them have had the frame that is waited for."""

    port: int
    path: str
    protocol: str | None = None
    says: list[object] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    last: bytes = b""
    _size: int = 0
    _had: int = 0
    _wanted: bytes = b""
    _all: asyncio.Event = field(default_factory=asyncio.Event)

    async def grow(self, count: int, *, until: bytes = b"") -> None:
        """Connect more clients and wait until each has had a frame that contains `until`."""
        for start in range(0, count, AT_ONCE):
            some = min(AT_ONCE, count - start)
            self.expect(until, of=some)
            await asyncio.gather(*(self._join() for _ in range(some)))
            if until:
                await self.all_had()

    def expect(self, text: bytes, *, of: int | None = None) -> None:
        """Count from now on the frames that contain `text`."""
        self._wanted, self._had = text, 0
        self._all.clear()
        self._size = len(self.clients) if of is None else of

    async def all_had(self) -> None:
        """Wait until every client has had one."""
        async with asyncio.timeout(PATIENCE_S):
            await self._all.wait()

    def close(self) -> None:
        """All leave."""
        for client in self.clients:
            client.close()

    async def _join(self) -> None:
        block = next(_numbers) // PER_SOURCE
        source = f"127.1.{block // 250}.{1 + block % 250}"
        client = Client(self.path, self.protocol, self.says, self._hear)
        self.clients.append(client)
        await asyncio.get_running_loop().create_connection(
            lambda: client, "127.0.0.1", self.port, local_addr=(source, 0)
        )

    def _hear(self, body: bytes) -> None:
        if self._wanted and self._wanted in body:
            self._had += 1
            self.last = body
            if self._had == self._size:
                self._all.set()
