"""Serves the panel's page to the browser of the same machine, and to nobody else.

Knows bytes and headers; what they mean is the panel's business. Loopback only, and no page from
elsewhere can press a key: it knows neither the secret of this start nor the right origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ble_agent.panel.intents import find_intent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

    from ble_agent.panel import Panel

    Keys = list[tuple[str, float]]

LOOPBACK: Final = "127.0.0.1"
ASSETS: Final = Path(__file__).parent / "assets"
SECRET_SIZE: Final = 32

MOST_BYTES: Final = 16_384
"""A body with a bundle of keys as large as the longest scan; the page sends smaller ones."""

MOST_KEYS: Final = 512
MOST_KEY: Final = 32
"""The longest name of a key is shorter."""

MOST_MS: Final = 1e15
"""No clock of a browser goes so far."""

BEAT_S: Final = 5.0
"""So often a page is looked after: what nobody tells of, such as the clock, shows by then, and one
that is gone is noticed by a line it does not take."""

MOST_REQUESTS: Final = 32

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SECRET_MARK: Final = b"{{secret}}"


class Page:
    """The panel over HTTP. `host` is what a browser on this machine calls it by."""

    def __init__(self, panel: Panel, *, host: str, secret: str) -> None:
        self._panel = panel
        self._host = host
        self._secret = secret
        self._files = dict(_read_assets(secret))

    def make_app(self) -> Starlette:
        """The routes: the page, its parts, what is to be seen, what was pressed."""
        return Starlette(
            routes=[
                Route("/", self._guarded(self._send_file)),
                Route("/events", self._guarded(self._send_views, is_secret=True)),
                Route("/act", self._guarded(self._on_act, is_secret=True), methods=["POST"]),
                Route("/keys", self._guarded(self._on_keys, is_secret=True), methods=["POST"]),
                Route("/{name:path}", self._guarded(self._send_file)),
            ]
        )

    def _guarded(
        self, answer: Callable[[Request], object], *, is_secret: bool = False
    ) -> Callable[[Request], object]:
        async def guard(request: Request) -> Response:
            if request.headers.get("host") != self._host:
                return _plain(421)  # a name that somebody else's DNS gave to this address
            if not self._is_from_here(request) or (is_secret and not self._knows_secret(request)):
                return _plain(403)
            response: Response = await answer(request)  # type: ignore[misc]  # all are coroutines
            response.headers.update(_HEADERS)
            return response

        return guard

    def _is_from_here(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is None:
            return request.method in {"GET", "HEAD"} and request.headers.get(
                "sec-fetch-site", "none"
            ) in {"none", "same-origin"}
        return origin == f"http://{self._host}"

    def _knows_secret(self, request: Request) -> bool:
        told = request.headers.get("x-panel-secret") or request.query_params.get("secret", "")
        return hmac.compare_digest(told.encode(), self._secret.encode())

    async def _send_file(self, request: Request) -> Response:
        found = self._files.get(request.path_params.get("name") or "index.html")
        if found is None:
            return _plain(404)
        body, kind = found
        return Response(body, headers={"Content-Type": kind})

    async def _send_views(self, _request: Request) -> Response:
        return StreamingResponse(self._views(), media_type="text/event-stream")

    async def _views(self) -> AsyncIterator[str]:
        with self._panel.watching() as changed:
            shown = None
            while self._panel.is_watched(changed):
                changed.clear()
                view = self._panel.view()
                yield ": here\n\n" if view == shown else f"data: {json.dumps(view)}\n\n"
                shown = view
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), BEAT_S)

    async def _on_act(self, request: Request) -> Response:
        body = await _read_body(request)
        if not isinstance(body, dict):
            return _plain(400)
        intent = find_intent(body.get("intent"), body.get("word"))
        if intent is None:
            return _plain(400)
        self._panel.act(intent)
        return _plain(204)

    async def _on_keys(self, request: Request) -> Response:
        keys = _find_keys(await _read_body(request))
        if keys is None:
            return _plain(400)
        self._panel.press(keys)
        return _plain(204)


@contextlib.asynccontextmanager
async def showing_panel(panel: Panel, port: int, *, secret: str) -> AsyncIterator[str]:
    """Show it at this port of the loopback interface for as long as the block lasts.

    Gives the address; 0 takes a free port. OSError where the port is taken.
    """
    with socket.create_server((LOOPBACK, port)) as door:
        host = f"{LOOPBACK}:{door.getsockname()[1]}"
        server = _Guest(
            uvicorn.Config(
                Page(panel, host=host, secret=secret).make_app(),
                access_log=False,
                log_config=None,
                lifespan="off",
                limit_concurrency=MOST_REQUESTS,
                server_header=False,
                timeout_graceful_shutdown=1,
                ws="none",
            )
        )
        task = asyncio.create_task(server.serve(sockets=[door]))
        try:
            yield f"http://{host}/"
        finally:
            panel.stop()
            server.should_exit = True
            await task


class _Guest(uvicorn.Server):
    """Leaves signals to the agent, whose guest it is."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def _read_assets(secret: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    for path in sorted(ASSETS.rglob("*")):
        kind = _TYPES.get(path.suffix)
        if kind is not None:
            body = path.read_bytes().replace(_SECRET_MARK, secret.encode())
            yield path.relative_to(ASSETS).as_posix(), (body, kind)


async def _read_body(request: Request) -> object:
    """The JSON value of a body that is not too long; None where it is none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _find_keys(body: object) -> Keys | None:
    """Keys and their milliseconds, or None where it is anything else."""
    if not isinstance(body, list) or len(body) > MOST_KEYS:
        return None
    keys: Keys = []
    for pair in body:
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        key, at_ms = pair
        if not isinstance(key, str) or not 0 < len(key) <= MOST_KEY:
            return None
        if isinstance(at_ms, bool) or not isinstance(at_ms, int | float):
            return None
        if not abs(at_ms) < MOST_MS:
            return None  # neither more than a number of time has, nor none at all
        keys.append((key, float(at_ms)))
    return keys


def _plain(status: int) -> Response:
    return Response(status_code=status, headers=_HEADERS)
