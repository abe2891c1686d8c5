"""Serves an ASGI application on the loopback interface for the length of a test."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from hypercorn.asyncio import serve
from hypercorn.config import Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """The base address, at a free port unless one is named. It listens at once; who connects early
    waits for the application.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        config = uvicorn.Config(
            app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def serving_h2(app: ASGIApp, *, certificate: Path, key: Path) -> AsyncIterator[str]:
    """The same over TLS and HTTP/2 alone."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = Config()
        config.bind = [f"fd://{os.dup(listening.fileno())}"]
        config.certfile, config.keyfile = f"{certificate}", f"{key}"
        config.alpn_protocols = ["h2"]
        config.accesslog = config.errorlog = None
        ending = asyncio.Event()
        task = asyncio.create_task(
            serve(app, config, shutdown_trigger=ending.wait)  # type: ignore[arg-type]
        )
        try:
            yield f"https://localhost:{listening.getsockname()[1]}"
        finally:
            ending.set()
            await task
