"""What the requests and commands of one process share: stores, time, randomness, keys.

Knows no vertical and no transport, so that a command at the terminal starts without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.kit.clock import Clock, SystemClock
from server.kit.db import Database
from server.kit.ids import Ids, Randomness, SystemRandomness, TimedIds
from server.kit.keyring import FileKeyring, Keyring
from server.kit.live import Live
from server.kit.queue import Queue
from server.kit.rates import MemoryRates, Rates, SharedRates

if TYPE_CHECKING:
    from server.kit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that requests share. A test puts in its own clock, ids, randomness and keys."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    randomness: Randomness
    keyring: Keyring
    rates: Rates
    live: Live
    queue: Queue | None = None


def build_house(settings: Settings) -> House:
    """The real thing: system clock and randomness, keys in files. Opens no connection yet."""
    clock, randomness = SystemClock(), SystemRandomness()
    queue = None if settings.valkey_url is None else Queue(settings.valkey_url)
    live = Live(settings.valkey_url)
    return House(
        settings=settings,
        database=Database(
            settings.database_url,
            statement_cache=not settings.database_pooler,
            on_news=None if queue is None else queue.nudge,
            on_change=live.nudge,
        ),
        clock=clock,
        ids=TimedIds(clock, randomness),
        randomness=randomness,
        keyring=FileKeyring(settings.state_dir / "keys", clock=clock, randomness=randomness),
        rates=_make_rates(settings, clock),
        live=live,
        queue=queue,
    )


def _make_rates(settings: Settings, clock: Clock) -> Rates:
    alone = MemoryRates(clock)
    if settings.valkey_url is None:
        return alone
    return SharedRates(settings.valkey_url, clock=clock, alone=alone)
