"""Doors from acceptance to the last word, with sensors that see, lie or say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.hardware.simulated import Faults, Sensing
from ble_agent.policy.world import MAX_PULSES
from schema.codes import Code, DoorEvent
from schema.ids import StayId
from schema.journal import FAULT_FLAPPING, Kind
from schema.keys import Operation, Role
from tests.ble_agent.standing import SERVICE, Standing

if TYPE_CHECKING:
    from pathlib import Path

STAY, OTHER = StayId(b"stay0001"), StayId(b"stay0002")
VISIT = [Kind.ACCEPTED, Kind.PULSED, Kind.DOOR_OPENED, Kind.DOOR_CLOSED]


async def test_a_deposit_is_stored_when_its_door_closes_occupied(by_hand: Standing) -> None:
    before = len(by_hand.journal())
    courier, report = await by_hand.come(Operation.DEPOSIT, 2, stay=STAY)
    assert (report.code, report.comp, report.seq) == (Code.OK, 2, before + 1)
    assert await courier.events() == [DoorEvent.DOOR_OPENED]
    assert by_hand.stay(2) is None
    await by_hand.shut(2, occupied=True)
    assert by_hand.stay(2) == STAY
    event = await courier.frame()
    tail = by_hand.locker.journal.tail()
    assert event == by_hand.locker.report(DoorEvent.CLOSED_OCCUPIED, 2, tail)
    assert by_hand.kinds(before) == [*VISIT, Kind.DEPOSITED]
    assert by_hand.journal()[-1] == (Kind.DEPOSITED, [2, STAY])


async def test_a_deposit_without_a_sensor_is_stored_and_final(by_hand: Standing) -> None:
    by_hand.sense(Sensing.SILENT)
    courier, _ = await by_hand.come(Operation.DEPOSIT, stay=STAY)
    await by_hand.shut(1, occupied=True)
    assert await courier.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_UNKNOWN]
    assert by_hand.stay(1) == STAY
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY
    fresh = await by_hand.ask(Operation.DEPOSIT, stay=STAY)
    assert fresh.code == Code.COMPARTMENT_BUSY


async def test_a_deposit_sensed_empty_stores_nothing_and_may_choose_again(
    by_hand: Standing,
) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, token=token)
    await by_hand.shut(1, occupied=False)
    assert await courier.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_EMPTY]
    assert by_hand.stay(1) is None
    again = await by_hand.ask(Operation.DEPOSIT, 3, token=token)
    assert (again.code, again.comp) == (Code.OK, 3)
    await by_hand.shut(3, occupied=True)
    assert by_hand.stay(3) == STAY


@pytest.mark.parametrize(
    ("before", "after", "last"),
    [
        (Sensing.HONEST, Sensing.HONEST, (Kind.COLLECTED, [1, STAY, 1])),
        (Sensing.HONEST, Sensing.SILENT, (Kind.COLLECTED, [1, STAY, 2])),
        (Sensing.SILENT, Sensing.SILENT, (Kind.COLLECTED, [1, STAY, 2])),
        (Sensing.SILENT, Sensing.HONEST, (Kind.COLLECTED, [1, STAY, 2])),
        (Sensing.LYING, Sensing.HONEST, (Kind.FOUND_EMPTY, [1, STAY])),
        (Sensing.HONEST, Sensing.STUCK, (Kind.DOOR_CLOSED, [1, True])),
        (Sensing.HONEST, Sensing.LYING, (Kind.DOOR_CLOSED, [1, True])),
    ],
)
async def test_a_collection_is_graded_by_what_the_sensor_said(
    by_hand: Standing,
    before: Sensing,
    after: Sensing,
    last: tuple[Kind, list[object]],
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.sense(before, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    by_hand.sense(after, 1)
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == last
    assert (by_hand.stay(1) is None) == (last[0] is not Kind.DOOR_CLOSED)


async def test_what_is_left_inside_is_not_collected(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    for _ in range(2):
        visitor, report = await by_hand.come(Operation.OPEN, stay=STAY)
        assert report.code == Code.OK
        await by_hand.shut(1)
        assert await visitor.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_OCCUPIED]
        assert by_hand.stay(1) == STAY


async def test_a_door_that_stands_open_is_overdue_and_collected_with_grade_3(
    by_hand: Standing,
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    visitor, _ = await by_hand.come(Operation.OPEN, stay=STAY)
    assert await visitor.events() == [DoorEvent.DOOR_OPENED]
    await by_hand.pass_time(119)
    assert await visitor.events() == []
    await by_hand.pass_time(1)
    assert await visitor.events() == [DoorEvent.CLOSE_OVERDUE]
    assert by_hand.journal()[-2:] == [
        (Kind.CLOSE_OVERDUE, [1]),
        (Kind.COLLECTED, [1, STAY, 3]),
    ]
    await by_hand.pass_time(600)
    await by_hand.shut(1, occupied=False)
    assert await visitor.events() == [DoorEvent.CLOSED_EMPTY]
    assert by_hand.journal()[-1] == (Kind.DOOR_CLOSED, [1, False])


async def test_the_configuration_says_when_a_door_is_overdue(by_hand: Standing) -> None:
    cfg = by_hand.configuration({2: 30})
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, cfg, stay=STAY)
    await by_hand.pass_time(30)
    assert await visitor.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSE_OVERDUE]
    await by_hand.shut(1, occupied=True)
    assert by_hand.stay(1) == STAY  # a late deposit is a deposit


async def test_a_pulse_without_an_opening_gives_the_use_back(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(2, Faults(stuck_pulses=3))
    token = by_hand.token(Operation.INSPECT, comps=(2,))
    visitor, report = await by_hand.come(Operation.INSPECT, 2, token=token)
    assert report.code == Code.OK
    for seconds in (1, 2, 9.9):
        await by_hand.pass_time(seconds)
        assert await visitor.events() == []
    await by_hand.pass_time(0.1)
    assert await visitor.events() == [DoorEvent.OPEN_NOT_DETECTED]
    assert by_hand.journal()[-1] == (Kind.OPEN_NOT_DETECTED, [2])
    assert (await visitor.reopen(2)).code == Code.COMPARTMENT_BUSY  # it never opened
    assert (await by_hand.ask(Operation.INSPECT, 2, token=token)).code == Code.OK
    await by_hand.shut(2)
    assert (await by_hand.ask(Operation.INSPECT, 2, token=token)).code == Code.USED


async def test_a_late_opening_is_unexpected_and_moves_no_stay(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=3))
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.spend_pulses()
    by_hand.hardware.swing_open(1)
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-2:] == [(Kind.UNEXPECTED_OPEN, [1]), (Kind.DOOR_CLOSED, [1, False])]
    assert by_hand.stay(1) == STAY
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.shut(1)
    assert by_hand.journal()[-1] == (Kind.FOUND_EMPTY, [1, STAY])


async def test_twenty_pulses_are_spent_and_then_it_is_a_fault(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=100))
    before = len(by_hand.journal())
    for _ in range(7):
        assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        await by_hand.spend_pulses()
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.COMPARTMENT_FAULT
    kinds = by_hand.kinds(before)
    assert kinds.count(Kind.PULSED) == MAX_PULSES  # three each, and two for the last
    assert kinds.count(Kind.OPEN_NOT_DETECTED) == 7
    assert by_hand.stay(1) == STAY


async def test_pulses_count_anew_once_the_stay_is_stored(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=MAX_PULSES - 1))
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    for _ in range(6):
        assert (await by_hand.ask(Operation.DEPOSIT, 1, token=token)).code == Code.OK
        await by_hand.spend_pulses()
    assert (await by_hand.ask(Operation.DEPOSIT, 1, token=token)).code == Code.OK
    await by_hand.pass_time(1)
    await by_hand.shut(1, occupied=True)
    assert by_hand.stay(1) == STAY
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.OK


async def test_a_deposit_whose_door_is_stuck_ends_in_a_fault_at_every_compartment(
    by_hand: Standing,
) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    for comp in range(1, 5):
        by_hand.hardware.set_faults(comp, Faults(stuck_pulses=100))
    for _ in range(7):
        assert (await by_hand.ask(Operation.DEPOSIT, token=token)).comp == 1
        await by_hand.spend_pulses()
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).code == Code.COMPARTMENT_FAULT


async def test_a_token_without_a_stay_opens_each_of_its_compartments_once(
    standing: Standing,
) -> None:
    token = standing.token(Operation.INSPECT, comps=(1, 3), role=Role.HUB)
    for comp in (1, 3):
        assert (await standing.ask(Operation.INSPECT, comp, token=token)).code == Code.OK
        await standing.pass_time(3)
    for comp in (1, 3):
        assert (await standing.ask(Operation.INSPECT, comp, token=token)).code == Code.USED


async def test_staff_that_empties_a_stored_stay_does_not_collect_it(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    service = by_hand.token(
        Operation.SERVICE, signer=("service", SERVICE), comps=(1,), role=Role.TECHNICIAN
    )
    assert (await by_hand.ask(Operation.SERVICE, 1, token=service)).code == Code.OK
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.DOOR_CLOSED, [1, False])
    assert by_hand.stay(1) == STAY
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.shut(1)
    assert by_hand.journal()[-1] == (Kind.FOUND_EMPTY, [1, STAY])


async def test_losing_the_link_ends_no_session(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    visitor, _ = await by_hand.come(Operation.OPEN, stay=STAY)
    await visitor.leave()
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])


async def test_a_flapping_door_does_not_wear_out_the_journal(by_hand: Standing) -> None:
    before = len(by_hand.journal())
    for _ in range(200):
        by_hand.hardware.swing_open(3)
        await by_hand.pass_time(1)
        by_hand.hardware.swing_shut(3)
        await by_hand.pass_time(1)
    kinds = by_hand.kinds(before)
    assert kinds.count(Kind.UNEXPECTED_OPEN) == 10
    assert by_hand.journal()[before:].count((Kind.FAULT, [3, FAULT_FLAPPING])) == 1
    assert len(kinds) == 20  # nine closings, and nothing after the fault


async def test_a_contact_that_comes_and_goes_writes_nothing(by_hand: Standing) -> None:
    before = len(by_hand.journal())
    for _ in range(50):
        by_hand.hardware.set_faults(3, Faults(door_sensor=Sensing.SILENT))
        await by_hand.pass_time(1)
        by_hand.hardware.set_faults(3, Faults())
        await by_hand.pass_time(1)
    assert by_hand.kinds(before) == []


async def test_a_close_that_was_not_told_yet_still_keeps_the_door_busy(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    token = by_hand.token(Operation.OPEN, stay=STAY)
    await by_hand.ask(Operation.OPEN, token=token)
    await by_hand.pass_time()
    by_hand.hardware.swing_shut(1, occupied=False)  # the watcher hears of it a moment later
    assert (await by_hand.ask(Operation.OPEN, token=token)).code == Code.COMPARTMENT_BUSY
    await by_hand.pass_time()
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])


async def test_a_bolt_that_cannot_be_driven_is_an_opening_that_never_was(folder: Path) -> None:
    standing = await Standing(folder / "state", broken_bolts=True).start()
    await standing.set_up()
    visitor, report = await standing.come(Operation.DEPOSIT, stay=STAY)
    assert report.code == Code.OK
    await standing.spend_pulses()
    assert await visitor.events() == [DoorEvent.OPEN_NOT_DETECTED]
    await standing.stop()
