"""The public log as static files: which tile holds what, where it lies, and proofs out of tiles.

Format of c2sp.org/tlog-tiles: a tile is up to 256 hashes in a row of one level, and a level is
eight of the tree's. Knows no store; tiles only ever grow at their end.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from schema.checkpoint.notes import HASH_SIZE
from schema.checkpoint.spans import Node, fold, perfect_nodes
from schema.codec import Malformed
from schema.merkle import pair_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from schema.checkpoint.spans import Span

HEIGHT = 8
WIDTH = 1 << HEIGHT

_LARGEST_LEVEL = 7
"""Holds 256 hashes over 2**56 leaves each: more than any size a checkpoint tells."""

_TILE = re.compile(
    r"(?P<level>[0-7]|entries)/(?P<number>(x[0-9]{3}/){0,5}[0-9]{3})(\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TileId(NamedTuple):
    """Which tile: its level, and its number from the left."""

    level: int
    number: int


class Tile(NamedTuple):
    """A file of the log: a tile, or its entries, as wide as it is in a tree of some size."""

    id: TileId
    width: int
    holds_entries: bool = False

    @property
    def path(self) -> str:
        """Where it lies below `/tile/`."""
        *high, low = _digits(self.id.number)
        number = "".join(f"x{one:03}/" for one in high) + f"{low:03}"
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return f"{'entries' if self.holds_entries else self.id.level}/{number}{suffix}"


def parse_path(path: str) -> Tile:
    """The tile at a path below `/tile/`; Malformed unless the path is the only one of it."""
    found = _TILE.fullmatch(path)
    if found is None:
        raise Malformed("no path of a tile")
    holds_entries = found["level"] == "entries"
    number = int(re.sub("[x/]", "", found["number"]))
    level = 0 if holds_entries else int(found["level"])
    tile = Tile(TileId(level, number), int(found["width"] or WIDTH), holds_entries)
    if tile.path != path or tile.width > WIDTH:
        raise Malformed("a tile has one path")
    return tile


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """The tiles that grow when a tree of `old` leaves becomes one of `new`, as wide as they get.

    From the leaves up, so that each full one comes before what is made of it.
    """
    for level in range(_LARGEST_LEVEL + 1):
        before, after = old >> (HEIGHT * level), new >> (HEIGHT * level)
        for number in range(before // WIDTH, -(-after // WIDTH)):
            width = min(WIDTH, after - number * WIDTH)
            if number * WIDTH + width > before:
                yield Tile(TileId(level, number), width)


def tile_of(node: Node) -> TileId:
    """The tile in which the hashes of a perfect subtree lie."""
    level, inner = divmod(node.level, HEIGHT)
    return TileId(level, (node.number << inner) // WIDTH)


def needed_tiles(spans: Iterable[Span]) -> set[TileId]:
    """The tiles from which `span_hash` can tell all of these."""
    return {tile_of(node) for span in spans for node in perfect_nodes(span)}


def span_hash(span: Span, tiles: Mapping[TileId, bytes]) -> bytes:
    """The hash of a subtree, out of tiles that hold it; KeyError without one of them.

    Malformed when a tile is too short.
    """
    return fold([_node_hash(node, tiles[tile_of(node)]) for node in perfect_nodes(span)])


def write_bundle(entries: Iterable[bytes]) -> bytes:
    """The entries of one tile, each behind its length in two bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def read_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle, of which there are at most 256."""
    entries: list[bytes] = []
    rest = bundle
    while rest:
        size = int.from_bytes(rest[:2], "big")
        entry = rest[2 : 2 + size]
        if len(rest) < 2 or len(entry) < size or len(entries) == WIDTH:
            raise Malformed("no bundle of entries")
        entries.append(entry)
        rest = rest[2 + size :]
    return entries


def full_tile_hash(tile: bytes) -> bytes:
    """The hash that stands for a full tile in the level above."""
    return _perfect_root(tile)


def _node_hash(node: Node, tile: bytes) -> bytes:
    inner = node.level % HEIGHT
    start = (node.number << inner) % WIDTH
    part = tile[start * HASH_SIZE : (start + (1 << inner)) * HASH_SIZE]
    if len(part) < HASH_SIZE << inner:
        raise Malformed(f"a tile is too short for subtree {node.number} of level {node.level}")
    return _perfect_root(part)


def _perfect_root(row: bytes) -> bytes:
    """The root over a row of hashes whose number is a power of two: each round halves it."""
    while len(row) > HASH_SIZE:
        pairs = range(0, len(row), 2 * HASH_SIZE)
        row = b"".join([pair_hash(row[start : start + 2 * HASH_SIZE]) for start in pairs])
    return row


def _digits(number: int) -> Sequence[int]:
    """The number in thousands, the largest first."""
    high, low = divmod(number, 1_000)
    return [*(_digits(high) if high else []), low]
