"""How long the whole demo takes once the set-up is there."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.report import Row

WARM_LIMIT_S = 45.0


async def measure() -> list[Row]:
    """One row: the demo from start to end, in which every step must have been verified."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "demo.json"
        began = time.perf_counter()
        demo = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server.cli",
            "demo",
            "--json",
            str(report),
            stdout=asyncio.subprocess.DEVNULL,
        )
        status = await demo.wait()
        taken_s = time.perf_counter() - began
        steps = json.loads(report.read_text())["steps"] if report.exists() else []
    verified = sum(bool(step["ok"]) for step in steps)
    return [
        {
            "name": "demo: seconds from a warm set-up",
            "value": round(taken_s, 1) if status == 0 else float("inf"),
            "limit": WARM_LIMIT_S,
            "detail": f"{verified} of {len(steps)} steps verified",
        }
    ]
