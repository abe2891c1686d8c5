"""The unit file, judged by systemd's own tools where they are, and by our own settings."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ble_agent.settings import AgentSettings, parse_arguments
from tests.contracts.tree import ROOT

UNIT = ROOT / "ble_agent" / "restante-agent.service"
INSTALLED = "/opt/restante"
EXPOSURE = 20
"""Tenths of what systemd calls exposure: above lie "medium" and worse. Network, serial lines and
bluetoothd, without which no locker works, make up most of it."""

ANALYZE = shutil.which("systemd-analyze")
with_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="there is no systemd-analyze on this machine (package systemd)"
)


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """systemd's judgement on the unit as it is installed, with programs that exist here."""
    copy = folder / UNIT.name
    copy.write_text(UNIT.read_text().replace(f"{INSTALLED}/restante agent", sys.executable))
    command = [str(ANALYZE), *words, str(copy)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@with_systemd
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    judged = analyze(tmp_path, "verify", "--man=no")
    assert [line for line in judged.stderr.splitlines() if UNIT.name in line] == []


@with_systemd
def test_unit_leaves_the_agent_few_rights(tmp_path: Path) -> None:
    judged = analyze(tmp_path, "security", "--offline=yes", f"--threshold={EXPOSURE}")
    assert judged.returncode == 0, judged.stdout


def test_command_of_the_unit_is_one_that_the_agent_takes() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    program, *words, options = unit["Service"]["ExecStart"].split()
    assert program == f"{INSTALLED}/restante"
    assert options == "$AGENT_OPTIONS"
    settings = parse_arguments(words)
    assert isinstance(settings, AgentSettings)
    assert settings.state == Path("%S/restante-agent/locker")
