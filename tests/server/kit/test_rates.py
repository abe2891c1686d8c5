"""Rates: alone in a process, shared over Valkey, and while Valkey is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.demo.stores import Valkey, get_valkey
from server.kit.rates import MemoryRates, Rate, Rates, SharedRates, source_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.sources import MovableClock

RATE = Rate("tries", 5, 60)


async def uses(rates: Rates, key: str, rate: Rate = RATE) -> int:
    """How often the key is let through before it is stopped."""
    for count in range(rate.count + 5):
        if await rates.hit(rate, key) is not None:
            return count
    raise AssertionError("never stopped")


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """One Valkey for this module."""
    with Valkey(get_valkey()) as store:
        yield store


async def test_a_key_is_stopped_after_its_count_and_told_how_long(clock: MovableClock) -> None:
    rates = MemoryRates(clock)
    assert await uses(rates, "a") == RATE.count
    assert await rates.hit(RATE, "a") == 60
    clock.move(seconds=45)
    assert await rates.hit(RATE, "a") == 15


async def test_keys_and_rates_do_not_share_their_counts(clock: MovableClock) -> None:
    rates = MemoryRates(clock)
    await uses(rates, "a")
    assert await rates.hit(RATE, "b") is None
    assert await rates.hit(Rate("others", 5, 60), "a") is None


async def test_the_window_slides(clock: MovableClock) -> None:
    rates = MemoryRates(clock)
    await uses(rates, "a")
    clock.move(seconds=60)
    assert await rates.hit(RATE, "a") is not None
    clock.move(seconds=30)
    assert await uses(rates, "a") == 3
    clock.move(seconds=120)
    assert await uses(rates, "a") == RATE.count


async def test_a_clock_that_is_set_back_stops_nobody_for_long(clock: MovableClock) -> None:
    rates = MemoryRates(clock)
    await uses(rates, "a")
    clock.move(hours=-1)
    waiting = await rates.hit(RATE, "a")
    assert waiting is None or waiting <= RATE.window_s


async def test_a_flood_of_keys_costs_bounded_memory(clock: MovableClock) -> None:
    rates = MemoryRates(clock, max_keys=10)
    await uses(rates, "first")
    for n in range(100):
        await rates.hit(RATE, f"key {n}")
    assert len(rates) == 10
    assert await rates.hit(RATE, "first") is None


async def test_two_processes_share_their_counts(valkey: Valkey, clock: MovableClock) -> None:
    one = SharedRates(valkey.url, clock=clock, alone=MemoryRates(clock))
    other = SharedRates(valkey.url, clock=clock, alone=MemoryRates(clock))
    for _ in range(2):
        await other.hit(RATE, "shared")
    assert await uses(one, "shared") == RATE.count - 2
    waiting = await other.hit(RATE, "shared")
    assert waiting is not None
    assert 1 <= waiting <= RATE.window_s
    await one.close()
    await other.close()


async def test_while_valkey_is_away_the_process_counts_alone(clock: MovableClock) -> None:
    rates = SharedRates("redis://127.0.0.1:1/0", clock=clock, alone=MemoryRates(clock))
    assert await uses(rates, "a") == RATE.count
    await rates.close()


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix:", "unix:"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_source_is_an_address_or_the_site_of_one(host: str | None, key: str) -> None:
    assert source_key(host) == key
