"""What is measured when: news at the heartbeat, the rest each hour, nothing without the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.climate.keeping import Climates
from ble_agent.clock import TrustedClock
from ble_agent.errors import StateError, StoreUnusable
from ble_agent.journal import Journal
from ble_agent.journal.pruning import TIGHT_ROOM
from ble_agent.journal.readings import Readings
from ble_agent.session.locker import open_store
from ble_agent.uplink.sampling import AT_LEAST_EVERY_S, EVERY_S, Sampling
from schema.ids import LockerId
from schema.journal import Kind, parse_entry
from schema.readings import WHOLE_LOCKER, Reading, ReadingKind
from tests.ble_agent.standing import NOW, Standing
from tests.fakes.scheduler import ManualScheduler

if TYPE_CHECKING:
    from pathlib import Path

SPARE = AT_LEAST_EVERY_S // EVERY_S
"""Looks from one telling of a value that stays to the next."""


def readings(standing: Standing, kind: ReadingKind, channel: int = 1) -> list[Reading]:
    found = [one for _, one in standing.locker.readings.list_after(0)]
    return [one for one in found if (one.kind, one.channel) == (kind, channel)]


def degrees(standing: Standing, comp: int = 1) -> list[int]:
    return [one.value for one in readings(standing, ReadingKind.TEMPERATURE, comp)]


async def test_each_door_is_measured_in_tenths_of_a_degree(standing: Standing) -> None:
    standing.hardware.set_temperature(-18.54)
    await standing.pass_time(EVERY_S)
    for comp in range(1, standing.compartments + 1):
        assert degrees(standing, comp) == [-185]
    (taken,) = readings(standing, ReadingKind.TEMPERATURE)
    assert 0 < taken.t - NOW <= EVERY_S


async def test_a_locker_without_a_thermometer_tells_of_its_storage(standing: Standing) -> None:
    await standing.pass_time(EVERY_S)
    (storage,) = readings(standing, ReadingKind.STORAGE_FREE, WHOLE_LOCKER)
    assert 0 < storage.value <= 1000
    assert degrees(standing) == []


async def test_only_news_is_kept_and_once_an_hour_what_stays(standing: Standing) -> None:
    for celsius in (4.0, 4.4, 4.6, 4.6):
        standing.hardware.set_temperature(celsius)
        await standing.pass_time(EVERY_S)
    assert degrees(standing) == [40, 46]
    for _ in range(SPARE):
        await standing.pass_time(EVERY_S)
    assert degrees(standing) == [40, 46, 46]


async def test_a_locker_without_the_time_takes_no_readings(standing: Standing) -> None:
    await standing.restart()
    standing.hardware.set_temperature(4.0)
    for _ in range(SPARE + 1):
        await standing.pass_time(EVERY_S)
    assert standing.locker.readings.list_after(0) == []


async def test_a_probe_that_says_no_number_says_nothing(standing: Standing) -> None:
    standing.hardware.set_temperature(float("nan"))
    await standing.pass_time(EVERY_S)
    assert degrees(standing) == []


async def test_a_clock_set_back_is_no_reason_to_be_silent(standing: Standing) -> None:
    standing.hardware.set_temperature(4.0)
    await standing.pass_time(EVERY_S)
    await standing.set_time(NOW - 3_600)
    await standing.pass_time(EVERY_S)
    assert degrees(standing) == [40, 40]


async def test_a_locker_short_of_room_gives_its_readings_up_for_the_journal(
    tmp_path: Path,
) -> None:
    standing = await Standing(tmp_path, max_bytes=256 * 1024).start()
    await standing.set_up()
    for celsius in range(0, 400, 2):
        standing.hardware.set_temperature(float(celsius))
        await standing.pass_time(EVERY_S)
    assert degrees(standing)
    fill(standing, until=0.12)
    lines = len(standing.journal())
    standing.locker.pruning.run()
    assert degrees(standing)[:1] != [0]
    assert standing.locker.store.room() >= TIGHT_ROOM
    fill(standing, until=0.03)
    standing.locker.pruning.run()
    standing.hardware.set_temperature(1.0)
    await standing.pass_time(EVERY_S)
    assert standing.locker.readings.list_after(0) == []
    assert len(standing.journal()) > lines
    assert parse_entry(standing.locker.journal.list_after(0, limit=1)[0][1]).seq == 1
    await standing.stop()


def fill(standing: Standing, *, until: float) -> None:
    """Lines that nobody has acknowledged, until so little room is left."""
    while standing.locker.store.room() > until:
        with standing.locker.journal.record("lines") as record:
            record.append(Kind.BOOT, ["x" * 1000, 0])


def test_a_store_that_serves_no_more_is_told_of(tmp_path: Path) -> None:
    store, failures = open_store(tmp_path), list[StateError]()
    clock = TrustedClock(NOW)
    journal = Journal(store, LockerId(bytes(8)), clock=clock, boot=1, take_random=bytes)
    climates = Climates(store, journal, zones=dict)
    store.close()
    Sampling(
        Readings(store),
        store,
        thermometer=None,
        compartments=(1,),
        climates=climates,
        clock=clock,
        scheduler=ManualScheduler(),
        on_failure=failures.append,
    ).start()
    assert [type(one) for one in failures] == [StoreUnusable]


async def test_a_stopped_locker_measures_no_more(standing: Standing) -> None:
    standing.locker.sampling.stop()
    await standing.pass_time(2 * AT_LEAST_EVERY_S)
    assert standing.locker.readings.list_after(0) == []
