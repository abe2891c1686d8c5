"""What the port `Hardware` promises, held by every hardware."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.hardware.port import Door, Visitor
from tests.fakes.cabinets import COMPS, Cabinet, Ear, open_cabinet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["simulated", "gpio", "modbus"])
async def cabinet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cabinet]:
    async with open_cabinet(request.param, tmp_path) as cabinet:
        yield cabinet


@pytest.fixture
def ear(cabinet: Cabinet) -> Ear:
    return Ear(cabinet.hardware)


async def test_compartments_are_there_shut_and_empty(cabinet: Cabinet) -> None:
    assert tuple(cabinet.hardware.compartments) == COMPS
    assert [cabinet.hardware.door(comp) for comp in COMPS] == [Door.CLOSED] * 2
    assert [cabinet.hardware.occupied(comp) for comp in COMPS] == [False] * 2


async def test_pulse_opens_its_door_and_watchers_are_told_once(cabinet: Cabinet, ear: Ear) -> None:
    await cabinet.hardware.pulse(2, Visitor.LOOKS)
    await ear.count(1)
    assert ear.told == [(2, Door.OPEN)]
    assert cabinet.hardware.door(1) is Door.CLOSED


async def test_door_opened_by_key_is_told_by_its_sensor_alone(cabinet: Cabinet, ear: Ear) -> None:
    cabinet.open_by_key(1)
    await ear.count(1)
    assert ear.told == [(1, Door.OPEN)]


async def test_what_is_inside_is_known_when_the_close_is_told(cabinet: Cabinet, ear: Ear) -> None:
    for occupied in (True, False):
        await cabinet.hardware.pulse(1, Visitor.LOOKS)
        await ear.until(lambda: ear.told[-1:] == [(1, Door.OPEN)])
        cabinet.shut(1, occupied=occupied)
        await ear.until(lambda: ear.told[-1:] == [(1, Door.CLOSED)])
        assert ear.sensed[-1] is occupied


async def test_changes_of_several_doors_are_told_in_order(cabinet: Cabinet, ear: Ear) -> None:
    for step, comp in enumerate((2, 1), 1):
        cabinet.open_by_key(comp)
        await ear.count(step)
    cabinet.shut(2, occupied=False)
    await ear.count(3)
    assert ear.told == [(2, Door.OPEN), (1, Door.OPEN), (2, Door.CLOSED)]


async def test_pulse_on_an_open_door_changes_nothing(cabinet: Cabinet, ear: Ear) -> None:
    for _ in range(2):
        await cabinet.hardware.pulse(1, Visitor.LOOKS)
        await ear.count(1)
    assert ear.told == [(1, Door.OPEN)]


async def test_pulses_asked_for_together_all_come(cabinet: Cabinet, ear: Ear) -> None:
    async with asyncio.TaskGroup() as group:
        for comp in COMPS:
            group.create_task(cabinet.hardware.pulse(comp, Visitor.LOOKS))
    await ear.count(2)
    assert {comp for comp, _ in ear.told} == set(COMPS)


async def test_caller_that_leaves_takes_no_pulse_of_others_along(
    cabinet: Cabinet, ear: Ear
) -> None:
    left = asyncio.create_task(cabinet.hardware.pulse(1, Visitor.LOOKS))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    await cabinet.hardware.pulse(2, Visitor.LOOKS)
    await ear.until(lambda: (2, Door.OPEN) in ear.told)


async def test_watch_that_has_ended_hears_nothing(cabinet: Cabinet, ear: Ear) -> None:
    other = Ear(cabinet.hardware)
    other.leave()
    other.leave()
    cabinet.open_by_key(1)
    await ear.count(1)
    assert other.told == []


async def test_listener_that_fails_is_reported_and_others_are_told(cabinet: Cabinet) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail(comp: int, _door: Door) -> None:
        raise ValueError(comp)

    cabinet.hardware.watch(fail)
    ear = Ear(cabinet.hardware)
    cabinet.open_by_key(2)
    await ear.count(1)
    assert [repr(context["exception"]) for context in reported] == ["ValueError(2)"]


async def test_closed_hardware_tells_nobody_and_may_be_closed_again(
    cabinet: Cabinet, ear: Ear
) -> None:
    await cabinet.hardware.close()
    cabinet.open_by_key(1)
    await cabinet.hardware.close()
    await asyncio.sleep(0)
    assert ear.told == []


@pytest.mark.parametrize("comp", [0, 3])
async def test_number_that_no_compartment_has_is_a_key_error(cabinet: Cabinet, comp: int) -> None:
    with pytest.raises(KeyError):
        cabinet.hardware.door(comp)
    with pytest.raises(KeyError):
        cabinet.hardware.occupied(comp)
    with pytest.raises(KeyError):
        await cabinet.hardware.pulse(comp, Visitor.LOOKS)
