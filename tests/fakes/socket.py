"""A WebSocket client that speaks to an ASGI application directly, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message

PROTOCOL = "graphql-transport-ws"


class Socket:
    """The client's end. `closed` holds code and reason once the server has closed."""

    def __init__(self, *, slow: bool = False) -> None:
        self.closed: tuple[int, str] | None = None
        self.subprotocol: str | None = None
        self._in: asyncio.Queue[Message] = asyncio.Queue()
        self._out: asyncio.Queue[Message] = asyncio.Queue(maxsize=1 if slow else 0)

    async def send(self, message: object) -> None:
        """Send a value as JSON text."""
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._in.put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self._in.put({"type": "websocket.receive", "bytes": data})

    async def receive(self) -> dict[str, Any]:
        """The next message; ConnectionError once the server has closed."""
        message = await self._out.get()
        if message["type"] == "websocket.close":
            self.closed = (message.get("code", 1000), message.get("reason") or "")
            raise ConnectionError(self.closed)
        answer: dict[str, Any] = json.loads(message["text"])
        return answer

    async def receive_close(self) -> int:
        """The code with which the server closes; nothing else may come before."""
        try:
            message = await self.receive()
        except ConnectionError:
            assert self.closed is not None
            return self.closed[0]
        raise AssertionError(message)

    async def init(self, **payload: Any) -> None:
        """Open the protocol and await its acknowledgement."""
        await self.send({"type": "connection_init", "payload": payload})
        assert (await self.receive())["type"] == "connection_ack"


@contextlib.asynccontextmanager
async def open_socket(
    app: ASGIApp,
    *,
    headers: dict[str, str] | None = None,
    protocol: str = PROTOCOL,
    slow: bool = False,
) -> AsyncIterator[Socket]:
    """A socket of the application, accepted or refused; it is left when the block ends.

    A `slow` client takes one frame at a time: the server waits with the next.
    """
    socket = Socket(slow=slow)
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
        "subprotocols": [protocol],
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
    }
    await socket._in.put({"type": "websocket.connect"})

    async def run() -> None:
        await app(scope, socket._in.get, socket._out.put)

    task = asyncio.create_task(run())
    try:
        first = await socket._out.get()
        if first["type"] == "websocket.accept":
            socket.subprotocol = first.get("subprotocol")
        else:
            socket.closed = (first.get("code", 1000), first.get("reason") or "")
        yield socket
    finally:
        await socket._in.put({"type": "websocket.disconnect", "code": 1000})
        await task
