"""A locker that is never online lives through phones alone, and loses nothing by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.journal import FIRST_PREV_HEAD, check_chain
from tests.faults.countryside import CARRIED, Countryside, open_countryside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.stores import SqliteTemplate


@pytest.fixture
async def land(sqlite_template: SqliteTemplate) -> AsyncIterator[Countryside]:
    async with open_countryside(sqlite_template, seed=7) as land:
        yield land


async def test_journal_of_a_locker_without_a_network_comes_home_whole(
    land: Countryside, request: pytest.FixtureRequest
) -> None:
    wanted: int = request.config.getoption("--visits")
    assert await land.live_through(wanted)
    assert await land.stored() == [raw for _, raw in sorted(land.written.items())]
    check_chain(
        tuple(land.written.values()), lid=land.locker.lid, first=1, prev_head=FIRST_PREV_HEAD
    )
    assert 0 < land.heaviest <= CARRIED
    assert land.accepted > wanted / 4
    assert not await land.incidents() & {"UNKNOWN_TOKEN", "JOURNAL_FORK", "LATE_FACT"}
    await check_told(land)
    await check_measured(land)


async def check_told(land: Countryside) -> None:
    """The locker has one of each kind of statement, and the server knows which."""
    trust, told = land.locker.locker.statements.trust(), await land.told()
    assert (told.key_set_seq, told.configuration_seq) == (trust.key_seq, trust.cfg_seq)
    assert told.revocation_seq == trust.revoked.seq
    assert min(trust.key_seq, trust.cfg_seq, trust.revoked.seq) > 0
    assert land.locker.locker.journal.acknowledged() > 0
    assert land.locker.locker.journal.clock.state.quality > 0


async def check_measured(land: Countryside) -> None:
    """Most readings came home although phones lose them, and none that was not taken."""
    stored = await land.readings()
    assert stored <= land.measured
    assert len(stored) > 0.8 * len(land.measured)
