"""Heads, entries and tiles out of a log's files. Nothing read here is believed by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schema.checkpoint.notes import HASH_SIZE, NOTE_BYTES, parse_note
from schema.checkpoint.spans import consistency_spans
from schema.checkpoint.tiles import (
    HEIGHT,
    WIDTH,
    Tile,
    TileId,
    needed_tiles,
    read_bundle,
    span_hash,
)
from schema.codec import Malformed
from server.ledger.monitor.findings import CannotTell

if TYPE_CHECKING:
    from schema.checkpoint.notes import Note
    from server.ledger.monitor.sources import Source

BUNDLE_BYTES = WIDTH * 256
"""Most bytes of 256 entries that are read; a leaf of ours has some fifty."""

STATUS_BYTES = 4_096


def read_head(source: Source) -> Note | None:
    """The head that is published, or None while there is none. Malformed if it is no head."""
    raw = source.read("checkpoint", most=NOTE_BYTES)
    return None if raw is None else parse_note(raw)


def read_entries(source: Source, number: int, *, size: int) -> list[bytes] | None:
    """The entries of one tile in a log of this size; None if what is there is none.

    CannotTell while they are not served at all.
    """
    raw = _read_tile(source, Tile(TileId(0, number), _width(0, number, size), holds_entries=True))
    try:
        entries = read_bundle(raw)[: _width(0, number, size)]
    except Malformed:
        return None
    return entries if len(entries) == _width(0, number, size) else None


def has_more(source: Source, size: int) -> bool:
    """Whether the log serves an entry behind these."""
    number, width = divmod(size, WIDTH)
    path = Tile(TileId(0, number), width + 1, holds_entries=True).path
    return source.read(f"tile/{path}", most=BUNDLE_BYTES) is not None


def read_consistency(source: Source, old: int, new: int) -> tuple[bytes, ...] | None:
    """A proof out of tiles that a log of `new` leaves continues one of `old`; None without one."""
    spans = consistency_spans(old, new)
    tiles = {
        one: _read_tile(source, Tile(one, _width(one.level, one.number, new)))
        for one in needed_tiles(spans)
    }
    try:
        return tuple(span_hash(span, tiles) for span in spans)
    except Malformed:
        return None


def find_oldest_waiting(source: Source) -> int | None:
    """Since when something waits to be published, in Unix seconds and by the log's own word.

    None if nothing does, or the log does not say: a folder of files cannot.
    """
    raw = source.read("status", most=STATUS_BYTES)
    try:
        oldest_at = None if raw is None else json.loads(raw)["oldest_at"]
    except (ValueError, KeyError, TypeError) as error:
        raise CannotTell("status: not what a log says") from error
    if oldest_at is not None and not isinstance(oldest_at, int):
        raise CannotTell("status: not what a log says")
    return oldest_at


def _read_tile(source: Source, tile: Tile) -> bytes:
    """The file, or the full one that has taken its place (tlog-tiles, "partial tiles")."""
    most = BUNDLE_BYTES if tile.holds_entries else WIDTH * HASH_SIZE
    for path in dict.fromkeys((tile.path, tile._replace(width=WIDTH).path)):
        raw = source.read(f"tile/{path}", most=most)
        if raw is not None:
            return raw
    raise CannotTell(f"tile/{tile.path} is not served, and the head needs it")


def _width(level: int, number: int, size: int) -> int:
    return min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH)
