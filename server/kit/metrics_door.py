"""Where a process tells its metrics: a port of the loopback interface, for a collector beside it.

Nobody else can ask, so nothing is asked of whoever does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from server.kit.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from server.kit.metrics import Metrics


def make_metrics_app(metrics: Metrics) -> Starlette:
    """One page, `/metrics`."""

    async def tell(_request: Request) -> Response:
        return Response(await metrics.tell(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/metrics", tell)])


class _Guest(uvicorn.Server):
    """Leaves signals to the process whose guest it is."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


@contextlib.asynccontextmanager
async def telling_metrics(metrics: Metrics, port: int | None) -> AsyncIterator[int | None]:
    """Tell them at this port for as long as the block lasts; None tells nobody.

    Gives the port, which is a free one for 0. SettingsError when it is taken.
    """
    if port is None:
        yield None
        return
    try:
        door = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SettingsError(f"RESTANTE_METRICS_PORT: {error.strerror}") from error
    with door:
        app = make_metrics_app(metrics)
        config = uvicorn.Config(app, access_log=False, log_config=None, lifespan="off")
        server = _Guest(config)
        task = asyncio.create_task(server.serve(sockets=[door]))
        try:
            yield door.getsockname()[1]
        finally:
            server.should_exit = True
            await task
