"""The log's process ends before and after each commit of growing, cosigning and publishing.

Recovery is the next run of the same two jobs; in the end the log verifies from its first leaf.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from server.ledger.log.cosigning import service
from tests.fakes.seers import NAMES, Seers
from tests.faults.guillotine import Guillotine, MortalDatabase
from tests.server.ledger.log.cosigning.test_jobs import Watched

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

LEAST_MOMENTS = 8
"""Before and after: what grows, what keeps three cosignatures, what publishes."""


async def test_a_process_cut_at_any_commit_goes_on_by_its_usual_way(
    database: Database,
    database_url: str,
    keyring: DerivedKeyring,
    clock: MovableClock,
    tmp_path: Path,
) -> None:
    guillotine = Guillotine()
    mortal = MortalDatabase(database_url, guillotine)
    log = Watched(mortal, keyring, clock)
    log.seers = Seers(tmp_path, [log.key], clock)
    log.witnessing = log.seers.witnessing(least=2)
    for moment in itertools.count():
        await log.wait_with(3)
        guillotine.set_up(moment)
        try:
            await log.sign()
            await log.cosign()
        except BaseException as error:
            if not guillotine.is_behind(error):
                raise
        was_spared = guillotine.is_outstanding
        guillotine.set_up(None)
        await mortal.close()
        await log.sign()
        await log.cosign()
        size, seen = await log.size_and_seers()
        # A witness whose word was kept just before the end is not asked again, but is published.
        assert size == log.size, moment
        assert len(seen) >= 2, moment
        if was_spared:
            break
    assert moment >= LEAST_MOMENTS
    await log.check_whole()
    assert {one.heads.find(log.key.name) for one in log.seers.witnesses.values()} == {
        log.seers.witnesses[NAMES[0]].heads.find(log.key.name)
    }
    async with mortal.read() as session:
        assert (await service.measure(session)).oldest_at is None
    assert await log.troubles() == {}
    await log.seers.close()
    await mortal.close()
