"""Request heads, seen from a socket: they have a size and a deadline, whatever else comes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from socket import create_server
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from server.kit.listener import MAX_HEAD_BYTES, HeadDeadline, make_listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket


class HastyDeadline(HeadDeadline):
    """The real one with so little patience that a test need not wait."""

    head_seconds = 0.05


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@asynccontextmanager
async def served(protocol: type[HeadDeadline]) -> AsyncIterator[int]:
    """The port of a running listener."""
    app = Starlette(
        routes=[Route("/", echo, methods=["GET", "POST"]), WebSocketRoute("/chat", chat)]
    )
    server = make_listener(app, host="127.0.0.1", port=0, http=protocol)
    listening = create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def exchange(port: int, *parts: bytes) -> bytes:
    """All that the server answers until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_request_is_answered_and_names_no_software() -> None:
    async with served(HeadDeadline) as port:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
        answer = await exchange(port, head, b"hello")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hello")
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b""], id="nothing"),
        pytest.param([b"\r\n\r\n"], id="empty lines"),
        pytest.param([b"GET / HTTP/1.1\r\nHost: x\r\n"], id="half a head"),
    ],
)
async def test_connection_without_a_whole_head_is_closed(parts: list[bytes]) -> None:
    async with served(HastyDeadline) as port:
        assert await exchange(port, *parts) == b""


async def test_half_a_head_after_a_request_is_closed_too() -> None:
    async with served(HastyDeadline) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_body_may_take_longer_than_the_head() -> None:
    async with served(HastyDeadline) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\nContent-Length: 5\r\n\r\n"
        )
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        await exchange(port)  # a connection with no head has been closed in the meantime
        writer.write(b"hello")
        assert (await reader.read()).endswith(b"hello")
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n", id="long target"),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + b"X-Filler: 0123456789\r\n" * 2500 + b"\r\n", id="many fields"
        ),
    ],
)
async def test_large_head_is_refused(head: bytes) -> None:
    async with served(HeadDeadline) as port:
        assert (await exchange(port, head)).startswith(b"HTTP/1.1 400")


async def send_for_ever(writer: asyncio.StreamWriter, data: bytes) -> None:
    while True:
        writer.write(data)
        await writer.drain()


async def test_an_endless_line_is_cut_off() -> None:
    async with served(HeadDeadline) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):  # we go on after the refusal: it ends in a reset
            await send_for_ever(writer, b"a" * MAX_HEAD_BYTES)
        writer.close()


async def test_websocket_outlives_the_deadline_of_its_head() -> None:
    upgrade = (
        b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    hello = b"\x81\x85\0\0\0\0hello"  # a text frame with a mask of zeros
    async with served(HastyDeadline) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(upgrade)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        await exchange(port)  # a connection with no head has been closed in the meantime
        writer.write(hello)
        assert (await reader.readexactly(7)) == b"\x81\x05hello"
        writer.close()
