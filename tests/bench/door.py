"""A real agent process on the virtual radio: PDUs of an unlock, memory, idle time, start-up."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ble_agent.backends.bumble_central import open_central
from ble_agent.phone.errand import Errand
from ble_agent.phone.link import open_link
from schema.codes import Code
from schema.cose import SigningKey
from schema.handshake import OpenRequest
from schema.ids import KeyId
from schema.keys import MAX_KEYS, KeyEntry, Operation
from schema.statements import MAX_REVOCATIONS, Revocations, StatementType
from tests.bench.stage import READY_LIMIT_S, agent_at_work
from tests.fakes.agents import commission_locker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ble_agent.backends.bumble_central import AttTraffic
    from tests.bench.report import Row
    from tests.bench.stage import Stage
    from tests.fakes.agents import Authority

IDLE_S = 60
LUGGAGE_MTU, WRITES_LIMIT = 185, 16.0
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Bench:
    """An agent at work, and the one phone that comes to it."""

    stage: Stage
    authority: Authority
    device: SigningKey

    def token(self, op: Operation, stay: bytes) -> bytes:
        """A token for the bench's phone."""
        return self.authority.token(op, stay, self.device.public)


async def measure() -> list[Row]:
    """Rows about the radio and about the process."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "locker"
        authority = commission_locker(state, compartments=4)
        async with agent_at_work(state, "--sim-door-seconds", "0.2") as stage:
            bench = Bench(stage, authority, SigningKey(secrets.token_bytes(32)))
            radio = [await _measure_unlock(bench, mtu) for mtu in (517, 247, 185)]
            radio.append(await _measure_luggage(bench))
            process = await _measure_process(stage)
    return [*radio, *process]


async def _measure_unlock(bench: Bench, mtu: int) -> Row:
    """ATT packets of one unlock after discovery: a read, the writes, a notification."""
    stay = secrets.token_bytes(8)
    async with _phone(bench, mtu) as (traffic, errand):
        done = await errand.request(
            (bench.token(Operation.DEPOSIT, stay),),
            OpenRequest(Operation.DEPOSIT),
            (bench.authority.key_set(),),
            find_time=bench.authority.find_time,
        )
        await errand.watch(done, timeout_s=10)
        traffic.clear()
        unlock = bench.token(Operation.OPEN, stay)
        done = await errand.request((unlock,), OpenRequest(Operation.OPEN))
        sent, heard = dict(traffic.sent), dict(traffic.heard)
        assert done.result.code == 0
        await errand.watch(done, timeout_s=10)
    writes = sent.get("ATT_WRITE_REQUEST", 0)
    reads = sum(count for name, count in sent.items() if "READ" in name)
    told = heard.get("ATT_HANDLE_VALUE_NOTIFICATION", 0)
    allowed = 1 if mtu == 517 else 2
    is_exact = reads == 1 and writes <= allowed and sum(sent.values()) == reads + writes
    return {
        "name": f"unlock at MTU {mtu}: ATT requests of the phone",
        "value": float(reads + writes) if is_exact else float("inf"),
        "limit": float(1 + allowed),
        "detail": f"{reads} read, {writes} write, {told} notification (door events included)",
    }


@asynccontextmanager
async def _phone(bench: Bench, mtu: int) -> AsyncIterator[tuple[AttTraffic, Errand]]:
    """The phone at the door, and what it has sent since it found out what is there."""
    keys = bench.authority.keys
    async with (
        open_central(f"tcp-client:127.0.0.1:{bench.stage.ports[0]}", mtu=mtu) as central,
        open_link(keys.lid, scanner_backend=central.scanner, client_backend=central.client) as link,
    ):
        central.traffic.clear()
        yield central.traffic, Errand(link, keys, bench.device)


async def _measure_luggage(bench: Bench) -> Row:
    """Writes of a visit that brings all that statements can hold, and a token that asks for it."""
    authority, now = bench.authority, int(time.time())
    more = [
        KeyEntry(KeyId(bytes([2, n])), secrets.token_bytes(32), 72, 4 * 3600, now - 60, now + 9000)
        for n in range(MAX_KEYS - 1)
    ]
    ids = tuple((secrets.token_bytes(8), now + 9000) for _ in range(MAX_REVOCATIONS))
    revocations = authority.sign(Revocations(authority.keys.lid, 1, now - 5, 0, ids))
    brought = (authority.key_set(*more, seq=2), (StatementType.REVOCATIONS, revocations))
    token = authority.token(
        Operation.DEPOSIT, secrets.token_bytes(8), bench.device.public, minrev=1
    )
    async with _phone(bench, LUGGAGE_MTU) as (traffic, errand):
        done = await errand.request((token,), OpenRequest(Operation.DEPOSIT), brought)
        sent = dict(traffic.sent)
        assert done.result.code == Code.OK
        await errand.watch(done, timeout_s=10)
    writes = sent["ATT_WRITE_REQUEST"]
    return {
        "name": f"full key set, full list and a token at MTU {LUGGAGE_MTU}: writes of the phone",
        "value": float(writes),
        "limit": WRITES_LIMIT,
        "detail": f"{len(brought[0][1])} + {len(revocations)} + {len(token)} bytes,"
        f" {sent['ATT_READ_REQUEST']} read",
    }


async def _measure_process(stage: Stage) -> list[Row]:
    before_s = _cpu_s(stage.pid)
    await asyncio.sleep(IDLE_S)
    idle = (_cpu_s(stage.pid) - before_s) / IDLE_S
    return [
        {
            "name": "agent: resident memory, MB",
            "value": round(_resident_mb(stage.pid), 1),
            "limit": 60.0,
            "detail": "radio up, after four visits",
        },
        {
            "name": "agent: share of a core when idle, %",
            "value": round(100 * idle, 2),
            "limit": 1.0,
            "detail": f"over {IDLE_S} s, radio up",
        },
        {
            "name": "agent: seconds until ready to serve",
            "value": round(stage.ready_s, 2),
            "limit": READY_LIMIT_S,
            "detail": "from the start of the process to the first advertisement",
        },
    ]


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) / 1024
