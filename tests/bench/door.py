"""A real agent process on the virtual radio: PDUs of an unlock, memory, idle time, start-up."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ble_agent.backends.bumble_central import open_central
from ble_agent.phone.errand import Errand, LockerKeys
from ble_agent.phone.link import open_link
from schema.cose import SigningKey
from schema.handshake import OpenRequest
from schema.ids import KeyId, LockerId, StayId, TokenId, locker_text
from schema.keys import KeyEntry, Operation, Role
from schema.statements import (
    KeySetStatement,
    StatementType,
    Time,
    sign_statement,
    time_nonce,
)
from schema.tokens import Claims, issue_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.report import Row

IDLE_S = 60
_ROOT, _ISSUER = KeyId(b"\xf0\x01"), KeyId(b"\x00\x01")
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Bench:
    """An agent at work on one of the controllers of an ether, and the keys to its doors."""

    pid: int
    ready_s: float
    keys: LockerKeys
    phone_port: int
    issuer: SigningKey
    device: SigningKey
    key_set: bytes

    def token(self, op: Operation, stay: bytes, role: Role) -> bytes:
        """A token for the bench's phone."""
        now = int(time.time())
        claims = Claims(
            aud=locker_text(self.keys.lid),
            exp=now + 3600,
            nbf=now - 60,
            iat=now - 60,
            cti=TokenId(secrets.token_bytes(8)),
            holder=self.device.public,
            role=role,
            actions=int(op),
            comps=(),
            stay=StayId(stay),
            depth=0,
            minrev=0,
        )
        return issue_token(self.issuer, _ISSUER, self.keys.lid, claims)

    async def find_time(self, hello: bytes) -> bytes:
        """The server's time for a hello, as an online phone would bring it."""
        body = Time(self.keys.lid, int(time.time()), time_nonce(hello))
        return sign_statement(self.issuer, _ISSUER, body)


async def measure() -> list[Row]:
    """Rows about the radio and about the process."""
    async with _agent_at_work() as bench:
        radio = [await _measure_unlock(bench, mtu) for mtu in (517, 247, 185)]
        process = await _measure_process(bench)
    return [*radio, *process]


@asynccontextmanager
async def _agent_at_work() -> AsyncIterator[Bench]:
    root, issuer = SigningKey(secrets.token_bytes(32)), SigningKey(secrets.token_bytes(32))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "locker"
        made = _run("ble_agent", "locker", "init", "--state", str(state), "--compartments", "4",
                    "--root", (_ROOT + root.public).hex(), "--json")  # fmt: skip
        ids = {name: bytes.fromhex(value) for name, value in json.loads(made).items()}
        keys = LockerKeys(LockerId(ids["lid"]), ids["noise_public"], ids["sign_public"])
        ether = _start("ble_agent.backends.ether", "--controllers", "2", "--json")
        agent: subprocess.Popen[str] | None = None
        try:
            ports = json.loads(_read_line(ether))["ports"]
            began = time.perf_counter()
            agent = _start("ble_agent", "agent", "--state", str(state), "--sim-door-seconds", "0.2",
                           "--radio", f"bumble:tcp-client:127.0.0.1:{ports[0]}")  # fmt: skip
            _read_line(agent)
            yield Bench(
                pid=agent.pid,
                ready_s=time.perf_counter() - began,
                keys=keys,
                phone_port=ports[1],
                issuer=issuer,
                device=SigningKey(secrets.token_bytes(32)),
                key_set=_sign_key_set(root, issuer, keys.lid),
            )
        finally:
            for process in filter(None, (agent, ether)):
                process.terminate()
                process.wait(10)


async def _measure_unlock(bench: Bench, mtu: int) -> Row:
    """ATT packets of one unlock after discovery: a read, the writes, a notification."""
    stay = secrets.token_bytes(8)
    async with (
        open_central(f"tcp-client:127.0.0.1:{bench.phone_port}", mtu=mtu) as central,
        open_link(
            bench.keys.lid, scanner_backend=central.scanner, client_backend=central.client
        ) as link,
    ):
        errand = Errand(link, bench.keys, bench.device)
        deposit = bench.token(Operation.DEPOSIT, stay, Role.COURIER)
        brought = ((StatementType.KEY_SET, bench.key_set),)
        done = await errand.request(
            (deposit,), OpenRequest(Operation.DEPOSIT), brought, find_time=bench.find_time
        )
        await errand.watch(done, timeout_s=10)
        central.traffic.clear()
        unlock = bench.token(Operation.OPEN, stay, Role.RECIPIENT)
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


async def _measure_process(bench: Bench) -> list[Row]:
    before_s = _cpu_s(bench.pid)
    await asyncio.sleep(IDLE_S)
    idle = (_cpu_s(bench.pid) - before_s) / IDLE_S
    return [
        {
            "name": "agent: resident memory, MB",
            "value": round(_resident_mb(bench.pid), 1),
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
            "value": round(bench.ready_s, 2),
            "limit": 2.0,
            "detail": "from the start of the process to the first advertisement",
        },
    ]


def _sign_key_set(root: SigningKey, issuer: SigningKey, lid: LockerId) -> bytes:
    now = int(time.time())
    entry = KeyEntry(_ISSUER, issuer.public, 23, 7 * 86_400, now - 3600, now + 86_400)
    return sign_statement(root, _ROOT, KeySetStatement(lid, 1, now, (entry,)))


def _run(module: str, *argv: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *argv], capture_output=True, text=True, check=True
    ).stdout


def _start(module: str, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *argv], stdout=subprocess.PIPE, text=True
    )


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) / 1024
