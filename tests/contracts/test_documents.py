"""The documents tell the truth: each verb, setting and code is there, each command can be typed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ble_agent.__main__ import main as agent
from ble_agent.phone.__main__ import main as phone
from schema.codes import ProblemCode
from server.cli import VERBS
from server.cli import main as cli
from server.kit.settings import Settings
from tests.bench.__main__ import SECTIONS
from tests.contracts.documents import HEADINGS, commands, table_under
from tests.contracts.tree import ROOT, own_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

README = ROOT / "README.md"
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


def test_readme_lists_every_verb_and_no_other() -> None:
    assert [row[0].split()[0] for row in table_under(README, "## Verbs")] == [*VERBS]


def test_readme_lists_every_setting_as_the_class_has_it() -> None:
    rows = [[row.name, row.default, row.meaning] for row in Settings.describe()]
    assert table_under(README, "## Settings") == [
        [cell.strip().strip("`").replace("|", "\\|") for cell in row] for row in rows
    ]


def test_readme_shows_figures_of_every_section_of_the_bench() -> None:
    commands_beside = [row[-1].split() for row in table_under(README, "## Figures")]
    assert {tuple(words[:2]) for words in commands_beside} == {("./restante", "bench")}
    assert list(dict.fromkeys(words[2] for words in commands_beside)) == [*SECTIONS]


@pytest.mark.parametrize("codes", [*HEADINGS], ids=lambda codes: codes.__name__)
def test_every_code_is_documented(codes: type[Enum]) -> None:
    rows = table_under(ROOT / "schema" / "README.md", HEADINGS[codes])
    told = {row[0]: row[1:] for row in rows}
    assert [*told] == [str(code.value) for code in codes]
    assert all(all(cell for cell in cells) for cells in told.values())
    if codes is not ProblemCode:
        assert [cells[0] for cells in told.values()] == [code.name for code in codes]


OF_THE_AGENT = {"agent", "locker"}
IN_A_PROCESS = {"bench": "tests.bench", "bluez": "tests.bluez", "mutants": "tests.mutants"}
"""Verbs whose process becomes another program."""


@cache
def help_of(*words: str) -> str:
    """What a verb says about its options; `test` passes everything on, so pytest answers."""
    name, *rest = words
    if name == "test":
        return help_in_a_process("pytest")
    if name in IN_A_PROCESS:
        return help_in_a_process(IN_A_PROCESS[name], *rest)
    program: Callable[[list[str]], int] = cli
    argv = [*words, "--help"]
    if name == "phone":
        program, argv = phone, argv[1:]
    elif name in OF_THE_AGENT:
        program = agent
    with contextlib.redirect_stdout(io.StringIO()) as told, pytest.raises(SystemExit) as end:
        program(argv)
    assert not end.value.code, told.getvalue()
    return told.getvalue()


@cache
def help_in_a_process(module: str, *words: str) -> str:
    """The same of a program that has to be started for it."""
    run = subprocess.run(
        [sys.executable, "-m", module, *words, "--help"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def untrue(command: list[str]) -> str | None:
    """What is wrong with a command: an unknown verb, or an option that its help does not tell."""
    words = list(takewhile(lambda word: not word.startswith("-"), command))
    options = command[len(words) :]
    if not words:
        return None if options == ["--help"] else "no verb"
    if words[0] not in VERBS:
        return f"there is no verb {words[0]}"
    text = help_of(*words)
    names = [option.partition("=")[0] for option in options if option.startswith("-")]
    unknown = [name for name in names if not re.search(rf"(?<![\w-]){name}\b", text)]
    return f"the help does not tell {unknown}" if unknown else None


def test_every_command_in_a_document_can_be_typed() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: ./restante {' '.join(command)}: {reason}"
        for path in own_files(".md")
        for command in commands(path)
        if (reason := untrue(command))
    ]
    assert wrong == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in own_files(".md")
        for target in LINK.findall(path.read_text())
        if not Path(path.parent, target).exists()
    ]
    assert broken == []
