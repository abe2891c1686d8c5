"""The listening socket, over real connections: slow heads, large frames, both protocols."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from server.app import House, make_app
from server.kit.listener import MAX_FRAME_BYTES, HeadDeadline, make_listener
from tests.fakes.probe_api import probe_schema
from tests.fakes.socket import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Impatient(HeadDeadline):
    """Waits a twentieth of a second."""

    head_seconds = 0.05


@contextlib.asynccontextmanager
async def listening(house: House, **changes: Any) -> AsyncIterator[int]:
    """The port of a running listener."""
    app = make_app(house, probe_schema())
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = make_listener(app, host="", port=0, lifespan="off", **changes)
        # Whoever connects before the server has started waits in the queue of the open door.
        task = asyncio.create_task(server.serve([door]))
        yield door.getsockname()[1]
        server.should_exit = True
        await task


async def exchange(port: int, data: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_head_that_does_not_end_is_closed(house: House) -> None:
    async with listening(house, http=Impatient) as port:
        assert await exchange(port, b"POST /graphql HTTP/1.1\r\nHost: x\r\nX: ") == b""
        assert await exchange(port, b"") == b""


async def test_a_second_head_has_its_own_deadline(house: House) -> None:
    async with listening(house, http=Impatient) as port:
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await exchange(port, whole + b"GET /healthz HTTP/1.1\r\nHost")
        assert answer.count(b"200 OK") == 1


async def test_the_server_does_not_tell_what_it_is(house: House) -> None:
    async with listening(house) as port:
        answer = await exchange(
            port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    assert b"server:" not in answer.lower()


async def test_a_socket_works_over_a_real_connection(house: House) -> None:
    async with listening(house) as port:
        address = f"ws://127.0.0.1:{port}/graphql"
        async with websockets.connect(address, subprotocols=[PROTOCOL]) as link:  # type: ignore[list-item]
            await link.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await link.recv())["type"] == "connection_ack"


async def test_a_frame_too_large_closes_the_socket(house: House) -> None:
    async with listening(house) as port:
        address = f"ws://127.0.0.1:{port}/graphql"
        async with websockets.connect(address, subprotocols=[PROTOCOL]) as link:  # type: ignore[list-item]
            await link.send("x" * (MAX_FRAME_BYTES + 1))
            await link.wait_closed()
            assert link.close_code == 1009
