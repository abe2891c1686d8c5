"""The whole demo as a stranger runs it: offline pickup, told by push, proved by the journal.

Real processes all through: HTTP, database, Valkey, worker, Bluetooth stacks, agent and phones.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 110

STEPS = (
    "announce",
    "deposit",
    "push_received",
    "track",
    "server_killed",
    "stranger_refused",
    "unlock_offline",
    "replay_refused",
    "collected_proved",
    "receipt_verified",
)
"""Names that others rely on, in the order of the story."""


def run_phone(wallet: Path, api: str, *words: str) -> Any:
    """What a phone of one's own answers, beside the demo."""
    phone = [sys.executable, "-m", "ble_agent.phone", "--wallet", str(wallet), "--json"]
    printed = subprocess.run(
        [*phone, "--server", api, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(printed.stdout)


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that work in this folder."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended since
        lines += [line] if str(folder) in line else []
    return lines


def ports_of(endpoints: dict[str, Any]) -> Iterator[int]:
    """Every port that the demo said it listens at."""
    for address in (endpoints["api"], endpoints["mails"], endpoints["smtp"], endpoints["valkey"]):
        yield int(urlsplit(address).port or 0)
    yield from (int(radio.rpartition(":")[2]) for radio in endpoints["radios"])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_story(report: dict[str, Any]) -> None:
    steps = {step["name"]: step for step in report["steps"]}
    assert [step for step in report["steps"] if not step["ok"]] == []
    assert [name for name in steps if name in STEPS] == [*STEPS]
    assert all(isinstance(step["ms"], int) and step["detail"] for step in steps.values())
    assert "9 HOLDER_PROOF_FAILED" in steps["stranger_refused"]["detail"]
    assert "ATT 0x83" in steps["replay_refused"]["detail"]
    assert "7 USED" in steps["replay_refused"]["detail"]
    assert report["versions"]["restante"]


def go_on_by_hand(report: dict[str, Any], wallet: Path) -> None:
    """Sign in as the operator with a new phone, by the code in the mail, and look around."""
    api, email = report["endpoints"]["api"], report["emails"]["operator"]
    inbox = f"{report['endpoints']['mails']}/mails?to={email}"
    mails = before = httpx.get(inbox).json()["mails"]
    request = run_phone(wallet, api, "request-code", email)["requestId"]
    while len(mails) == len(before):
        mails = httpx.get(inbox).json()["mails"]
    code = re.search(r"The code is (\d+)", mails[-1]["text"])
    assert code is not None
    run_phone(wallet, api, "sign-in", request, code.group(1))
    answer = run_phone(wallet, api, "ask", "{ parcels { edges { node { state } } } }")
    assert answer == {"data": {"parcels": {"edges": [{"node": {"state": "COLLECTED"}}]}}}


def test_parcel_is_collected_while_the_server_is_dead_and_nothing_is_left(tmp_path: Path) -> None:
    folder, file = tmp_path / "tmp", tmp_path / "demo.json"
    folder.mkdir()
    words = [sys.executable, "-m", "server.cli", "demo", "--keep", "--json", str(file)]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RESTANTE_")}
    environ |= {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    with subprocess.Popen(
        words, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        try:
            told = []
            for line in demo.stdout:
                told.append(line)
                if line.startswith("At the door"):
                    break
            report = json.loads(file.read_text())
            check_story(report)
            assert all(is_open(port) for port in ports_of(report["endpoints"]))
            go_on_by_hand(report, tmp_path / "wallet")
        finally:
            demo.send_signal(signal.SIGINT)
            told += demo.stdout.readlines()
            status = demo.wait(PATIENCE_S)
    assert status == 0, "".join(told)
    assert json.loads(file.read_text()) == report
    assert [*folder.iterdir()] == []
    assert processes_of(folder) == []
    assert not any(is_open(port) for port in ports_of(report["endpoints"]))
