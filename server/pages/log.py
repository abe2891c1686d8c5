"""The public log as files: its head, tiles and entries.

Paths, types and caching of c2sp.org/tlog-tiles: a file never changes, but for the head. `status`
is ours: how far the log has come by its own word, and since when (Unix seconds) something waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from schema.checkpoint.tiles import parse_path
from schema.codec import Malformed
from server.ledger.log import service as tlog
from server.ledger.log.cosigning.service import measure

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.kit.db import Database

LOG_PATH = "/log"

FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
BRIEFLY = {"cache-control": "public, max-age=2"}


def log_routes(database: Database) -> list[Route]:
    """The public log below `/log`."""

    async def get_checkpoint(_request: Request) -> Response:
        async with database.read() as session:
            published = await tlog.find_checkpoint(session)
        if published is None:
            return PlainTextResponse("the log has no head yet", 404, headers=BRIEFLY)
        return PlainTextResponse(published.note, headers=BRIEFLY)

    async def get_tile(request: Request) -> Response:
        try:
            tile = parse_path(request.path_params["tile"])
        except Malformed:
            return PlainTextResponse("no such file in the log", 404)
        async with database.read() as session:
            held = await tlog.read_tile(session, tile)
        if held is None:
            return PlainTextResponse("not in the log yet", 404, headers=BRIEFLY)
        return Response(held, media_type="application/octet-stream", headers=FOR_EVER)

    async def get_status(_request: Request) -> Response:
        async with database.read() as session:
            state = await measure(session)
        since = None if state.oldest_at is None else int(state.oldest_at.timestamp())
        told = {
            "published": state.published,
            "signed": state.signed,
            "waiting": state.waiting,
            "oldest_at": since,
        }
        return JSONResponse(told, headers=BRIEFLY)

    return [
        Route(f"{LOG_PATH}/checkpoint", get_checkpoint),
        Route(f"{LOG_PATH}/status", get_status),
        Route(f"{LOG_PATH}/tile/{{tile:path}}", get_tile),
    ]
