"""A real agent process on the virtual radio: PDUs of an unlock, memory, idle time, start-up."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ble_agent.backends.bumble_central import open_central
from ble_agent.phone.errand import Errand
from ble_agent.phone.link import open_link
from schema.cose import SigningKey
from schema.handshake import OpenRequest
from schema.keys import Operation
from tests.bench.stage import READY_LIMIT_S, agent_at_work
from tests.fakes.agents import commission_locker

if TYPE_CHECKING:
    from tests.bench.report import Row
    from tests.bench.stage import Stage
    from tests.fakes.agents import Authority

IDLE_S = 60
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
            process = await _measure_process(stage)
    return [*radio, *process]


async def _measure_unlock(bench: Bench, mtu: int) -> Row:
    """ATT packets of one unlock after discovery: a read, the writes, a notification."""
    stay, keys = secrets.token_bytes(8), bench.authority.keys
    async with (
        open_central(f"tcp-client:127.0.0.1:{bench.stage.ports[0]}", mtu=mtu) as central,
        open_link(keys.lid, scanner_backend=central.scanner, client_backend=central.client) as link,
    ):
        errand = Errand(link, keys, bench.device)
        done = await errand.request(
            (bench.token(Operation.DEPOSIT, stay),),
            OpenRequest(Operation.DEPOSIT),
            (bench.authority.key_set(),),
            find_time=bench.authority.find_time,
        )
        await errand.watch(done, timeout_s=10)
        central.traffic.clear()
        unlock = bench.token(Operation.OPEN, stay)
        done = await errand.request((unlock,), OpenRequest(Operation.OPEN))
        sent, heard = dict(central.traffic.sent), dict(central.traffic.heard)
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


async def _measure_process(stage: Stage) -> list[Row]:
    before_s = _cpu_s(stage.pid)
    await asyncio.sleep(IDLE_S)
    idle = (_cpu_s(stage.pid) - before_s) / IDLE_S
    return [
        {
            "name": "agent: resident memory, MB",
            "value": round(_resident_mb(stage.pid), 1),
            "limit": 60.0,
            "detail": "radio up, after three visits",
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
