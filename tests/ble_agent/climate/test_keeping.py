"""What a locker writes of its cooled compartments, through restarts, cuts and full disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.climate import FAULT_AFTER_S
from ble_agent.errors import StoreUnusable
from ble_agent.store import Cut
from ble_agent.uplink.sampling import EVERY_S
from schema.codes import Code
from schema.compartments import ClimateZone
from schema.handshake import OpenRequest
from schema.journal import ExcursionPhase, Kind
from schema.keys import Operation, Role
from schema.statements import zones_as_values
from tests.ble_agent.standing import Standing

if TYPE_CHECKING:
    from pathlib import Path

    from ble_agent.store import Moment

LEFT, BACK, FAULT = (int(phase) for phase in ExcursionPhase)
ZONES = {1: ClimateZone.CHILLED, 2: ClimateZone.FROZEN}


async def configure(standing: Standing, zones: dict[int, ClimateZone], seq: int = 1) -> None:
    """A phone brings the configuration that names the cooled compartments."""
    visitor = await standing.visit()
    await visitor.greet()
    token = standing.token(Operation.SYNC, role=Role.COURIER)
    statement = standing.configuration(zones_as_values(zones), seq)
    report = await visitor.ask(token, OpenRequest(Operation.SYNC), statement)
    assert report.code == Code.OK
    await visitor.leave()


async def hold(standing: Standing, celsius: float | None, *comps: int, looks: int = 2) -> None:
    """It is that cold at these doors for so many looks."""
    standing.hardware.set_temperature(celsius, *comps)
    for _ in range(looks):
        await standing.pass_time(EVERY_S)


def told(standing: Standing) -> list[list[object]]:
    return [[*body] for kind, body in standing.journal() if kind is Kind.EXCURSION]


async def test_only_compartments_that_the_server_named_are_watched(standing: Standing) -> None:
    await hold(standing, 4.0)
    assert told(standing) == []
    await configure(standing, ZONES)
    await hold(standing, 4.0)
    assert told(standing) == [[1, BACK, 40]]
    await hold(standing, -20.0, 2)
    assert told(standing) == [[1, BACK, 40], [2, BACK, -200]]


async def test_an_excursion_through_a_restart_is_told_once(standing: Standing) -> None:
    await configure(standing, ZONES)
    await hold(standing, 4.0)
    await hold(standing, 9.0)
    assert told(standing)[1:] == [[1, LEFT, 90]]
    await standing.restart()
    await hold(standing, 9.0, looks=3)
    assert told(standing)[1:] == [[1, LEFT, 90]]
    await hold(standing, 3.0)
    await standing.restart()
    await hold(standing, 3.0, looks=3)
    assert told(standing)[1:] == [[1, LEFT, 90], [1, BACK, 30]]


async def test_a_locker_that_lost_the_time_still_tells_of_an_excursion(standing: Standing) -> None:
    await configure(standing, ZONES)
    await hold(standing, 4.0)
    await standing.restart()
    await hold(standing, 9.0)
    assert told(standing)[1:] == [[1, LEFT, 90]]
    assert standing.locker.readings.list_after(0)[-1][1].value == 40


async def test_hours_of_warmth_count_on_after_a_restart(standing: Standing) -> None:
    await configure(standing, ZONES)
    await hold(standing, 4.0)
    await hold(standing, 9.0, looks=FAULT_AFTER_S // EVERY_S - 1)
    await standing.restart()
    standing.hardware.set_temperature(9.0)
    await standing.pass_time(EVERY_S)
    assert told(standing)[1:] == [[1, LEFT, 90]]
    await standing.pass_time(EVERY_S)
    assert told(standing)[1:] == [[1, LEFT, 90], [1, FAULT, 90]]


async def test_another_zone_begins_anew(standing: Standing) -> None:
    await configure(standing, ZONES)
    await hold(standing, 4.0, 1)
    await configure(standing, {1: ClimateZone.FROZEN}, seq=2)
    await hold(standing, 4.0, 1)
    assert told(standing) == [[1, BACK, 40]]
    await hold(standing, -19.0, 1)
    assert told(standing)[1:] == [[1, BACK, -190]]


async def test_an_absurd_probe_leaves_a_journal_that_can_be_read(standing: Standing) -> None:
    await configure(standing, ZONES)
    await hold(standing, 4.0, 1)
    await hold(standing, 1e30, 1)
    await hold(standing, -1e30, 1)
    assert told(standing)[1:] == [[1, LEFT, 10_000], [1, BACK, -2731], [1, LEFT, -2731]]


@pytest.mark.parametrize(("moment", "before"), [("before", 0), ("after", 1)])
async def test_a_power_cut_at_the_write_tells_it_once(
    folder: Path, moment: Moment, before: int
) -> None:
    armed = False

    def cut(at: Moment, label: str) -> None:
        if armed and (at, label) == (moment, "climate"):
            raise Cut

    standing = await Standing(folder / "state", cut=cut).start()
    await standing.set_up()
    await configure(standing, ZONES)
    await hold(standing, 4.0, 1)
    standing.hardware.set_temperature(9.0, 1)
    await standing.pass_time(EVERY_S)
    armed = True
    with pytest.raises(Cut):
        await standing.pass_time(EVERY_S)
    armed = False
    with pytest.raises(StoreUnusable):
        standing.journal()
    await standing.restart(occupied=set())
    assert len(told(standing)[1:]) == before
    await hold(standing, 9.0, 1, looks=3)
    assert told(standing)[1:] == [[1, LEFT, 90]]
    await standing.stop()
