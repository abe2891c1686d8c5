"""The tables of threats and of lies name tests that exist, and each of them has some."""

from __future__ import annotations

import re
from pathlib import Path

import schema
from tests.contracts.documents import table_under
from tests.contracts.tree import ROOT

ROWS = table_under(Path(schema.__file__).parent / "README.md", "## Threats and their tests")
DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
THREATS = 20
"""Rows of the protocol's own table."""

LIES = table_under(ROOT / "server" / "README.md", "## A server that lies")


def _defined_tests() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8"))}


def _named_tests(row: list[str]) -> list[str]:
    return re.findall(r"\btest_\w+", row[2])


def test_every_test_named_against_a_threat_exists() -> None:
    named = {name for row in [*ROWS, *LIES] for name in _named_tests(row)}
    assert named - _defined_tests() == set()


def test_every_threat_names_its_tests_each_once() -> None:
    assert len(ROWS) == THREATS
    assert [row[0] for row in [*ROWS, *LIES] if not _named_tests(row)] == []
    assert [
        row[0] for row in [*ROWS, *LIES] if len({*_named_tests(row)}) < len(_named_tests(row))
    ] == []
