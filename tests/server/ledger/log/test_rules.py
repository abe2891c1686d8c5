"""When the log grows, and that its tiles do not depend on how it did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.checkpoint.spans import Span
from schema.checkpoint.tiles import WIDTH, TileId, needed_tiles, span_hash
from schema.merkle import leaf_hash, tree_root
from server.ledger.log.rules import ENOUGH_LEAVES, LONGEST_WAIT, edge_tiles, grow, is_due, origin_of
from tests.fakes.sources import START

LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(3 * WIDTH)]


@pytest.mark.parametrize(
    ("waiting", "age", "due"),
    [
        (1, timedelta(0), False),
        (1, LONGEST_WAIT - timedelta(microseconds=1), False),
        (1, LONGEST_WAIT, True),
        (ENOUGH_LEAVES - 1, timedelta(0), False),
        (ENOUGH_LEAVES, timedelta(0), True),
        (1, timedelta(microseconds=-1), True),
    ],
)
def test_leaves_wait_for_a_minute_or_for_enough_others(
    waiting: int, age: timedelta, due: bool
) -> None:
    assert is_due(waiting, oldest_at=START - age, now=START) is due


def test_an_empty_queue_is_never_due() -> None:
    assert not is_due(0, oldest_at=None, now=START)


def test_the_log_is_named_after_its_place() -> None:
    assert origin_of("https://hubs.example.org") == "hubs.example.org/log"


@given(st.lists(st.integers(1, 2 * WIDTH), min_size=1, max_size=8))
def test_tiles_are_the_same_in_whatever_portions_the_log_grew(portions: list[int]) -> None:
    tiles: dict[TileId, bytes] = {}
    size = 0
    for portion in portions:
        leaves = LEAVES[size : size + portion]
        if not leaves:
            break
        edge = {one: tiles[one] for one in edge_tiles(size)}
        grown = grow(edge, size=size, leaves=leaves)
        assert all(grown[one].startswith(tiles.get(one, b"")) for one in grown), "a tile shrank"
        tiles |= grown
        size += len(leaves)
        whole = Span(0, size)
        assert needed_tiles([whole]) <= tiles.keys()
        assert span_hash(whole, tiles) == tree_root(LEAVES[:size])
    assert tiles == grow({}, size=0, leaves=LEAVES[:size])


def test_one_tile_a_level_is_not_full() -> None:
    assert edge_tiles(0) == []
    assert edge_tiles(WIDTH) == [TileId(1, 0)]
    assert edge_tiles(WIDTH * WIDTH + 1) == [TileId(0, WIDTH), TileId(2, 0)]
    assert edge_tiles(70_000) == [TileId(0, 273), TileId(1, 1), TileId(2, 0)]
