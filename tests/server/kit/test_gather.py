"""What many ask for at the same time is done at once, and nobody suffers for another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.kit.gather import Gather

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kitchen:
    """Doubles numbers, when it is let, and remembers the portions it was given."""

    def __init__(self) -> None:
        self.portions: list[list[int]] = []
        self.may_cook = asyncio.Event()
        self.may_cook.set()
        self.is_busy = asyncio.Event()

    async def cook(self, numbers: Sequence[int]) -> Sequence[int]:
        self.portions.append([*numbers])
        self.is_busy.set()
        await self.may_cook.wait()
        if 13 in numbers:
            message = "no thirteen"
            raise LookupError(message)
        return [2 * number for number in numbers]


async def test_who_asks_at_the_same_time_shares_a_portion() -> None:
    kitchen = Kitchen()
    ask = Gather(kitchen.cook)
    assert await asyncio.gather(*map(ask, range(5))) == [0, 2, 4, 6, 8]
    assert kitchen.portions == [[0, 1, 2, 3, 4]]


async def test_portions_are_no_larger_than_they_may_be() -> None:
    kitchen = Kitchen()
    await asyncio.gather(*map(Gather(kitchen.cook, most=2), range(5)))
    assert kitchen.portions == [[0, 1], [2, 3], [4]]


async def test_who_comes_while_it_is_busy_waits_for_the_next_portion() -> None:
    kitchen = Kitchen()
    kitchen.may_cook.clear()
    ask = Gather(kitchen.cook)
    first = asyncio.create_task(ask(1))
    await kitchen.is_busy.wait()
    others = [asyncio.create_task(ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    kitchen.may_cook.set()
    assert [await one for one in (first, *others)] == [2, 4, 6]
    assert kitchen.portions == [[1], [2, 3]]


async def test_one_that_fails_fails_alone() -> None:
    kitchen = Kitchen()
    ask = Gather(kitchen.cook)
    answers = await asyncio.gather(ask(1), ask(13), ask(2), return_exceptions=True)
    assert [*answers[::2]] == [2, 4]
    assert isinstance(answers[1], LookupError)
    with pytest.raises(LookupError):
        await ask(13)
    assert await ask(3) == 6


async def test_who_has_left_is_not_served() -> None:
    kitchen = Kitchen()
    ask = Gather(kitchen.cook)
    leaver = asyncio.create_task(ask(1))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await ask(2) == 4
    assert kitchen.portions == [[2]]
