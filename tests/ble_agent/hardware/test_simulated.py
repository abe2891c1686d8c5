"""The simulated locker: its default behaviour is a contract with outside tools."""

from __future__ import annotations

import asyncio
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ble_agent.hardware.port import Door, Hardware, Thermometer, Visitor
from ble_agent.hardware.simulated import Faults, Sensing, SimulatedHardware
from tests.fakes.scheduler import ManualScheduler

COMP = 2


class Bench:
    """A locker of three compartments, the hand on its clock, and all that watchers were told."""

    def __init__(self, *, occupied: bool = False, door_seconds: float | None = 2.0) -> None:
        self.scheduler = ManualScheduler()
        self.hardware = SimulatedHardware(
            3,
            scheduler=self.scheduler,
            occupied={COMP} if occupied else set(),
            door_seconds=door_seconds,
        )
        self.told: list[tuple[int, Door]] = []
        self.hardware.watch(lambda comp, door: self.told.append((comp, door)))

    def pulse(self, visitor: Visitor = Visitor.LOOKS) -> None:
        asyncio.run(self.hardware.pulse(COMP, visitor))
        self.scheduler.advance(0)

    def sensed(self) -> tuple[Door, bool | None]:
        return self.hardware.door(COMP), self.hardware.occupied(COMP)


def test_locker_starts_with_all_doors_closed_and_the_given_parcels() -> None:
    hardware: Hardware = Bench(occupied=True).hardware
    assert list(hardware.compartments) == [1, 2, 3]
    assert [hardware.door(comp) for comp in (1, 2, 3)] == [Door.CLOSED] * 3
    assert [hardware.occupied(comp) for comp in (1, 2, 3)] == [False, True, False]


def test_pulse_opens_at_once_and_the_door_closes_by_itself() -> None:
    bench = Bench(door_seconds=0.25)
    bench.pulse()
    assert bench.told == [(COMP, Door.OPEN)]
    bench.scheduler.advance(0.24)
    assert bench.hardware.door(COMP) is Door.OPEN
    bench.scheduler.advance(0.01)
    assert bench.told == [(COMP, Door.OPEN), (COMP, Door.CLOSED)]


@pytest.mark.parametrize(
    ("visitor", "before", "after"),
    [
        (Visitor.TAKES, True, False),
        (Visitor.TAKES, False, False),
        (Visitor.PUTS, False, True),
        (Visitor.PUTS, True, True),
        (Visitor.TAKES_BACK, True, False),
        (Visitor.LOOKS, True, True),
        (Visitor.LOOKS, False, False),
    ],
)
def test_visit_changes_the_inside_at_the_moment_of_closing(
    visitor: Visitor, before: bool, after: bool
) -> None:
    bench = Bench(occupied=before)
    bench.pulse(visitor)
    bench.scheduler.advance(1.9)
    assert bench.sensed() == (Door.OPEN, before)
    bench.scheduler.advance(0.1)
    assert bench.sensed() == (Door.CLOSED, after)


def test_watcher_of_a_change_reads_values_that_belong_to_it() -> None:
    bench = Bench()
    seen: list[tuple[Door, bool | None]] = []
    bench.hardware.watch(lambda _comp, _door: seen.append(bench.sensed()))
    bench.pulse(Visitor.PUTS)
    bench.scheduler.advance(2)
    assert seen == [(Door.OPEN, False), (Door.CLOSED, True)]


def test_watcher_is_never_called_inside_the_pulse() -> None:
    bench = Bench()
    asyncio.run(bench.hardware.pulse(COMP, Visitor.LOOKS))
    assert bench.hardware.door(COMP) is Door.OPEN
    assert bench.told == []


def test_pulse_on_an_open_door_extends_nothing_and_brings_no_new_visitor() -> None:
    bench = Bench()
    bench.pulse(Visitor.PUTS)
    bench.scheduler.advance(1.5)
    bench.pulse(Visitor.TAKES)
    bench.scheduler.advance(0.5)
    assert bench.sensed() == (Door.CLOSED, True)
    assert bench.told == [(COMP, Door.OPEN), (COMP, Door.CLOSED)]
    assert bench.scheduler.pending() == 0


