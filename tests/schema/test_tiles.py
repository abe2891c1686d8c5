"""The log as files: what lies where, and every proof out of tiles alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.checkpoint.spans import Span, inclusion_spans
from schema.checkpoint.tiles import (
    WIDTH,
    Tile,
    TileId,
    full_tile_hash,
    needed_tiles,
    parse_path,
    read_bundle,
    span_hash,
    tiles_between,
    write_bundle,
)
from schema.codec import Malformed
from schema.merkle import leaf_hash, tree_root
from tests.schema.makers import case_id

LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(WIDTH * WIDTH + WIDTH + 3)]


def tiles_of(size: int) -> dict[TileId, bytes]:
    """All tiles of a tree, by their definition."""
    tiles: dict[TileId, bytes] = {}
    for (level, number), width, _ in tiles_between(0, size):
        first, span = number * WIDTH, WIDTH**level
        rows = range(first, first + width)
        tiles[TileId(level, number)] = b"".join(
            tree_root(LEAVES[row * span : (row + 1) * span]) for row in rows
        )
    return tiles


def test_files_of_a_tree_are_those_that_the_format_tells() -> None:
    paths = [tile.path for tile in tiles_between(0, 70_000)]
    assert len(paths) == 273 + 1 + 1 + 1 + 1
    assert paths[272:] == ["0/272", "0/273.p/112", "1/000", "1/001.p/17", "2/000.p/1"]
    assert [tile.path for tile in tiles_between(0, 256)] == ["0/000", "1/000.p/1"]


def test_only_what_grew_is_written_again() -> None:
    assert [tile.path for tile in tiles_between(256, 256)] == []
    assert [tile.path for tile in tiles_between(256, 257)] == ["0/001.p/1"]
    assert [tile.path for tile in tiles_between(255, 513)] == [
        "0/000",
        "0/001",
        "0/002.p/1",
        "1/000.p/2",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 700, len(LEAVES)])
def test_proofs_out_of_tiles_are_those_of_the_tree(size: int) -> None:
    tiles = tiles_of(size)
    assert span_hash(Span(0, size), tiles) == tree_root(LEAVES[:size])
    for index in {0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size)):
        spans = inclusion_spans(index, size)
        assert needed_tiles(spans) <= tiles.keys()
        assert [span_hash(span, tiles) for span in spans] == [
            tree_root(LEAVES[span.start : span.end]) for span in spans
        ]


def test_a_full_tile_stands_as_one_hash_in_the_level_above() -> None:
    tiles = tiles_of(WIDTH)
    assert full_tile_hash(tiles[TileId(0, 0)]) == tiles[TileId(1, 0)]


def test_a_tile_that_is_too_short_or_missing_proves_nothing() -> None:
    tiles = tiles_of(300)
    with pytest.raises(KeyError):
        span_hash(Span(0, 300), {})
    tiles[TileId(0, 1)] = tiles[TileId(0, 1)][:-1]
    with pytest.raises(Malformed, match="too short"):
        span_hash(Span(0, 300), tiles)


@given(st.integers(0, 7), st.integers(0, 999_999_999), st.integers(1, WIDTH), st.booleans())
def test_a_path_is_read_as_it_is_written(
    level: int, number: int, width: int, holds_entries: bool
) -> None:
    tile = Tile(TileId(0 if holds_entries else level, number), width, holds_entries)
    assert parse_path(tile.path) == tile


def test_numbers_are_written_in_thousands() -> None:
    assert Tile(TileId(0, 1_234_067), WIDTH).path == "0/x001/x234/067"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "8/000",
        "00/000",
        "0/00",
        "0/0000",
        "0/x000/001",
        "0/001/002",
        "0/x001/x002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/257",
        "0/000.p/01",
        "0/000.p/",
        "0/000/",
        "0/\u0660\u0660\u0660",
        "entry/000",
        "0/../000",
    ],
    ids=case_id,
)
def test_another_path_is_no_file_of_the_log(path: str) -> None:
    with pytest.raises(Malformed):
        parse_path(path)


@given(st.lists(st.binary(max_size=300), max_size=WIDTH))
def test_a_bundle_is_read_as_it_is_written(entries: list[bytes]) -> None:
    assert read_bundle(write_bundle(entries)) == entries


@pytest.mark.parametrize("bundle", [b"\0", b"\0\2x", b"\0\1xy", b"\0\0" * (WIDTH + 1)], ids=len)
def test_a_torn_or_endless_bundle_is_refused(bundle: bytes) -> None:
    with pytest.raises(Malformed):
        read_bundle(bundle)
