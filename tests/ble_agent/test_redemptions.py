"""What is used up, counted and stored: durable together, forgotten only when it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import SettingsRefused
from ble_agent.hardware.simulated import Faults
from ble_agent.redemptions import Redemptions, restore_stays
from ble_agent.session.locker import open_store
from ble_agent.store.identity import commission
from schema.codes import Code
from schema.ids import StayId
from schema.keys import Operation, Role, Roots
from tests.ble_agent.standing import DAY, NOW
from tests.ble_agent.visitor import Randomness

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ble_agent.standing import Standing

STAY, NEXT = StayId(b"stay0001"), StayId(b"stay0002")


class Torn(Exception):
    """Something went wrong in the middle of a record."""


async def test_what_a_torn_record_changed_is_not_remembered(standing: Standing) -> None:
    await standing.deposit(STAY)
    redemptions, journal = standing.locker.redemptions, standing.locker.journal
    before = dict(redemptions.stored())

    def tear() -> None:
        with journal.record("torn") as record:
            redemptions.end_stay(record, 1, STAY)
            redemptions.store_stay(record, 2, NEXT)
            raise Torn

    with pytest.raises(Torn):
        tear()
    assert dict(redemptions.stored()) == before
    with journal.record("whole") as record:
        redemptions.store_stay(record, 2, NEXT)
    assert (standing.stay(1), standing.stay(2)) == (STAY, NEXT)


async def test_what_is_remembered_is_what_the_disk_holds(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    await by_hand.ask(Operation.OPEN, stay=STAY)
    await by_hand.pass_time()
    fresh = Redemptions(by_hand.locker.store, machine_start=by_hand.machine_start)
    assert fresh.stored() == by_hand.locker.redemptions.stored()


async def test_one_stay_is_in_one_compartment(standing: Standing) -> None:
    await standing.deposit(STAY, 2)
    assert (await standing.ask(Operation.DEPOSIT, 3, stay=STAY)).code == Code.OUT_OF_SCOPE


async def test_the_pulses_of_a_stored_stay_outlive_its_tokens(by_hand: Standing) -> None:
    await by_hand.deposit_by_hand(STAY, 1)
    by_hand.hardware.set_faults(1, Faults(stuck_pulses=99))
    for _ in range(7):  # three pulses each, and two for the last: twenty
        assert (await by_hand.ask(Operation.OPEN, stay=STAY, exp=NOW + 300)).code == Code.OK
        await by_hand.spend_pulses()
    await by_hand.set_time(NOW + DAY)
    late = {"iat": NOW + DAY - 60, "nbf": NOW + DAY - 60, "exp": NOW + DAY + 60}
    report = await by_hand.ask(Operation.OPEN, stay=STAY, **late)
    assert report.code == Code.COMPARTMENT_FAULT


async def test_used_deposits_and_counts_go_with_their_tokens(standing: Standing) -> None:
    await standing.deposit(STAY)
    await standing.ask(Operation.INSPECT, 2, comps=(2,), role=Role.HUB)
    await standing.pass_time(3)
    await standing.set_time(NOW + 30 * DAY)
    with standing.locker.store.reading() as connection:
        for table in ("uses", "pulses"):
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert count == 0
    assert standing.stay(1) == STAY


async def test_what_grows_is_bounded_by_compartments_and_living_tokens(standing: Standing) -> None:
    for n in range(30):
        await standing.deposit(b"stay%04d" % n)
        assert (await standing.ask(Operation.OPEN, stay=StayId(b"stay%04d" % n))).code == Code.OK
        await standing.pass_time(3)
    with standing.locker.store.reading() as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("openings", "compartments", "pulses", "uses")
        }
    assert counts == {"openings": 1, "compartments": 4, "pulses": 0, "uses": 30}


async def test_new_board_is_told_once_what_lies_inside(folder: Path) -> None:
    store = open_store(folder)
    commission(store, compartments=3, roots=Roots(()), take_random=Randomness("board").take)
    for _ in range(2):
        restore_stays(store, {2: STAY, 3: NEXT})
    kept = Redemptions(store, machine_start="").stored()
    assert {number: one.stay for number, one in kept.items()} == {1: None, 2: STAY, 3: NEXT}
    store.close()


@pytest.mark.parametrize("stays", [{9: STAY}, {1: StayId(b"short")}])
async def test_stays_that_cannot_lie_inside_are_refused(
    folder: Path, stays: dict[int, StayId]
) -> None:
    store = open_store(folder)
    commission(store, compartments=3, roots=Roots(()), take_random=Randomness("board").take)
    with pytest.raises(SettingsRefused, match="cannot hold"):
        restore_stays(store, stays)
    assert not any(one.stay for one in Redemptions(store, machine_start="").stored().values())
    store.close()


async def test_board_that_has_started_takes_over_nothing(standing: Standing) -> None:
    with pytest.raises(SettingsRefused, match="never started"):
        restore_stays(standing.locker.store, {1: STAY})
    restore_stays(standing.locker.store, {})
    assert standing.stay(1) is None
