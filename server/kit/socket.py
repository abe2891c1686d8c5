"""graphql-transport-ws with every message checked and bounded; a socket ends with its access token.

Frames are bounded by the server that carries them (`kit.listener`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)

from schema.codes import ProblemCode
from server.kit.graph import Context
from server.kit.limits import refuse_text, refuse_variables
from server.kit.rates import Rate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
        ConnectionInitMessage,
        Message,
        PingMessage,
        SubscribeMessage,
    )

SOCKET_OPERATIONS = Rate("socket operations", 600, 60)

MAX_ID_CHARACTERS = 128

ANONYMOUS_LIFE = timedelta(minutes=10)
"""A socket that nobody vouches for lives as long as an access token would."""

MAX_REASON_BYTES = 120
"""A close frame has room for 123 bytes (RFC 6455 s. 5.5)."""


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

    async def close(self, code: int, reason: str) -> None:
        """Close, with as much of the reason as a close frame holds."""
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        await super().close(code, short)


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket. A malformed message closes it (4400), a malformed document is an `error`."""

    _expiry: asyncio.Task[None] | None = None

    async def handle_message(self, message: Message) -> None:
        """Checks the form of a message before anything looks into it."""
        if not is_well_formed(message):
            await self.handle_invalid_message("This is no message of graphql-transport-ws.")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledges, and from then on watches how long the credentials hold."""
        await super().handle_connection_init(message)
        if self.connection_acknowledged and self._expiry is None:
            self._expiry = asyncio.create_task(self._close_at_expiry())

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
        await super().handle_subscribe(message)

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
        await super().shutdown()

    async def _close_at_expiry(self) -> None:
        now = self.context.clock.now()
        until = self.context.access_expires_at or now + ANONYMOUS_LIFE
        await asyncio.sleep(max(0.0, (until - now).total_seconds()))
        await self.websocket.close(4401, "The access token has expired.")

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """Never close for a bad document: it is answered by `error`, and the socket goes on."""
        del error
        return None


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
