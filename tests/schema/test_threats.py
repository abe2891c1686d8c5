"""The table of threats names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import schema
from tests.contracts.documents import table_under
from tests.contracts.tree import ROOT

ROWS = table_under(Path(schema.__file__).parent / "README.md", "## Threats and their tests")
DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def _defined_tests() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8"))}


def test_every_test_named_against_a_threat_exists() -> None:
    named = {name for row in ROWS for name in re.findall(r"\btest_\w+", row[2])}
    assert len(ROWS) == 20
    assert named
    assert named - _defined_tests() == set()
