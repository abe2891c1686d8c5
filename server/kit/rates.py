"""How often somebody may do something: sliding windows, alone or shared over Valkey.

A rate is a brake, never a lock: when Valkey cannot be reached the process counts alone, and no
request fails of it.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool

if TYPE_CHECKING:
    from server.kit.clock import Clock

MAX_KEYS = 20_000
"""Keys counted at once (about 4 MB); beyond that the one unused for longest is forgotten."""

PATIENCE_S = 0.5
"""How long a request waits for Valkey, which answers in a fraction of a millisecond."""

AWAY_S = 5
"""How long a process counts alone before it asks a Valkey again that did not answer."""

IPV6_SITE_BITS = 64
"""One subscriber commonly holds a whole /64 of IPv6 (RFC 6177): it counts as one source."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` times in `window_s` seconds for each key; the name keeps rates apart."""

    name: str
    count: int
    window_s: int


class Rates(Protocol):
    """Counts what keys do."""

    async def hit(self, rate: Rate, key: str) -> int | None:
        """Counts one use and returns None; for one too many, the seconds to wait, at least 1."""

    async def close(self) -> None:
        """Gives back what is held; the object is of no use afterwards."""


@dataclass(slots=True)
class _Window:
    start_s: float
    count: int = 0
    before: int = 0


class MemoryRates:
    """Counts in this process alone. Bounded: a flood of new keys makes it forget old ones."""

    def __init__(self, clock: Clock, *, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are counted now."""
        return len(self._windows)

    async def hit(self, rate: Rate, key: str) -> int | None:
        """As `Rates.hit`: the former window counts as far as the sliding one still covers it."""
        now_s = self._clock.now().timestamp()
        window = self._slide(rate, key, now_s)
        passed = (now_s - window.start_s) / rate.window_s
        if window.count + window.before * (1 - passed) >= rate.count:
            return max(1, round(rate.window_s * (1 - passed)))
        window.count += 1
        return None

    async def close(self) -> None:
        """Nothing is held."""

    def _slide(self, rate: Rate, key: str, now_s: float) -> _Window:
        place = (rate.name, key)
        window = self._windows.pop(place, None) or _Window(now_s)
        ahead = int((now_s - window.start_s) // rate.window_s)
        if ahead:
            before = window.count if ahead == 1 else 0
            window = _Window(window.start_s + ahead * rate.window_s, before=before)
        self._windows[place] = window
        if len(self._windows) > self._max_keys:
            self._windows.popitem(last=False)
        return window


class SharedRates:
    """Counts for all processes in Valkey; counts alone while Valkey is away."""

    def __init__(self, valkey_url: str, *, clock: Clock, alone: Rates) -> None:
        self._pool = ConnectionPool.from_url(
            valkey_url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S
        )
        storage = RedisStorage(
            f"async+{valkey_url}",
            implementation="redispy",
            wrap_exceptions=True,
            connection_pool=self._pool,  # type: ignore[arg-type]  # documented, typed too narrowly
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._clock = clock
        self._alone = alone
        self._away_until: datetime | None = None

    async def hit(self, rate: Rate, key: str) -> int | None:
        """As `Rates.hit`. Valkey sees a digest of the key only."""
        now = self._clock.now()
        if self._away_until is not None and now < self._away_until:
            return await self._alone.hit(rate, key)
        item = RateLimitItemPerSecond(rate.count, rate.window_s, namespace="restante")
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        try:
            if await self._limiter.hit(item, rate.name, digest):
                return None
            stats = await self._limiter.get_window_stats(item, rate.name, digest)
        except StorageError:
            logger.warning("rates are counted by this process alone: Valkey does not answer")
            self._away_until = now + timedelta(seconds=AWAY_S)
            return await self._alone.hit(rate, key)
        wait_s = math.ceil(stats.reset_time - now.timestamp())
        return min(max(1, wait_s), rate.window_s)

    async def close(self) -> None:
        """Gives back the connections."""
        await self._pool.disconnect()


def source_key(host: str | None) -> str:
    """The name that a network address counts under: itself, or the /64 of an IPv6 address."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> IPV6_SITE_BITS << IPV6_SITE_BITS)}/{IPV6_SITE_BITS}"
    return str(address)
