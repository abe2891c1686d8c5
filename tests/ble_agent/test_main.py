"""The agent's command line where it ends before it serves."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ROOT_KEY = "f001" + "11" * 32
PINS = "[[compartment]]\nnumber = 1\nbolt = 17\ndoor = 27\n"
BOARDS = 'port = "/dev/null"\n[[compartment]]\nnumber = 1\nbolt = 0\ndoor = 0\n'


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ble_agent", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("kind", "wiring"), [("gpio", PINS), ("modbus", BOARDS)])
def test_wiring_that_lacks_a_compartment_of_the_locker_is_refused(
    tmp_path: Path, kind: str, wiring: str
) -> None:
    state, file = tmp_path / "state", tmp_path / "wiring.toml"
    file.write_text(wiring)
    made = run("locker", "init", "--state", str(state), "--compartments", "3", "--root", ROOT_KEY)
    assert made.returncode == 0, made.stderr
    refused = run("agent", "--state", str(state), "--hardware", f"{kind}:{file}")
    assert refused.returncode == 1
    assert refused.stderr == f"restante: {file} has no compartment 2, which the locker has\n"


@pytest.mark.parametrize("hardware", ["modbus", "modbus:", "gpio:", "simulated:3", "serial:x"])
def test_hardware_that_there_is_not_is_a_usage_error(tmp_path: Path, hardware: str) -> None:
    refused = run("agent", "--state", str(tmp_path), "--hardware", hardware)
    assert refused.returncode == 2
    assert "simulated, gpio:FILE or modbus:FILE" in refused.stderr


def test_a_third_root_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    roots = [word for _ in range(3) for word in ("--root", ROOT_KEY)]
    refused = run("locker", "init", "--state", str(tmp_path / "s"), "--compartments", "1", *roots)
    assert refused.returncode == 2
    assert "at most 2 roots" in refused.stderr
    assert not (tmp_path / "s").exists()
