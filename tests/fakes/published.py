"""A log in memory as the files that anybody fetches."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from schema.checkpoint.notes import HASH_SIZE, KeyKind, NoteKey, cosign
from schema.checkpoint.tiles import WIDTH, Tile, TileId, write_bundle
from schema.merkle import leaf_hash
from server.ledger.log.rules import grow
from tests.fakes.sources import START
from tests.schema.makers import signing_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from schema.checkpoint.notes import Note
    from tests.fakes.trees import Tree

SEERS = [
    NoteKey(f"w{number}.example.org", KeyKind.WITNESS, signing_key(f"w{number}").public)
    for number in range(3)
]


def cosigned(note: Note, *numbers: int) -> Note:
    """The note with the word of these witnesses."""
    lines = [
        cosign(note, signing_key(f"w{one}"), name=SEERS[one].name, at=int(START.timestamp()))
        for one in numbers
    ]
    return replace(note, signatures=(*note.signatures, *lines))


def publish(
    tree: Tree, folder: Path, size: int | None = None, *, seen: Iterable[int] = (0, 1)
) -> None:
    """The log's files over so many leaves, in place of whatever lies there."""
    size = tree.size if size is None else size
    shutil.rmtree(folder, ignore_errors=True)
    note = cosigned(tree.note(size), *seen)
    _write(folder / "checkpoint", str(note).encode())
    hashes = [leaf_hash(one) for one in tree.leaves[:size]]
    for one, tile in grow({}, size=0, leaves=hashes).items():
        width = len(tile) // HASH_SIZE
        _write(folder / "tile" / Tile(one, width).path, tile)
        if one.level == 0:
            first = one.number * WIDTH
            write_entries(folder, one.number, tree.leaves[first : first + width])


def write_entries(folder: Path, number: int, entries: Iterable[bytes]) -> None:
    """The bundle of one tile."""
    listed = [*entries]
    tile = Tile(TileId(0, number), len(listed), holds_entries=True)
    _write(folder / "tile" / tile.path, write_bundle(listed))


def _write(file: Path, raw: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
