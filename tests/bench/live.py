"""What a subscriber costs in memory, and how fast a change reaches two thousand of them."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx

from server.demo.stores import Valkey, get_valkey
from server.kit.db import Database
from server.kit.graph import global_id
from server.kit.live import Live
from server.kit.migrate import migrate
from server.lockers.service import reading
from tests.bench.crowd import Crowd
from tests.fakes.sources import START
from tests.fakes.town import build_town

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Iterator

    from tests.bench.report import Row

SUBSCRIBERS, AUDIENCE = 10_000, 2_000
MEMORY_LIMIT_KB, BROADCAST_LIMIT = 40.0, 3.0

ROUNDS = 9

OTHER_FILES = 1_000
"""Open files that a process of this bench may need besides its connections."""

QUERY = "subscription ($id: ID!) { lockerChanged(id: $id) { serial state lastFactAt } }"

PATIENCE_S = 60.0


async def measure() -> list[Row]:
    """Two rows: KB for each of ten thousand subscribers, and the last of two thousand.

    Fewer than ten thousand where the machine lets a process open fewer files; the row says so.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = SUBSCRIBERS + AUDIENCE + OTHER_FILES
    files = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    count = min(SUBSCRIBERS, files - OTHER_FILES)
    with tempfile.TemporaryDirectory() as folder, Valkey(get_valkey()) as valkey:
        url = f"sqlite+aiosqlite:///{folder}/live.db"
        await asyncio.to_thread(migrate, url)
        live = Live(valkey.url)
        database = Database(url, on_change=live.nudge)
        async with database.write() as session:
            town = await build_town(session)
        environ = {
            "RESTANTE_DATABASE_URL": url,
            "RESTANTE_VALKEY_URL": valkey.url,
            "RESTANTE_STATE_DIR": folder,
        }
        with (
            _process("server.cli", "serve", **environ) as ours,
            _process("tests.bench.bare") as bare,
        ):
            try:
                return [
                    await _memory(ours, town.locker_id, count),
                    await _broadcast(ours, bare, database, town.locker_id),
                ]
            finally:
                await database.close()
                await live.close()


async def _memory(ours: Process, locker_id: uuid.UUID, count: int) -> Row:
    async with _subscribed(ours, locker_id, 200):
        before_kb = ours.memory_kb()
        async with _subscribed(ours, locker_id, count):
            after_kb = ours.memory_kb()
    each = (after_kb - before_kb) / count
    return {
        "name": "memory of a subscriber, KB",
        "value": round(each, 1),
        "limit": MEMORY_LIMIT_KB,
        "detail": f"{count} at once in one process of {after_kb / 1024:.0f} MB",
    }


async def _broadcast(ours: Process, bare: Process, database: Database, locker_id: uuid.UUID) -> Row:
    """One change in the database, until the last subscriber has its frame; and the same frame sent
    by a bare Starlette application, in turns.
    """
    plain = Crowd(bare.port, "/stay")
    await plain.grow(AUDIENCE)
    ours_s, bare_s = [], []
    async with _subscribed(ours, locker_id, AUDIENCE) as crowd, httpx.AsyncClient() as client:
        for number in range(1, ROUNDS + 1):
            at = START + timedelta(days=number)
            mark = at.isoformat()[:19].encode()
            crowd.expect(mark)
            start = time.perf_counter()
            async with database.write() as session:
                locker = await reading.lock_locker(session, locker_id)
                assert locker is not None
                locker.last_fact_at = at
            await crowd.all_had()
            ours_s.append(time.perf_counter() - start)
            text = crowd.last.replace(mark, f"{number:019}".encode())
            plain.expect(text)
            start = time.perf_counter()
            telling = asyncio.create_task(
                client.post(f"http://127.0.0.1:{bare.port}/tell", content=text, timeout=PATIENCE_S)
            )
            await plain.all_had()
            bare_s.append(time.perf_counter() - start)
            await telling
    plain.close()
    return {
        "name": "broadcast / bare fan-out",
        "value": round(median(ours_s) / median(bare_s), 2),
        "limit": BROADCAST_LIMIT,
        "detail": f"to the last of {AUDIENCE}: {median(ours_s) * 1e3:.0f} ms from the commit, "
        f"{median(bare_s) * 1e3:.0f} ms bare, medians of {ROUNDS}",
    }


@asynccontextmanager
async def _subscribed(ours: Process, locker_id: uuid.UUID, count: int) -> AsyncIterator[Crowd]:
    """So many subscribers, each of which has had the state once."""
    variables = {"id": global_id("Locker", locker_id)}
    says: list[object] = [
        {"type": "connection_init"},
        {"type": "subscribe", "id": "1", "payload": {"query": QUERY, "variables": variables}},
    ]
    crowd = Crowd(ours.port, "/graphql", protocol="graphql-transport-ws", says=says)
    await crowd.grow(count, until=b'"type":"next"')
    yield crowd
    crowd.close()


class Process:
    """A server of its own, on a port of its own."""

    def __init__(self, child: subprocess.Popen[bytes], port: int) -> None:
        self._child = child
        self.port = port

    def memory_kb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self._child.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1024


@contextmanager
def _process(module: str, *words: str, **environ: str) -> Iterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    words = words or (str(port),)
    child = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        env={**os.environ, "RESTANTE_LISTEN_PORT": str(port), **environ},
        # It logs a line for each of twenty thousand connections.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port, child)
        yield Process(child, port)
    finally:
        child.terminate()
        child.wait()


def _await_port(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"nothing listens at port {port}"
    raise TimeoutError(message)
