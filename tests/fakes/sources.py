"""Time, ids, randomness and keys that a test foresees."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from schema.ids import KeyId
from server.kit.ids import uuid7
from server.kit.keyring import LIVES, PrivateKey, Purpose, is_renewal_due

if TYPE_CHECKING:
    import uuid

START = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
"""A Monday morning, when every hub of the tests is open."""


class MovableClock:
    """Stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move(self, **by: float) -> None:
        """Moves by the keywords of `timedelta`: `clock.move(minutes=10)`."""
        self._now += timedelta(**by)


class CountedIds:
    """UUIDs 1, 2, 3 … of version 7, each in a millisecond of its own, so they sort as they came."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> uuid.UUID:
        self._count += 1
        return uuid7(int(START.timestamp() * 1000) + self._count, self._count)


class SeededRandomness:
    """The same bytes in the same order for the same seed."""

    def __init__(self, seed: str = "restante") -> None:
        self._seed = seed
        self._count = 0

    def take(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed}/{self._count}".encode()).digest(size)


class DerivedKeyring:
    """Keys derived from a name; each rotation adds one that is alive from the clock's now on."""

    def __init__(self, name: str, clock: MovableClock) -> None:
        self._name = name
        self._clock = clock
        self._keys: dict[Purpose, list[PrivateKey]] = {}

    def list_keys(self, purpose: Purpose) -> tuple[PrivateKey, ...]:
        if is_renewal_due(self._alive(purpose), purpose, now=self._clock.now()):
            self.rotate(purpose)
        return tuple(reversed(self._alive(purpose)))

    def rotate(self, purpose: Purpose) -> PrivateKey:
        keys = self._keys.setdefault(purpose, [])
        seed = hashlib.sha256(f"{self._name}/{purpose}/{len(keys)}".encode()).digest()
        now = self._clock.now()
        key = PrivateKey(purpose, KeyId(seed[-2:]), seed, now, now + LIVES[purpose])
        keys.append(key)
        return key

    def _alive(self, purpose: Purpose) -> list[PrivateKey]:
        now = self._clock.now()
        return [key for key in self._keys.get(purpose, []) if key.is_alive_at(now)]
