"""The launcher: help before any set-up, and a set-up that adds, resumes and says what to do.

Each test works on a small tree of its own, whose uv is a script that writes down its arguments.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.cli import VERBS
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SMALL_CLI = """
class Verb:
    explains_itself = True
    def __init__(self, *needs): self.needs = needs
    def needs_of(self, argv): return {*self.needs, *argv[:1]} & {"agent", "server", "test", "extra"}
VERBS = {"agent": Verb("agent"), "test": Verb("server", "test")}
def main(argv):
    print("ran", *argv)
    return 0
if __name__ == "__main__":
    import sys
    sys.exit(main(sys.argv[1:]))
"""

UV_THAT_NOTES = """#!/bin/sh
echo "$@" >> {log}
exit {status}
"""


class Checkout:
    """A checkout of one launcher, one lock and one `.venv` made with the Python of this run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "uv.log"
        shutil.copy(ROOT / "restante", root)
        (root / "server").mkdir()
        (root / "server" / "__init__.py").touch()
        (root / "server" / "cli.py").write_text(SMALL_CLI)
        (root / "pyproject.toml").touch()
        (root / "uv.lock").write_text("first")
        (root / ".venv" / "bin").mkdir(parents=True)
        (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
        (root / ".venv" / "uv" / "bin").mkdir(parents=True)
        self.let_uv_end_with(0)
        self.stamp_with([], whole=True)

    def let_uv_end_with(self, status: int) -> None:
        uv = self.root / ".venv" / "uv" / "bin" / "uv"
        uv.write_text(UV_THAT_NOTES.format(log=self.log, status=status))
        uv.chmod(0o755)

    def stamp_with(self, sets: list[str], *, whole: bool) -> None:
        digest = hashlib.sha256((self.root / "uv.lock").read_bytes()).hexdigest()
        stamp = {"digest": digest, "sets": sets, "whole": whole}
        (self.root / ".venv" / "restante.json").write_text(json.dumps(stamp))

    def run(self, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(self.root / "restante"), *argv]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
        )

    def installed(self) -> list[str]:
        """The arguments of each installation so far, its constant beginning left out."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition("--no-progress ")[2] for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_verb_runs_after_installing_what_it_needs(checkout: Checkout) -> None:
    run = checkout.run("test", "-x", "tests")
    assert (run.returncode, run.stdout) == (0, "ran test -x tests\n")
    assert checkout.installed() == ["--extra server --group test"]


def test_second_run_installs_nothing(checkout: Checkout) -> None:
    checkout.run("test")
    assert checkout.run("test").stderr == ""
    assert len(checkout.installed()) == 1


def test_another_verb_adds_and_takes_nothing_away(checkout: Checkout) -> None:
    checkout.run("test")
    checkout.run("agent")
    assert checkout.installed()[-1] == "--extra agent --extra server --group test"
    checkout.run("test")
    assert len(checkout.installed()) == 2


def test_second_word_may_need_more(checkout: Checkout) -> None:
    checkout.run("agent", "extra")
    assert checkout.installed() == ["--extra agent --extra extra"]


def test_a_changed_lock_is_installed_anew(checkout: Checkout) -> None:
    checkout.run("agent")
    (checkout.root / "uv.lock").write_text("second")
    checkout.run("agent")
    assert checkout.installed() == ["--extra agent"] * 2


def test_a_failed_step_says_what_to_do_and_keeps_what_stood(checkout: Checkout) -> None:
    checkout.run("agent")
    checkout.let_uv_end_with(2)
    failed = checkout.run("test")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "check the network" in failed.stderr
    assert checkout.run("agent").stdout == "ran agent\n"


def test_a_torn_installation_is_repeated_whole(checkout: Checkout) -> None:
    checkout.stamp_with(["agent"], whole=False)
    checkout.run("test")
    checkout.run("test")
    assert checkout.installed() == ["--extra agent --extra server --group test --reinstall"]


def test_processes_of_a_verb_compile_once_whatever_the_machine_says(checkout: Checkout) -> None:
    checkout.run("agent", PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX="")
    assert [*(checkout.root / "server" / "__pycache__").glob("__init__.*.pyc")]


def test_help_needs_nothing_installed(checkout: Checkout) -> None:
    assert checkout.run("test", "--help").stdout == "ran test --help\n"
    assert checkout.run().stdout == "ran\n"
    assert checkout.installed() == []


def run_without_packages(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-E", "-S", str(ROOT / "restante"), *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_list_of_verbs_needs_no_package() -> None:
    run = run_without_packages("--help")
    assert run.returncode == 0
    assert [line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ")] == [
        *VERBS
    ]


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if verb.explains_itself])
def test_each_verb_has_help_that_needs_no_package(verb: str) -> None:
    run = run_without_packages(verb, "--help")
    assert run.returncode == 0
    assert run.stdout.startswith(f"usage: ./restante {verb}")


def test_an_unknown_verb_is_refused_with_the_list() -> None:
    run = run_without_packages("dance")
    assert run.returncode == 2
    assert "there is no verb 'dance'" in run.stderr
    assert "check" in run.stdout
