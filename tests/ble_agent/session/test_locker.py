"""One locker as a whole: starts, a full store, and parcels that no old token reaches."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.clock import Quality
from ble_agent.codes import Codes
from ble_agent.errors import StateMissing, StoreFull
from ble_agent.hardware.simulated import Faults
from ble_agent.session.locker import TABLES, BootCause, Surroundings, open_store, start_locker
from ble_agent.store import Store
from ble_agent.store.identity import commission
from schema.codes import Code, DoorEvent
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation, Role
from schema.tokens.passes import PIN_WINDOW_S, pin
from tests.ble_agent.standing import DAY, NOW, ROOTS, Standing
from tests.ble_agent.visitor import Randomness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STAY, NEXT = StayId(b"stay0001"), StayId(b"stay0002")


def boots(standing: Standing) -> list[object]:
    return [body[1] for kind, body in standing.journal() if kind is Kind.BOOT]


async def test_a_start_says_whether_the_former_one_ended_in_order(standing: Standing) -> None:
    await standing.restart()
    await standing.stop()
    await standing.start()
    assert boots(standing) == [
        BootCause.FIRST_OR_CLEAN,
        BootCause.INTERRUPTED,
        BootCause.FIRST_OR_CLEAN,
    ]


async def test_nobody_starts_a_locker_that_was_not_commissioned(standing: Standing) -> None:
    store = open_store(standing.folder.parent / "other")
    around = Surroundings(
        hardware=standing.hardware,
        scheduler=standing.scheduler,
        take_random=Randomness("x").take,
        machine_start="",
        measure_uptime_s=standing.scheduler.time,
        show_presence=standing.shown.append,
        on_failure=standing.failures.append,
        show_prompt=lambda comp, prompt: None,
    )
    with pytest.raises(StateMissing):
        start_locker(store, around)
    store.close()


async def test_a_folder_of_the_first_version_is_brought_up_with_its_parcel(folder: Path) -> None:
    standing = Standing(folder / "state", door_seconds=None)
    old = Store(standing.folder, tables=TABLES)
    take_random = standing.randomness.take
    commission(old, compartments=4, roots=ROOTS, take_random=take_random)
    with old.transaction("parcel") as connection:
        connection.execute("UPDATE compartments SET stay = ? WHERE number = 2", (STAY,))
    old.close()
    await standing.start()
    await standing.set_up()
    identity = standing.locker.identity
    codes = Codes(standing.locker, lambda event, comp, line: None)
    digits = pin(identity.pin_secret, STAY, NOW // PIN_WINDOW_S)
    assert codes.enter_pin(2, digits).code == Code.OK
    await standing.shut(2, occupied=False)
    assert standing.stay(2) is None
    await standing.stop()


@pytest.mark.parametrize("clockq", [0, 1, 2])
async def test_an_old_token_never_opens_the_next_parcel(standing: Standing, clockq: int) -> None:
    old = standing.token(Operation.OPEN, stay=STAY, exp=NOW + 6 * DAY)
    comp = await standing.deposit(STAY)
    assert (await standing.ask(Operation.OPEN, token=old)).code == Code.OK
    await standing.pass_time(3)
    assert await standing.deposit(NEXT) == comp
    if clockq < 2:
        await standing.restart()
    if clockq == 1:
        clock = standing.locker.journal.clock
        clock.adopt(replace(clock.state, quality=Quality.BATTERY))
    assert standing.locker.hello().clockq == clockq
    for comps in (None, comp):
        assert (await standing.ask(Operation.OPEN, comps, token=old)).code == Code.USED
    assert standing.stay(comp) == NEXT
    third = StayId(b"stay0003")
    await standing.set_time(NOW)
    served = await standing.ask(Operation.OPEN, stay=NEXT, exp=NOW + DAY)
    assert served.code == Code.OK
    await standing.pass_time(3)
    await standing.deposit(third)
    assert (await standing.ask(Operation.OPEN, token=old)).code == Code.OUT_OF_SCOPE


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("wrong_by", [-30 * DAY, 30 * DAY])
async def test_a_clock_thrown_about_opens_no_door_that_was_shut(
    standing: Standing, role: Role, wrong_by: int
) -> None:
    used = standing.token(Operation.INSPECT, comps=(2,), role=role)
    assert (await standing.ask(Operation.INSPECT, 2, token=used)).code == Code.OK
    await standing.pass_time(3)
    await standing.restart()  # the clock is dead
    assert (await standing.ask(Operation.INSPECT, 2, token=used)).code == Code.CLOCK_UNTRUSTED
    await standing.set_time(NOW)
    assert (await standing.ask(Operation.INSPECT, 2, token=used)).code == Code.USED
    await standing.pass_time(wrong_by if wrong_by > 0 else 0)  # an oscillator gone mad
    late = Code.EXPIRED if wrong_by > 0 else Code.USED
    assert (await standing.ask(Operation.INSPECT, 2, token=used)).code == late


class TestInterleaved:
    """Sessions and deposits that cross each other."""

    async def test_a_second_token_and_a_second_compartment_wait(self, by_hand: Standing) -> None:
        token = by_hand.token(Operation.DEPOSIT, stay=STAY)
        await by_hand.ask(Operation.DEPOSIT, 1, token=token)
        await by_hand.pass_time()
        for comp in (None, 1, 2):
            assert (await by_hand.ask(Operation.DEPOSIT, comp, token=token)).code == (
                Code.COMPARTMENT_BUSY
            )
            twin = await by_hand.ask(Operation.DEPOSIT, comp, stay=STAY)
            assert twin.code == Code.COMPARTMENT_BUSY
        staff = await by_hand.ask(Operation.INSPECT, 1, comps=(1,), role=Role.HUB)
        assert staff.code == Code.COMPARTMENT_BUSY
        other = await by_hand.ask(Operation.DEPOSIT, stay=NEXT)
        assert (other.code, other.comp) == (Code.OK, 2)
        for comp in (1, 2):
            await by_hand.shut(comp, occupied=True)
        assert (by_hand.stay(1), by_hand.stay(2)) == (STAY, NEXT)

    async def test_the_same_holder_tries_again_before_the_door_opens(
        self, by_hand: Standing
    ) -> None:
        await by_hand.deposit_by_hand(STAY, 1)
        by_hand.hardware.set_faults(1, Faults(stuck_pulses=3))
        token = by_hand.token(Operation.OPEN, stay=STAY)
        first, _ = await by_hand.come(Operation.OPEN, token=token)
        await by_hand.pass_time(5)
        other = await by_hand.ask(Operation.OPEN, stay=STAY)
        assert other.code == Code.COMPARTMENT_BUSY
        second, report = await by_hand.come(Operation.OPEN, token=token)
        assert report.code == Code.OK
        assert await second.events() == [DoorEvent.DOOR_OPENED]
        assert await first.events() == []
        await by_hand.pass_time(6)  # the first pulse's ten seconds mean nothing now
        assert Kind.OPEN_NOT_DETECTED not in by_hand.kinds()
        await by_hand.shut(1, occupied=False)
        assert by_hand.stay(1) is None


@pytest.fixture
async def small(folder: Path) -> AsyncIterator[Standing]:
    """A locker with little room."""
    standing = await Standing(folder / "state", door_seconds=None, max_bytes=600 * 1024).start()
    await standing.set_up()
    yield standing
    assert standing.failures == []
    await standing.stop()


async def fill(standing: Standing, room: float) -> None:
    """Write lines until no more than this share of the store is left."""
    with suppress(StoreFull):
        while standing.locker.store.room() > room or not room:
            with standing.locker.journal.record("fill") as record:
                record.append(Kind.POWER, [1])
    await standing.pass_time(1)  # the room is measured each second


async def acknowledge(standing: Standing) -> Code:
    """A phone brings what the server has, in its request."""
    now = standing.locker.hello().now
    ack = standing.acknowledgement(iat=now)
    report = await standing.ask(Operation.SYNC, None, ack, role=Role.COURIER)
    return Code(report.code)


class TestFullStore:
    """Ten per cent are kept for opening, one for the sync that makes room again."""

    async def test_deposits_stop_first_then_openings_and_an_acknowledgement_cures_it(
        self, small: Standing
    ) -> None:
        await small.deposit_by_hand(STAY, 1)
        await fill(small, 0.099)
        assert (await small.ask(Operation.DEPOSIT, stay=NEXT)).code == Code.STORAGE_FULL
        staff: dict[str, Any] = {"comps": (2,), "role": Role.HUB}
        assert (await small.ask(Operation.INSPECT, 2, **staff)).code == Code.STORAGE_FULL
        visitor, report = await small.come(Operation.OPEN, stay=STAY)
        assert report.code == Code.OK
        await small.shut(1)
        await visitor.events()
        await fill(small, 0.0099)
        assert (await visitor.reopen(1)).code == Code.STORAGE_FULL
        assert (await small.ask(Operation.OPEN, stay=STAY)).code == Code.STORAGE_FULL
        staff_visit, opened = await small.open_all()
        assert opened.code == Code.STORAGE_FULL
        await staff_visit.leave()
        assert await acknowledge(small) == Code.OK
        assert small.locker.store.room() > 0.1
        assert (await small.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        await small.shut(1, occupied=False)
        assert (await small.ask(Operation.DEPOSIT, stay=NEXT)).code == Code.OK
        await small.shut(1, occupied=True)

    async def test_a_deposit_is_not_reopened_without_its_reserve(self, small: Standing) -> None:
        courier, _ = await small.come(Operation.DEPOSIT, stay=STAY)
        await small.shut(1, occupied=True)
        await courier.events()
        await fill(small, 0.05)
        assert (await courier.reopen(1)).code == Code.STORAGE_FULL

    async def test_a_door_that_closes_over_a_full_store_is_noted_once_there_is_room(
        self, small: Standing
    ) -> None:
        await small.deposit_by_hand(STAY, 1)
        await small.ask(Operation.OPEN, stay=STAY)
        await small.pass_time()
        await fill(small, 0.0)
        await small.shut(1, occupied=False)
        small.hardware.swing_open(2)
        await small.shut(2)
        assert small.stay(1) == STAY
        assert await acknowledge(small) == Code.OK
        await small.pass_time(60)
        assert (Kind.COLLECTED, [1, STAY, 1]) in small.journal()

    async def test_a_door_that_opens_over_a_full_store_is_noted_later_and_opens_once(
        self, small: Standing
    ) -> None:
        token = small.token(Operation.INSPECT, comps=(2,), role=Role.HUB)
        small.hardware.set_faults(2, Faults(door_late_s=5))
        assert (await small.ask(Operation.INSPECT, 2, token=token)).code == Code.OK
        await fill(small, 0.0)
        await small.pass_time(5)
        await small.shut(2)
        await small.pass_time(5)
        again = await small.ask(Operation.INSPECT, 2, token=token)
        assert again.code == Code.COMPARTMENT_BUSY
        assert await acknowledge(small) == Code.OK
        await small.pass_time(60)
        noted = [kind for kind in small.kinds()[-3:] if kind is not Kind.DENIED]
        assert noted == [Kind.DOOR_OPENED, Kind.DOOR_CLOSED]
        assert (await small.ask(Operation.INSPECT, 2, token=token)).code == Code.USED

    async def test_an_alarm_over_a_full_store_is_raised_once_there_is_room(
        self, small: Standing
    ) -> None:
        await fill(small, 0.0)
        small.hardware.swing_open(2)
        await small.shut(2)
        assert await acknowledge(small) == Code.OK
        await small.pass_time(60)
        assert small.journal()[-1] == (Kind.UNEXPECTED_OPEN, [2])

    async def test_it_ends_in_order_over_a_full_store(self, small: Standing) -> None:
        await fill(small, 0.0)
        await small.stop()
        await small.start()

    async def test_refusals_and_statements_wait_for_room_too(self, small: Standing) -> None:
        await fill(small, 0.0)
        small.locker.refuse(Code.EXPIRED)
        await small.pass_time(60)
        report = await small.ask(
            Operation.SYNC, None, *[small.revocations(n) for n in (1, 2, 3)], role=Role.COURIER
        )
        assert report.code == Code.STORAGE_FULL
        assert await acknowledge(small) == Code.OK
        await small.pass_time(3600)
        denied = [body for kind, body in small.journal() if kind is Kind.DENIED]
        assert len(denied) == 1

    async def test_a_plan_of_pulses_ends_there_and_the_use_is_given_back_later(
        self, small: Standing
    ) -> None:
        small.hardware.set_faults(1, Faults(stuck_pulses=100))
        await small.ask(Operation.DEPOSIT, 1, stay=STAY)
        await small.pass_time()
        await fill(small, 0)
        known = small.kinds()
        for _ in range(10):
            await small.pass_time(1)
        assert small.kinds() == known  # neither another pulse nor the word on the first
        assert await acknowledge(small) == Code.OK
        await small.pass_time(60)
        assert small.kinds()[-1] is Kind.OPEN_NOT_DETECTED

    async def test_it_starts_over_a_full_store_and_can_be_cured(self, small: Standing) -> None:
        await fill(small, 0.0)
        await small.restart()
        assert Kind.BOOT not in small.kinds()[-3:]
        assert await acknowledge(small) == Code.CLOCK_UNTRUSTED  # it counted all the same
        assert small.locker.store.room() > 0.1
        await small.set_time(NOW + 100)
