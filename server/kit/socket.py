"""graphql-transport-ws with every message checked and bounded; a socket ends with its access token.

Frames are bounded by the server that carries them (`kit.listener`).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)

from schema.codes import ProblemCode
from server.kit.feeds import Operation, read_subscription
from server.kit.graph import Context
from server.kit.limits import refuse_text, refuse_variables
from server.kit.live import rights_topic
from server.kit.rates import Rate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
        CompleteMessage,
        ConnectionInitMessage,
        Message,
        PingMessage,
        SubscribeMessage,
    )

    from server.kit.feeds import Feed, Feeds

SOCKET_OPERATIONS = Rate("socket operations", 600, 60)

MAX_ID_CHARACTERS = 128

ANONYMOUS_LIFE = timedelta(minutes=10)
"""A socket that nobody vouches for lives as long as an access token would."""

MAX_REASON_BYTES = 120
"""A close frame has room for 123 bytes (RFC 6455 s. 5.5)."""


class HasFeeds(Protocol):
    """What a socket asks of the view it belongs to."""

    feeds: Feeds


class SocketAdapter(ASGIWebSocketAdapter):
    """Reads JSON strictly; closes with a reason that fits."""

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """The messages, until one is no strict JSON."""
        messages = super().iter_json(ignore_parsing_errors=ignore_parsing_errors)
        try:
            async for message in messages:
                yield message
        except (ValueError, RecursionError) as error:
            raise NonJsonMessageReceived from error

    async def send_text(self, text: str) -> None:
        """Send a frame that is encoded already; WebSocketDisconnected if nobody is there."""
        try:
            await self.ws.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close, with as much of the reason as a close frame holds; once is enough."""
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            return
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        await super().close(code, short)


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket. A malformed message closes it (4400), a malformed document is an `error`."""

    websocket: SocketAdapter
    _expiry: asyncio.TimerHandle | None = None
    _draining: asyncio.Task[None] | None = None
    _unwatch: Callable[[], None] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._readings: dict[str, _Reading] = {}
        self._waiting: dict[tuple[str, str], str] = {}

    async def handle_message(self, message: Message) -> None:
        """Checks the form of a message before anything looks into it."""
        if not is_well_formed(message):
            await self.handle_invalid_message("This is no message of graphql-transport-ws.")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledges, and from then on watches how long the credentials hold."""
        await super().handle_connection_init(message)
        self.connection_init_timeout_task = None
        if self.connection_acknowledged and self._expiry is None:
            self._expiry = self._close_later()
            person = self.context.actor.person_id
            if person is not None:
                topic = rights_topic(person)
                self._unwatch = self.context.live.watch(topic, self._check_rights_soon)

    async def handle_ping(self, message: PingMessage) -> None:
        """Answers with the payload that came."""
        payload = {"payload": message["payload"]} if "payload" in message else {}
        await self.websocket.send_json({"type": "pong", **payload})

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Starts an operation unless it is too large or one too many."""
        payload = message["payload"]
        reason = refuse_text(payload["query"]) or refuse_variables(payload.get("variables"))
        code = ProblemCode.TOO_COSTLY
        if not reason and await self.context.rates.hit(SOCKET_OPERATIONS, self.context.source):
            reason, code = "Too many requests; wait a little.", ProblemCode.SLOW_DOWN
        if reason and self.connection_acknowledged:
            error = GraphQLError(reason, extensions={"code": code.value})
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [error.formatted]}
            )
            return
        if self.connection_acknowledged and not await self._is_renewed():
            await self.websocket.close(4401, "Sign in again.")
            return
        operation = read_subscription(
            payload["query"], payload.get("variables"), payload.get("operationName")
        )
        if operation is None or not self.connection_acknowledged:
            await super().handle_subscribe(message)
            return
        await self._read(message["id"], operation)

    async def handle_complete(self, message: CompleteMessage) -> None:
        """Ends an operation; what it still had to say is dropped."""
        self._leave(message["id"])
        await super().handle_complete(message)

    async def _read(self, key: str, operation: Operation) -> None:
        if key in self._readings or key in self.operations:
            await self.websocket.close(4409, f"Subscriber for {key} already exists")
            return
        most = self.max_subscriptions_per_connection
        if most is not None and len(self._readings) + len(self.operations) >= most:
            error = GraphQLError("Subscription limit reached")
            await self.send_message({"id": key, "type": "error", "payload": [error.formatted]})
            return
        self._readings[key] = reading = _Reading(self, key, operation)
        reading.join(self._feeds, self.context)

    @property
    def _feeds(self) -> Feeds:
        return cast("HasFeeds", self.view).feeds

    def _leave(self, key: str) -> None:
        reading = self._readings.pop(key, None)
        if reading is not None:
            reading.leave()
        for kind in ("next", "end"):
            self._waiting.pop((key, kind), None)

    def post(self, key: str, text: str, *, is_last: bool = False) -> None:
        """Send a frame of an operation soon: a newer state takes the place of one that waits."""
        self._waiting[key, "end" if is_last else "next"] = text
        if is_last:
            self._readings.pop(key, None)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self.websocket.send_text(self._waiting.pop(next(iter(self._waiting))))
        except WebSocketDisconnected:
            self._waiting.clear()
        finally:
            self._draining = None

    def _check_rights_soon(self) -> None:
        task = asyncio.create_task(self._check_rights())
        task.add_done_callback(self._task_done)

    async def _check_rights(self) -> None:
        """What somebody may see has changed: they go on with what they may see now, or end."""
        before = self.context.actor
        if not await self._is_renewed():
            await self.websocket.close(4401, "Sign in again.")
            return
        if self.context.actor != before:
            for reading in tuple(self._readings.values()):
                reading.leave()
                reading.join(self._feeds, self.context)

    async def _is_renewed(self) -> bool:
        """Gives the next operation a context of this moment; False if nobody vouches any more."""
        actor = await self.context.renew() if self.context.renew else self.context.actor
        if actor is None:
            return False
        self.context = replace(self.context, actor=actor, loaders={})
        return True

    async def shutdown(self) -> None:
        """Ends what is still running."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self._unwatch is not None:
            self._unwatch()
        if self._draining is not None:
            self._draining.cancel()
        for key in tuple(self._readings):
            self._leave(key)
        await super().shutdown()

    def _close_later(self) -> asyncio.TimerHandle:
        now = self.context.clock.now()
        until = self.context.access_expires_at or now + ANONYMOUS_LIFE
        wait_s = max(0.0, (until - now).total_seconds())
        return asyncio.get_running_loop().call_later(wait_s, self._close_expired)

    def _close_expired(self) -> None:
        closing = self.websocket.close(4401, "The access token has expired.")
        asyncio.create_task(closing).add_done_callback(self._task_done)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """Never close for a bad document: it is answered by `error`, and the socket goes on."""
        del error
        return None


