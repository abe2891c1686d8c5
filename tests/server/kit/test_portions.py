"""Portions: all that is there when time allows, one at least, and others get their turn."""

from __future__ import annotations

import asyncio

import pytest

from server.kit.portions import do_portions

SIZE = 10


class Pile:
    """Work of which a portion takes ten."""

    def __init__(self, left: int, turns: list[str] | None = None, name: str = "") -> None:
        self.left, self.name = left, name
        self.turns = [] if turns is None else turns

    async def take(self) -> int:
        self.turns.append(self.name)
        taken = min(self.left, SIZE)
        self.left -= taken
        return taken


@pytest.mark.parametrize("count", [0, 1, 10, 35])
async def test_everything_is_done_when_there_is_time(count: int) -> None:
    pile = Pile(count)
    assert await do_portions(pile.take, size=SIZE) == count
    assert pile.left == 0
    assert len(pile.turns) == count // SIZE + 1


async def test_one_portion_is_done_even_without_time() -> None:
    pile = Pile(35)
    assert await do_portions(pile.take, size=SIZE, for_s=0) == SIZE
    assert await do_portions(pile.take, size=SIZE, for_s=0) == SIZE
    assert pile.left == 15


async def test_two_piles_are_worked_off_in_turns() -> None:
    turns: list[str] = []
    long, short = Pile(50, turns, "long"), Pile(20, turns, "short")
    await asyncio.gather(do_portions(long.take, size=SIZE), do_portions(short.take, size=SIZE))
    assert turns[:6] == ["long", "short"] * 3


async def test_what_a_portion_raises_ends_the_look() -> None:
    async def fail() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await do_portions(fail, size=SIZE)
