"""What a locker makes of openings that a power cut interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.hardware.simulated import Faults
from schema.codes import Code
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation
from tests.ble_agent.standing import NOW

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing

STAY = StayId(b"stay0001")


async def test_an_acceptance_that_never_opened_is_given_back(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(2, Faults(stuck_pulses=9))
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    await by_hand.ask(Operation.DEPOSIT, 2, token=token)
    await by_hand.restart()
    assert by_hand.kinds()[-2:] == [Kind.BOOT, Kind.OPEN_NOT_DETECTED]
    await by_hand.set_time(NOW + 60)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).comp == 2


async def test_a_collection_found_shut_and_empty_is_concluded(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    await by_hand.restart(occupied=set())
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])


async def test_a_collection_found_shut_and_occupied_goes_on(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    await by_hand.restart(occupied={1})
    assert by_hand.stay(1) == STAY
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.OK


async def test_a_deposit_found_shut_and_occupied_is_stored(by_hand: Standing) -> None:
    await by_hand.ask(Operation.DEPOSIT, 2, stay=STAY)
    await by_hand.pass_time()
    await by_hand.restart(occupied={2})
    assert by_hand.kinds()[-2:] == [Kind.DOOR_CLOSED, Kind.DEPOSITED]
    assert by_hand.stay(2) == STAY


async def test_a_door_found_open_is_watched_on(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    before = len(by_hand.journal())
    await by_hand.restart(open_doors={1})
    assert by_hand.kinds(before) == [Kind.BOOT]
    await by_hand.pass_time(120)
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 3])
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.DOOR_CLOSED, [1, False])


async def test_a_door_left_open_by_a_phone_that_is_gone_is_overdue_after_a_power_cut_too(
    by_hand: Standing,
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    visitor, report = await by_hand.come(Operation.OPEN, stay=STAY)
    assert report.code == Code.OK
    await by_hand.pass_time(60)
    await visitor.leave()
    await by_hand.lose_power()
    await by_hand.pass_time(119)
    assert Kind.CLOSE_OVERDUE not in by_hand.kinds()
    await by_hand.pass_time(1)
    assert by_hand.journal()[-2:] == [(Kind.CLOSE_OVERDUE, [1]), (Kind.COLLECTED, [1, STAY, 3])]
    await by_hand.lose_power()
    await by_hand.pass_time(600)
    assert by_hand.kinds()[-1] is Kind.BOOT  # told once, whatever happens after it
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.DOOR_CLOSED, [1, False])
    assert by_hand.stay(1) is None


async def test_a_door_that_opened_under_the_acceptance_consumes_the_use(by_hand: Standing) -> None:
    by_hand.hardware.set_faults(2, Faults(stuck_pulses=9))
    token = by_hand.token(Operation.INSPECT, comps=(2,))
    await by_hand.ask(Operation.INSPECT, 2, token=token)
    await by_hand.restart(open_doors={2})
    assert by_hand.kinds()[-2:] == [Kind.BOOT, Kind.DOOR_OPENED]
    await by_hand.shut(2)
    await by_hand.set_time(NOW + 60)
    assert (await by_hand.ask(Operation.INSPECT, 2, token=token)).code == Code.USED


async def test_an_open_door_without_a_session_is_unexpected(by_hand: Standing) -> None:
    await by_hand.restart(open_doors={4})
    assert by_hand.journal()[-1] == (Kind.UNEXPECTED_OPEN, [4])


async def test_a_contact_that_says_nothing_proves_no_close(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    before = len(by_hand.journal())
    await by_hand.restart(occupied=set(), silent_doors={1})
    assert by_hand.kinds(before) == [Kind.BOOT]
    await by_hand.pass_time(120)
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 3])


async def test_take_back_outlives_a_crash_but_not_the_machine(by_hand: Standing) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    await by_hand.ask(Operation.DEPOSIT, token=token)
    await by_hand.shut(1, occupied=True)
    await by_hand.restart()
    await by_hand.set_time(NOW + 60)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).code == Code.OK
    await by_hand.shut(1, occupied=True)
    by_hand.machine_start = "start 2"
    await by_hand.restart()
    await by_hand.set_time(NOW + 61)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).code == Code.USED
