"""The kinds of readings are what the document says, number by number."""

from __future__ import annotations

from pathlib import Path

import schema
from schema.readings import ReadingKind
from tests.contracts.documents import table_under


def test_document_lists_every_kind_of_reading() -> None:
    rows = table_under(Path(schema.__file__).parent / "README.md", "## Readings")
    assert [(int(row[0]), row[1]) for row in rows] == [(one.value, one.name) for one in ReadingKind]
