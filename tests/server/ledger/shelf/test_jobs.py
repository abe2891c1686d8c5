"""The log as files: whoever has the tree alone verifies it from its first leaf, after any cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.notes import Checkpoint, KeyKind, NoteKey, parse_checkpoint, parse_note
from schema.checkpoint.tiles import (
    WIDTH,
    Tile,
    TileId,
    full_tile_hash,
    read_bundle,
    tiles_between,
)
from schema.ids import LockerId
from schema.merkle import leaf_hash, tree_root
from server.kit.errors import SettingsError
from server.kit.keyring import Purpose, current_key
from server.ledger.log import service as tlog
from server.ledger.log.queries import Leaf
from server.ledger.shelf.folder import FolderShelf
from server.ledger.shelf.jobs import fill_shelf

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

ORIGIN = "hubs.example.org/log"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Log:
    """A log over one database, and a folder for its files."""

    def __init__(
        self, database: Database, folder: Path, *, keyring: DerivedKeyring, clock: MovableClock
    ) -> None:
        self.database = database
        self.folder = folder
        self._keyring = keyring
        self._clock = clock
        self._size = 0

    async def grow(self, leaves: int) -> None:
        new = [
            Leaf(LockerId(b"locker-1"), seq, seq.to_bytes(32, "big"))
            for seq in range(self._size + 1, self._size + leaves + 1)
        ]
        self._size += leaves
        async with self.database.write() as session:
            await tlog.queue_leaves(session, new, now=self._clock.now())
            await tlog.grow_and_sign(
                session, origin=ORIGIN, keyring=self._keyring, now=self._clock.now()
            )

    async def fill(self) -> int:
        return await fill_shelf(self.database, FolderShelf(self.folder))

    def verify(self) -> int:
        """Verifies the folder from leaf 0; how many leaves its head has."""
        note = parse_note((self.folder / "checkpoint").read_bytes())
        head = parse_checkpoint(note)
        public = current_key(self._keyring, Purpose.LOG).public
        assert note.is_signed_by(NoteKey(ORIGIN, KeyKind.LOG, public))
        self._verify_tiles(head)
        return head.size

    def _verify_tiles(self, head: Checkpoint) -> None:
        tiles: dict[TileId, bytes] = {}
        leaves: list[bytes] = []
        for tile in tiles_between(0, head.size):
            tiles[tile.id] = self._read(tile)
            if tile.id.level == 0:
                entries = read_bundle(self._read(tile._replace(holds_entries=True)))
                hashes = [leaf_hash(entry) for entry in entries]
                leaves += hashes
            else:
                first = tile.id.number * WIDTH
                below = [TileId(tile.id.level - 1, first + one) for one in range(tile.width)]
                hashes = [full_tile_hash(tiles[one]) for one in below]
            assert b"".join(hashes) == tiles[tile.id]
        assert len(leaves) == head.size
        assert tree_root(leaves) == head.root

    def _read(self, tile: Tile) -> bytes:
        return (self.folder / "tile" / tile.path).read_bytes()


@pytest.fixture
def log(database: Database, tmp_path: Path, keyring: DerivedKeyring, clock: MovableClock) -> Log:
    return Log(database, tmp_path / "www" / "log", keyring=keyring, clock=clock)


async def test_whoever_has_the_files_alone_verifies_the_log(log: Log) -> None:
    assert await log.fill() == 0
    assert not log.folder.exists()
    for leaves, size in ((3, 3), (256, 259), (300, 559), (209, 768)):
        await log.grow(leaves)
        assert await log.fill() == size
        assert log.verify() == size
    assert not [*log.folder.glob("tile/0/*.p")], "nobody needs parts of full tiles"
    assert (log.folder / "checkpoint").stat().st_mode & 0o444 == 0o444


@on_sqlite
async def test_what_is_there_is_not_written_again(log: Log) -> None:
    await log.grow(300)
    await log.fill()
    before = {path: path.stat().st_mtime_ns for path in log.folder.rglob("*")}
    await log.fill()
    assert {path: path.stat().st_mtime_ns for path in log.folder.rglob("*")} == before


@on_sqlite
async def test_another_log_is_not_overwritten(log: Log, tmp_path: Path) -> None:
    await log.grow(3)
    await log.fill()
    there = (log.folder / "checkpoint").read_text()
    size, root = there.splitlines()[1:3]
    for other, reason in (
        (there.replace(root, f"{root[::-1].strip('=')}="), "never signed"),
        (there.replace(f"\n{size}\n", "\n2\n"), "never signed"),
        (there.replace(f"\n{size}\n", "\n9\n"), "never signed"),
        ("nonsense", "is none"),
    ):
        (log.folder / "checkpoint").write_text(other)
        with pytest.raises(SettingsError, match=reason):
            await log.fill()
    occupied = tmp_path / "file"
    occupied.touch()
    log.folder = occupied / "log"
    with pytest.raises(SettingsError, match="Not a directory"):
        await log.fill()


class Torn(Exception):
    """The machine stops."""


class MortalShelf(FolderShelf):
    """Stops at one of its writes: before it, or once it is durable."""

    def __init__(self, root: Path, *, stops_at: int, persists: bool) -> None:
        super().__init__(root)
        self._left = stops_at
        self._persists = persists

    def put(self, path: str, data: bytes) -> None:
        self._left -= 1
        if self._left == 0:
            if self._persists:
                super().put(path, data)
            raise Torn
        super().put(path, data)


@on_sqlite
@pytest.mark.parametrize("persists", [False, True])
async def test_a_cut_at_any_write_leaves_a_whole_log_behind(log: Log, persists: bool) -> None:
    await log.grow(250)
    await log.fill()
    await log.grow(300)
    filled, size = 250, 550
    for stops_at in range(1, 9):
        shelf = MortalShelf(log.folder, stops_at=stops_at, persists=persists)
        try:
            await fill_shelf(log.database, shelf)
        except Torn:
            assert log.verify() in {filled, size}
        filled = log.verify()
        await log.grow(1)
        size += 1
    assert await log.fill() == 558
    assert log.verify() == 558
