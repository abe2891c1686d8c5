"""A locker that is never online lives through phones alone, and loses nothing by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.journal import FIRST_PREV_HEAD, check_chain
from server.kit.db import Database
from tests.ble_agent.standing import quick_folder
from tests.faults.countryside import CARRIED, Countryside, settle_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.stores import SqliteTemplate

MOST_MORE = 60
"""Visits without mishap in which everything must have come home."""


@pytest.fixture
async def land(sqlite_template: SqliteTemplate) -> AsyncIterator[Countryside]:
    with quick_folder() as folder:
        (folder / "locker").mkdir()
        database = Database(sqlite_template.copy(folder), durable=False)
        made = await settle_down(database, folder / "locker", seed=7)
        yield made
        await made.locker.stop()
        await database.close()


async def come(land: Countryside) -> None:
    """Somebody comes for one reason or the other, and some phone finds a network."""
    reasons = [land.bring_parcel, land.fetch_parcel]
    land.chance.shuffle(reasons)
    for reason in reasons:
        if await reason():
            break
    for phone in land.phones:
        if phone.up and land.chance.random() < 0.2 + land.is_kind:
            await land.reach_network(phone)
    await land.live_on(land.chance.uniform(0.5, 12))


async def test_journal_of_a_locker_without_a_network_comes_home_whole(
    land: Countryside, request: pytest.FixtureRequest
) -> None:
    wanted: int = request.config.getoption("--visits")
    while land.visits < wanted:
        await come(land)
        if land.visits % 25 == 0:
            await land.locker.lose_power()
    land.is_kind = True
    for _ in range(MOST_MORE):
        if await land.settle():
            break
        await come(land)
    assert await land.stored() == [raw for _, raw in sorted(land.written.items())]
    check_chain(
        tuple(land.written.values()), lid=land.locker.lid, first=1, prev_head=FIRST_PREV_HEAD
    )
    assert 0 < land.heaviest <= CARRIED
    assert land.accepted > wanted / 4
    assert not await land.incidents() & {"UNKNOWN_TOKEN", "JOURNAL_FORK", "LATE_FACT"}
    await check_told(land)


async def check_told(land: Countryside) -> None:
    """The locker has one of each kind of statement, and the server knows which."""
    trust, told = land.locker.locker.statements.trust(), await land.told()
    assert (told.key_set_seq, told.configuration_seq) == (trust.key_seq, trust.cfg_seq)
    assert told.revocation_seq == trust.revoked.seq
    assert min(trust.key_seq, trust.cfg_seq, trust.revoked.seq) > 0
    assert land.locker.locker.journal.acknowledged() > 0
    assert land.locker.locker.journal.clock.state.quality > 0
