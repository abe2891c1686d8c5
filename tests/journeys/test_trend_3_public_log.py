"""Many lockers, three witnesses, a blockchain: what the public log proves once the server is gone.

Every part is the real one: the ledger and its log in a database, witnesses behind HTTP with files
of their own, an EVM behind JSON-RPC, and a checker that is given two files and an empty folder.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schema.checkpoint.anchors import Contract
from schema.checkpoint.notes import KeyKind, NoteKey
from schema.checkpoint.trust import parse_trust, write_trust
from schema.journal import Kind
from schema.receipts import verify_receipt
from server.access.service.receipts import make_entry_proof, make_parcel_receipt
from server.kit.keyring import Purpose
from server.ledger import service as ledger
from server.ledger.anchors.evm import EvmAnchor
from server.ledger.anchors.jobs.looking import anchor_log
from server.ledger.anchors.port import Plan
from server.ledger.anchors.setting import GWEI
from server.ledger.log.cosigning.jobs import cosign_log
from server.ledger.log.jobs import seal_log
from server.ledger.monitor.looking import look
from server.ledger.monitor.sources import FolderSource
from server.ledger.monitor.state import State
from server.ledger.monitor.words import MAXIMUM_MERGE_DELAY_S
from server.ledger.shelf.folder import FolderShelf
from server.ledger.shelf.jobs import fill_shelf
from server.ledger.tables import SignedHead
from server.verify import HOLDS, REFUSED
from tests.contracts.tree import ROOT
from tests.fakes.evm import LocalChain, serving_chain
from tests.fakes.journals import JournalingLocker, stay_of
from tests.fakes.seers import NAMES, Seers
from tests.fakes.town import build_town, key_of
from tests.server.access.service.test_evidence import collected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock
    from tests.fakes.town import Town

ORIGIN = "hubs.example.org/log"
LOCKERS, ROUNDS = 40, 5
ANCHORED = {1, 3}
"""Rounds after which the head goes to the chain."""

CONFIRMATIONS = 3
CAP_WEI = 100 * GWEI


@dataclass
class Network:
    """A server with lockers, its log, whoever cosigns it, and the chain that it is anchored to."""

    database: Database
    town: Town
    lockers: list[JournalingLocker]
    keyring: DerivedKeyring
    clock: MovableClock
    seers: Seers
    chain: LocalChain
    chain_url: str
    anchor: EvmAnchor

    async def live(self, events: int) -> None:
        """So many entries more of all lockers together, brought by whoever passes."""
        for number, locker in enumerate(self.lockers):
            before = len(locker.entries)
            while len(locker.entries) - before < events // len(self.lockers):
                stay = stay_of(len(locker.entries) * LOCKERS + number)
                locker.deposit(3, stay, b"token-01")
                locker.collect(3, stay, b"token-02")
            async with self.database.write() as session:
                contents = locker.contents(before + 1)
                await ledger.append(session, contents, now=self.clock.now())

    async def publish(self) -> None:
        """A minute later: the log has grown, its head is cosigned and published."""
        self.clock.move(minutes=2)
        await seal_log(
            self.database,
            origin=ORIGIN,
            keyring=self.keyring,
            clock=self.clock,
            is_witnessed=True,
        )
        await cosign_log(self.database, self.seers.witnessing(least=2), clock=self.clock)

    async def fix(self) -> None:
        """The published head stands on the chain, as deep as is asked."""
        plan = Plan(
            contract=self.anchor.contract,
            origin=ORIGIN,
            every=timedelta(hours=1),
            cap_wei=CAP_WEI,
        )
        for _ in range(2):
            await anchor_log(self.database, self.anchor, plan, clock=self.clock, at_once=True)
            self.chain.mine(CONFIRMATIONS)
            self.clock.move(minutes=1)

    def trust(self) -> str:
        """What a partner hands out on paper: keys of log, witnesses and lockers, and the chain."""
        keys = [
            NoteKey(ORIGIN, KeyKind.LOG, one.public) for one in self.keyring.list_keys(Purpose.LOG)
        ]
        return write_trust(
            keys,
            witnesses=self.seers.keys,
            least=2,
            lockers={locker.lid: locker.key.public for locker in self.lockers},
            anchors=[self.anchor.contract],
        )


@pytest.fixture
def events(request: pytest.FixtureRequest) -> int:
    """How many entries the lockers bring in all."""
    count: int = request.config.getoption("--events")
    return count


@pytest.fixture
async def network(
    database: Database, keyring: DerivedKeyring, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[Network]:
    chain = LocalChain()
    seers = Seers(tmp_path, log_keys(keyring), clock)
    async with database.write() as session:
        town = await build_town(session)
    others = [JournalingLocker(f"locker {number}") for number in range(LOCKERS - 1)]
    with serving_chain(chain) as url:
        anchor = await asyncio.to_thread(put_on_chain, chain, url)
        yield Network(
            database=database,
            town=town,
            lockers=[town.machine, *others],
            keyring=keyring,
            clock=clock,
            seers=seers,
            chain=chain,
            chain_url=url,
            anchor=anchor,
        )
    await seers.close()


def log_keys(keyring: DerivedKeyring) -> list[NoteKey]:
    """The keys that sign the log's heads, as others know them."""
    return [NoteKey(ORIGIN, KeyKind.LOG, key.public) for key in keyring.list_keys(Purpose.LOG)]


