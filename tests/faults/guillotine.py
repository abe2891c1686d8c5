"""A server whose process ends at a chosen commit, before or after it, and one that takes its place.

What lives on is what would: the database, the key files, the world outside. Whoever was cut off
asks again.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from server.app import House, make_app
from server.kit.db import Database
from server.kit.keyring import FileKeyring
from server.kit.live import Live
from server.kit.queue import Queue
from server.kit.rates import MemoryRates
from server.kit.relay import Relay
from server.worker import Shop, make_handlers, make_timers
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.sources import CountedIds, MovableClock, SeededRandomness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from server.kit.db import Session
    from server.kit.guard import GuardedSchema
    from server.kit.settings import Settings

LEASE_S = 31
"""After so long an event that a dead worker held is free again."""


class Killed(BaseException):
    """The process is gone: no handler of errors may go on from here."""


class Mishap:
    """What befalls a server at the moment of one number; a commit has two, before and after it.

    This one never happens.
    """

    ends_process = False

    def __init__(self) -> None:
        self.happens_at: int | None = None
        self._seen = 0

    def set_up(self, happens_at: int | None) -> None:
        """Count the moments anew."""
        self.happens_at, self._seen = happens_at, 0

    @property
    def is_outstanding(self) -> bool:
        """Whether its moment has not come, and will not in a step that is over."""
        return self.happens_at is not None and self._seen <= self.happens_at

    async def pass_by(self, session: Session | None) -> None:
        """One moment; of a transaction that is about to be committed, or of one that was."""
        self._seen += 1
        if self.happens_at == self._seen - 1:
            await self.happen(session)

    async def happen(self, session: Session | None) -> None:
        """Nothing."""

    def is_behind(self, error: BaseException) -> bool:
        """Whether this is how somebody learns of it."""
        return False

    async def make_good(self) -> None:
        """The machine is in order again."""


class Guillotine(Mishap):
    """Ends the process."""

    ends_process = True

    async def happen(self, session: Session | None) -> None:
        raise Killed

    def is_behind(self, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return error.subgroup(Killed) is not None
        return isinstance(error, Killed)


class MortalDatabase(Database):
    """The real one, with moments at which something may happen."""

    def __init__(self, url: str, mishap: Mishap) -> None:
        super().__init__(url, durable=False)
        self._mishap = mishap

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        async with super().write() as session:
            yield session
            await session.flush()
            await self._mishap.pass_by(session)
        await self._mishap.pass_by(None)


class ListedQueue(Queue):
    """What the relay hands over, in order, without Valkey."""

    def __init__(self) -> None:
        self.offered: list[str] = []

    async def offer(self, job: str, *words: str, key: str, lasts_s: int) -> bool:
        self.offered.append(words[0])
        return True


@dataclass
class World:
    """What outlives every process of the server."""

    url: str
    folder: Path
    schema: GuardedSchema
    settings: Settings
    clock: MovableClock = field(default_factory=MovableClock)
    ids: CountedIds = field(default_factory=CountedIds)
    randomness: SeededRandomness = field(default_factory=SeededRandomness)
    push: ListedPush = field(default_factory=ListedPush)
    letters: ListedLetters = field(default_factory=ListedLetters)
    mishap: Mishap = field(default_factory=Mishap)
    database: MortalDatabase = field(init=False)
    """Its connections end with each process. What lives on is how statements are compiled, which
    no process tells the next and each would find out again."""

    def __post_init__(self) -> None:
        self.database = MortalDatabase(self.url, self.mishap)


class Life:
    """The server's processes, one after the other: web and worker end and start together."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.complaints: list[tuple[int, str]] = []
        """Status and text of every answer that was an error of ours."""
        self.begin()

    def begin(self) -> None:
        """A new process."""
        world = self.world
        keyring = FileKeyring(world.folder / "keys", clock=world.clock, randomness=world.randomness)
        self.house = House(
            settings=world.settings,
            database=world.database,
            clock=world.clock,
            ids=world.ids,
            randomness=world.randomness,
            keyring=keyring,
            rates=MemoryRates(world.clock),
            live=Live(),
        )
        app = make_app(self.house, world.schema)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            event_hooks={"response": [self._note]},
        )
        self.shop = Shop(
            database=self.house.database,
            clock=world.clock,
            ids=world.ids,
            randomness=world.randomness,
            keyring=keyring,
            push=world.push,
            letters=world.letters,
            public_url=self.house.settings.public_url,
        )

    async def _note(self, response: httpx.Response) -> None:
        await response.aread()
        if response.status_code >= 500 or b'"errors"' in response.content:
            self.complaints.append((response.status_code, response.text))

    async def end(self) -> None:
        """The process is gone, and its connections with it."""
        await self.client.aclose()
        await self.house.database.close()

    async def handle_events(self) -> None:
        """The worker brings every due event to its handler, by the real relay."""
        queue = ListedQueue()
        relay = Relay(self.house.database, queue, make_handlers(self.shop), clock=self.world.clock)
        await relay.look()
        while queue.offered:
            for event in queue.offered:
                await relay.deliver(event)
            queue.offered.clear()
            await relay.look()
        await relay.tidy()

    async def run_timers(self) -> None:
        """What time alone does, once."""
        for timer in make_timers(self.shop):
            await timer.job()

    async def survive(self, step: Callable[[], Awaitable[object]], *, pause_s: int = 0) -> int:
        """Take the step with a mishap at each moment of it, and once without; at how many.

        Whoever took the step takes it again from its beginning, `pause_s` later, even if it had
        come to its end: the answer may be lost as well.
        """
        mishap = self.world.mishap
        for moment in itertools.count():
            mishap.set_up(moment)
            try:
                await step()
            except BaseException as error:
                if not mishap.is_behind(error):
                    raise
            was_spared = mishap.is_outstanding
            mishap.set_up(None)
            await mishap.make_good()
            if was_spared:
                return moment
            if mishap.ends_process:
                await self.end()
                self.begin()
            self.world.clock.move(seconds=pause_s)
        raise AssertionError("no step ends by itself")
