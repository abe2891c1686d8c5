"""Brings a shelf to the newest published head: tiles and entries first, the head that needs them
last, so that whoever reads there finds all that its head promises.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from schema.checkpoint.notes import parse_checkpoint, parse_note
from schema.checkpoint.tiles import WIDTH, Tile, tiles_between
from schema.codec import Malformed
from server.kit.errors import BrokenPromise, SettingsError
from server.ledger.log import service as tlog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.kit.db import Database
    from server.ledger.shelf.folder import Shelf

CHECKPOINT = "checkpoint"
TILES_AT_ONCE = 64
"""Files that one reading transaction fetches: half a megabyte."""


async def fill_shelf(database: Database, shelf: Shelf) -> int:
    """Writes what the shelf lacks of the newest published head; how many leaves that has.

    May end at any moment, and goes on from there when it is repeated. Files that are there stay as
    they are; parts of tiles that are full now go at the end, unless it is cut. SettingsError when
    the shelf holds another log, or a newer head than ours.
    """
    async with database.read() as session:
        published = await tlog.find_checkpoint(session)
    if published is None:
        return 0
    old = await _read_size(database, shelf)
    if old > published.size:
        raise SettingsError(f"there lies a head of {old} leaves, ours has {published.size}")
    tiles = _files_between(old, published.size)
    while portion := [*itertools.islice(tiles, TILES_AT_ONCE)]:
        await _write(database, shelf, portion)
    # If we crash here, the old head still stands on files that are all there.
    note = published.note.encode()
    if await asyncio.to_thread(shelf.read, CHECKPOINT) != note:
        await asyncio.to_thread(shelf.put, CHECKPOINT, note)
    for tile in _files_between(old, published.size):
        if tile.width == WIDTH:
            await asyncio.to_thread(shelf.remove, f"{_path_of(tile)}.p")
    return published.size


async def _write(database: Database, shelf: Shelf, tiles: list[Tile]) -> None:
    missing = [tile for tile in tiles if not shelf.has(_path_of(tile))]
    found = {}
    async with database.read() as session:
        for tile in missing:
            found[tile] = await tlog.read_tile(session, tile)
    for tile, data in found.items():
        if data is None:
            raise BrokenPromise(f"the log lacks {tile.path}, and has signed a head over it")
        await asyncio.to_thread(shelf.put, _path_of(tile), data)


async def _read_size(database: Database, shelf: Shelf) -> int:
    """How many leaves the shelf's head has; SettingsError unless it is one of ours."""
    raw = await asyncio.to_thread(shelf.read, CHECKPOINT)
    if raw is None:
        return 0
    try:
        head = parse_checkpoint(parse_note(raw))
    except Malformed as error:
        raise SettingsError("what lies there as a checkpoint is none") from error
    async with database.read() as session:
        root = await tlog.find_root(session, head.size)
    if root != head.root:
        raise SettingsError(f"there lies a head of {head.size} leaves that this log never signed")
    return head.size


def _files_between(old: int, new: int) -> Iterator[Tile]:
    for tile in tiles_between(old, new):
        yield tile
        if tile.id.level == 0:
            yield tile._replace(holds_entries=True)


def _path_of(tile: Tile) -> str:
    return f"tile/{tile.path}"
