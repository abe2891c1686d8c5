"""The demo's processes: real, reachable, and gone afterwards however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from server.demo.processes import ProcessError
from server.demo.supervisor import ROOT, Supervisor, supervise

PATIENCE_S = 60

WAITING_DEMO = """
import json, signal
from server.demo.supervisor import supervise
with supervise() as supervisor:
    supervisor.start_ether(1)
    ports = [supervisor.valkey.port, *supervisor.controllers]
    print(json.dumps([str(supervisor.folder), *ports]), flush=True)
    signal.pause()
"""


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask_api(supervisor: Supervisor) -> object:
    url = f"{supervisor.endpoints.api}/graphql"
    return httpx.post(url, json={"query": "{ __typename }"}, timeout=PATIENCE_S).json()


def test_all_services_answer_and_nothing_is_left_of_them() -> None:
    with supervise() as supervisor:
        supervisor.launch_services()
        supervisor.await_services()
        supervisor.await_worker()
        supervisor.check_alive()
        assert ask_api(supervisor) == {"data": {"__typename": "Query"}}
        assert httpx.get(f"{supervisor.endpoints.mails}/mails").json() == {"mails": []}
        assert httpx.get(f"{supervisor.endpoints.pushes}/messages").json() == {"messages": []}
        supervisor.kill_services()
        with pytest.raises(httpx.ConnectError):
            ask_api(supervisor)
        supervisor.check_alive()
        supervisor.revive_services()
        ask_api(supervisor)
        folder, port = supervisor.folder, supervisor.valkey.port
    assert not folder.exists()
    assert not is_open(port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything_that_runs(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING_DEMO],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    ) as demo:
        assert demo.stdout is not None
        folder, *ports = json.loads(demo.stdout.readline())
        assert all(is_open(port) for port in ports)
        demo.send_signal(number)
        assert demo.wait(PATIENCE_S) != 0
    assert not Path(folder).exists()
    assert not any(is_open(port) for port in ports)


def test_failure_inside_ends_everything_that_runs() -> None:
    seen: list[Supervisor] = []

    def fail() -> None:
        with supervise() as supervisor:
            seen.append(supervisor)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    [supervisor] = seen
    assert not supervisor.folder.exists()
    assert not is_open(supervisor.valkey.port)


def test_process_that_cannot_start_is_reported_with_its_words() -> None:
    with supervise() as supervisor:
        with pytest.raises(ProcessError, match=r"agent ended before it was ready.*--state"):
            supervisor.start_agent("--radio", "bumble:nothing")
        with pytest.raises(ProcessError, match="agent ended by itself"):
            supervisor.check_alive()


def test_tool_prints_its_answer_or_fails_with_its_complaint() -> None:
    with supervise() as supervisor:
        assert supervisor.run("-c", "print('done')") == "done\n"
        with pytest.raises(ProcessError, match="no such locker"):
            supervisor.run("-c", "raise SystemExit('no such locker')")
        assert supervisor.run("-c", "raise SystemExit(2)", statuses={0, 2}) == ""


def test_only_verbs_of_the_server_see_its_settings() -> None:
    with supervise() as supervisor:
        seen = supervisor.run("-c", "import os; print(sorted(os.environ))")
        assert "RESTANTE_" not in seen
        with pytest.raises(ProcessError, match="no database of this version"):
            supervisor.run("-m", "server.cli", "operator", "add", "operator@example.org")


def test_logs_can_be_kept_when_all_else_is_removed() -> None:
    with supervise() as supervisor:
        supervisor.start_ether(1)
        kept = supervisor.rescue_logs()
    assert not supervisor.folder.exists()
    assert "ports" in (kept / "ether.log").read_text()
    shutil.rmtree(kept)
