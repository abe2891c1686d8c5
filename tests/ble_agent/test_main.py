"""The agent's command line where it ends before it serves."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
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


@pytest.mark.parametrize("port", ["65536", "-1", "http", "٣"])
def test_panel_at_a_port_that_there_is_not_is_a_usage_error(tmp_path: Path, port: str) -> None:
    refused = run("agent", "--state", str(tmp_path), f"--panel={port}")
    assert refused.returncode == 2
    assert "a port from 1 to 65535, or 0" in refused.stderr


def start_with_panel(tmp_path: Path, port: int) -> subprocess.Popen[str]:
    """The agent of a new locker, with a panel and without a radio."""
    state = f"{tmp_path / 'state'}"
    made = run("locker", "init", "--state", state, "--compartments", "1", "--root", ROOT_KEY)
    assert made.returncode == 0, made.stderr
    words = ("--state", state, "--radio", "bluez:none", "--panel", f"{port}")
    return subprocess.Popen(
        [sys.executable, "-m", "ble_agent", "agent", *words, "--panel-language", "de"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(agent: subprocess.Popen[str]) -> int:
    """Ask it to end; its status."""
    agent.terminate()
    agent.communicate(timeout=30)
    return agent.returncode


def test_agent_shows_its_panel_and_ends_in_order(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    agent = start_with_panel(tmp_path, port)
    try:
        assert agent.stdout is not None
        assert agent.stdout.readline() == f"panel at http://127.0.0.1:{port}/\n"
        url = f"http://127.0.0.1:{port}/"
        [secret] = re.findall(r'panel-secret" content="(\S{40,})"', httpx.get(url).text)
        with httpx.stream("GET", f"{url}events", params={"secret": secret}) as views:
            assert '"language": "de"' in next(views.iter_lines())
    finally:
        assert end(agent) == 0


def test_agent_whose_panel_has_no_port_serves_phones_all_the_same(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        agent = start_with_panel(tmp_path, port)
        try:
            assert agent.stderr is not None
            assert any(f"no panel at port {port}" in line for line in agent.stderr)
        finally:
            assert end(agent) == 0
