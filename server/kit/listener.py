"""The listening socket: uvicorn with bounded heads, frames and numbers of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.kit.events import EVENT_STREAM

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD_SECONDS = 10.0
"""A phone on a bad line sends its few hundred bytes in this time; uvicorn alone waits for ever."""

MAX_HEAD_BYTES = 32 * 1024
"""An access token and a proof take 2 KiB; uvicorn alone takes any number of bytes."""

MAX_FRAME_BYTES = 64 * 1024
MAX_CONNECTIONS = 12_000
"""Above this a connection is answered 503 at once, before any of our code runs. A subscriber on a
WebSocket takes 40 KB (`./restante bench live`).
"""

MAX_REQUESTS = 1_000
"""Requests in progress; one more is answered 503. What streams events counts only until it does."""

KEEP_ALIVE_SECONDS = 5
DRAIN_SECONDS = 10
"""Running requests may finish for this long after SIGTERM; WebSockets are closed with 1012."""


class HeadDeadline(HttpToolsProtocol):
    """Bounds request heads: 400 for a large one, a closed connection for a slow one.

    The time runs from the connection, or the first byte after a response, until the head is whole.
    """

    head_seconds = HEAD_SECONDS
    _head: asyncio.TimerHandle | None = None
    _pending_bytes = 0
    _parsed_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited from the start."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is not a whole head yet: only here is a line without an end seen."""
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        # Empty lines before a request begin no message, yet uvicorn no longer counts us as idle.
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        if self._head is not None:
            self._pending_bytes += len(data)
            if self._pending_bytes > MAX_HEAD_BYTES:
                self.send_400_response("The request head is too large.")

    def on_message_begin(self) -> None:
        """A further request on the same connection has begun."""
        super().on_message_begin()
        self._await_head()

    def on_url(self, url: bytes) -> None:
        """Count the target; ValueError ends the request with 400."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count one field; ValueError ends the request with 400."""
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; bodies have a deadline of their own."""
        self._end_head()
        super().on_headers_complete()

    def _count(self, part: bytes) -> None:
        self._parsed_bytes += len(part)
        if self._parsed_bytes > MAX_HEAD_BYTES:
            raise ValueError(f"more than {MAX_HEAD_BYTES} bytes of head")

    def _await_head(self) -> None:
        if self._head is None:
            self._pending_bytes = self._parsed_bytes = 0
            self._head = self.loop.call_later(self.head_seconds, self.transport.close)

    def _end_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class Crowd:
    """Stands before an application: so many requests at once and no more."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_REQUESTS) -> None:
        self._app = app
        self._most = most
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything but HTTP passes; `MAX_CONNECTIONS` bounds it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            full = PlainTextResponse("too busy", 503, headers={"retry-after": "1"})
            await full(scope, receive, send)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_counted = True
        self._inside += 1

        async def watch(message: Message) -> None:
            nonlocal is_counted
            if is_counted and _streams(message):
                is_counted = False
                self._inside -= 1
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._inside -= is_counted


def _streams(message: Message) -> bool:
    headers = message.get("headers", ()) if message["type"] == "http.response.start" else ()
    return any(
        name == b"content-type" and value.startswith(EVENT_STREAM.encode())
        for name, value in headers
    )


def make_listener(app: ASGIApp, *, host: str, port: int, **changes: Any) -> uvicorn.Server:
    """A server that is not started yet; `changes` are further arguments of uvicorn's Config."""
    config: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": HeadDeadline,
        "ws": "websockets-sansio",
        "ws_max_size": MAX_FRAME_BYTES,
        # A small frame must not become a large one in our memory.
        "ws_per_message_deflate": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "limit_concurrency": MAX_CONNECTIONS,
        "server_header": False,
        # `Settings.trusted_proxies` says whose word counts, not uvicorn's own list.
        "proxy_headers": False,
        "access_log": False,
        "log_config": None,
    }
    return uvicorn.Server(uvicorn.Config(Crowd(app), **{**config, **changes}))
