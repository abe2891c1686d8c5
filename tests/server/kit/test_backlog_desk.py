"""`./restante outbox`: what a person sees of the outbox, and what they can have tried again."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

import pytest

from server.kit import outbox
from server.kit.backlog_desk import BacklogDesk
from server.kit.backlog_words import add_arguments
from server.kit.errors import ServerError
from server.kit.outbox import Dead, Done, OutboxState

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.kit.outbox import Facts, Outcome
    from tests.fakes.sources import MovableClock

FIRST, SECOND, THIRD = (uuid.UUID(int=number) for number in (1, 2, 3))


class Visit:
    """Somebody at the desk, and everything they were told."""

    def __init__(self, database: Database, clock: MovableClock) -> None:
        self.database = database
        self.clock = clock
        self.told: list[str] = []

    async def append(
        self, event: uuid.UUID, outcome: Outcome | None = None, facts: Facts | None = None
    ) -> None:
        """An event, and what became of it."""
        now = self.clock.now()
        async with self.database.write() as session:
            await outbox.append(
                session, id=event, kind="parcel.held", subject=event, facts=facts or {}, at=now
            )
            if outcome is not None:
                held = await outbox.lease(session, event, now=now, for_s=30)
                assert held is not None
                await outbox.settle(session, held, outcome, now=now)
        self.clock.move(seconds=1)

    async def say(self, *words: str) -> list[str]:
        """What is told about these words."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        self.told.clear()
        desk = BacklogDesk(self.database, self.clock, self.told.append)
        await desk.run(parser.parse_args(words))
        return self.told

    async def state_of(self, event: uuid.UUID) -> OutboxState:
        async with self.database.read() as session:
            row = await session.get(outbox.Outbox, event)
        assert row is not None
        return row.state


@pytest.fixture
async def visit(database: Database, clock: MovableClock) -> Visit:
    """One dead, one waiting, one done."""
    visit = Visit(database, clock)
    await visit.append(FIRST, Dead("550 <recipient@example.org> unknown, call +49 30 1234567"))
    await visit.append(SECOND)
    await visit.append(THIRD, Done())
    return visit


async def test_dead_events_are_listed_with_their_reason_and_no_address(visit: Visit) -> None:
    dead, ending = await visit.say("list")
    assert dead == (
        f"{FIRST}  2026-05-04 09:30  parcel.held  tried 1x  550 [address] unknown, call [address]"
    )
    assert ending == "1 dead"


async def test_waiting_events_are_listed(visit: Visit) -> None:
    waiting, ending = await visit.say("list", "--waiting")
    assert waiting == f"{SECOND}  2026-05-04 09:30  parcel.held  tried 0x"
    assert ending == "1 waiting"


async def test_list_as_json_has_one_object_a_line(visit: Visit) -> None:
    [line] = await visit.say("list", "--dead", "--json")
    row = json.loads(line)
    assert (row["id"], row["state"], row["attempts"]) == (str(FIRST), "DEAD", 1)


async def test_long_list_says_how_to_go_on(visit: Visit) -> None:
    await visit.append(uuid.UUID(int=4))
    *_, ending = await visit.say("list", "--waiting", "--limit", "1")
    assert ending == f"1 waiting; there may be more: --after {SECOND}"
    fourth, ending = await visit.say("list", "--waiting", "--after", str(SECOND))
    assert fourth.startswith(str(uuid.UUID(int=4)))
    assert ending == "1 waiting"
    assert await visit.say("list", "--after", str(FIRST)) == ["none is dead"]


async def test_event_is_shown_without_what_may_be_personal(visit: Visit) -> None:
    facts: Facts = {"version": 3, "person": str(SECOND), "note": "to recipient@example.org"}
    await visit.append(uuid.UUID(int=4), facts=facts)
    told = dict(line.split(": ", 1) for line in await visit.say("show", str(uuid.UUID(int=4))))
    assert told["state"] == "PENDING"
    shown = {"version": 3, "person": str(SECOND), "note": "[hidden]"}
    assert json.loads(told["facts"]) == shown
    [line] = await visit.say("show", str(uuid.UUID(int=4)), "--json")
    assert json.loads(line)["facts"] == shown


async def test_dead_event_is_tried_again(visit: Visit) -> None:
    assert await visit.say("retry", str(FIRST)) == [f"event {FIRST} is tried again"]
    assert await visit.state_of(FIRST) is OutboxState.PENDING


async def test_every_dead_event_is_tried_again(visit: Visit) -> None:
    assert await visit.say("retry", "--all") == ["1 events are tried again"]
    assert await visit.state_of(FIRST) is OutboxState.PENDING
    assert await visit.say("retry", "--all") == ["no event is dead"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("retry", str(SECOND)), f"event {SECOND} waits already: only what is dead"),
        (("retry", str(THIRD)), f"event {THIRD} is done: only what is dead"),
        (("retry",), "retry wants the ID of an event, or --all"),
        (("retry", str(FIRST), "--all"), "retry wants the ID of an event, or --all"),
        (("retry", "first"), "'first' is no id of an event"),
        (("show", str(uuid.UUID(int=9))), f"there is no event {uuid.UUID(int=9)}"),
        (("list", "--limit", "0"), "--limit must be from 1 to 200"),
        (("list", "--limit", "201"), "--limit must be from 1 to 200"),
    ],
)
async def test_what_cannot_be_done_ends_in_a_sentence(
    visit: Visit, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ServerError) as refused:
        await visit.say(*words)
    assert str(refused.value).startswith(sentence)