class _Reading:
    """One subscription of one socket."""

    __slots__ = ("_feed", "_handler", "_head", "_key", "_operation")

    def __init__(self, handler: SocketHandler, key: str, operation: Operation) -> None:
        self._handler, self._key, self._operation = handler, key, operation
        self._head = f'{{"id":{json.dumps(key)},"type":'
        self._feed: Feed | None = None

    def join(self, feeds: Feeds, context: Context) -> None:
        self._feed = feeds.join(self._operation, context, self)

    def leave(self) -> None:
        if self._feed is not None:
            self._feed.leave(self)

    def take(self, payload: str) -> None:
        self._handler.post(self._key, f'{self._head}"next","payload":{payload}}}')

    def refuse(self, errors: str) -> None:
        text = f'{self._head}"error","payload":{errors}}}'
        self._handler.post(self._key, text, is_last=True)

    def end(self) -> None:
        self._handler.post(self._key, f'{self._head}"complete"}}', is_last=True)


def is_well_formed(message: object) -> bool:
    """Whether the message has the members and types that the protocol gives to its kind."""
    if not isinstance(message, dict):
        return False
    match message.get("type"):
        case "connection_init" | "ping" | "pong":
            return _is_optional(message, "payload", dict)
        case "complete":
            return _has_id(message)
        case "subscribe":
            return _has_id(message) and _is_payload(message.get("payload"))
        case _:
            return False


def _has_id(message: Mapping[str, Any]) -> bool:
    key = message.get("id")
    return isinstance(key, str) and 0 < len(key) <= MAX_ID_CHARACTERS


def _is_payload(payload: object) -> bool:
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and _is_optional(payload, "variables", dict)
        and _is_optional(payload, "operationName", str)
        and _is_optional(payload, "extensions", dict)
    )


def _is_optional(values: Mapping[str, Any], name: str, kind: type) -> bool:
    return values.get(name) is None or isinstance(values[name], kind)
