"""The door of the API: GraphQL over HTTP, conformant to the draft, and the start of each WebSocket.

Strawberry runs the operations; what stands here is what it leaves open or answers otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLRequestData
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UNSET, UnsetType

from schema.codes import ProblemCode
from server.kit.errors import TransportRefused
from server.kit.events import EVENT_STREAM, stream
from server.kit.feeds import Feeds, read_subscription
from server.kit.graph import Context
from server.kit.http import (
    BODY_SECONDS,
    GRAPHQL_JSON,
    JSON,
    MAX_BODY_BYTES,
    SAFE_HEADERS,
    BodyLimit,
    is_short,
    media_type,
    negotiate,
    refusal_response,
    strict_loads,
)
from server.kit.identify import Credentials, Identifier, Identity
from server.kit.limits import refuse_text, refuse_variables
from server.kit.rates import Rate, Rates, source_key
from server.kit.socket import ANONYMOUS_LIFE, SocketAdapter, SocketHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLError
    from starlette.types import Receive, Scope, Send
    from strawberry.http import GraphQLHTTPResponse
    from strawberry.types import ExecutionResult

    from server.kit.guard import GuardedSchema

REQUESTS = Rate("requests", 1_200, 60)
"""Requests of one source: an office behind one address stays below, a script does not."""

LIVE_PER_SOURCE = 500
"""Sockets and streams that one source may hold open."""

INIT_SECONDS = 3
MAX_OPERATIONS_PER_SOCKET = 20

ContextMaker = Callable[[Identity, str], Context]
"""Makes the context of a request from who makes it and the source that rates count by."""


class GraphqlView(GraphQL[Context, None]):
    """Answers at one path, over HTTP and WebSocket. `trusted_proxies` as in `Settings`."""

    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = SocketAdapter

    @property
    def live_count(self) -> int:
        """How many WebSockets and event streams are held open."""
        return self._live.total()

    def __init__(
        self,
        schema: GuardedSchema,
        *,
        identifier: Identifier,
        make_context: ContextMaker,
        rates: Rates,
        allowed_origins: Sequence[str] = (),
        trusted_proxies: int = 0,
        live_per_source: int = LIVE_PER_SOURCE,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=MAX_OPERATIONS_PER_SOCKET,
            allowed_origins=allowed_origins,
        )
        self._identifier = identifier
        self._make_context = make_context
        self._trusted_proxies = trusted_proxies
        self.rates = rates
        self.feeds = Feeds(schema)
        self._live_per_source = live_per_source
        self._live: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request or one WebSocket, from its first byte to its last."""
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            source = self._source_of(socket)
            if await self.rates.hit(REQUESTS, source) is not None or not self._has_room(source):
                await socket.close()
                return
            with self._staying(source):
                await super().__call__(scope, receive, send)
            return
        limit = BodyLimit(receive, asyncio.get_running_loop().time() + BODY_SECONDS)
        try:
            response = await self._answer(Request(scope, limit))
        except ClientDisconnect:
            return
        for name, value in SAFE_HEADERS.items():
            response.headers.setdefault(name, value)
        if limit.is_broken and response.status_code in {408, 413}:
            response.headers["connection"] = "close"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        accept = request.headers.get("accept")
        kind = EVENT_STREAM if media_type(accept) == EVENT_STREAM else negotiate(accept)
        try:
            self._check_head(request, kind)
            await self._count(request)
            if kind == EVENT_STREAM:
                return await self._stream(request)
            response = await self.run(request)
        except TransportRefused as refused:
            return refusal_response(refused, JSON if kind in {None, EVENT_STREAM} else kind)
        except HTTPException as error:
            return refusal_response(
                _as_refused(error), JSON if kind in {None, EVENT_STREAM} else kind
            )
        response.headers["content-type"] = f"{kind}; charset=utf-8"
        if kind == JSON:
            # A client that knows only the old media type reads any other status as a broken proxy.
            response.status_code = 200
        return response

    async def _stream(self, request: Request) -> Response:
        """A subscription as a stream of events."""
        asked = await self.parse_http_body(self.request_adapter_class(request))
        operation = read_subscription(asked.query or "", asked.variables, asked.operation_name)
        if operation is None:
            raise TransportRefused(406, f"Only a subscription is answered as {EVENT_STREAM}.")
        source = self._source_of(request)
        if not self._has_room(source):
            raise TransportRefused(429, "Too many open streams.", code=ProblemCode.SLOW_DOWN)
        context = await self.get_context(request, Response())
        until = context.access_expires_at
        life = ANONYMOUS_LIFE if until is None else until - context.clock.now()
        return await stream(
            self.feeds,
            operation,
            context,
            life_s=life.total_seconds(),
            staying=self._staying(source),
        )

    def _has_room(self, source: str) -> bool:
        return self._live[source] < self._live_per_source

    @contextlib.contextmanager
    def _staying(self, source: str) -> Iterator[None]:
        """Counts a connection that stays open among those of its source."""
        self._live[source] += 1
        try:
            yield
        finally:
            self._live[source] -= 1
            if not self._live[source]:
                del self._live[source]

    def _check_head(self, request: Request, kind: str | None) -> None:
        """Refuses what the head alone tells to be wrong."""
        headers = request.headers
        if request.method not in {"GET", "POST"}:
            raise TransportRefused(405, "Use GET or POST.", headers={"allow": "GET, POST"})
        if kind is None:
            raise TransportRefused(406, f"Accept {GRAPHQL_JSON} or {JSON}.")
        if headers.get("content-encoding", "identity") != "identity":
            raise TransportRefused(415, "A body must not be compressed.")
        if request.method == "POST" and media_type(headers.get("content-type")) != JSON:
            raise TransportRefused(415, f"Content-Type must be {JSON}.")
        if not is_short(headers.get("content-length", "0")):
            raise TransportRefused(413, f"The body has more than {MAX_BODY_BYTES} bytes.")
        is_foreign = headers.get("sec-fetch-site") == "cross-site"
        if is_foreign and headers.get("origin") not in self.allowed_origins:
            raise TransportRefused(403, "Another site may not call this API from a browser.")

    async def _count(self, request: Request) -> None:
        wait_s = await self.rates.hit(REQUESTS, self._source_of(request))
        if wait_s is not None:
            raise TransportRefused(
                429,
                f"Too many requests; again in {wait_s} s.",
                code=ProblemCode.SLOW_DOWN,
                headers={"retry-after": str(wait_s)},
            )

    def _source_of(self, connection: HTTPConnection) -> str:
        """Who counts as the sender: the peer, or whom the outermost of our own proxies names."""
        peer = connection.client.host if connection.client else None
        named = [part.strip() for part in connection.headers.get("x-forwarded-for", "").split(",")]
        if self._trusted_proxies and len(named) >= self._trusted_proxies:
            peer = named[-self._trusted_proxies] or peer
        return source_key(peer)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """The context of one HTTP request, or of a socket whose actor is told by its init."""
        del response
        identity = Identity()
        if isinstance(request, Request):
            credentials = Credentials(
                request.method,
                request.headers.get("authorization"),
                tuple(request.headers.getlist("dpop")),
            )
            identity = await self._identifier.identify(credentials)
        return self._make_context(identity, self._source_of(request))

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Who opens the socket; its proof is one for GET, the method that a handshake uses."""
        params = context.connection_params or {}
        authorization, proof = params.get("authorization"), params.get("dpop")
        if not isinstance(authorization, str | None) or not isinstance(proof, str | None):
            raise ConnectionRejectionError
        try:
            proofs = (proof,) if proof else ()
            identity = await self._identifier.identify(Credentials("GET", authorization, proofs))
        except TransportRefused as refused:
            raise ConnectionRejectionError from refused
        context.actor, context.proof = identity.actor, identity.proof
        context.access_expires_at = identity.expires_at
        context.renew = partial(self._identifier.renew, identity)
        acknowledged: UnsetType = UNSET
        return acknowledged

    def decode_json(self, data: str | bytes) -> object:
        """Strict JSON; every failure is the one error that Strawberry knows."""
        try:
            return strict_loads(data)
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError("no strict JSON", "", 0) from error

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """The operation that a request asks for; anything but one object is refused with 400."""
        if request.method == "GET":
            return read_operation(self.parse_query_params(request.query_params))
        return read_operation(self.parse_json(await request.get_body()))

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """Without `data` when nothing was executed, as the draft wants it."""
        answer = await super().process_result(request, result)
        errors: Sequence[GraphQLError] = result.errors or ()
        if errors and result.data is None and all(error.path is None for error in errors):
            del answer["data"]
        return answer

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """400 for an answer without `data`."""
        response = super().create_response(response_data, sub_response)
        if "data" not in response_data:
            response.status_code = 400
        return response

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Never: the workbench is a page of its own, and a GET without a query is a bad request."""
        del request
        return False


def read_operation(fields: object) -> GraphQLRequestData:
    """One operation from a parsed body or query string; TransportRefused (400) if it is none."""
    if not isinstance(fields, dict):
        raise TransportRefused(400, "The body must be one JSON object; batches are not taken.")
    kinds = {"query": str, "operationName": str, "variables": dict, "extensions": dict}
    for name, kind in kinds.items():
        if not isinstance(fields.get(name), kind | None):
            raise TransportRefused(400, f"{name} has the wrong type.")
    query, variables = fields.get("query"), fields.get("variables")
    if not query:
        raise TransportRefused(400, "There is no query.")
    reason = refuse_text(query) or refuse_variables(variables)
    if reason:
        raise TransportRefused(400, reason, code=ProblemCode.TOO_COSTLY)
    return GraphQLRequestData(
        query, variables, fields.get("operationName"), fields.get("extensions")
    )


def _as_refused(error: HTTPException) -> TransportRefused:
    if isinstance(error.__cause__, InvalidOperationTypeError):
        return TransportRefused(405, "A mutation needs POST.", headers={"allow": "POST"})
    return TransportRefused(error.status_code, error.reason or "Bad request.")
