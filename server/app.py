"""Wiring of the web process: settings in, a running application out. Nothing else stands here."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from server.graph import api_schema
from server.kit.errors import DatabaseError
from server.kit.graph import Context
from server.kit.house import House, build_house
from server.kit.http import fault_response
from server.kit.identify import GRAPHQL_PATH, Identifier, Identity
from server.kit.listener import make_listener
from server.kit.log import start_logging
from server.kit.metrics import Metrics, read_stores
from server.kit.metrics_door import telling_metrics
from server.kit.settings import Settings
from server.kit.view import GraphqlView
from server.pages.log import log_routes
from server.pages.web import web_routes
from server.people.service import accounts
from server.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request

    from server.kit.guard import GuardedSchema

__all__ = ["House", "build_house", "make_app", "serve"]

logger = logging.getLogger(__name__)


def make_app(house: House, schema: GuardedSchema) -> Starlette:
    """The web application for this API.

    Its lifespan refuses a database without our tables, and closes it in the end.
    """
    view = _make_view(house, schema)
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        *log_routes(house.database),
        *web_routes(),
    ]
    # Both spellings are answered: a redirect would turn a POST into a GET.
    for path in (GRAPHQL_PATH, f"{GRAPHQL_PATH}/"):
        routes += [Route(path, view, methods=None), WebSocketRoute(path, view)]
    app = Starlette(
        routes=routes,
        middleware=_middleware(house.settings),
        exception_handlers={Exception: _on_fault},
        lifespan=_lifespan,
    )
    app.state.house = house
    app.state.view = view
    return app


def serve(environ: Mapping[str, str]) -> None:
    """Runs the web process by the settings in `environ` until it is told to end."""
    settings = Settings.from_environ(environ)
    start_logging()
    app = make_app(build_house(settings), api_schema())
    make_listener(app, host=settings.listen_host, port=settings.listen_port).run()


def _make_view(house: House, schema: GuardedSchema) -> GraphqlView:
    settings = house.settings
    identifier = Identifier(
        database=house.database,
        keyring=house.keyring,
        clock=house.clock,
        accounts=accounts,
        public_url=settings.public_url,
    )

    def make_context(identity: Identity, source: str) -> Context:
        return Context(
            database=house.database,
            clock=house.clock,
            ids=house.ids,
            randomness=house.randomness,
            keyring=house.keyring,
            settings=settings,
            rates=house.rates,
            live=house.live,
            actor=identity.actor,
            source=source,
            proof=identity.proof,
            access_expires_at=identity.expires_at,
        )

    return GraphqlView(
        schema,
        identifier=identifier,
        make_context=make_context,
        rates=house.rates,
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        live_per_source=settings.live_per_source,
    )


def _middleware(settings: Settings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "dpop"],
    )
    return [cors]


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    house: House = app.state.house
    missing = await house.database.missing_tables(TABLES)
    if missing:
        raise DatabaseError(f"the database lacks {missing[0]}; migrate it: alembic upgrade head")
    metrics = Metrics()
    read_stores(metrics, house.database, house.queue)
    subscribers = metrics.gauge("live_subscribers", "WebSockets and event streams held open.")
    subscribers.set_function(lambda: app.state.view.live_count)
    async with telling_metrics(metrics, house.settings.metrics_port):
        yield
    if house.queue is not None:
        await house.queue.close()
    await house.live.close()
    await house.rates.close()
    await house.database.close()


async def _on_fault(request: Request, error: Exception) -> Response:
    """What no operation has caught; the server that called us logs the error itself."""
    house: House = request.app.state.house
    error_id = str(house.ids.new())
    logger.error("a request failed: %s", type(error).__name__, extra={"error_id": error_id})
    return fault_response(error_id)


async def _healthz(request: Request) -> Response:
    """The process lives; asks nobody."""
    del request
    return PlainTextResponse("ok")


async def _readyz(request: Request) -> Response:
    """The process can serve: the database answers."""
    house: House = request.app.state.house
    is_ready = await house.database.is_reachable()
    return PlainTextResponse("ready" if is_ready else "no database", 200 if is_ready else 503)
