"""Files of a log over HTTP: bounded in size and time, and nothing leads elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route

from server.ledger.monitor.findings import CannotTell
from server.ledger.monitor.sources import FolderSource, HttpSource
from tests.fakes.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response


async def drip(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x"
            await asyncio.sleep(0.05)

    return StreamingResponse(parts())


async def turn_away(_request: Request) -> Response:
    return RedirectResponse("/log/small")


async def fail(_request: Request) -> Response:
    return PlainTextResponse("later", 503)


async def answer(_request: Request) -> Response:
    return PlainTextResponse("12345")


LOG = Starlette(
    routes=[
        Route("/log/small", answer),
        Route("/log/drip", drip),
        Route("/log/away", turn_away),
        Route("/log/broken", fail),
    ]
)


async def test_a_log_is_read_in_bounds() -> None:
    async with serving(LOG) as url:
        source = HttpSource(f"{url}/log/", whole_s=0.3)

        async def read(path: str, most: int = 100) -> bytes | None:
            return await asyncio.to_thread(source.read, path, most=most)

        assert await read("small", 5) == b"12345"
        assert await read("nothing") is None
        for path, most, reason in (
            ("small", 4, "more than 4 bytes"),
            ("away", 100, "status 307"),
            ("broken", 100, "status 503"),
            ("drip", 10_000, "drip"),
        ):
            with pytest.raises(CannotTell, match=reason):
                await read(path, most)


@pytest.mark.parametrize(("breaks", "read"), [(2, b"12345"), (3, None)])
async def test_a_connection_that_breaks_is_tried_again(breaks: int, read: bytes | None) -> None:
    ends = iter(range(1, breaks + 1))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if next(ends, None) is None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = HttpSource(f"http://127.0.0.1:{port}/log")
        asked = asyncio.to_thread(source.read, "small", most=5)
        if read is None:
            with pytest.raises(CannotTell, match="small"):
                await asked
        else:
            assert await asked == read


def test_nobody_there_cannot_be_told() -> None:
    with pytest.raises(CannotTell, match="refused"):
        HttpSource("http://127.0.0.1:1/log").read("checkpoint", most=10)
    for url in ("file:///etc", "ftp://example.org", "lockers.example.org/log", "http://["):
        with pytest.raises(CannotTell, match="no address"):
            HttpSource(url)


def test_a_folder_is_read_in_bounds(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"12345")
    source = FolderSource(tmp_path)
    assert source.read("checkpoint", most=5) == b"12345"
    assert source.read("tile/0/000", most=5) is None
    assert source.read("checkpoint/000", most=5) is None
    with pytest.raises(CannotTell, match="more than 4"):
        source.read("checkpoint", most=4)
    with pytest.raises(CannotTell):
        source.read(".", most=4)
