"""Doors that need more than one pulse, in frost and without, with power cuts in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ble_agent.doors.prompts import Prompt
from ble_agent.doors.pulses import FROZEN, USUAL, Plan, choose_plan
from ble_agent.hardware.simulated import Faults, Sensing
from ble_agent.policy.world import MAX_PULSES, OPEN_DETECT_S
from schema.codes import Code, DoorEvent
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation, Role
from tests.ble_agent.standing import Standing, quick_folder

if TYPE_CHECKING:
    from pathlib import Path

STAY = StayId(b"stay0001")


def pulses(standing: Standing, after: int = 0) -> list[list[object]]:
    """What the PULSED lines say."""
    return [list(body) for kind, body in standing.journal()[after:] if kind is Kind.PULSED]


async def pulse_times(standing: Standing, comp: int, until_s: float) -> list[float]:
    """At which quarters of a second from now on lines of pulses are written."""
    found, known = [], len(pulses(standing))
    for quarter in range(int(until_s * 4) + 1):
        await standing.pass_time(0.25 if quarter else 0)
        if len(pulses(standing)) > known:
            known += 1
            assert pulses(standing)[-1][0] == comp
            found.append(quarter / 4)
    return found


@pytest.mark.parametrize(
    ("temp_c", "plan"),
    [(None, USUAL), (20.0, USUAL), (-5.0, USUAL), (-5.1, FROZEN), (-40.0, FROZEN)],
)
def test_below_five_degrees_of_frost_another_plan_is_chosen(
    temp_c: float | None, plan: Plan
) -> None:
    assert choose_plan(temp_c) is plan


async def test_a_door_that_opens_at_once_has_one_pulse(by_hand: Standing) -> None:
    for temp_c in (None, -20.0):
        by_hand.hardware.set_temperature(temp_c)
        before = len(by_hand.journal())
        await by_hand.ask(Operation.DEPOSIT, 1, stay=STAY)
        await by_hand.pass_time(30)
        await by_hand.shut(1)
        assert pulses(by_hand, before) == [[1, 1]]


async def test_a_stuck_door_is_pulsed_after_one_and_after_three_seconds(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    before = len(by_hand.journal())
    visitor, report = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    assert report.code == Code.OK
    assert await pulse_times(by_hand, 1, 3 + OPEN_DETECT_S - 0.25) == [1, 3]
    assert await visitor.events() == []
    await by_hand.pass_time(0.25)
    assert await visitor.events() == [DoorEvent.OPEN_NOT_DETECTED]
    assert pulses(by_hand, before) == [[1, 1], [1, 2], [1, 3]]
    assert by_hand.prompts == []


async def test_in_frost_it_is_pulsed_five_times_and_asks_for_a_push(by_hand: Standing) -> None:
    by_hand.hardware.set_temperature(-12.0)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    before = len(by_hand.journal())
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.pass_time()
    assert by_hand.prompts == [(1, Prompt.PRESS)]
    assert await pulse_times(by_hand, 1, 8 + OPEN_DETECT_S - 0.25) == [2, 4, 6, 8]
    await by_hand.pass_time(0.25)
    assert await visitor.events() == [DoorEvent.OPEN_NOT_DETECTED]
    assert pulses(by_hand, before) == [[1, n] for n in (1, 2, 3, 4, 5)]
    assert by_hand.prompts == [(1, Prompt.PRESS), (1, None)]


async def test_a_frozen_door_that_gives_way_is_an_opening_like_any_other(
    by_hand: Standing,
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.hardware.set_temperature(-12.0)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=4))
    visitor, _ = await by_hand.come(Operation.OPEN, stay=STAY)
    for _ in range(4):
        await by_hand.pass_time(2)
    assert by_hand.prompts == [(1, Prompt.PRESS), (1, None)]
    await by_hand.shut(1, occupied=False)
    assert await visitor.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_EMPTY]
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])


@pytest.mark.parametrize("seconds", [0.5, 1.5, 5.0])
async def test_a_plan_ends_when_the_door_moves_by_itself(by_hand: Standing, seconds: float) -> None:
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    for _ in range(int(seconds * 2)):
        await by_hand.pass_time(0.5)
    known = len(pulses(by_hand))
    by_hand.hardware.swing_open(1)  # the person pulls
    await by_hand.pass_time(20)
    assert await visitor.events() == [DoorEvent.DOOR_OPENED]
    assert len(pulses(by_hand)) == known


async def test_a_door_that_nobody_sees_open_is_pulsed_to_the_end(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(1, Faults(door_sensor=Sensing.SILENT))
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.spend_pulses()
    assert await visitor.events() == [DoorEvent.OPEN_NOT_DETECTED]


async def test_each_pulse_counts_and_the_last_plan_is_cut_short(by_hand: Standing) -> None:
    by_hand.hardware.set_temperature(-12.0)
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)  # 1, and back in again
    await by_hand.shut(1, occupied=True)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    before = len(by_hand.journal())
    for expected in (5, 5, 5, 4):
        known = len(pulses(by_hand))
        assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        for _ in range(10):
            await by_hand.pass_time(2)
        assert len(pulses(by_hand)) - known == expected
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.COMPARTMENT_FAULT
    assert len(pulses(by_hand, before)) == MAX_PULSES - 1


async def test_the_same_bearer_who_comes_again_begins_a_new_plan(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(2, Faults(stuck_pulses=100))
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    await by_hand.ask(Operation.DEPOSIT, 2, token=token)
    await by_hand.pass_time(1)
    known = len(pulses(by_hand))
    await by_hand.ask(Operation.DEPOSIT, 2, token=token)
    assert await pulse_times(by_hand, 2, 3) == [1, 3]
    assert pulses(by_hand)[known:] == [[2, 1], [2, 2], [2, 3]]
    await by_hand.pass_time(OPEN_DETECT_S)
    assert by_hand.kinds().count(Kind.OPEN_NOT_DETECTED) == 1


async def test_several_stuck_doors_are_each_pulsed_by_a_plan_of_their_own(
    by_hand: Standing,
) -> None:
    for comp in (2, 4):
        by_hand.hardware.set_faults(comp, Faults(stuck_pulses=100))
    before = len(by_hand.journal())
    staff, _ = await by_hand.open_all()
    await by_hand.spend_pulses()
    lines = pulses(by_hand, before)
    assert lines[:4] == [[comp, 1] for comp in (1, 2, 3, 4)]
    assert sorted(map(str, lines[4:])) == ["[2, 2]", "[2, 3]", "[4, 2]", "[4, 3]"]
    events = await staff.events()
    assert events.count(DoorEvent.DOOR_OPENED) == 2
    assert events.count(DoorEvent.OPEN_NOT_DETECTED) == 2


async def test_a_lost_link_ends_no_plan(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=2))
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await visitor.leave()
    await by_hand.pass_time(1)
    await by_hand.pass_time(2)
    await by_hand.shut(1, occupied=True)
    assert by_hand.stay(1) == STAY


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_power_cut_within_a_plan_loses_nothing(by_hand: Standing, *, is_open: bool) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    token = by_hand.token(Operation.OPEN, stay=STAY)
    await by_hand.ask(Operation.OPEN, token=token)
    await by_hand.pass_time(1)
    known = len(pulses(by_hand))
    await by_hand.restart(open_doors={1} if is_open else None)
    await by_hand.pass_time(30)
    assert len(pulses(by_hand)) == known
    if is_open:
        assert by_hand.kinds()[-1] is Kind.DOOR_OPENED
    else:
        assert by_hand.kinds()[-1] is Kind.OPEN_NOT_DETECTED
        assert (await by_hand.ask(Operation.OPEN, token=token)).code == Code.OK
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])


async def test_an_orderly_end_within_a_plan_is_the_end_of_it(folder: Path) -> None:
    standing = await Standing(folder / "state", door_seconds=None).start()
    await standing.set_up()
    standing.hardware.set_faults(1, Faults(stuck_pulses=100))
    await standing.ask(Operation.DEPOSIT, 1, stay=STAY)
    await standing.stop()
    await standing.pass_time()
    assert standing.scheduler.pending() == 0
    await standing.start()
    assert pulses(standing) == [[1, 1]]
    assert standing.kinds()[-1] is Kind.OPEN_NOT_DETECTED
    await standing.stop()


class TestOpenDoors:
    """A door that stands open asks to be shut."""

    async def test_it_asks_after_half_a_minute_and_stops_once_it_is_shut(
        self, by_hand: Standing
    ) -> None:
        await by_hand.ask(Operation.DEPOSIT, 1, stay=STAY)
        await by_hand.pass_time(29)
        assert by_hand.prompts == []
        await by_hand.pass_time(1)
        assert by_hand.prompts == [(1, Prompt.SHUT)]
        await by_hand.shut(1, occupied=True)
        assert by_hand.prompts == [(1, Prompt.SHUT), (1, None)]

    async def test_being_overdue_is_written_at_its_time_and_asks_on(
        self, by_hand: Standing
    ) -> None:
        await by_hand.ask(Operation.INSPECT, 2, comps=(2,), role=Role.HUB)
        await by_hand.pass_time()
        await by_hand.pass_time(119)
        assert Kind.CLOSE_OVERDUE not in by_hand.kinds()
        await by_hand.pass_time(1)
        assert by_hand.kinds()[-1] is Kind.CLOSE_OVERDUE
        assert by_hand.prompts == [(2, Prompt.SHUT)]
        await by_hand.shut(2)
        assert by_hand.prompts[-1] == (2, None)

    async def test_where_it_is_overdue_after_30_seconds_both_come_at_once(
        self, by_hand: Standing
    ) -> None:
        cfg = by_hand.configuration({2: 30})
        await by_hand.ask(Operation.DEPOSIT, 1, cfg, stay=STAY)
        await by_hand.pass_time(30)
        assert by_hand.kinds()[-1] is Kind.CLOSE_OVERDUE
        assert by_hand.prompts == [(1, Prompt.SHUT)]

    async def test_it_asks_again_after_a_start(self, by_hand: Standing) -> None:
        await by_hand.ask(Operation.DEPOSIT, 1, stay=STAY)
        await by_hand.pass_time()
        await by_hand.pass_time(120)
        by_hand.prompts.clear()
        await by_hand.restart(open_doors={1})
        assert by_hand.prompts == [(1, Prompt.SHUT)]


@given(
    stuck=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    frost=st.booleans(),
    cut_after=st.sampled_from([None, 0, 1, 3]),
)
@settings(max_examples=40, deadline=None)
def test_however_stuck_a_door_is_no_use_is_lost_and_no_pulse_uncounted(
    stuck: list[int], *, frost: bool, cut_after: int | None
) -> None:
    asyncio.run(_visit_stuck_door(stuck, frost=frost, cut_after=cut_after))


async def _visit_stuck_door(stuck: list[int], *, frost: bool, cut_after: int | None) -> None:
    """One recipient comes again and again, until the door has opened once or for ever not."""
    with quick_folder() as folder:
        standing = await Standing(folder / "state", door_seconds=None).start()
        await standing.set_up()
        await standing.deposit_by_hand(STAY, 1)
        token = standing.token(Operation.OPEN, stay=STAY)
        before, spent, has_opened = len(standing.journal()), 0, False
        for stuck_pulses in stuck:
            standing.hardware.set_temperature(-12.0 if frost else None)
            standing.hardware.set_faults(1, Faults(stuck_pulses=stuck_pulses))
            report = await standing.ask(Operation.OPEN, token=token)
            assert report.code == (Code.OK if spent < MAX_PULSES else Code.COMPARTMENT_FAULT)
            for second in range(20):
                await standing.pass_time(1)
                if second == cut_after:
                    await standing.lose_power()
            spent = len(pulses(standing, before))
            assert spent == standing.locker.redemptions.pulses([STAY]).get(STAY, 0) <= MAX_PULSES
            has_opened = standing.kinds(before).count(Kind.DOOR_OPENED) == 1
            if has_opened:
                await standing.shut(1, occupied=False)
                break
        kinds = standing.kinds(before)
        given_back = kinds.count(Kind.OPEN_NOT_DETECTED)
        assert given_back + has_opened == kinds.count(Kind.ACCEPTED)
        assert (standing.stay(1) is None) == has_opened
        await standing.stop()
