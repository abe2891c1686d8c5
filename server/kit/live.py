"""Nudges between processes: that something changed, never what. Who hears one reads anew.

A nudge may be lost, doubled or late. So a listener is also nudged when it starts, when Valkey was
away and came back, and once in a while without any reason: a lost nudge costs time, never a state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.kit.db import CHANGED

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator, Callable, Iterable

    from server.kit.db import Session

logger = logging.getLogger(__name__)

PREFIX = "live:"
"""Before each topic in the name of its channel."""

POLL_S = 60.0
"""After this long without a nudge a listener looks anyway."""

PATIENCE_S = 0.5
"""How long whoever committed waits for Valkey to take a nudge."""

PAUSE_S = 1.0
"""Between two tries to reach Valkey."""


def touch(session: Session, topic: str) -> None:
    """Nudge those who listen to `topic`, once the caller's transaction is committed."""
    session.info.setdefault(CHANGED, set()).add(topic)


def rights_topic(person: uuid.UUID) -> str:
    """The topic of what a person may do and with which devices."""
    return f"rights:{person}"


class Live:
    """One for each process. With Valkey its nudges reach all processes, without it only this one.

    However many listen, one connection hears for all of them; it opens with the first listener.
    """

    def __init__(self, valkey_url: str | None = None, *, poll_s: float = POLL_S) -> None:
        self._ears: dict[str, set[Callable[[], None]]] = {}
        self._poll_s = poll_s
        self._hearing: asyncio.Task[None] | None = None
        self._valkey: Redis | None = None
        if valkey_url is not None:
            self._valkey = Redis.from_url(
                valkey_url, socket_connect_timeout=PATIENCE_S, health_check_interval=10
            )

    def __len__(self) -> int:
        """How many listen now."""
        return sum(map(len, self._ears.values()))

    async def nudge(self, topics: Iterable[str]) -> None:
        """Tell of changes. Never fails: those whom it does not reach look by themselves later."""
        if self._valkey is None:
            for topic in topics:
                self._ring(topic)
            return
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                self._valkey.pipeline(transaction=False) as together,
            ):
                for topic in topics:
                    together.publish(PREFIX + topic, b"")
                await together.execute()
        except (RedisError, OSError, TimeoutError):
            logger.warning("Valkey took no nudge; listeners will look within a minute")

    def watch(self, topic: str, on_nudge: Callable[[], None]) -> Callable[[], None]:
        """Call `on_nudge` for each nudge of the topic, until the function returned is called."""
        self._ears.setdefault(topic, set()).add(on_nudge)
        if self._valkey is not None and self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(self._valkey))

        def unwatch() -> None:
            ears = self._ears.get(topic, set())
            ears.discard(on_nudge)
            if not ears:
                self._ears.pop(topic, None)

        return unwatch

    async def listen(self, *topics: str) -> AsyncGenerator[None, None]:
        """At once, then after each nudge of one of the topics, and at the latest every minute.

        Nudges that come while the caller is busy count as one.
        """
        news = asyncio.Event()
        unwatch = [self.watch(topic, news.set) for topic in topics]
        try:
            while True:
                yield
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await news.wait()
                news.clear()
        finally:
            for end in unwatch:
                end()

    async def close(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing
        if self._valkey is not None:
            await self._valkey.aclose()

    async def _hear(self, valkey: Redis) -> None:
        while True:
            try:
                async with valkey.pubsub() as ear:
                    await ear.psubscribe(PREFIX + "*")
                    # What was said before this moment, or while we were away, is not known.
                    self._ring_all()
                    async for message in ear.listen():
                        if message["type"] == "pmessage":
                            self._ring(message["channel"].decode().removeprefix(PREFIX))
            except (RedisError, OSError):
                logger.warning("Valkey cannot be heard; trying again")
            await asyncio.sleep(PAUSE_S)

    def _ring(self, topic: str) -> None:
        for ear in tuple(self._ears.get(topic, ())):
            ear()

    def _ring_all(self) -> None:
        for topic in tuple(self._ears):
            self._ring(topic)