def put_on_chain(chain: LocalChain, url: str) -> EvmAnchor:
    """The contract is deployed, and this log registered in it."""

    def account(contract: str) -> EvmAnchor:
        return EvmAnchor(
            url,
            Contract(chain.id, contract),
            origin=ORIGIN,
            key=bytes(31) + b"\x07",
            confirmations=CONFIRMATIONS,
            gas=200_000,
        )

    chain.fund(account("").address)
    return account(account("").deploy(cap_wei=CAP_WEI))


def check(folder: Path, receipt: bytes, trust: str, *words: str, status: int) -> dict[str, Any]:
    """What the checker says, in a folder with nothing but these two files."""
    folder.mkdir(exist_ok=True)
    (folder / "receipt").write_bytes(receipt)
    (folder / "trust").write_text(trust)
    argv = ["-m", "server.verify", "receipt", "--trust", "trust", "--json", *words]
    run = subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


async def tell_heads(network: Network, *seqs: int) -> None:
    """Phones have brought what the town's locker signed at its door."""
    machine = network.town.machine
    async with network.database.write() as session:
        for seq in seqs:
            row = SignedHead(
                lid=machine.lid,
                seq=seq,
                head=machine.head_at(seq),
                signature=machine.receipt(seq),
                received_at=network.clock.now(),
            )
            assert await ledger.keep_signed_head(session, row, now=network.clock.now()) is True


@pytest.mark.both_databases_in_ci
async def test_forty_lockers_are_proved_by_files_alone(
    network: Network, tmp_path: Path, events: int
) -> None:
    collection = await collected(network.database, network.town)
    await tell_heads(network, collection)
    for number in range(ROUNDS):
        await network.live(events // ROUNDS)
        await network.publish()
        if number in ANCHORED:
            await network.fix()
    heads = (await network.anchor.read(since=0)).heads
    parcel, entries = await fetch_receipts(network)
    trust, folder = network.trust(), tmp_path / "court"
    await fill_shelf(network.database, FolderShelf(tmp_path / "log"))
    await network.database.close()

    assert len(heads) == len(ANCHORED)
    told = check(folder, parcel, trust, "--chain", network.chain_url, status=HOLDS)
    assert told["size"] >= events
    assert told["anchor"] == {
        "size": heads[0].size,
        "chain": network.chain.id,
        "since": heads[0].at,
    }
    last = told["entries"][-1]
    assert (last["seq"], last["kind"], last["signed"]) == (collection, Kind.COLLECTED.name, True)
    for one in entries:
        assert len(verify_receipt(one, parse_trust(trust.encode())).seen) == len(NAMES)
    bent = bytearray(parcel)
    bent[len(bent) // 3] ^= 0x10
    check(folder, bytes(bent), trust, status=REFUSED)
    known = look(
        FolderSource(tmp_path / "log"),
        parse_trust(trust.encode()),
        State(),
        now=network.clock.now(),
        delay_s=MAXIMUM_MERGE_DELAY_S,
    )
    assert (known.findings, known.size) == ((), told["size"])
    assert {locker.lid for locker in network.lockers} <= known.places.keys()


async def fetch_receipts(network: Network) -> tuple[bytes, list[bytes]]:
    """The parcel's receipt, and one for each entry of its locker."""
    town, contract = network.town, network.anchor.contract
    async with network.database.read() as session:
        parcel = await make_parcel_receipt(
            session, town.recipient, parcel_id=key_of("parcel"), contract=contract
        )
        entries = [
            await make_entry_proof(
                session, town.operator, locker_id=town.locker_id, seq=seq, contract=contract
            )
            for seq in range(1, len(town.machine.entries) + 1)
        ]
    assert isinstance(parcel, bytes)
    proofs = [one for one in entries if isinstance(one, bytes)]
    assert len(proofs) == len(entries)
    return parcel, proofs