def test_stuck_door_opens_after_its_pulses_are_spent() -> None:
    bench = Bench()
    bench.hardware.set_faults(COMP, Faults(stuck_pulses=2))
    bench.pulse()
    bench.pulse()
    assert bench.told == []
    bench.pulse()
    assert bench.told == [(COMP, Door.OPEN)]


def test_door_that_stays_open_closes_the_usual_time_after_the_fault_is_lifted() -> None:
    bench = Bench(occupied=True)
    bench.hardware.set_faults(COMP, Faults(stays_open=True))
    bench.pulse(Visitor.TAKES)
    bench.scheduler.advance(1000)
    assert bench.sensed() == (Door.OPEN, True)
    bench.hardware.set_faults(COMP, Faults())
    bench.scheduler.advance(2)
    assert bench.sensed() == (Door.CLOSED, False)


def test_fault_that_begins_while_the_door_is_open_keeps_it_open() -> None:
    bench = Bench()
    bench.pulse()
    bench.hardware.set_faults(COMP, Faults(stays_open=True))
    bench.scheduler.advance(1000)
    assert bench.hardware.door(COMP) is Door.OPEN


def test_forced_door_stays_open_until_it_is_shut_by_hand() -> None:
    bench = Bench(occupied=True)
    bench.hardware.swing_open(COMP)
    bench.scheduler.advance(1000)
    assert bench.sensed() == (Door.OPEN, True)
    bench.hardware.swing_shut(COMP, occupied=False)
    bench.scheduler.advance(0)
    assert bench.sensed() == (Door.CLOSED, False)
    assert bench.told == [(COMP, Door.OPEN), (COMP, Door.CLOSED)]


def test_hand_that_shuts_early_lets_the_visitor_act_first() -> None:
    bench = Bench()
    bench.pulse(Visitor.PUTS)
    bench.hardware.swing_shut(COMP)
    bench.scheduler.advance(10)
    assert bench.sensed() == (Door.CLOSED, True)
    assert bench.told == [(COMP, Door.OPEN), (COMP, Door.CLOSED)]


def test_without_door_seconds_nobody_closes_and_nobody_acts() -> None:
    bench = Bench(occupied=True, door_seconds=None)
    bench.pulse(Visitor.TAKES)
    bench.scheduler.advance(1000)
    assert bench.sensed() == (Door.OPEN, True)
    bench.hardware.swing_shut(COMP)
    assert bench.sensed() == (Door.CLOSED, True)


@pytest.mark.parametrize(
    ("sensing", "closed", "opened"),
    [
        (Sensing.LYING, (Door.OPEN, False), (Door.CLOSED, False)),
        (Sensing.STUCK, (Door.CLOSED, True), (Door.CLOSED, True)),
        (Sensing.SILENT, (Door.UNKNOWN, None), (Door.UNKNOWN, None)),
    ],
)
def test_faulty_sensors_say_what_their_fault_dictates(
    sensing: Sensing, closed: tuple[Door, bool | None], opened: tuple[Door, bool | None]
) -> None:
    bench = Bench(occupied=True)
    bench.hardware.set_faults(COMP, Faults(door_sensor=sensing, occupancy_sensor=sensing))
    assert bench.sensed() == closed
    bench.pulse()
    assert bench.sensed() == opened


def test_watchers_are_told_what_a_faulty_contact_says() -> None:
    bench = Bench()
    bench.hardware.set_faults(COMP, Faults(door_sensor=Sensing.SILENT))
    bench.pulse()
    bench.scheduler.advance(2)
    bench.hardware.set_faults(COMP, Faults())
    bench.scheduler.advance(0)
    assert bench.told == [(COMP, Door.UNKNOWN), (COMP, Door.CLOSED)]


def test_late_sensors_report_the_truth_of_earlier() -> None:
    bench = Bench()
    bench.hardware.set_faults(COMP, Faults(door_late_s=0.5, occupancy_late_s=3))
    bench.scheduler.advance(3)
    bench.pulse(Visitor.PUTS)
    assert bench.sensed() == (Door.CLOSED, False)
    bench.scheduler.advance(0.5)
    assert bench.sensed() == (Door.OPEN, False)
    bench.scheduler.advance(2)
    assert bench.sensed() == (Door.CLOSED, False)
    bench.scheduler.advance(2.5)
    assert bench.sensed() == (Door.CLOSED, True)


