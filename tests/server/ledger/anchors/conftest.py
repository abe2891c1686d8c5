"""One chain for all tests of a process; each has an account and a log of its own on it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.anchors import Contract
from schema.ids import LockerId
from server.ledger.anchors.evm import EvmAnchor
from server.ledger.anchors.jobs.looking import anchor_log
from server.ledger.anchors.port import Plan
from server.ledger.anchors.queries import list_newest
from server.ledger.anchors.setting import GWEI
from server.ledger.log import service as tlog
from server.ledger.log.queries import Leaf
from tests.fakes.evm import LocalChain, serving_chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.kit.db import Database
    from server.ledger.anchors.tables import AnchorState, LogAnchor
    from tests.fakes.sources import DerivedKeyring, MovableClock

CONFIRMATIONS = 3
CAP_WEI = 100 * GWEI


@pytest.fixture(scope="session")
def chain() -> LocalChain:
    return LocalChain()


@pytest.fixture(scope="session")
def chain_url(chain: LocalChain) -> Iterator[str]:
    with serving_chain(chain) as url:
        yield url


@pytest.fixture(scope="session")
def contract(chain: LocalChain, chain_url: str) -> str:
    """The contract, put on the chain by whoever came first."""
    anchor = make_anchor(chain_url, Contract(chain.id, ""), origin="first.example.org/log")
    chain.fund(anchor.address)
    return anchor.deploy(cap_wei=CAP_WEI)


@pytest.fixture
def anchor(
    request: pytest.FixtureRequest, chain: LocalChain, chain_url: str, contract: str
) -> EvmAnchor:
    """A registered log with an account that can pay."""
    chain.heal()
    origin = f"{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}.example.org/log"
    anchor = make_anchor(chain_url, Contract(chain.id, contract), origin=origin)
    chain.fund(anchor.address)
    anchor.deploy(cap_wei=CAP_WEI)
    return anchor


def make_anchor(url: str, contract: Contract, *, origin: str) -> EvmAnchor:
    key = hashlib.sha256(origin.encode()).digest()
    return EvmAnchor(
        url, contract, origin=origin, key=key, confirmations=CONFIRMATIONS, gas=200_000
    )


class AnchoredLog:
    """A log over a database, and its place on the chain."""

    def __init__(
        self, database: Database, anchor: EvmAnchor, *, keyring: DerivedKeyring, clock: MovableClock
    ) -> None:
        self.database = database
        self.anchor = anchor
        self.clock = clock
        self.plan = Plan(
            contract=anchor.contract, origin="log", every=timedelta(hours=1), cap_wei=CAP_WEI
        )
        self._keyring = keyring
        self._size = 0

    async def grow(self, leaves: int = 5, *, is_witnessed: bool = False) -> bytes:
        """Lets the log grow by so many leaves; its root. One that is witnessed is not published."""
        new = [
            Leaf(LockerId(b"locker-1"), seq, seq.to_bytes(32, "big"))
            for seq in range(self._size + 1, self._size + leaves + 1)
        ]
        self._size += leaves
        async with self.database.write() as session:
            await tlog.queue_leaves(session, new, now=self.clock.now())
            await tlog.grow_and_sign(
                session,
                origin="log",
                keyring=self._keyring,
                now=self.clock.now(),
                is_witnessed=is_witnessed,
            )
            root = await tlog.find_root(session, self._size)
        assert root is not None
        return root

    async def look(self, *, minutes: float = 1, at_once: bool = False) -> None:
        self.clock.move(minutes=minutes)
        await anchor_log(self.database, self.anchor, self.plan, clock=self.clock, at_once=at_once)

    async def rows(self) -> list[LogAnchor]:
        async with self.database.read() as session:
            return (await list_newest(session, self.plan.contract, limit=100))[::-1]

    async def states(self) -> dict[int, AnchorState]:
        return {row.size: row.state for row in await self.rows()}

    async def heads(self) -> list[tuple[int, bytes]]:
        """What the chain holds."""
        return [(head.size, head.root) for head in (await self.anchor.read(since=0)).heads]


@pytest.fixture
def log(
    database: Database, anchor: EvmAnchor, keyring: DerivedKeyring, clock: MovableClock
) -> AnchoredLog:
    return AnchoredLog(database, anchor, keyring=keyring, clock=clock)
