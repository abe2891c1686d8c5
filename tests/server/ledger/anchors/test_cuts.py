"""A process that ends at each moment of an anchor's way: recovery is the next look."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from server.ledger.anchors.jobs.looking import anchor_log
from server.ledger.anchors.tables import AnchorState
from tests.faults.guillotine import Guillotine, Killed, MortalDatabase
from tests.server.ledger.anchors.conftest import CONFIRMATIONS, AnchoredLog

if TYPE_CHECKING:
    from server.ledger.anchors.evm import EvmAnchor
    from server.ledger.anchors.port import Fee, Reading, Signed
    from tests.fakes.evm import LocalChain
    from tests.fakes.sources import DerivedKeyring, MovableClock

MOST_MOMENTS = 20


class MortalAnchor:
    """The real one; the process may end before a transaction goes out, and after."""

    def __init__(self, anchor: EvmAnchor, mishap: Guillotine) -> None:
        self._anchor = anchor
        self._mishap = mishap

    async def read(self, *, since: int) -> Reading:
        return await self._anchor.read(since=since)

    def sign(self, size: int, root: bytes, *, nonce: int, fee: Fee) -> Signed:
        return self._anchor.sign(size, root, nonce=nonce, fee=fee)

    async def publish(self, raw: bytes) -> None:
        await self._mishap.pass_by(None)
        await self._anchor.publish(raw)
        await self._mishap.pass_by(None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_that_ends_at_any_moment_anchors_each_head_once(
    request: pytest.FixtureRequest,
    database_url: str,
    anchor: EvmAnchor,
    chain: LocalChain,
    keyring: DerivedKeyring,
    clock: MovableClock,
) -> None:
    """Before a commit nothing of it stays, after it all does, and nobody was told of either.

    `--every-fault` leaves out no moment; else it is every third one.
    """
    mishap = Guillotine()
    database = MortalDatabase(database_url, mishap)
    log = AnchoredLog(database, anchor, keyring=keyring, clock=clock)
    mortal = MortalAnchor(anchor, mishap)
    before = (await anchor.read(since=0)).nonce
    pace = 1 if request.config.getoption("--every-fault") else 3
    expected: list[tuple[int, bytes]] = []
    moments = 0
    while True:
        mishap.set_up(None)
        root = await log.grow(1)
        mishap.set_up(moments)
        for _ in range(2):
            clock.move(minutes=60)
            with contextlib.suppress(Killed):
                await anchor_log(database, mortal, log.plan, clock=clock)
            chain.mine(CONFIRMATIONS)
        was_cut = not mishap.is_outstanding
        mishap.set_up(None)
        for _ in range(2):
            await log.look()
            chain.mine(CONFIRMATIONS)
        await log.look()
        expected.append((len(expected) + 1, root))
        if not was_cut:
            break
        moments += pace
        assert moments < MOST_MOMENTS
    assert moments >= 8, "four durable writes and a transaction, each cut before and after"
    assert await log.heads() == expected
    assert {*(await log.states()).values()} == {AnchorState.CONFIRMED}
    await database.close()
    assert (await anchor.read(since=0)).nonce - before == len(expected), "no transaction was wasted"
