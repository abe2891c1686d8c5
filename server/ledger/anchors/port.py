"""What anchoring asks of a blockchain, whichever it is. Knows no database and no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import timedelta

    from schema.checkpoint.anchors import Contract

MOST_HEADS = 32
"""Heads that one reading brings; the next goes on from there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a log is anchored: where, how often, and what a transaction may cost at most."""

    contract: Contract
    origin: str
    every: timedelta
    cap_wei: int


class Fee(NamedTuple):
    """What a unit of gas may cost, and how much of it is for whoever makes the block."""

    most_wei: int
    tip_wei: int


class ChainHead(NamedTuple):
    """A head as the chain keeps it; `at` is the time of its block in Unix seconds."""

    size: int
    root: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The log's heads on the chain from place `first` on, and what the next transaction needs.

    There are `count` in all. Those before place `settled` are as deep as the settings ask.
    """

    first: int
    heads: tuple[ChainHead, ...]
    count: int
    settled: int
    nonce: int
    fee: Fee


class Signed(NamedTuple):
    """A transaction that anybody may send: its hash tells it from others."""

    hash: bytes
    raw: bytes


class Anchor(Protocol):
    """One log's heads on a chain, written with one account that does nothing else."""

    async def read(self, *, since: int) -> Reading:
        """Up to `MOST_HEADS` heads from this place on. ChainError when the chain cannot be asked.

        What is not settled may be gone at the next reading.
        """
        ...

    def sign(self, size: int, root: bytes, *, nonce: int, fee: Fee) -> Signed:
        """The transaction that writes a head; the same each time for the same words."""
        ...

    async def publish(self, raw: bytes) -> None:
        """Hand a transaction to the chain, where it has its effect once however often it is sent.

        That it was taken promises nothing: only a reading does. ChainError with the reason when the
        node refused it, or its answer was lost.
        """
        ...
