"""Does at once for many what each of them asks for alone: one statement, one call of a provider.

Knows nothing of what is done. Who asks alone is served at once; while something is under way the
next ones gather.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gather(Generic[Item, Result]):
    """Calls `work` with up to `most` items, for up to `at_once` portions at a time.

    The result of an item is the one at its place. A portion that fails is done once more one by
    one, so that nobody suffers for another: `work` must bear repetition.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 100,
        at_once: int = 1,
    ) -> None:
        self._work = work
        self._most = most
        self._at_once = at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running = 0
        self._runners: set[asyncio.Task[None]] = set()

    async def __call__(self, item: Item) -> Result:
        """What came of it; raises what `work` raised for this item.

        Whoever is cancelled while they wait cannot know whether it was done.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running < self._at_once:
            self._running += 1
            runner = asyncio.create_task(self._run())
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        return await future

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # all that asked in the same moment are here now
            while self._waiting:
                size = min(self._most, len(self._waiting))
                portion = [self._waiting.popleft() for _ in range(size)]
                await self._serve([one for one in portion if not one[1].done()])
        finally:
            # Before anybody else runs: who asks from now on needs another runner.
            self._running -= 1

    async def _serve(self, portion: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not portion or await self._try(portion) is None:
            return
        for one in portion:
            error = await self._try([one])
            if error is not None and not one[1].done():
                one[1].set_exception(error)

    async def _try(
        self, portion: Sequence[tuple[Item, asyncio.Future[Result]]]
    ) -> BaseException | None:
        work = self._work([item for item, _ in portion])
        [task], _ = await asyncio.wait([asyncio.ensure_future(work)])
        error: BaseException | None = task.exception()
        if error is None:
            for (_, future), result in zip(portion, task.result(), strict=True):
                if not future.done():
                    future.set_result(result)
        return error
