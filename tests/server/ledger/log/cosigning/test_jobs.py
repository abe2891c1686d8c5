"""Heads before real witnesses: published when enough have seen them, and a split view is heard."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from schema.checkpoint.notes import KeyKind, NoteKey, parse_checkpoint, parse_note
from schema.checkpoint.submissions import parse_submission
from server.kit.keyring import Purpose, current_key
from server.ledger.log import jobs as tlog
from server.ledger.log import service as log_service
from server.ledger.log.cosigning import jobs, service
from server.ledger.log.cosigning.policy import NO_WITNESSES
from server.ledger.log.rules import LONGEST_WAIT
from server.ledger.witness.door import make_door
from tests.fakes.seers import NAMES, Seers
from tests.fakes.serving import serving
from tests.fakes.trees import Tree, entries_of
from tests.server.ledger.log.test_service import LID, ORIGIN, Log, make_leaves

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from schema.checkpoint.notes import Checkpoint, Note
    from server.kit.db import Database
    from server.ledger.log.cosigning.policy import Witnessing
    from tests.fakes.sources import DerivedKeyring, MovableClock

W1, W2, W3 = NAMES


class Watched(Log):
    """The log over one database, and whoever watches it."""

    seers: Seers
    witnessing: Witnessing
    size: int = 0

    async def add(self, count: int) -> None:
        """So many more leaves under a signed head."""
        await self.wait_with(count)
        await self.sign()

    async def wait_with(self, count: int) -> None:
        """So many more leaves that wait for long enough."""
        await self.queue(make_leaves(count, after=self.size))
        self.size += count
        self.clock.move(seconds=LONGEST_WAIT.total_seconds())

    async def sign(self) -> None:
        await tlog.seal_log(
            self.database,
            origin=ORIGIN,
            keyring=self.keyring,
            clock=self.clock,
            is_witnessed=self.witnessing.is_asked_for,
        )

    async def cosign(self) -> None:
        await jobs.cosign_log(self.database, self.witnessing, clock=self.clock)

    async def published(self) -> tuple[Checkpoint, list[str]] | None:
        """The published head and who has cosigned it, every signature verified."""
        async with self.database.read() as session:
            published = await log_service.find_checkpoint(session)
        if published is None:
            return None
        note = parse_note(published.note.encode())
        assert note.is_signed_by(self.key)
        seen = [key.name for key in self.seers.keys if note.find_time(key) is not None]
        assert len(note.signatures) == 1 + len(seen)
        return parse_checkpoint(note), seen

    async def size_and_seers(self) -> tuple[int, list[str]]:
        found = await self.published()
        return (0, []) if found is None else (found[0].size, found[1])

    async def troubles(self) -> dict[str, tuple[bool, str]]:
        async with self.database.read() as session:
            rows = await service.list_troubles(session)
        return {row.witness.partition("+")[0]: (row.is_split, row.reason) for row in rows}

    @property
    def key(self) -> NoteKey:
        return NoteKey(ORIGIN, KeyKind.LOG, current_key(self.keyring, Purpose.LOG).public)

    def fork(self, size: int) -> Tree:
        """Another log of the same name, signed by the same key."""
        signing = current_key(self.keyring, Purpose.LOG).signing
        return Tree(entries_of(LID, 1, size, "other"), origin=ORIGIN, key=signing)

    def show(self, name: str, tree: Tree, size: int) -> Note:
        """A head of another log is shown to one witness, who has no reason to refuse it."""
        shown = parse_submission(tree.show(0, size))
        witness = self.seers.witnesses[name]
        assert witness.heads.show(shown, now=self.clock.now()).status == 200
        return shown.note


@pytest.fixture
async def log(
    database: Database, keyring: DerivedKeyring, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[Watched]:
    log = Watched(database, keyring, clock)
    log.seers = Seers(tmp_path, [log.key], clock)
    log.witnessing = log.seers.witnessing(least=2)
    yield log
    await log.seers.close()


async def test_a_head_is_published_with_the_word_of_three_witnesses_over_http(
    log: Watched,
) -> None:
    async with AsyncExitStack() as stack:
        urls = [
            await stack.enter_async_context(serving(make_door(witness)))
            for witness in log.seers.witnesses.values()
        ]
        log.seers.client = await stack.enter_async_context(httpx.AsyncClient())
        log.witnessing = log.seers.witnessing(least=3, urls=urls)
        for size in (5, 300):
            await log.add(size)
            await log.cosign()
            assert await log.size_and_seers() == (log.size, list(NAMES))
    async with log.database.read() as session:
        proofs = await log_service.prove_inclusion(session, [(LID, 7)])
        published = await log_service.find_checkpoint(session)
    assert proofs is not None
    assert published is not None
    assert proofs.note == published.note
    await log.check_whole()


async def test_one_of_three_may_be_down_and_two_may_not(log: Watched) -> None:
    log.seers.streets.closed = {W2}
    await log.add(5)
    await log.cosign()
    assert await log.size_and_seers() == (5, [W1, W3])
    log.seers.streets.closed = {W1, W2}
    await log.add(5)
    await log.cosign()
    assert await log.size_and_seers() == (5, [W1, W3]), "the former head stays"
    async with log.database.read() as session:
        assert await log_service.prove_inclusion(session, [(LID, 5), (LID, 6)]) is None
        assert await log_service.prove_inclusion(session, [(LID, 5)]) is not None
        state = await service.measure(session)
    assert (state.signed, state.published) == (10, 5)
    assert state.oldest_at == log.clock.now()
    log.seers.streets.closed = set()
    await log.cosign()
    assert await log.size_and_seers() == (10, [W1, W2, W3])
    async with log.database.read() as session:
        assert (await service.measure(session)).oldest_at is None


async def test_whoever_cosigned_is_not_asked_again(log: Watched) -> None:
    await log.add(5)
    await log.cosign()
    log.seers.streets.asked.clear()
    await log.cosign()
    assert log.seers.streets.asked == []


async def test_a_slow_witness_delays_no_other(log: Watched) -> None:
    log.seers.streets.gates[W1] = asyncio.Event()
    await log.add(5)
    asking = asyncio.create_task(log.cosign())
    while await log.size_and_seers() != (5, [W2, W3]):
        assert not asking.done()
        await asyncio.sleep(0)
    log.seers.streets.gates[W1].set()
    await asking
    assert await log.size_and_seers() == (5, [W1, W2, W3]), "its word is added later"


async def test_a_lost_answer_is_asked_for_again(log: Watched) -> None:
    log.seers.streets.losing = {W1, W2, W3}
    await log.add(5)
    await log.cosign()
    assert await log.published() is None
    await log.add(5)
    log.seers.streets.losing = set()
    await log.cosign()
    assert await log.size_and_seers() == (10, [W1, W2, W3]), "they told us what they hold"
    assert await log.troubles() == {}


async def test_a_witness_goes_on_from_its_file(log: Watched) -> None:
    await log.add(5)
    await log.cosign()
    for name in NAMES:
        log.seers.restart(name)
    await log.add(5)
    await log.cosign()
    assert await log.size_and_seers() == (10, [W1, W2, W3])


@pytest.mark.parametrize(
    ("forked", "word"),
    [
        (5, "another root over 5 leaves"),
        (3, "status 422"),
        (7, "a head of 7 leaves, more than were ever signed here"),
    ],
)
async def test_a_forked_view_shown_to_one_witness_is_caught(
    log: Watched, caplog: pytest.LogCaptureFixture, forked: int, word: str
) -> None:
    log.show(W1, log.fork(forked), forked)
    await log.add(5)
    await log.cosign()
    (trouble,) = (await log.troubles()).items()
    assert trouble[0] == W1
    assert trouble[1][0]
    assert word in trouble[1][1]
    assert "SPLIT VIEW" in caplog.text
    assert await log.size_and_seers() == (5, [W2, W3]), "the others go on"
    async with log.database.read() as session:
        lines, is_split = await service.describe_log(session, now=log.clock.now())
    assert is_split
    assert any(line.startswith(f"SPLIT VIEW: {W1}") for line in lines)
    log.seers.streets.asked.clear()
    await log.cosign()
    assert log.seers.streets.asked == [], "one head is refused once"
    await log.add(5)
    await log.cosign()
    assert (await log.troubles())[W1][0], "it stays until somebody has looked into it"
    async with log.database.write() as session:
        assert await service.forget_troubles(session) == 1
    assert await log.troubles() == {}


async def test_a_replaced_root_is_caught_by_every_witness(log: Watched) -> None:
    """Whoever holds the database and the key signs another history of the same size."""
    await log.add(5)
    await log.cosign()
    fork = log.fork(5)
    shown = await log.seers.client.post(f"http://{W1}/add-checkpoint", content=fork.show(5, 5))
    assert (shown.status_code, shown.text) == (409, "5\n")
    (split,) = log.seers.witnesses[W1].heads.list_splits()
    assert split.shown == str(fork.note(5))
    assert log.key.name in split.held


async def test_a_witness_that_does_not_know_us_is_told_of_and_forgotten_once_it_does(
    log: Watched,
) -> None:
    known, log.seers.logs = log.seers.logs, ()
    log.seers.restart(W1)
    await log.add(5)
    await log.cosign()
    assert await log.troubles() == {W1: (False, "status 404: this log is not witnessed here")}
    log.seers.logs = known
    log.seers.restart(W1)
    await log.add(5)
    await log.cosign()
    assert await log.troubles() == {}
    assert await log.size_and_seers() == (10, [W1, W2, W3])


async def test_without_witnesses_any_more_what_waits_is_published(log: Watched) -> None:
    log.seers.streets.closed = {*NAMES}
    await log.add(5)
    await log.cosign()
    assert await log.published() is None
    log.witnessing = NO_WITNESSES
    await log.cosign()
    assert await log.size_and_seers() == (5, [])


async def test_two_workers_at_once_publish_alike(log: Watched) -> None:
    await log.add(5)
    await asyncio.gather(log.cosign(), log.cosign())
    assert await log.size_and_seers() == (5, [W1, W2, W3])
    assert await log.troubles() == {}


async def test_an_empty_log_asks_nobody(log: Watched) -> None:
    await log.cosign()
    assert log.seers.streets.asked == []
