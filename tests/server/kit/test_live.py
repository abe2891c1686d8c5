"""Nudges within a process and over Valkey, also when it goes away and comes back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from server.demo.stores import Valkey, get_valkey
from server.kit.live import Live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FOREVER_S = 600.0
"""A nudge must come by itself: nobody waits so long for a look without any."""

PATIENCE_S = 30.0


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey that may be stopped."""
    with Valkey(get_valkey()) as store:
        yield store


async def heard(listening: AsyncIterator[None]) -> bool:
    """Whether a nudge comes."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(listening, "over") is None


async def test_a_listener_looks_at_once_and_after_each_nudge() -> None:
    live = Live(poll_s=FOREVER_S)
    async with aclosing(live.listen("a", "b")) as listening:
        assert await heard(listening)
        for topic in ("a", "b"):
            await live.nudge([topic])
            assert await heard(listening)


async def test_nudges_while_a_listener_is_busy_are_one() -> None:
    live = Live(poll_s=FOREVER_S)
    async with aclosing(live.listen("a")) as listening:
        await anext(listening)
        for _ in range(3):
            await live.nudge(["a"])
        await anext(listening)
        waiting = asyncio.ensure_future(anext(listening))
        done, _ = await asyncio.wait([waiting], timeout=0)
        assert not done
        await live.nudge(["a"])
        await waiting


async def test_nobody_hears_of_other_topics() -> None:
    live = Live(poll_s=FOREVER_S)
    rung: list[str] = []
    live.watch("a", lambda: rung.append("a"))
    await live.nudge(["b"])
    assert rung == []


async def test_who_left_is_forgotten() -> None:
    live = Live(poll_s=FOREVER_S)
    async with aclosing(live.listen("a")) as listening:
        await anext(listening)
        assert len(live) == 1
    assert len(live) == 0


async def test_a_listener_looks_even_without_a_nudge() -> None:
    live = Live(poll_s=0.01)
    async with aclosing(live.listen("a")) as listening:
        for _ in range(3):
            assert await heard(listening)


async def test_nudges_cross_from_one_process_to_another(valkey: Valkey) -> None:
    one, other = Live(valkey.url, poll_s=FOREVER_S), Live(valkey.url, poll_s=FOREVER_S)
    async with aclosing(one.listen("a")) as listening:
        await anext(listening)
        assert await heard(listening)  # it hears from now on
        await other.nudge(["b", "a"])
        assert await heard(listening)
    await one.close()
    await other.close()


async def test_a_listener_looks_again_when_valkey_was_away(valkey: Valkey) -> None:
    live = Live(valkey.url, poll_s=FOREVER_S)
    async with aclosing(live.listen("a")) as listening:
        await anext(listening)
        assert await heard(listening)
        valkey.kill()
        await live.nudge(["a"])  # told to nobody, and no failure
        valkey.start()
        assert await heard(listening)
        await live.nudge(["a"])
        assert await heard(listening)
    await live.close()
