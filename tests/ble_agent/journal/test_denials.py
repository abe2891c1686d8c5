"""Refusals are counted for 1, 2, 4 .. 60 minutes, and anew after a quiet hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import Code
from schema.journal import Kind
from tests.ble_agent.standing import NOW, Standing

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60


def lines(standing: Standing) -> list[list[object]]:
    return [list(body) for kind, body in standing.journal() if kind is Kind.DENIED]


async def test_one_line_counts_what_came_within_its_minute(standing: Standing) -> None:
    for code in (Code.BAD_SIGNATURE, Code.EXPIRED, Code.BAD_SIGNATURE):
        standing.locker.refuse(code)
        await standing.pass_time(10)
    assert lines(standing) == []
    await standing.pass_time(30)
    assert lines(standing) == [[NOW, {Code.BAD_SIGNATURE: 2, Code.EXPIRED: 1}]]
    await standing.pass_time(10 * MINUTE)
    assert len(lines(standing)) == 1


async def test_lines_come_ever_more_slowly(standing: Standing) -> None:
    at_minute, seen = [], 0
    for minute in range(1, 5 * 60):
        standing.locker.refuse(Code.EXPIRED)
        await standing.pass_time(MINUTE)
        if len(lines(standing)) > seen:
            seen += 1
            at_minute.append(minute)
    gaps = [b - a for a, b in zip([0, *at_minute], at_minute, strict=False)]
    assert gaps[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(gaps[7:]) == {60}


async def test_an_hour_of_quiet_begins_anew(standing: Standing) -> None:
    for _ in range(3):
        standing.locker.refuse(Code.EXPIRED)
        await standing.pass_time(5 * MINUTE)
    count = len(lines(standing))
    await standing.pass_time(60 * MINUTE)
    standing.locker.refuse(Code.EXPIRED)
    await standing.pass_time(MINUTE)
    assert len(lines(standing)) == count + 1


async def test_what_was_counted_is_written_when_the_locker_stops(folder: Path) -> None:
    standing = await Standing(folder / "state").start()
    standing.locker.refuse(Code.BAD_SIGNATURE)
    await standing.stop()
    await standing.start()
    assert lines(standing) == [[0, {Code.BAD_SIGNATURE: 1}]]
    await standing.stop()
