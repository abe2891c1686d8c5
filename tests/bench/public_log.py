"""How fast the public log grows, proves and is checked, at ten thousand leaves and at a million."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from nacl import bindings

from schema.checkpoint.notes import KeyKind, NoteKey, cosign, parse_note
from schema.checkpoint.tiles import WIDTH
from schema.checkpoint.trust import parse_trust, write_trust
from schema.cose import SigningKey
from schema.ids import LockerId
from schema.journal import Kind, entry_head, parse_entry, sign_head
from schema.merkle import leaf_data, leaf_hash
from schema.receipts import Receipt, Stated, parse_receipt, verify_receipt, write_receipt
from server.kit.db import Database, insert_all_new
from server.kit.keyring import Purpose
from server.ledger.log import queries, service
from server.ledger.log.queries import Leaf
from server.ledger.log.rules import edge_tiles, grow
from server.ledger.log.tables import LogLeaf
from tests.fakes.counting import counted_statements
from tests.fakes.journals import JournalingLocker, seed, stay_of
from tests.fakes.sources import START, DerivedKeyring, MovableClock
from tests.fakes.stores import SqliteTemplate

if TYPE_CHECKING:
    from schema.checkpoint.trust import Trust
    from tests.bench.report import Row

FEW, MANY = 10_000, 1_000_000
PORTION = 65_536
"""Leaves that are laid under a log of a million at once, before anything is measured."""

ROUNDS = 20
"""Portions whose integration is measured."""

PROOFS = 300
ORIGIN = "locker.example.org/log"
OTHERS = LockerId(seed("others")[:8])

LEAST_PER_S, LEAST_RATIO = 10_000, 0.25
RECEIPT_BYTES = 5_000
STATEMENTS = 2
ANSWER_S = 0.3

BARE = "CREATE TABLE bare (number INTEGER PRIMARY KEY, lid BLOB, seq INTEGER, head BLOB, "
BARE += "UNIQUE (lid, seq))"
INTO_BARE = "INSERT INTO bare VALUES (?, ?, ?, ?)"
TILES = "CREATE TABLE tiles (level INTEGER, number INTEGER, hashes BLOB, "
TILES += "PRIMARY KEY (level, number))"
PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
INTO_TILES = "INSERT INTO tiles VALUES (?, ?, ?)"


class Proving(NamedTuple):
    """What one proof takes."""

    took_s: float
    statements: int


async def measure() -> list[Row]:
    """Proofs, integration, a receipt's size and its verification."""
    keyring = DerivedKeyring("bench", MovableClock())
    locker = lived_locker()
    # In the project's folder: the temporary one may lie in memory, where nothing is durable.
    with tempfile.TemporaryDirectory(dir=".") as folder:
        template = await asyncio.to_thread(SqliteTemplate, Path(folder))
        database = Database(template.copy(Path(folder)))
        await fill(database, locker, upto=FEW - service.MOST_LEAVES)
        await grow_by_portion(database, keyring, first=0)
        few = await time_proofs(database, FEW)
        await fill(database, locker, upto=MANY - ROUNDS * service.MOST_LEAVES)
        bare = copy_bare(Path(folder))
        growing = [
            (
                await grow_by_portion(database, keyring, first=number * MANY),
                insert_bare(bare, waiting_leaves(number * MANY), first=number * MANY),
            )
            for number in range(1, ROUNDS + 1)
        ]
        many = await time_proofs(database, MANY)
        receipt, trust = await write_example(database, keyring, locker)
        await database.close()
        bare.close()
    return [
        *proof_rows(few, many),
        *growth_rows(growing),
        *receipt_rows(receipt, trust),
    ]


def proof_rows(few: Proving, many: Proving) -> list[Row]:
    """What a hundredfold log costs whoever asks for a proof."""
    return [
        {
            "name": f"a proof of inclusion in a log of {MANY:,} leaves / of {FEW:,}",
            "value": round(many.took_s / few.took_s, 2),
            "limit": 1.5,
            "detail": f"{many.took_s * 1e6:.0f} us / {few.took_s * 1e6:.0f} us",
        },
        {
            "name": f"statements that a proof takes in a log of {MANY:,} leaves",
            "value": many.statements,
            "limit": STATEMENTS,
            "detail": "leaf and head, then tiles",
        },
    ]


