"""The power goes before and after every durable write of a locker; nothing opens twice or is lost.

Openings count as a person sees them: a door that swung open, whatever became of the line.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

import pytest

from ble_agent.policy.lockout import TRIES
from schema.codes import Code
from schema.ids import StayId
from schema.journal import FIRST_PREV_HEAD, ExcursionPhase, Kind, check_chain, parse_entry
from schema.keys import Operation
from tests.ble_agent.standing import quick_folder
from tests.faults.cuts import LATE, STAY, Scissors, Story

if TYPE_CHECKING:
    from ble_agent.store import Moment
    from schema.codec import Value

LABELS = (
    "migrate",
    "commission",
    "boot",
    "prune",
    "readings",
    "climate",
    "statement",
    "accept",
    "pulse",
    "opened",
    "concluded",
    "reopen",
    "not detected",
    "unexpected",
    "closed",
    "denied",
    "wrong pin",
    "stop",
)


@cache
def writes() -> tuple[str, ...]:
    """Every durable write of the story, in order, when nothing is cut."""
    scissors = Scissors()
    with quick_folder() as folder:
        story = Story(folder / "state", scissors)
        asyncio.run(end(story))
    return tuple(scissors.writes)


async def end(story: Story) -> None:
    await story.tell()
    await story.standing.kill()


def test_the_story_writes_everything_that_a_locker_ever_writes() -> None:
    assert set(writes()) == set(LABELS)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("label", LABELS)
def test_a_power_cut_at_any_write_loses_no_use_and_opens_nothing_twice(
    moment: Moment, label: str
) -> None:
    for nth in range(writes().count(label)):
        scissors = Scissors(moment, label, nth)
        with quick_folder() as folder:
            asyncio.run(check_story(Story(folder / "state", scissors)))
        assert scissors.has_cut, f"{label} {nth} was not written"


async def check_story(story: Story) -> None:
    await story.tell()
    standing = story.standing
    assert standing.failures == []
    lines = standing.journal()
    entries = [raw for _, raw in standing.locker.journal.list_after(0, limit=100_000)]
    first = parse_entry(entries[0])
    assert first.seq == 1
    check_chain(entries, lid=standing.lid, first=1, prev_head=FIRST_PREV_HEAD)
    assert story.openings["inspect"] <= 1
    assert story.openings["open"] <= 1
    assert story.openings["shown"] <= 1
    assert story.wrong_answers <= TRIES  # a cut gives nobody one more
    assert max(story.opened_by_all.values()) <= 1
    assert count(lines, Kind.DEPOSITED) == count(lines, Kind.COLLECTED) == 1
    assert (Kind.COLLECTED, [1, STAY, 1]) in lines
    assert not {Kind.WITHDRAWN, Kind.FOUND_EMPTY} & {kind for kind, _ in lines}
    assert (Kind.EXCURSION, [1, int(ExcursionPhase.BACK), 40]) in lines
    assert count(lines, Kind.EXCURSION) == 1
    inspected = [body for kind, body in lines if kind is Kind.DOOR_OPENED and body[0] == 2]
    assert len(inspected) == 2  # under the inspection, and under OPEN_ALL
    assert [standing.stay(comp) for comp in (1, 2, 3, 4)] == [None] * 4
    assert (await standing.ask(Operation.OPEN, token=story.tokens["open"])).code == Code.USED
    await standing.set_time(standing.locker.hello().now)
    fresh = await standing.ask(Operation.DEPOSIT, stay=StayId(b"stay0002"), exp=LATE)
    assert fresh.code == Code.OK  # the next token works
    await standing.shut(fresh.comp or 0, occupied=True)
    await standing.stop()


def count(lines: list[tuple[Kind, list[Value]]], wanted: Kind) -> int:
    return sum(kind is wanted for kind, _ in lines)
