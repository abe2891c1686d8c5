"""Work without an end in sight, done in portions: one transaction each, with a breath between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOK_S = 10.0
"""How long one look goes on: half of what a worker's job may take (`kit.queue.Pace`), so that the
last portion ends in time; the rest waits for the next look.
"""

BREATH_S = 0.02
"""Between two portions. A writer that waits for SQLite asks ten times a second and gives up after
ten seconds: without a gap that it can meet, one long look would starve all others.
"""


async def do_portions(
    portion: Callable[[], Awaitable[int]], *, size: int, for_s: float = LOOK_S
) -> int:
    """Calls `portion` until it did less than `size`, or `for_s` is over; how much was done in all.

    At least one portion is done, and none is cut. What a portion raises is raised on.
    """
    loop = asyncio.get_running_loop()
    ends_s, total = loop.time() + for_s, 0
    while True:
        done = await portion()
        total += done
        if done < size or loop.time() >= ends_s:
            return total
        await asyncio.sleep(BREATH_S)
