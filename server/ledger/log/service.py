"""The log grows, signs its head, and proves what it holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.checkpoint.notes import HASH_SIZE, Checkpoint, sign_checkpoint
from schema.checkpoint.spans import Span, consistency_spans, inclusion_spans
from schema.checkpoint.tiles import WIDTH, Tile, needed_tiles, span_hash, write_bundle
from schema.merkle import leaf_data, leaf_hash
from server.kit.keyring import Purpose
from server.ledger.log import queries
from server.ledger.log.rules import LONGEST_WAIT, edge_tiles, grow, is_due
from server.ledger.log.tables import LogCheckpoint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from schema.ids import LockerId
    from server.kit.db import Session
    from server.kit.keyring import Keyring
    from server.ledger.log.queries import Leaf, Published

MOST_LEAVES = 4_096
"""Leaves that one transaction takes into the tree."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that a signed head holds a leaf (RFC 9162, s. 2.1.3), the leaf's sibling first."""

    number: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Inclusions:
    """Proofs for several entries under one published head, with the cosignatures it needs."""

    note: str
    of: Mapping[tuple[LockerId, int], Inclusion]


async def queue_leaves(session: Session, leaves: Sequence[Leaf], *, now: datetime) -> None:
    """Leaves for the tree, each once by (locker, number), in the transaction of their entries.

    The caller holds their journals, so that a journal's leaves come in its order.
    """
    await queries.insert_waiting(session, leaves, now=now)


async def is_growth_due(
    session: Session, *, now: datetime, longest_wait: timedelta = LONGEST_WAIT
) -> bool:
    """Whether enough leaves wait, or one for long enough."""
    waiting, oldest_at = await queries.count_waiting(session)
    return is_due(waiting, oldest_at=oldest_at, now=now, longest_wait=longest_wait)


async def grow_and_sign(
    session: Session,
    *,
    origin: str,
    keyring: Keyring,
    now: datetime,
    most: int = MOST_LEAVES,
    is_witnessed: bool = False,
) -> int:
    """Takes waiting leaves into the tree and signs its new head; how many there were.

    Growth and signed head are one commit, and whoever grows holds the head: no size ever has two
    roots, and a head that anybody can have seen is there after a crash. Nothing is signed anew
    while the tree stays as it is. A head that no witness need see is published with its signature.
    """
    size = await queries.hold_size(session)
    leaves = await queries.take_waiting(session, size=size, limit=most)
    if not leaves:
        return 0
    hashes = [leaf_hash(leaf_data(*leaf)) for leaf in leaves]
    edge = await queries.read_tiles(session, edge_tiles(size))
    grown = grow(edge, size=size, leaves=hashes)
    await queries.write_tiles(session, grown)
    size += len(leaves)
    whole = Span(0, size)
    tiles = edge | grown
    missing = needed_tiles([whole]) - tiles.keys()
    tiles |= await queries.read_tiles(session, missing)
    checkpoint = Checkpoint(origin, size, span_hash(whole, tiles))
    keys = [key.signing for key in keyring.list_keys(Purpose.LOG)]
    note = str(sign_checkpoint(checkpoint, keys))
    await queries.insert_checkpoint(
        session,
        LogCheckpoint(
            size=size,
            root=checkpoint.root,
            note=note,
            signed_at=now,
            published=None if is_witnessed else note,
        ),
    )
    return len(leaves)


async def find_checkpoint(session: Session) -> Published | None:
    """The newest published head; None while there is none."""
    return await queries.find_published(session)


async def find_root(session: Session, size: int) -> bytes | None:
    """The root that was signed for this size, if one was."""
    return (await queries.find_roots(session, [size])).get(size)


async def prove_inclusion(
    session: Session, entries: Collection[tuple[LockerId, int]]
) -> Inclusions | None:
    """The proofs that the newest published head holds these entries; None while one waits for it.

    Two statements, however many entries and however large the log.
    """
    numbers, head = await queries.find_leaves(session, entries)
    if head is None or len(numbers) < len({*entries}):
        return None
    spans = {entry: inclusion_spans(number, head.size) for entry, number in numbers.items()}
    tiles = await queries.read_tiles(session, needed_tiles(itertools.chain(*spans.values())))
    return Inclusions(
        head.note,
        {
            entry: Inclusion(numbers[entry], tuple(span_hash(span, tiles) for span in wanted))
            for entry, wanted in spans.items()
        },
    )


async def prove_consistency(session: Session, *, old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the tree of `new` leaves continues the one of `old` (RFC 9162, s. 2.1.4).

    Raises ValueError unless `old` is at most `new`, which the tree must have reached.
    """
    return await _hashes(session, consistency_spans(old, new))


async def read_tile(session: Session, tile: Tile) -> bytes | None:
    """The file of the log at this place, or None if it is not as wide as that, or not yet."""
    if tile.holds_entries:
        return await _read_bundle(session, tile)
    hashes = (await queries.read_tiles(session, [tile.id])).get(tile.id, b"")
    wanted = hashes[: tile.width * HASH_SIZE]
    return wanted if len(wanted) == tile.width * HASH_SIZE else None


async def _read_bundle(session: Session, tile: Tile) -> bytes | None:
    first = tile.id.number * WIDTH
    leaves = await queries.list_leaves(session, first=first, count=tile.width)
    if len(leaves) < tile.width:
        return None
    return write_bundle(leaf_data(*leaf) for leaf in leaves)


async def _hashes(session: Session, spans: Sequence[Span]) -> tuple[bytes, ...]:
    tiles = await queries.read_tiles(session, needed_tiles(spans))
    return tuple(span_hash(span, tiles) for span in spans)
