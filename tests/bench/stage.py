"""A real agent at work on virtual Bluetooth; the air is a process of its own, as a radio is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.agents import start_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READY_LIMIT_S = 2.0
"""From the start of the agent's process to its first advertisement."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent that serves, how long it took to, and controllers for the phones around it."""

    pid: int
    ready_s: float
    ports: tuple[int, ...]


@asynccontextmanager
async def agent_at_work(state: Path, *options: str, phones: int = 1) -> AsyncIterator[Stage]:
    """Run the agent of a commissioned folder until the end, which is an orderly one."""
    air = _start_air(1 + phones)
    agent: subprocess.Popen[str] | None = None
    try:
        own, *others = json.loads(_read_line(air))["ports"]
        began = time.perf_counter()
        agent = start_agent(state, own, *options)
        _read_line(agent)
        yield Stage(agent.pid, time.perf_counter() - began, tuple(others))
    finally:
        for process in filter(None, (agent, air)):
            process.terminate()
            process.wait(30)


def _start_air(controllers: int) -> subprocess.Popen[str]:
    words = ("-m", "ble_agent.backends.ether", "--controllers", str(controllers), "--json")
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the process ended before it was ready"
    return line
