"""Subscriptions over Server-Sent Events (graphql-sse, distinct connections): one for each response.

The newest state is what counts: a reader that is slow gets it instead of a queue.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from server.kit.live import rights_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from starlette.types import Receive, Scope, Send

    from server.kit.feeds import Feed, Feeds, Operation
    from server.kit.graph import Context

EVENT_STREAM = "text/event-stream"

ALIVE_S = 15.0
"""After this long without news a comment keeps proxies from closing the connection."""


class EventReader:
    """One reader of a feed. `first` is set once it is known whether there is a feed."""

    def __init__(self) -> None:
        self.errors: str | None = None
        self._payload: str | None = None
        self._is_over = False
        self._news = asyncio.Event()

    def take(self, payload: str) -> None:
        """Keep the newest state."""
        self._payload = payload
        self._news.set()

    def refuse(self, errors: str) -> None:
        """Keep the reason."""
        self.errors = errors
        self.end()

    def end(self) -> None:
        """Nothing follows."""
        self._is_over = True
        self._news.set()

    async def start(self) -> None:
        """Wait until there is a state, a refusal or the end."""
        await self._news.wait()

    async def events(self, *, until_s: float) -> AsyncIterator[str]:
        """The events as they go over the wire, until the feed ends or the time of the loop."""
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            try:
                async with asyncio.timeout(min(ALIVE_S, until_s - loop.time())):
                    await self._news.wait()
            except TimeoutError:
                yield ":\n\n"
                continue
            self._news.clear()
            payload, self._payload = self._payload, None
            if payload is not None:
                yield f"event: next\ndata: {payload}\n\n"
            if self._is_over:
                break
        yield "event: complete\ndata:\n\n"


async def stream(
    feeds: Feeds,
    operation: Operation,
    context: Context,
    *,
    life_s: float,
    staying: AbstractContextManager[None],
) -> Response:
    """The response that carries the subscription, or 400 with the reason why there is none.

    `staying` is held while it is open. It ends with the access token, after `life_s`: the client
    comes back with a new one and gets the state of that moment.
    """
    reader = EventReader()
    feed = feeds.join(operation, context, reader)
    until_s = asyncio.get_running_loop().time() + life_s
    try:
        await reader.start()
    except asyncio.CancelledError:
        feed.leave(reader)
        raise
    if reader.errors is not None:
        body = f'{{"errors":{reader.errors}}}'
        return Response(body, 400, media_type="application/graphql-response+json")

    return _EventStream(feed, reader, context, until_s=until_s, staying=staying)


class _EventStream(StreamingResponse):
    """Leaves the feed however the response ends, even one that was never begun.

    It also ends when the rights of its reader change: the client comes back with those it has now.
    """

    def __init__(
        self,
        feed: Feed,
        reader: EventReader,
        context: Context,
        *,
        until_s: float,
        staying: AbstractContextManager[None],
    ) -> None:
        super().__init__(reader.events(until_s=until_s), media_type=EVENT_STREAM)
        self._feed, self._reader, self._staying = feed, reader, staying
        self._unwatch: Callable[[], None] | None = None
        if context.actor.person_id is not None:
            topic = rights_topic(context.actor.person_id)
            self._unwatch = context.live.watch(topic, reader.end)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._staying:
                await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._reader)
            if self._unwatch is not None:
                self._unwatch()
