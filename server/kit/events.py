"""Subscriptions over Server-Sent Events (graphql-sse, distinct connections): one for each response.

The newest state is what counts: a reader that is slow gets it instead of a queue.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from server.kit.feeds import Feeds, Operation
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

    async def events() -> AsyncIterator[str]:
        with staying:
            try:
                async for event in reader.events(until_s=until_s):
                    yield event
            finally:
                feed.leave(reader)

    return StreamingResponse(events(), media_type=EVENT_STREAM)
