"""The chain of lines: unbroken over starts, forgotten only when acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.journal import KEEP_S, PRUNE_AT_ONCE
from ble_agent.journal.pruning import STEP_S
from schema.ids import StayId
from schema.journal import FIRST_PREV_HEAD, Kind, check_chain, parse_entry
from schema.statements import parse_statement
from tests.ble_agent.standing import DAY, NOW

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing

STAY = StayId(b"stay0001")


def raws(standing: Standing) -> list[bytes]:
    return [raw for _, raw in standing.locker.journal.list_after(0, limit=100_000)]


def acknowledge(standing: Standing, upto_seq: int | None = None) -> None:
    kind, raw = standing.acknowledgement(upto_seq, iat=standing.locker.hello().now)
    assert standing.locker.apply((parse_statement(kind, raw),), nonce=None) is None


def write(standing: Standing, lines: int) -> None:
    for _ in range(lines):
        with standing.locker.journal.record("line") as record:
            record.append(Kind.POWER, [1])


async def test_the_chain_holds_over_visits_and_starts(standing: Standing) -> None:
    await standing.deposit(STAY)
    await standing.restart()
    await standing.stop()
    await standing.start()
    entries = raws(standing)
    head = check_chain(entries, lid=standing.lid, first=1, prev_head=FIRST_PREV_HEAD)
    tail = standing.locker.journal.tail()
    assert (tail.seq, tail.head) == (len(entries), head)


async def test_each_line_has_its_start_its_time_and_a_salt_of_its_own(standing: Standing) -> None:
    await standing.pass_time(7)
    await standing.restart()
    await standing.pass_time(2.5)
    write(standing, 1)
    entries = [parse_entry(raw) for raw in raws(standing)]
    assert [entry.boot for entry in entries] == sorted(entry.boot for entry in entries)
    assert (entries[0].boot, entries[-1].boot) == (1, 2)
    assert entries[-1].mono_ms == 2500
    assert entries[-1].clockq == 0
    assert len({entry.salt for entry in entries}) == len(entries)


async def test_nothing_of_a_record_that_fails_is_there(standing: Standing) -> None:
    before, floor = raws(standing), standing.locker.journal.clock.floor
    tail = standing.locker.journal.tail()

    class Torn(Exception):
        pass

    def tear() -> None:
        with standing.locker.journal.record("torn") as record:
            record.raise_floor(NOW + 60)
            record.append(Kind.POWER, [1])
            raise Torn

    await standing.pass_time(100)
    with pytest.raises(Torn):
        tear()
    assert raws(standing) == before
    assert standing.locker.journal.tail() == tail
    assert standing.locker.journal.clock.floor == floor


class TestPruning:
    """What may go: acknowledged and old, or acknowledged and in the way."""

    async def test_acknowledged_lines_stay_for_30_days(self, standing: Standing) -> None:
        write(standing, 3)
        acknowledge(standing)
        kept = len(raws(standing))
        await standing.pass_time(KEEP_S - 3700)
        assert len(raws(standing)) == kept
        await standing.pass_time(3700 + 3600)
        assert len(raws(standing)) == 1  # the newest is what the next one follows
        write(standing, 1)
        check_chain(
            raws(standing)[1:],
            lid=standing.lid,
            first=kept + 1,
            prev_head=parse_entry(raws(standing)[1]).prev_head,
        )

    async def test_lines_without_an_acknowledgement_stay_for_ever(self, standing: Standing) -> None:
        write(standing, 3)
        acknowledge(standing, 2)
        await standing.pass_time(400 * DAY)
        assert parse_entry(raws(standing)[0]).seq == 3

    async def test_a_line_of_unknown_date_is_not_thrown_away_as_old(
        self, standing: Standing
    ) -> None:
        first = parse_entry(raws(standing)[0])
        assert (first.t, first.clockq) == (0, 0)
        acknowledge(standing)
        await standing.pass_time(3600)
        assert parse_entry(raws(standing)[0]) == first

    async def test_many_lines_go_in_steps(self, standing: Standing) -> None:
        write(standing, 2 * PRUNE_AT_ONCE)
        acknowledge(standing)
        assert standing.locker.journal.prune(is_tight=True) == PRUNE_AT_ONCE
        assert standing.locker.journal.prune(is_tight=True) == PRUNE_AT_ONCE
        assert standing.locker.journal.prune(is_tight=True) < PRUNE_AT_ONCE
        assert standing.locker.journal.prune(is_tight=True) == 0
        assert len(raws(standing)) == 1
        assert standing.locker.hello().seq == standing.locker.hello().acked

    async def test_phones_are_served_between_the_steps(self, standing: Standing) -> None:
        write(standing, 3 * PRUNE_AT_ONCE)
        await standing.pass_time(KEEP_S)
        before = len(raws(standing))
        acknowledge(standing)
        assert len(raws(standing)) == before - PRUNE_AT_ONCE
        await standing.set_time(standing.locker.hello().now)
        left = len(raws(standing))
        assert left > PRUNE_AT_ONCE
        await standing.pass_time(3 * STEP_S)
        assert len(raws(standing)) < PRUNE_AT_ONCE

    async def test_a_locker_that_stops_within_the_steps_goes_on_at_the_next_start(
        self, standing: Standing
    ) -> None:
        write(standing, 2 * PRUNE_AT_ONCE)
        await standing.pass_time(KEEP_S + DAY)
        acknowledge(standing)
        assert len(raws(standing)) > PRUNE_AT_ONCE
        await standing.stop()
        await standing.start()
        await standing.pass_time(1)
        assert len(raws(standing)) < PRUNE_AT_ONCE
