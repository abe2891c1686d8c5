"""kill -9 of the worker, the server and Valkey, at random points and in the middle of a send: no
notice is lost, and none comes twice but for what a dead worker could not know of.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import httpx
import pytest

from ble_agent.phone.inbox import Inbox
from server.notices.rules import NoticeKind
from tests.faults.storm import Blow, Storm, brewing

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.db import Database

pytestmark = pytest.mark.timeout(600)

NOTICES_PER_BLOW = 150

FIRST = (Blow.WORKER_IN_SEND, Blow.VALKEY_EMPTY, Blow.SERVER, Blow.ALL_IN_SEND)
"""Each storm has these; a longer one goes on with any."""


@pytest.mark.both_databases_in_ci
async def test_no_notice_is_lost_in_a_storm_of_kills(
    database: Database, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    notices: int = request.config.getoption("--notices")
    seed: int = request.config.getoption("--storm-seed")
    chance = random.Random(seed)
    async with (
        brewing(database, database_url, tmp_path, chance=chance) as storm,
        httpx.AsyncClient(timeout=10) as client,
    ):
        coming = await storm.settle_in(notices)
        await storm.start()
        clerk = await storm.sign_in(client)
        blows = make_blows(notices, chance)
        async with asyncio.TaskGroup() as both:
            both.create_task(storm.tell(clerk, coming))
            both.create_task(rage(storm, blows, notices))
        await storm.calm(notices)
        sys.stdout.write(describe(storm, blows, seed=seed))
        await check_everybody_was_told(storm, notices)


async def rage(storm: Storm, blows: list[Blow], notices: int) -> None:
    """One blow after the other, spread over the notices."""
    parts = len(blows) + 1
    for number, blow in enumerate(blows, start=1):
        await storm.allow(notices // parts + 1)
        await storm.provider.has_taken(notices * number // parts)
        await storm.strike(blow)
    await storm.allow(notices)


def make_blows(notices: int, chance: random.Random) -> list[Blow]:
    """What hits, in turn."""
    more = max(0, notices // NOTICES_PER_BLOW - len(FIRST))
    blows = [*FIRST, *chance.choices([*Blow], k=more)]
    chance.shuffle(blows)
    return blows


async def check_everybody_was_told(storm: Storm, notices: int) -> None:
    """Each parcel has one notice, and each phone shows it once."""
    provider = storm.provider
    assert await storm.count_notices() == {
        NoticeKind.READY: notices - notices * 3 // 4,
        NoticeKind.AT_COUNTER: notices * 3 // 4,
    }
    told = {copy.subject: copy.notice for copy in provider.copies}
    assert len(told) == notices
    phones: defaultdict[str, Inbox] = defaultdict(Inbox)
    shown = [copy for copy in provider.copies if phones[copy.address].is_new(copy.notice)]
    assert len(shown) == notices, "a repeat that bears another id is shown twice"
    known = Counter((copy.address, copy.notice) for copy in provider.copies if not copy.is_lost)
    assert max(known.values()) == 1, "sent again although its answer was known"
    assert sum(copy.is_lost for copy in provider.copies) >= len(provider.copies) - notices


def describe(storm: Storm, blows: list[Blow], *, seed: int) -> str:
    """The figures of a storm."""
    copies = len(storm.provider.copies)
    in_air = Counter(copy.sender for copy in storm.provider.copies if copy.is_lost)
    unique = len({copy.notice for copy in storm.provider.copies})
    hits = ", ".join(f"{count} x {blow}" for blow, count in Counter(blows).items())
    return (
        f"storm of seed {seed}: {unique} notices, none lost; {copies} copies at the provider, "
        f"{copies - unique} of them repeats; in the air when a worker died: {[*in_air.values()]}; "
        f"{hits}\n"
    )
