"""When the log's head is signed anew, and how its tiles grow. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from schema.checkpoint.notes import HASH_SIZE
from schema.checkpoint.tiles import WIDTH, TileId, full_tile_hash, tiles_between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LONGEST_WAIT = timedelta(minutes=1)
"""A leaf waits no longer than this for a signed head that holds it, unless settings say so."""

ENOUGH_LEAVES = WIDTH
"""As many leaves are a tile, and do not wait."""


def origin_of(public_url: str) -> str:
    """The log's name: where it is found, without the scheme (tlog-tiles, "parameters")."""
    return f"{public_url.partition('://')[2]}/log"


def is_due(
    waiting: int,
    *,
    oldest_at: datetime | None,
    now: datetime,
    longest_wait: timedelta = LONGEST_WAIT,
) -> bool:
    """Whether leaves that wait are to be taken into the tree now.

    A clock that was set back keeps nothing waiting: what is timed in the future is due.
    """
    if oldest_at is None:
        return False
    return waiting >= ENOUGH_LEAVES or not timedelta(0) <= now - oldest_at < longest_wait


def grow(
    edge: Mapping[TileId, bytes], *, size: int, leaves: Sequence[bytes]
) -> dict[TileId, bytes]:
    """The tiles that change when a tree of `size` leaves gets these leaf hashes.

    `edge` holds the tiles of `edge_tiles(size)`.
    """
    grown: dict[TileId, bytes] = {}
    for tile in tiles_between(size, size + len(leaves)):
        known = edge.get(tile.id, b"")
        first = tile.id.number * WIDTH
        if tile.id.level == 0:
            fresh = leaves[max(0, first - size) : first + tile.width - size]
        else:
            below = [
                TileId(tile.id.level - 1, number)
                for number in range(first + len(known) // HASH_SIZE, first + tile.width)
            ]
            fresh = [full_tile_hash(grown[one]) for one in below]
        grown[tile.id] = known + b"".join(fresh)
    return grown


def edge_tiles(size: int) -> list[TileId]:
    """The tiles of a tree of this size that are not full yet: one a level at most."""
    edge, level = [], 0
    while size:
        if size % WIDTH:
            edge.append(TileId(level, size // WIDTH))
        size, level = size // WIDTH, level + 1
    return edge
