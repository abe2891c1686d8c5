"""The measure for broadcasts: a Starlette WebSocket that sends each posted text to all."""

from __future__ import annotations

import sys

from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - the route reads the annotation
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.kit.listener import make_listener

sockets: set[WebSocket] = set()


async def stay(socket: WebSocket) -> None:
    """Keep a socket until it leaves."""
    await socket.accept()
    sockets.add(socket)
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        sockets.discard(socket)


async def tell(request: Request) -> Response:
    """Send the body to everybody, one after the other."""
    text = (await request.body()).decode()
    for socket in tuple(sockets):
        await socket.send_text(text)
    return PlainTextResponse("told")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/tell", tell, methods=["POST"]), WebSocketRoute("/stay", stay)])
    make_listener(app, host="127.0.0.1", port=int(sys.argv[1])).run()
