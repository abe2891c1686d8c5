"""Opening a closed door once more: by its session, by the deposit's token, by a fresh one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.policy.world import MAX_PULSES
from schema.codes import Code, DoorEvent
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation, Role

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing

STAY, OTHER = StayId(b"stay0001"), StayId(b"stay0002")


async def test_a_session_cannot_store_what_its_token_has_brought_elsewhere(
    by_hand: Standing,
) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, token=token)
    await by_hand.shut(1, occupied=False)
    await courier.events()
    await by_hand.ask(Operation.DEPOSIT, 3, token=token)
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY  # it is pending elsewhere
    await by_hand.shut(3, occupied=True)
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY  # it is stored elsewhere
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).comp == 3
    await by_hand.shut(3, occupied=False)
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY  # the stay has ended


async def test_an_empty_close_can_be_tried_again_by_its_session(by_hand: Standing) -> None:
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    for occupied in (False, False, True):
        await by_hand.shut(1, occupied=occupied)
        await courier.events()
        assert by_hand.stay(1) == (STAY if occupied else None)
        assert (await courier.reopen(1)).code == Code.OK
    await by_hand.shut(1)


async def test_the_two_minutes_begin_with_the_close_that_stored(by_hand: Standing) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    await by_hand.ask(Operation.DEPOSIT, 1, token=token)
    await by_hand.shut(1, occupied=False)
    await by_hand.pass_time(130)
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, token=token)
    await by_hand.shut(1, occupied=True)
    await courier.events()
    assert (await courier.reopen(1)).code == Code.OK
    await by_hand.shut(1)
    assert by_hand.stay(1) == STAY


async def test_courier_takes_it_back_within_two_minutes_and_it_is_withdrawn(
    by_hand: Standing,
) -> None:
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.shut(1, occupied=True)
    await courier.events()
    await by_hand.pass_time(29)
    before = len(by_hand.journal())
    report = await courier.reopen(1)
    assert (report.code, report.comp, report.seq) == (Code.OK, 1, before + 1)
    assert by_hand.journal()[before] == (Kind.PULSED, [1, 1])
    await by_hand.shut(1, occupied=False)
    assert await courier.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_EMPTY]
    assert by_hand.journal()[-1] == (Kind.WITHDRAWN, [1, STAY])
    assert by_hand.stay(1) is None
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY
    assert (await by_hand.ask(Operation.OPEN, stay=STAY)).code == Code.USED
    assert (await by_hand.ask(Operation.DEPOSIT, stay=STAY)).code == Code.USED


async def test_courier_takes_it_back_by_the_same_token(by_hand: Standing) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    await by_hand.ask(Operation.DEPOSIT, token=token)
    await by_hand.shut(1, occupied=True)
    await by_hand.pass_time(119)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).comp == 1
    await by_hand.shut(1, occupied=True)
    assert by_hand.stay(1) == STAY  # it stays when nothing was taken
    await by_hand.pass_time(2)
    late = await by_hand.ask(Operation.DEPOSIT, token=token)
    assert late.code == Code.USED  # two minutes after the first close, not the last


async def test_nobody_takes_back_after_two_minutes(by_hand: Standing) -> None:
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    courier, _ = await by_hand.come(Operation.DEPOSIT, token=token)
    await by_hand.shut(1, occupied=True)
    await courier.events()
    for _ in range(6):
        await by_hand.pass_time(20)
        await courier.sync()
    assert (await courier.reopen(1)).code == Code.OK
    await by_hand.shut(1)
    await courier.events()
    await by_hand.pass_time(1)
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).code == Code.USED


async def test_another_holder_does_not_take_back(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    thief = await by_hand.ask(Operation.OPEN, 1, comps=(1,), role=Role.HUB)
    assert thief.code == Code.OUT_OF_SCOPE
    assert (await by_hand.ask(Operation.DEPOSIT, 1, stay=OTHER)).code == Code.COMPARTMENT_BUSY


async def test_a_fresh_token_adds_a_parcel_to_the_stay(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 2)
    await by_hand.pass_time(600)
    token = by_hand.token(Operation.DEPOSIT, stay=STAY)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).comp == 2
    before = len(by_hand.journal())
    await by_hand.shut(2, occupied=True)
    assert by_hand.kinds(before) == [Kind.DOOR_CLOSED]
    assert by_hand.stay(2) == STAY
    await by_hand.pass_time(121)
    assert (await by_hand.ask(Operation.DEPOSIT, token=token)).code == Code.USED


async def test_a_fresh_token_that_leaves_it_empty_withdraws(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 2)
    await by_hand.pass_time(600)
    await by_hand.ask(Operation.DEPOSIT, stay=STAY)
    await by_hand.shut(2, occupied=False)
    assert by_hand.journal()[-1] == (Kind.WITHDRAWN, [2, STAY])


async def test_a_fresh_token_must_reach_the_stays_compartment(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 2)
    assert (await by_hand.ask(Operation.DEPOSIT, 3, stay=STAY)).code == Code.OUT_OF_SCOPE
    narrow = await by_hand.ask(Operation.DEPOSIT, stay=STAY, comps=(1, 3))
    assert narrow.code == Code.OUT_OF_SCOPE


async def test_the_session_that_saw_it_full_collects_at_its_second_opening(
    by_hand: Standing,
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    visitor, _ = await by_hand.come(Operation.OPEN, stay=STAY)
    await by_hand.shut(1)
    await visitor.events()
    assert (await visitor.reopen(1)).code == Code.OK
    await by_hand.shut(1, occupied=False)
    assert by_hand.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])
    await visitor.events()
    assert (await visitor.reopen(1)).code == Code.OK  # a glove was forgotten
    await by_hand.shut(1)
    assert by_hand.kinds()[-3:] == [Kind.PULSED, Kind.DOOR_OPENED, Kind.DOOR_CLOSED]


async def test_a_session_reopens_for_five_minutes_after_the_first_opening(
    by_hand: Standing,
) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    visitor, _ = await by_hand.come(Operation.OPEN, stay=STAY)
    await by_hand.shut(1)
    await visitor.events()
    for _ in range(10):
        await by_hand.pass_time(29.9)
        assert (await visitor.reopen(1)).code == Code.OK
        await by_hand.shut(1)
        await visitor.events()
    await by_hand.pass_time(2)
    assert (await visitor.reopen(1)).code == Code.COMPARTMENT_BUSY


async def test_a_deposits_five_minutes_run_out_too(by_hand: Standing) -> None:
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.pass_time(240)
    await by_hand.shut(1, occupied=True)
    await courier.events()
    for _ in range(3):
        await by_hand.pass_time(20.1)
        await courier.sync()
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY


async def test_a_door_that_is_open_is_not_reopened(by_hand: Standing) -> None:
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    assert await visitor.events() == [DoorEvent.DOOR_OPENED]
    report = await visitor.reopen(1)
    assert (report.code, report.comp) == (Code.COMPARTMENT_BUSY, None)


async def test_only_the_sessions_compartment_is_reopened(by_hand: Standing) -> None:
    visitor, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.shut(1, occupied=True)
    await visitor.events()
    for comp in (0, 2, 255):
        assert (await visitor.reopen(comp)).code == Code.OUT_OF_SCOPE


async def test_reopening_ends_once_somebody_else_was_let_at_it(by_hand: Standing) -> None:
    courier, _ = await by_hand.come(Operation.DEPOSIT, 1, stay=STAY)
    await by_hand.shut(1, occupied=True)
    await courier.events()
    await by_hand.ask(Operation.OPEN, stay=STAY, holder="friend")
    await by_hand.shut(1)
    assert await courier.events() == []
    assert (await courier.reopen(1)).code == Code.COMPARTMENT_BUSY
    assert by_hand.stay(1) == STAY


async def test_reopening_spends_pulses_too(by_hand: Standing) -> None:
    visitor, _ = await by_hand.come(Operation.INSPECT, 2, comps=(2,))
    for _ in range(MAX_PULSES - 1):
        await by_hand.shut(2)
        await visitor.events()
        assert (await visitor.reopen(2)).code == Code.OK
    await by_hand.shut(2)
    await visitor.events()
    assert (await visitor.reopen(2)).code == Code.COMPARTMENT_FAULT
    pulses = [body for kind, body in by_hand.journal() if kind is Kind.PULSED]
    assert pulses == [[2, 1]] * MAX_PULSES


async def test_a_fresh_token_has_two_minutes_of_its_own(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 2)
    await by_hand.pass_time(600)
    courier, _ = await by_hand.come(Operation.DEPOSIT, stay=STAY)
    await by_hand.shut(2, occupied=True)
    await courier.events()
    assert (await courier.reopen(2)).code == Code.OK
    await by_hand.shut(2)
