"""The pages: what browsers load of ours, with headers that let nothing else in.

Files lie in `server/web`; nothing is made here but the list of what the service worker keeps.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from server.kit.web_build import is_web_built

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from typing import Any

    from starlette.requests import Request

WEB = Path(__file__).parents[1] / "web"

WEB_PATH = "/web"
APP_PATH = "/app/"
CONSOLE_PATH = "/console/"
WORKER_PATH = "/sw.js"

SHELL = ("kit", "app", "vendor")
"""Folders of which the app needs every file, with or without a network."""

FOLDERS = frozenset({*SHELL, "console"})
"""What is fetched lies in these."""

SERVED = frozenset({".css", ".js", ".svg", ".webmanifest", ".woff2"})
"""Endings of what pages load; how it is built stays here, and pages have addresses of their own."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types restante",
    )
)
"""Nothing inline, nothing from elsewhere, and no text that becomes markup."""

FILE_HEADERS = {
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
"""For what a page loads: the page's own headers bind it."""

HEADERS = {
    **FILE_HEADERS,
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "bluetooth=(self), camera=(self), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
}

SMALLEST_ZIPPED = 500

NOT_BUILT = "The pages are not built: `./restante serve` does it where it finds Node and npm."


class _Files(StaticFiles):
    """Files of the folders that are served, with our headers."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        if Path(path).suffix not in SERVED or Path(path).parts[0] not in FOLDERS:
            return Response(status_code=404)
        response = await super().get_response(path, scope)
        response.headers.update(FILE_HEADERS)
        return response


def web_routes(web: Path = WEB) -> list[BaseRoute]:
    """The pages, their files below `/web`, and the service worker."""

    async def get_app(_request: Request) -> Response:
        if not is_web_built(web):
            return PlainTextResponse(NOT_BUILT, 503)
        return FileResponse(web / "app" / "index.html", headers=HEADERS)

    async def get_console(_request: Request) -> Response:
        return FileResponse(web / "console" / "index.html", headers=HEADERS)

    # Files do not change under a running server: a stranger's request reads none of them.
    worker = cache(write_worker)

    async def get_worker(_request: Request) -> Response:
        headers = {**HEADERS, "service-worker-allowed": "/"}
        return Response(worker(web), media_type="text/javascript", headers=headers)

    async def to_app(_request: Request) -> Response:
        return RedirectResponse(APP_PATH, 308)

    async def to_console(_request: Request) -> Response:
        return RedirectResponse(CONSOLE_PATH, 308)

    zipped = [Middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED)]
    return [
        Route(APP_PATH, get_app, middleware=zipped),
        Route(APP_PATH.rstrip("/"), to_app),
        Route(CONSOLE_PATH, get_console, middleware=zipped),
        Route(CONSOLE_PATH.rstrip("/"), to_console),
        Route(WORKER_PATH, get_worker, middleware=zipped),
        Mount(WEB_PATH, _Files(directory=web), middleware=zipped),
    ]


def write_worker(web: Path) -> str:
    """The service worker with the files that it keeps, and a version that changes with them."""
    files = [*_shell_of(web)]
    parts = [path.relative_to(web).as_posix().encode() + path.read_bytes() for path in files]
    code = (web / "sw.js").read_text()
    version = hashlib.sha256(b"".join([*parts, code.encode()])).hexdigest()[:16]
    kept = [APP_PATH, *(f"{WEB_PATH}/{path.relative_to(web).as_posix()}" for path in files)]
    return f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(kept)};\n{code}"


def _shell_of(web: Path) -> Iterable[Path]:
    for folder in SHELL:
        for path in sorted((web / folder).rglob("*")):
            if path.suffix in SERVED and path.is_file():
                yield path
