"""Signed entries join what is stored of a journal: new, known, torn or forked."""

from __future__ import annotations

import pytest

from schema.codec import Malformed
from schema.journal import FIRST_PREV_HEAD, Kind
from server.ledger.rules import About, Line, Link, about, find_fork, read_line, read_lines
from tests.fakes.journals import JournalingLocker, stay_of


@pytest.fixture
def locker() -> JournalingLocker:
    made = JournalingLocker()
    made.boot()
    made.deposit(3, stay_of(1), b"cti-0001")
    return made


def lines_of(locker: JournalingLocker, first: int = 1) -> tuple[Line, ...]:
    made = locker.contents(first)
    return read_lines(made.entries, lid=made.lid, first=first, head=made.head)


def links_of(lines: tuple[Line, ...]) -> dict[int, Link]:
    return {line.seq: Link(line.head, line.entry.prev_head) for line in lines}


def test_unbroken_piece_is_read_with_its_heads(locker: JournalingLocker) -> None:
    lines = lines_of(locker)
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[-1].head == locker.head


def test_piece_from_the_middle_is_read(locker: JournalingLocker) -> None:
    assert [line.seq for line in lines_of(locker, 4)] == [4, 5, 6]


def test_envelope_without_entries_has_no_lines(locker: JournalingLocker) -> None:
    assert read_lines((), lid=locker.lid, first=7, head=locker.head) == ()


def test_head_that_is_not_the_last_entrys_is_malformed(locker: JournalingLocker) -> None:
    with pytest.raises(Malformed, match="head"):
        read_lines(locker.entries, lid=locker.lid, first=1, head=bytes(32))


def test_first_entry_must_follow_nothing(locker: JournalingLocker) -> None:
    other = JournalingLocker()
    other.entries = [locker.entries[1]]
    with pytest.raises(Malformed):
        read_lines(other.entries, lid=other.lid, first=1, head=other.head)


@pytest.mark.parametrize("drop", [1, 3])
def test_missing_entry_inside_is_malformed(locker: JournalingLocker, drop: int) -> None:
    raws = [raw for at, raw in enumerate(locker.entries) if at != drop]
    with pytest.raises(Malformed, match="follow"):
        read_lines(raws, lid=locker.lid, first=1, head=locker.head)


def test_entry_of_another_locker_is_malformed(locker: JournalingLocker) -> None:
    stranger = JournalingLocker("stranger")
    with pytest.raises(Malformed, match="follow"):
        read_lines(locker.entries, lid=stranger.lid, first=1, head=locker.head)


def test_journal_has_no_entry_zero(locker: JournalingLocker) -> None:
    with pytest.raises(Malformed, match="begins"):
        read_lines(locker.entries, lid=locker.lid, first=0, head=locker.head)


def test_repeat_is_no_fork(locker: JournalingLocker) -> None:
    lines = lines_of(locker)
    assert find_fork(lines, links_of(lines)) is None


def test_other_entry_under_a_known_number_is_a_fork(locker: JournalingLocker) -> None:
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    fork = find_fork(lines_of(twin, 7), links_of(lines_of(locker)))
    assert fork is not None
    assert fork.seq == 7


def test_entry_that_does_not_fit_the_one_before_it_is_a_fork(locker: JournalingLocker) -> None:
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    twin.write(Kind.POWER, 3)
    fork = find_fork(lines_of(twin, 8), links_of(lines_of(locker)))
    assert fork is not None
    assert fork.seq == 8


def test_entry_that_does_not_fit_the_one_behind_it_is_a_fork(locker: JournalingLocker) -> None:
    twin = locker.copy()
    locker.write(Kind.POWER, 1)
    locker.write(Kind.POWER, 3)
    twin.write(Kind.POWER, 2)
    stored = {8: links_of(lines_of(locker))[8]}
    fork = find_fork(lines_of(twin, 5), stored)
    assert fork is not None
    assert fork.seq == 7


def test_piece_between_two_stored_ones_closes_the_gap(locker: JournalingLocker) -> None:
    links = links_of(lines_of(locker))
    middle = lines_of(locker)[2:4]
    stored = {seq: link for seq, link in links.items() if seq not in {3, 4}}
    assert find_fork(middle, stored) is None


def test_entry_tells_whom_it_speaks_of(locker: JournalingLocker) -> None:
    told = [about(read_line(raw).entry) for raw in locker.entries]
    assert told[0] == About()
    assert told[1] == About(comp=3, cti=b"cti-0001")
    assert told[2] == About(comp=3)
    assert told[5] == About(comp=3, stay=stay_of(1))


def test_unknown_kind_speaks_of_nobody(locker: JournalingLocker) -> None:
    locker.write(99, 3, b"whatever")
    assert about(read_line(locker.entries[-1]).entry) == About()


def test_first_head_is_that_of_no_entry() -> None:
    assert JournalingLocker().head == FIRST_PREV_HEAD
