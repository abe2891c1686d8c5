"""The documents tell the truth: each verb, setting and code is there, each command can be typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schema.codes import Code, DoorEvent, ProblemCode
from server.cli import VERBS
from server.kit.settings import Settings
from tests.contracts.documents import commands, table_under
from tests.contracts.tree import ROOT, own_files

if TYPE_CHECKING:
    from enum import Enum

README = ROOT / "README.md"
TYPED = [
    pytest.param(command, id=f"{path.relative_to(ROOT)}: {' '.join(command)}")
    for path in own_files(".md")
    for command in commands(path)
]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


def test_readme_lists_every_verb_and_no_other() -> None:
    assert [row[0].split()[0] for row in table_under(README, "## Verbs")] == [*VERBS]


def test_readme_lists_every_setting_as_the_class_has_it() -> None:
    rows = [[row.name, row.default, row.meaning] for row in Settings.describe()]
    assert table_under(README, "## Settings") == [
        [cell.strip().strip("`").replace("|", "\\|") for cell in row] for row in rows
    ]


@pytest.mark.parametrize(
    ("codes", "heading"),
    [(Code, "## Codes"), (DoorEvent, "## Door events"), (ProblemCode, "## Problem codes")],
    ids=["codes", "door events", "problem codes"],
)
def test_every_code_is_documented(codes: type[Enum], heading: str) -> None:
    rows = table_under(ROOT / "schema" / "README.md", heading)
    told = {row[0]: row[1:] for row in rows}
    assert [*told] == [str(code.value) for code in codes]
    assert all(all(cell for cell in cells) for cells in told.values())
    if codes is not ProblemCode:
        assert [cells[0] for cells in told.values()] == [code.name for code in codes]


@cache
def help_of(*words: str) -> str:
    """What a verb (or pytest, to which `test` passes everything on) says about its options."""
    argv = ["pytest"] if words[0] == "test" else ["server.cli", *words]
    run = subprocess.run(
        [sys.executable, "-m", *argv, "--help"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("command", TYPED)
def test_a_command_in_a_document_can_be_typed(command: list[str]) -> None:
    words = [*command]
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    leading = words[: next((n for n, word in enumerate(words) if word.startswith("-")), len(words))]
    if not leading:
        assert options == ["--help"]
        return
    assert leading[0] in VERBS
    text = help_of(*leading)
    assert [option for option in options if not re.search(rf"{option}\b", text)] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in own_files(".md")
        for target in LINK.findall(path.read_text())
        if not Path(path.parent, target).exists()
    ]
    assert broken == []
