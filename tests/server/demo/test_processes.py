"""Child processes: readiness, certain ends, and messages that repeat the output."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from server.demo.processes import PORTS, Child, Command, ProcessError, find_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAITS = "print('up', flush=True); import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Children that a test starts; all are gone afterwards."""
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


def make_child(folder: Path, program: str) -> Child:
    return Child("probe", Command([sys.executable, "-c", program], {}), log=folder / "probe.log")


def test_child_is_ready_when_its_probe_says_so(tmp_path: Path, children: list[Child]) -> None:
    child = make_child(tmp_path, WAITS)
    children.append(child)
    child.start()
    child.wait_ready(lambda: "up" in child.read_log(), within_s=30)
    assert child.is_running
    assert child.pid > 0


def test_started_child_is_not_started_twice(tmp_path: Path, children: list[Child]) -> None:
    child = make_child(tmp_path, WAITS)
    children.append(child)
    child.start()
    first = child.pid
    child.start()
    assert child.pid == first


def test_child_that_dies_early_is_reported_with_its_output(tmp_path: Path) -> None:
    child = make_child(tmp_path, "raise SystemExit('the port is taken')")
    child.start()
    with pytest.raises(ProcessError, match=r"exit status 1.*the port is taken"):
        child.wait_ready(lambda: False, within_s=30)


def test_child_that_never_gets_ready_is_reported(tmp_path: Path, children: list[Child]) -> None:
    child = make_child(tmp_path, WAITS)
    children.append(child)
    child.start()
    with pytest.raises(ProcessError, match="was not ready within 0 s"):
        child.wait_ready(lambda: False, within_s=0)
    assert child.is_running


def test_child_deaf_to_a_polite_request_is_killed(tmp_path: Path, children: list[Child]) -> None:
    child = make_child(tmp_path, DEAF)
    children.append(child)
    child.start()
    child.wait_ready(lambda: "up" in child.read_log(), within_s=30)
    child.stop(within_s=0.05)
    assert not child.is_running


def test_killed_child_starts_again_and_adds_to_the_same_log(
    tmp_path: Path, children: list[Child]
) -> None:
    child = make_child(tmp_path, WAITS)
    children.append(child)
    child.start()
    child.wait_ready(lambda: "up" in child.read_log(), within_s=30)
    child.kill()
    assert not child.is_running
    child.start()
    child.wait_ready(lambda: child.read_log().count("up") == 2, within_s=30)


def test_child_that_was_never_started_has_no_pid_and_stops_quietly(tmp_path: Path) -> None:
    child = make_child(tmp_path, WAITS)
    child.stop(sign=signal.SIGINT)
    with pytest.raises(ProcessError, match="probe is not running"):
        _ = child.pid
    assert child.read_log() == ""


def test_free_ports_differ_and_are_not_those_of_outgoing_connections() -> None:
    found = find_free_ports(20)
    assert len({*found}) == 20
    assert all(port in PORTS for port in found)


def test_child_asked_to_end_may_take_its_time(tmp_path: Path, children: list[Child]) -> None:
    child = make_child(tmp_path, WAITS)
    children.append(child)
    child.ask_to_end()
    child.start()
    child.wait_ready(lambda: "up" in child.read_log(), within_s=30)
    child.ask_to_end()
    child.stop()
    assert child.exit_status == -signal.SIGTERM