def test_listener_that_has_left_hears_nothing_even_of_changes_on_their_way() -> None:
    bench = Bench()
    heard: list[int] = []
    leave = bench.hardware.watch(lambda comp, _door: heard.append(comp))
    asyncio.run(bench.hardware.pulse(COMP, Visitor.LOOKS))
    leave()
    leave()
    bench.scheduler.advance(10)
    assert heard == []
    assert bench.told == [(COMP, Door.OPEN), (COMP, Door.CLOSED)]


def test_closed_hardware_leaves_no_timer_and_tells_nobody() -> None:
    bench = Bench()
    bench.hardware.set_faults(COMP, Faults(door_late_s=5))
    asyncio.run(bench.hardware.pulse(COMP, Visitor.PUTS))
    asyncio.run(bench.hardware.close())
    asyncio.run(bench.hardware.close())
    assert bench.scheduler.pending() == 0
    bench.scheduler.advance(100)
    assert bench.told == []


def test_unknown_compartment_is_a_key_error() -> None:
    bench = Bench()
    with pytest.raises(KeyError):
        bench.hardware.door(4)
    with pytest.raises(KeyError):
        bench.hardware.occupied(0)
    with pytest.raises(KeyError):
        asyncio.run(bench.hardware.pulse(4, Visitor.LOOKS))
    with pytest.raises(KeyError):
        SimulatedHardware(3, scheduler=bench.scheduler, occupied={4})


@given(
    st.lists(
        st.one_of(
            st.sampled_from(list(Visitor)),
            st.floats(0, 5, allow_nan=False).map(lambda s: round(s, 3)),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.floats(0, 3).map(lambda s: round(s, 3)),
)
def test_any_story_tells_watchers_alternating_changes_and_ends_closed(
    story: list[Visitor | float | bool], door_seconds: float
) -> None:
    bench = Bench(door_seconds=door_seconds)
    for step in story:
        if isinstance(step, bool):
            bench.hardware.swing_shut(COMP, occupied=step)
        elif isinstance(step, float):
            bench.scheduler.advance(step)
        else:
            bench.pulse(step)
    bench.scheduler.advance(door_seconds + 1)
    doors = [door for _comp, door in bench.told]
    assert doors == [Door.OPEN, Door.CLOSED] * (len(doors) // 2)
    assert bench.hardware.door(COMP) is Door.CLOSED
    assert bench.scheduler.pending() == 0


async def test_event_loop_itself_is_a_scheduler() -> None:
    closed = asyncio.Event()
    hardware = SimulatedHardware(1, scheduler=asyncio.get_running_loop(), door_seconds=0)
    doors: list[Door] = []

    def on_door(_comp: int, door: Door) -> None:
        doors.append(door)
        if door is Door.CLOSED:
            closed.set()

    hardware.watch(on_door)
    await hardware.pulse(1, Visitor.PUTS)
    await asyncio.wait_for(closed.wait(), timeout=5)
    assert doors == [Door.OPEN, Door.CLOSED]
    assert hardware.occupied(1) is True


def test_every_fault_has_a_harmless_default() -> None:
    assert set(get_type_hints(Faults)) == {
        "stuck_pulses",
        "stays_open",
        "door_sensor",
        "occupancy_sensor",
        "door_late_s",
        "occupancy_late_s",
    }
    bench = Bench()
    bench.hardware.set_faults(COMP, Faults())
    bench.pulse(Visitor.PUTS)
    bench.scheduler.advance(2)
    assert bench.sensed() == (Door.CLOSED, True)


def test_it_is_as_cold_as_it_was_told_at_every_door() -> None:
    hardware = Bench().hardware
    assert isinstance(hardware, Thermometer)
    assert hardware.temperature_c(COMP) is None
    hardware.set_temperature(-12.5)
    assert [hardware.temperature_c(comp) for comp in (1, 2, 3)] == [-12.5] * 3
    with pytest.raises(KeyError):
        hardware.temperature_c(4)
