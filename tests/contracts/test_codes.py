"""Every code says what it means, is answered somewhere, and is met by some test."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.contracts.documents import HEADINGS, table_under
from tests.contracts.tree import ROOT, own_files

if TYPE_CHECKING:
    from enum import Enum

CODES = pytest.mark.parametrize("codes", [*HEADINGS], ids=lambda it: it.__name__)


def text_of(*tops: str) -> str:
    """All Python of these folders, the lists of codes and of their documents left out."""
    return "\n".join(
        path.read_text()
        for path in own_files(".py")
        if path.relative_to(ROOT).parts[0] in tops and path.name not in {"codes.py", "sentences.py"}
    )


def missing(codes: type[Enum], text: str) -> list[str]:
    """The members that the text never names."""
    named = set(re.findall(rf"\b{codes.__name__}\.([A-Z_]+)\b", text))
    return [code.name for code in codes if code.name not in named]


@CODES
def test_every_code_has_a_sentence(codes: type[Enum]) -> None:
    tree = ast.parse((ROOT / "schema" / "codes.py").read_text())
    classes = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
    _, *members = classes[codes.__name__]
    names, sentences = members[::2], members[1::2]
    assert all(isinstance(name, ast.Assign) for name in names)
    assert all(ast.unparse(sentence).rstrip("'\"").endswith(".") for sentence in sentences)
    assert len(names) == len(sentences) == len(list(codes))


def reserved(codes: type[Enum]) -> list[str]:
    """The members of which the document says that nothing of this version sends them."""
    rows = table_under(ROOT / "schema" / "README.md", HEADINGS[codes])
    told = {row[0]: row[-1].startswith("Reserved. ") for row in rows}
    return [code.name for code in codes if told.get(str(code.value))]


@CODES
def test_every_code_can_be_met_or_is_reserved(codes: type[Enum]) -> None:
    assert missing(codes, text_of("schema", "server", "ble_agent")) == reserved(codes)


@CODES
def test_every_code_is_seen_by_a_test(codes: type[Enum]) -> None:
    assert [name for name in missing(codes, text_of("tests")) if name not in reserved(codes)] == []
