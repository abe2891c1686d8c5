"""New ids and random bytes as arguments, so that a test can foresee them."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from server.kit.clock import Clock

RANDOM_BITS = 74
"""Random bits of a version 7 UUID: 12 after the version, 62 after the variant (RFC 9562)."""


class Ids(Protocol):
    """Makes ids for rows and events."""

    def new(self) -> uuid.UUID:
        """A new id; ids sort by time, except within one millisecond."""


class Randomness(Protocol):
    """A source of bytes that nobody can foresee."""

    def take(self, size: int) -> bytes:
        """`size` fresh bytes, fit for keys and secrets."""


class SystemRandomness:
    """The operating system's generator."""

    def take(self, size: int) -> bytes:
        """`size` fresh bytes, fit for keys and secrets."""
        return secrets.token_bytes(size)


class TimedIds:
    """Version 7 UUIDs (RFC 9562): milliseconds since 1970 first, then random bits."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness

    def new(self) -> uuid.UUID:
        """An id that sorts after those of earlier milliseconds."""
        unix_ms = int(self._clock.now().timestamp() * 1000)
        random = int.from_bytes(self._randomness.take(10)) >> (80 - RANDOM_BITS)
        return uuid7(unix_ms, random)


def uuid7(unix_ms: int, random: int) -> uuid.UUID:
    """The version 7 UUID of an instant and 74 random bits; both numbers must be in range."""
    high, low = divmod(random, 1 << 62)
    return uuid.UUID(int=(unix_ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)