def growth_rows(growing: list[tuple[float, float]]) -> list[Row]:
    """What a leaf costs beside the bare insert of its row, both in durable portions."""
    took_s, bare_s = (median(column) for column in zip(*growing, strict=True))
    rate, bare = (service.MOST_LEAVES / portion_s for portion_s in (took_s, bare_s))
    # Each beside the insert right after it: a machine that slows down slows both.
    multiple = median(taken / inserted for taken, inserted in growing)
    return [
        {
            "name": "integration of leaves, beside the bare insert of their rows, as a multiple",
            "value": round(multiple, 2),
            "limit": round(1 / LEAST_RATIO, 2),
            "detail": f"{rate:,.0f} / {bare:,.0f} leaves a second, a ratio of {1 / multiple:.2f}",
        },
        {
            "name": f"{LEAST_PER_S:,} leaves a second, beside what was integrated",
            "value": round(LEAST_PER_S / rate, 2),
            "limit": 1.0,
            "detail": f"{rate:,.0f} a second, behind {MANY:,} others",
        },
    ]


def receipt_rows(raw: bytes, trust: Trust) -> list[Row]:
    """The receipt of a delivery and its retrieval, and what it takes to check it."""
    took_s, bare_s = time_verification(raw, trust)
    answer_s = time_answer(raw, trust_text())
    return [
        {
            "name": f"bytes of a receipt in a log of {MANY:,} leaves",
            "value": len(raw),
            "limit": RECEIPT_BYTES,
            "detail": f"{len(parse_receipt(raw).entries)} entries, two witnesses",
        },
        {
            "name": "verification of a receipt / its bare signatures and hashes",
            "value": round(took_s / bare_s, 2),
            "limit": 3.0,
            "detail": f"{took_s * 1e6:.0f} us / {bare_s * 1e6:.0f} us",
        },
        {
            "name": "seconds until restante-verify has answered",
            "value": round(answer_s, 3),
            "limit": ANSWER_S,
            "detail": "a process of its own, from its start to its end",
        },
    ]


def lived_locker() -> JournalingLocker:
    """A locker that has seen a delivery and its retrieval."""
    locker = JournalingLocker()
    locker.boot()
    locker.deposit(3, stay_of(1), b"token-01")
    locker.collect(3, stay_of(1), b"token-02")
    return locker


