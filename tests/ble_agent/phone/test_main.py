"""The phone's command line: answers as JSON, and a sentence for whatever cannot be done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.phone.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE: dict[str, Any] = {
    "parcel": "parcel-1",
    "operation": "OPEN",
    "locker": {"lockerId": "AAAAAAAAAAA"},
    "noisePublic": "",
    "signPublic": "",
    "token": {"bytes": ""},
    "compartment": {"number": 1},
    "words": "row 1",
    "statements": [],
}


def run(folder: Path, *words: str) -> int:
    return main(["--wallet", str(folder / "wallet"), "--json", *words])


def write(folder: Path, content: str) -> str:
    file = folder / "given.json"
    file.write_text(content)
    return str(file)


def test_new_wallet_has_no_receipts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "receipts") == 0
    assert json.loads(capsys.readouterr().out) == {"receipts": []}


def test_imported_bundle_is_exported_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "import", write(tmp_path, json.dumps(BUNDLE))) == 0
    assert json.loads(capsys.readouterr().out) == {"parcel": "parcel-1"}
    assert run(tmp_path, "export", "parcel-1") == 0
    assert json.loads(capsys.readouterr().out) == BUNDLE


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no json", "must be a JSON object"),
        ("[1]", "must be a JSON object"),
        ("{}", "cannot be read: fetch it again"),
        (json.dumps({**BUNDLE, "operation": "FLY"}), "cannot be read: fetch it again"),
    ],
)
def test_file_that_holds_no_bundle_is_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, sentence: str
) -> None:
    assert run(tmp_path, "import", write(tmp_path, content)) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["parcels"], "name the server"),
        (["keys"], "name the server"),
        (["takeout", "all.json"], "name the server"),
        (["keys", "--trust", "/nowhere/at/all"], "cannot be read"),
        (["deliver"], "name the server"),
        (["fetch-inspection", "a-locker", "3", "a smell"], "name the server"),
        (["export", "parcel-9"], "nothing is cached for parcel parcel-9"),
        (["import", "/nowhere/at/all"], "cannot be read"),
        (["ask", "{ me { id } }", "--variables", "[]"], "--variables must be a JSON object"),
        (["ask", "{ me { id } }", "--variables", "{"], "--variables must be a JSON object"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(tmp_path, *words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("restante: ")
    assert sentence in told.err


def test_server_that_does_not_answer_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--server", "http://127.0.0.1:9", "ask", "{ me { id } }") == 1
    assert "no answer from http://127.0.0.1:9/graphql" in capsys.readouterr().err
