"""A witness's file: what was cosigned is there after any crash, and no two requests fork it."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.submissions import parse_submission
from server.kit.errors import DatabaseError
from server.ledger.witness.rules import CONFLICT, OK
from server.ledger.witness.store import MOST_SPLITS, Heads
from tests.fakes.sources import START
from tests.fakes.trees import LID, ORIGIN, Tree, entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.ledger.witness.rules import Judgement

TREE = Tree(entries_of(LID, 1, 9))


def show(heads: Heads, old: int, new: int, tree: Tree = TREE) -> Judgement:
    return heads.show(parse_submission(tree.show(old, new)), now=START)


@pytest.fixture
def heads(tmp_path: Path) -> Iterator[Heads]:
    heads = Heads(tmp_path / "witness.db")
    yield heads
    heads.close()


def test_what_is_held_is_there_in_the_next_process(heads: Heads, tmp_path: Path) -> None:
    assert show(heads, 0, 5).status == OK
    heads.close()
    again = Heads(tmp_path / "witness.db")
    held = again.find(ORIGIN)
    assert held is not None
    assert (held.size, held.root, held.note) == (5, TREE.head(5).root, str(TREE.note(5)))
    assert show(again, 0, 9).size == 5
    assert show(again, 5, 9).status == OK
    assert show(again, 5, 5).status == CONFLICT, "what is held never gets smaller"
    again.close()


def test_logs_do_not_mix(heads: Heads) -> None:
    other = Tree(entries_of(LID, 1, 3, "other"), origin="elsewhere.example.org/log")
    assert show(heads, 0, 5).status == OK
    assert show(heads, 0, 3, other).status == OK
    assert show(heads, 5, 9).status == OK


def test_of_many_that_continue_the_same_head_one_wins(tmp_path: Path) -> None:
    """Forks of one head, shown at once by threads that have a connection each."""
    forks = [Tree([*TREE.leaves[:5], *entries_of(LID, 6, 9, f"{n}")]) for n in range(8)]
    stores = [Heads(tmp_path / "witness.db") for _ in forks]
    assert show(stores[0], 0, 5).status == OK
    start = threading.Barrier(len(forks))

    def race(number: int) -> Judgement:
        start.wait()
        return show(stores[number], 5, 9, forks[number])

    with ThreadPoolExecutor(len(forks)) as pool:
        judgements = list(pool.map(race, range(len(forks))))
    (won,) = [number for number, one in enumerate(judgements) if one.status == OK]
    held = stores[0].find(ORIGIN)
    assert held is not None
    assert held.root == forks[won].head(9).root
    assert sum(one.is_split for one in judgements) == len(forks) - 1
    assert len(stores[0].list_splits()) == len(forks) - 1
    for store in stores:
        store.close()


def test_both_notes_of_a_split_view_are_kept_once(heads: Heads) -> None:
    show(heads, 0, 9)
    fork = Tree(entries_of(LID, 1, 9, "other"))
    for _ in range(2):
        assert show(heads, 9, 9, fork).status == CONFLICT
    (split,) = heads.list_splits()
    assert (split.origin, split.size) == (ORIGIN, 9)
    assert (split.held, split.shown) == (str(TREE.note(9)), str(fork.note(9)))
    assert show(heads, 9, 9).status == OK, "the side that is held goes on"


def test_proofs_of_split_views_do_not_fill_the_disk(heads: Heads) -> None:
    show(heads, 0, 1)
    for number in range(MOST_SPLITS + 5):
        assert show(heads, 1, 1, Tree(entries_of(LID, 1, 1, f"x{number}"))).is_split
    assert len(heads.list_splits()) == MOST_SPLITS


class Cut(Exception):
    """The process ends at a commit."""


class CutHeads(Heads):
    """Ends before or after the next commit."""

    cut: str = ""

    def _commit(self, connection: sqlite3.Connection) -> None:
        if self.cut == "before":
            raise Cut
        super()._commit(connection)
        if self.cut == "after":
            raise Cut


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_witness_cut_off_at_its_commit_cosigned_nothing_and_goes_on(
    tmp_path: Path, moment: str
) -> None:
    heads = CutHeads(tmp_path / "witness.db")
    show(heads, 0, 5)
    heads.cut = moment
    with pytest.raises(Cut):
        show(heads, 5, 9)
    heads.cut = ""
    heads.close()
    again = Heads(tmp_path / "witness.db")
    known = 5 if moment == "before" else 9
    fork = Tree([*TREE.leaves[:5], *entries_of(LID, 6, 9, "other")])
    if moment == "after":
        assert show(again, 5, 9, fork).is_split, "nothing else is cosigned after the crash"
    assert show(again, 5, 9).status == (OK if moment == "before" else CONFLICT)
    assert show(again, known, 9).status == (OK if moment == "after" else CONFLICT)
    again.close()


def test_a_disk_that_takes_nothing_is_told(heads: Heads, tmp_path: Path) -> None:
    show(heads, 0, 5)
    blocker = sqlite3.connect(tmp_path / "witness.db", isolation_level=None)
    blocker.execute("DROP TABLE heads")
    blocker.close()
    with pytest.raises(DatabaseError):
        show(heads, 5, 9)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "witness.db").write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError):
        Heads(tmp_path / "witness.db")
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(DatabaseError, match="another version"):
        Heads(tmp_path / "newer.db")