def leaf_at(locker: JournalingLocker, number: int) -> Leaf:
    """The leaf of this number: the locker's delivery lies near the start, its retrieval far off."""
    deposit, whole = 6, len(locker.entries)
    if number < deposit:
        return Leaf(locker.lid, number + 1, locker.head_at(number + 1))
    if 0 <= (place := number - MANY // 2) < whole - deposit:
        seq = deposit + place + 1
        return Leaf(locker.lid, seq, locker.head_at(seq))
    return Leaf(OTHERS, number + 1, hashlib.sha256(number.to_bytes(8, "big")).digest())


async def fill(database: Database, locker: JournalingLocker, *, upto: int) -> None:
    """Lays leaves under the log as its own rules do, in larger portions and unsigned."""
    async with database.write() as session:
        size = await queries.hold_size(session)
    while size < upto:
        leaves = [leaf_at(locker, one) for one in range(size, min(upto, size + PORTION))]
        async with database.write() as session:
            edge = await queries.read_tiles(session, edge_tiles(size))
            hashes = [leaf_hash(leaf_data(*leaf)) for leaf in leaves]
            await queries.write_tiles(session, grow(edge, size=size, leaves=hashes))
            rows = [
                {"number": number, **leaf._asdict()} for number, leaf in enumerate(leaves, size)
            ]
            await insert_all_new(session, LogLeaf, rows)
            size += len(leaves)
            await queries.set_size(session, size)


def waiting_leaves(first: int) -> list[Leaf]:
    """A portion of leaves that are not in the log."""
    numbers = range(first, first + service.MOST_LEAVES)
    return [Leaf(OTHERS, 10 * MANY + one, hashlib.sha256(b"%d" % one).digest()) for one in numbers]


async def grow_by_portion(database: Database, keyring: DerivedKeyring, *, first: int) -> float:
    """Seconds in which a portion that waits is integrated, and the head over it signed."""
    async with database.write() as session:
        await service.queue_leaves(session, waiting_leaves(first), now=START)
    began = time.perf_counter()
    async with database.write() as session:
        assert await service.grow_and_sign(session, origin=ORIGIN, keyring=keyring, now=START)
    return time.perf_counter() - began


def copy_bare(folder: Path) -> sqlite3.Connection:
    """The same rows with the same keys and nothing beside them, as durable as the server's.

    One connection stays open, so that it pays for the checkpoints of its own log.
    """
    bare = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    for statement in (*PRAGMAS, BARE, TILES):
        bare.execute(statement)
    bare.execute("ATTACH DATABASE ? AS log", (f"{folder / 'test.db'}",))
    bare.execute("INSERT INTO bare SELECT number, lid, seq, head FROM log.log_leaves")
    bare.execute("INSERT INTO tiles SELECT level, number, hashes FROM log.log_tiles")
    bare.execute("DETACH DATABASE log")
    return bare


def insert_bare(bare: sqlite3.Connection, leaves: list[Leaf], *, first: int) -> float:
    """Seconds of one durable transaction with these rows, their full tiles, and nothing else."""
    rows = [(10 * MANY + first + number, *leaf) for number, leaf in enumerate(leaves)]
    tiles = [
        (9, first + number, b"".join(leaf.head for leaf in leaves[number : number + WIDTH]))
        for number in range(0, len(leaves), WIDTH)
    ]
    began = time.perf_counter()
    bare.execute("BEGIN IMMEDIATE")
    bare.executemany(INTO_BARE, rows)
    bare.executemany(INTO_TILES, tiles)
    bare.execute("COMMIT")
    return time.perf_counter() - began


async def time_proofs(database: Database, size: int) -> Proving:
    """The median of proofs of leaves here and there, and how many statements one takes."""
    chosen = random.Random(size).sample(range(size // 100, size // 2), PROOFS)
    taken = []
    for number in chosen:
        async with database.read() as session:
            began = time.perf_counter()
            found = await service.prove_inclusion(session, [(OTHERS, number + 1)])
            taken.append(time.perf_counter() - began)
        assert found is not None
    async with counted_statements(database) as statements, database.read() as session:
        await service.prove_inclusion(session, [(OTHERS, chosen[0] + 1)])
    return Proving(median(taken), len(statements))


async def write_example(
    database: Database, keyring: DerivedKeyring, locker: JournalingLocker
) -> tuple[bytes, Trust]:
    """The receipt of the locker's delivery and retrieval, cosigned by two witnesses."""
    told = {Kind.ACCEPTED, Kind.DEPOSITED, Kind.COLLECTED}
    lines = [(parse_entry(raw), raw) for raw in locker.entries]
    chosen = [(entry.seq, raw) for entry, raw in lines if entry.kind in told]
    async with database.read() as session:
        found = await service.prove_inclusion(session, [(locker.lid, seq) for seq, _ in chosen])
    assert found is not None
    note = parse_note(found.note.encode())
    seen = [cosign(note, witness(one), name=f"w{one}.example.org", at=1) for one in range(2)]
    entries = [
        Stated(
            lid=locker.lid,
            number=found.of[locker.lid, seq].number,
            seq=seq,
            raw=raw,
            head=entry_head(raw),
            signature=sign_head(locker.key, locker.lid, seq, entry_head(raw)),
            path=found.of[locker.lid, seq].hashes,
        )
        for seq, raw in chosen
    ]
    signed = type(note)(note.text, (*note.signatures, *seen))
    return write_receipt(Receipt(tuple(entries), signed)), parse_trust(trust_text().encode())


def witness(number: int) -> SigningKey:
    """The key of a witness."""
    return SigningKey(seed("witness", number))


def trust_text() -> str:
    """Keys of log, witnesses and locker, as a file."""
    keyring, locker = DerivedKeyring("bench", MovableClock()), lived_locker()
    keys = [NoteKey(ORIGIN, KeyKind.LOG, key.public) for key in keyring.list_keys(Purpose.LOG)]
    seers = [
        NoteKey(f"w{one}.example.org", KeyKind.WITNESS, witness(one).public) for one in range(2)
    ]
    return write_trust(keys, witnesses=seers, least=2, lockers={locker.lid: locker.key.public})


def time_verification(raw: bytes, trust: Trust) -> tuple[float, float]:
    """Median seconds of checking the receipt, and of as many bare signatures and hashes."""
    receipt = parse_receipt(raw)
    hashes = sum(2 + len(one.path) for one in receipt.entries)
    checks = len(receipt.entries) + len(receipt.note.signatures)
    key, message = bindings.crypto_sign_seed_keypair(bytes(32)), bytes(64)
    signed = bindings.crypto_sign(message, key[1])
    taken, bare = [], []
    for _ in range(200):
        began = time.perf_counter()
        verify_receipt(raw, trust)
        taken.append(time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(checks):
            bindings.crypto_sign_open(signed, key[0])
        for _ in range(hashes):
            hashlib.sha256(message).digest()
        bare.append(time.perf_counter() - began)
    return median(taken), median(bare)


def time_answer(raw: bytes, trust: str) -> float:
    """Median seconds of the checker as a process."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        file, keys = Path(folder) / "receipt", Path(folder) / "trust"
        file.write_bytes(raw)
        keys.write_text(trust)
        for _ in range(5):
            began = time.perf_counter()
            words = [sys.executable, "-m", "server.verify", str(file), "--trust", str(keys)]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - began)
    return median(taken)
