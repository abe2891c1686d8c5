"""How long the agent takes from message 2 to the result, beside the bare work inside it."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from nacl import bindings

from ble_agent.session import Session
from schema.handshake import OpenRequest, PhoneVisit
from schema.ids import StayId
from schema.keys import Operation, Role
from tests.ble_agent.standing import NOW, Standing, key_of, quick_folder
from tests.ble_agent.visitor import Randomness

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.report import Row

COMPARTMENTS = 20
OPENINGS = 15
"""Per compartment; a stay has 20 pulses."""

MESSAGE_SIZE, RESULT_SIZE = 254, 111
"""Plaintext of a request with one token, and of its result."""


async def measure() -> list[Row]:
    """Two rows: in memory against the bare cryptography, durable against memory plus one fsync."""
    with quick_folder() as folder:
        in_memory_s, bare_s = await _measure_unlocks(folder / "state")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        durable_s, _ = await _measure_unlocks(Path(folder) / "state")
        insert_s = _measure_insert(Path(folder) / "plain.sqlite")
    return [
        {
            "name": "decision in memory / its bare cryptography",
            "value": round(in_memory_s / bare_s, 2),
            "limit": 3.0,
            "detail": f"{in_memory_s * 1e6:.0f} us / {bare_s * 1e6:.0f} us",
        },
        {
            "name": "durable decision / (decision + one fsynced insert)",
            "value": round(durable_s / (in_memory_s + insert_s), 2),
            "limit": 2.0,
            "detail": f"{durable_s * 1e6:.0f} us /"
            f" ({in_memory_s * 1e6:.0f} + {insert_s * 1e6:.0f}) us",
        },
    ]


async def _measure_unlocks(folder: Path) -> tuple[float, float]:
    """Median seconds of an unlock, message in to sealed result out, and of its cryptography.

    The bare operations run after each unlock, so that both meet the same caches and neighbours.
    """
    standing = await Standing(folder, compartments=COMPARTMENTS, door_seconds=None).start()
    await standing.set_up()
    stays = {
        comp: hashlib.sha256(bytes([comp])).digest()[:8] for comp in range(1, COMPARTMENTS + 1)
    }
    for comp, stay in stays.items():
        with standing.locker.journal.record("given") as record:
            standing.locker.redemptions.store_stay(record, comp, StayId(stay))
        standing.hardware.swing_shut(comp, occupied=True)
    taken, steps, bare = [], _bare_steps(), []
    for _ in range(OPENINGS):
        for comp, stay in stays.items():
            taken.append(_time_unlock(standing, stay))
            bare.append(sum(_times(step, rounds=1)[0] for step in steps))
            await standing.pass_time()
            standing.hardware.swing_shut(comp, occupied=True)
            await standing.pass_time()
    await standing.stop()
    return median(taken), median(bare)


def _time_unlock(standing: Standing, stay: bytes) -> float:
    sent: list[bytes] = []
    session = Session(standing.locker, take_random=standing.randomness.take, send=sent.append)
    identity = standing.locker.identity
    phone = PhoneVisit(
        session.read_hello(0),
        lid=identity.lid,
        locker_static=identity.noise_public,
        ephemeral=Randomness(stay.hex()).take(32),
    )
    token = standing.token(Operation.OPEN, stay=StayId(stay), role=Role.RECIPIENT, exp=NOW + 9000)
    message = phone.write_request((token,), OpenRequest(Operation.OPEN), key_of("phone"))
    began = time.perf_counter()
    session.take(message)
    taken = time.perf_counter() - began
    assert phone.read_result(sent[0]).code == 0
    return taken


def _bare_steps() -> list[Callable[[], object]]:
    """The operations that no implementation can leave out: 2 X25519, 2 verify, 1 sign, 2 AEAD."""
    public, secret = bindings.crypto_sign_seed_keypair(bytes(32))
    signed = bindings.crypto_sign(bytes(200), secret)
    point = bindings.crypto_scalarmult_base(bytes([1] * 32))
    key, nonce = bytes(32), bytes(12)
    sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        bytes(MESSAGE_SIZE), b"", nonce, key
    )
    return [
        *(lambda: bindings.crypto_scalarmult(bytes([2] * 32), point),) * 2,
        *(lambda: bindings.crypto_sign_open(signed, public),) * 2,
        lambda: bindings.crypto_sign(bytes(60), secret),
        lambda: bindings.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, b"", nonce, key),
        lambda: bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            bytes(RESULT_SIZE), b"", nonce, key
        ),
    ]


def _times(step: Callable[[], object], rounds: int = 300) -> list[float]:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        found.append(time.perf_counter() - began)
    return found


def _measure_insert(path: Path) -> float:
    """Median seconds of a durable insert of as many bytes as an unlock writes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY, raw BLOB NOT NULL)")
    line = bytes(600)
    found = _times(lambda: connection.execute("INSERT INTO lines (raw) VALUES (?)", (line,)))
    connection.close()
    return median(found)
