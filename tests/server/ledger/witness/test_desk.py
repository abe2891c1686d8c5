"""A witness as a process: its first start, its end, and what keeps it from starting."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from schema.checkpoint.notes import KeyKind, Note, NoteKey, parse_signatures
from server import cli
from server.kit.errors import KeyringError, SettingsError
from server.ledger.witness.seal import KEY_FILE, open_seal
from tests.contracts.tree import ROOT
from tests.fakes.sources import SeededRandomness
from tests.fakes.trees import LID, Tree, entries_of

if TYPE_CHECKING:
    from pathlib import Path

TREE = Tree(entries_of(LID, 1, 9))
FORK = Tree(entries_of(LID, 1, 9, "other"))


class Running:
    """One life of the process."""

    def __init__(self, state: Path, *words: str) -> None:
        argv = ["witness", "--state", f"{state}", "--log", f"{TREE.public}", "--port", "0", *words]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *argv],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.key = NoteKey.parse(self.process.stdout.readline().split()[1])
        self.url = self.process.stdout.readline().split()[2].rstrip(",")

    def ask(self, body: bytes) -> httpx.Response:
        return httpx.post(f"{self.url}/add-checkpoint", content=body)

    def end(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGTERM)
        told, complained = self.process.communicate(timeout=60)
        return self.process.returncode, told, complained


def test_a_witness_is_killed_and_goes_on_from_its_file(tmp_path: Path) -> None:
    state = tmp_path / "w1"
    first = Running(state, "--name", "w1.example.org")
    answer = first.ask(TREE.show(0, 5))
    assert Note(TREE.note(5).text, parse_signatures(answer.text)).find_time(first.key)
    first.process.kill()
    first.process.communicate()
    second = Running(state)
    assert second.key == first.key
    assert second.ask(FORK.show(0, 5)).status_code == 409
    assert second.ask(TREE.show(5, 9)).status_code == 200
    status, told, complained = second.end()
    assert status == 1, "a split view is told by the status too"
    assert "split views seen: 1" in told
    levels = [json.loads(line)["level"] for line in complained.splitlines()]
    assert levels.count("error") == 1


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    randomness = SeededRandomness()
    with pytest.raises(SettingsError, match="--name"):
        open_seal(tmp_path, None, randomness)
    seal = open_seal(tmp_path, "w1.example.org", randomness)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert seal.public.kind is KeyKind.WITNESS
    assert open_seal(tmp_path, None, randomness).public == seal.public
    with pytest.raises(SettingsError, match=r"called w1\.example\.org"):
        open_seal(tmp_path, "w2.example.org", randomness)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(KeyringError, match="others may read"):
        open_seal(tmp_path, None, randomness)
    (tmp_path / KEY_FILE).chmod(0o600)
    (tmp_path / KEY_FILE).write_text("{}")
    with pytest.raises(KeyringError, match="no key of a witness"):
        open_seal(tmp_path, None, randomness)


def test_a_name_that_no_note_can_bear_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--name"):
        open_seal(tmp_path, "two words", SeededRandomness())
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--log", "x"), "--log x"),
        (("--log", f"{NoteKey('w', KeyKind.WITNESS, bytes(32))}"), "the key of a witness"),
        (("--log", f"{TREE.public}", "--host", "203.0.113.1", "--name", "w1"), "cannot listen"),
    ],
)
def test_what_keeps_it_from_starting_is_said(
    tmp_path: Path, words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["witness", "--state", f"{tmp_path / 'w'}", *words]) == 1
    assert reason in capsys.readouterr().err
