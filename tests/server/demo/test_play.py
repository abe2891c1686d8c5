"""The demo as a whole, with stories that are short: reports, logs and exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.demo.asking import Unverified
from server.demo.papers import receipt_file, trust_file
from server.demo.play import instructions, play
from server.demo.supervisor import supervise

if TYPE_CHECKING:
    from server.demo.supervisor import Supervisor
    from server.demo.transcript import Transcript


def good_story(_supervisor: Supervisor, transcript: Transcript) -> None:
    with transcript.step("good", "somebody", "does well"):
        pass


def bad_story(supervisor: Supervisor, transcript: Transcript) -> None:
    supervisor.start_ether(1)
    good_story(supervisor, transcript)
    with transcript.step("bad", "somebody", "fails"):
        raise Unverified("the door did not open")


def interrupted_story(_supervisor: Supervisor, transcript: Transcript) -> None:
    with transcript.step("long", "somebody", "waits"):
        raise KeyboardInterrupt


def restless_story(supervisor: Supervisor, transcript: Transcript) -> None:
    """A story after which a process ends that should run on."""
    good_story(supervisor, transcript)
    supervisor.start_ether(1)
    supervisor.add_settings({"RESTANTE_LISTEN_PORT": "door"})
    supervisor.launch_services()


def story_with_receipt(supervisor: Supervisor, transcript: Transcript) -> None:
    good_story(supervisor, transcript)
    file = receipt_file(supervisor)
    file.write_bytes(b"receipt")
    trust_file(file).write_bytes(b"keys")


def read(file: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(file.read_text())
    return report


def test_verified_story_ends_with_0_and_a_report(tmp_path: Path) -> None:
    assert play(report=tmp_path / "demo.json", keep=False, story=good_story) == 0
    report = read(tmp_path / "demo.json")
    assert [step["name"] for step in report["steps"]] == ["good"]
    assert [*report] == ["steps", "versions"]


def test_receipt_and_keys_are_handed_out_once_all_is_verified(tmp_path: Path) -> None:
    target = tmp_path / "mine.receipt"
    assert play(report=None, keep=False, receipt=target, story=story_with_receipt) == 0
    assert target.read_bytes() == b"receipt"
    assert trust_file(target).read_bytes() == b"keys"
    target.unlink()
    assert play(report=None, keep=False, receipt=target, story=bad_story) == 1
    assert not target.exists()


def test_report_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(report=None, keep=False, story=good_story) == 0
    assert "1 of 1 steps verified" in capsys.readouterr().out


def test_failed_step_ends_with_1_and_keeps_the_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(report=tmp_path / "demo.json", keep=True, story=bad_story) == 1
    report = read(tmp_path / "demo.json")
    assert [(step["name"], step["ok"]) for step in report["steps"]] == [
        ("good", True),
        ("bad", False),
    ]
    assert report["steps"][-1]["detail"] == "the door did not open"
    assert "endpoints" not in report
    logs = Path(report["logs"])
    assert "ports" in (logs / "ether.log").read_text()
    assert str(logs) in capsys.readouterr().out
    shutil.rmtree(logs)


def test_interrupted_story_is_reported_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        play(report=tmp_path / "demo.json", keep=False, story=interrupted_story)
    [step] = read(tmp_path / "demo.json")["steps"]
    assert not step["ok"]


def test_kept_demo_ends_when_one_of_its_processes_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(report=tmp_path / "demo.json", keep=True, story=restless_story) == 1
    assert "server ended by itself" in capsys.readouterr().out
    report = read(tmp_path / "demo.json")
    assert report["emails"]["recipient"] == "recipient@example.org"
    assert report["endpoints"]["graphql"].endswith("/graphql")


def test_instructions_tell_where_to_find_the_code_and_a_radio() -> None:
    with supervise() as supervisor:
        supervisor.start_ether(2)
        text = "\n".join(instructions(supervisor))
    assert f"{supervisor.endpoints.mails}/mails?to=operator@example.org" in text
    assert f"bumble:tcp-client:127.0.0.1:{supervisor.controllers[1]}" in text
