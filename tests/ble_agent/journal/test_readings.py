"""Readings: each given to a few phones, bounded, dropped before anything that proves something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.journal.readings import COPIES, MAX_READINGS, TAKEN_AT_ONCE, Readings
from ble_agent.session.locker import open_store
from schema.readings import Reading, ReadingKind
from tests.ble_agent.standing import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ble_agent.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def measured(count: int, *, first: int = 0) -> list[Reading]:
    return [Reading(NOW + n, 1, ReadingKind.TEMPERATURE, n) for n in range(first, first + count)]


def kept(readings: Readings, after: int = 0) -> list[Reading]:
    return [one for _, one in readings.list_after(after)]


def numbers(readings: Readings) -> list[int]:
    return [number for number, _ in readings.list_after(0)]


def test_readings_come_back_oldest_first_and_go_on_after_a_number(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(5))
    assert kept(readings) == measured(5)
    assert kept(readings, numbers(readings)[2]) == measured(5)[3:]


def test_a_reading_taken_twice_is_kept_once(store: Store) -> None:
    readings = Readings(store)
    first = Reading(NOW, 1, ReadingKind.TEMPERATURE, 40)
    readings.add([first])
    readings.add([Reading(NOW, 1, ReadingKind.TEMPERATURE, 55)])
    assert kept(readings) == [first]


def test_a_reading_goes_once_so_many_phones_had_it(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(3))
    old = numbers(readings)
    for given in range(COPIES):
        assert kept(readings) == measured(3), given
        readings.on_given(old[:2])
    assert kept(readings) == measured(3)[2:]
    readings.add(measured(1, first=3))
    assert kept(readings) == measured(4)[2:]
    assert kept(Readings(store)) == measured(4)[2:]


def test_how_often_it_was_given_is_forgotten_in_a_restart_but_no_reading_is(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(2))
    for _ in range(COPIES):
        readings.on_given(numbers(readings))
    assert kept(readings) == []
    assert kept(Readings(store)) == measured(2)


def test_what_the_server_has_is_dropped_at_once(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(4))
    readings.drop(numbers(readings)[:3])
    assert kept(Readings(store)) == measured(4)[3:]


def test_nothing_to_drop_writes_nothing(tmp_path: Path) -> None:
    writes: list[str] = []
    store = open_store(tmp_path, cut=lambda _, label: writes.append(label))
    before = len(writes)
    readings = Readings(store)
    readings.drop([])
    assert readings.shed(10) == 0
    assert len(writes) == before
    store.close()


def test_the_newest_are_kept_and_looked_at_in_portions(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(MAX_READINGS))
    readings.add(measured(7, first=MAX_READINGS))
    found = kept(readings)
    assert found == measured(TAKEN_AT_ONCE, first=7)
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (MAX_READINGS,)


def test_for_want_of_room_the_oldest_go(store: Store) -> None:
    readings = Readings(store)
    readings.add(measured(5))
    assert readings.shed(2) == 2
    assert kept(readings) == measured(5)[2:]
    assert readings.shed(10) == 3
    assert readings.shed(10) == 0
