"""The receipt checker as a program: its words, its statuses, and that it needs nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from schema.checkpoint.trust import write_trust
from schema.journal import OwnKind
from schema.receipts import Receipt, show_receipt, write_receipt
from server.verify import CANNOT_TELL, HOLDS, REFUSED, main
from tests.schema.makers import LID
from tests.schema.test_evidence import EVIDENCE
from tests.schema.test_receipts import (
    ANCHORED,
    CONTRACT,
    LOCKER,
    LOG,
    SEERS,
    make_note,
    make_own_receipt,
    make_receipt,
    make_stated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


class Files(NamedTuple):
    """A receipt and what its reader trusts."""

    receipt: Path
    trust: Path

    @property
    def words(self) -> list[str]:
        return [f"{self.receipt}", "--trust", f"{self.trust}"]


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Files]:
    def make(receipt: Receipt | None = None, *, least: int = 2) -> Files:
        files = Files(tmp_path / "parcel.receipt", tmp_path / "parcel.receipt.trust")
        files.receipt.write_bytes(write_receipt(receipt or make_receipt()))
        lockers = {LID: LOCKER.public}
        files.trust.write_text(
            write_trust([LOG], witnesses=SEERS, least=least, lockers=lockers, anchors=[CONTRACT])
        )
        return files

    return make


def test_a_true_receipt_is_explained(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(lay().words) == HOLDS
    told = capsys.readouterr().out
    assert told.startswith("This receipt holds.")
    assert f"Entry 2 of locker {LID.hex()}" in told
    assert "signed by the locker itself" in told
    assert "Entry 3" in told
    assert "without the locker's own signature" in told
    assert "it was erased, and is proved by its hash alone" in told
    assert "w1.example.org saw this head on 2025-10-09" in told
    assert "Not proven by it:" in told
    assert f"a chain holds the head over {ANCHORED} leaves" in told
    assert "no chain was asked" in told


def test_what_a_server_did_to_keys_is_told_in_words(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    files = lay()
    told = {
        OwnKind.DEVICE_ADDED: "own chain, leaf 0: 2025-10-09",
        OwnKind.DEVICE_REMOVED: "a device key was removed: dGh1bWJwcmludA",
        OwnKind.KEY_SET_ISSUED: "key set 1 for every locker was issued: SHA-256 0000",
        OwnKind.REVOCATIONS_ISSUED: f"list of revocations 2 for locker {LID.hex()} was issued",
        OwnKind.LOCKER_ENROLLED: f"locker {LID.hex()} was enrolled by its key 0000",
        OwnKind.EVIDENCE_FROZEN: "what is told of a dispute was fixed: SHA-256 0000",
    }
    for kind, words in told.items():
        files.receipt.write_bytes(make_own_receipt(kind=kind))
        assert main(files.words) == HOLDS
        assert words in capsys.readouterr().out
    assert main([*files.words, "--json"]) == HOLDS
    assert json.loads(capsys.readouterr().out)["entries"][0]["kind"] == "EVIDENCE_FROZEN"


def test_evidence_of_a_dispute_is_checked_and_what_is_only_told_is_told_as_that(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    files = lay()
    files.receipt.write_bytes(EVIDENCE)
    assert main(files.words) == HOLDS
    told = capsys.readouterr().out
    assert "what is told of a dispute was fixed: SHA-256" in told
    assert "Told by the server, fixed on 2025-10-09" in told
    assert told.index("not proven") < told.index('"reason": "EMPTY"')
    assert main([*files.words, "--json"]) == HOLDS
    assert json.loads(capsys.readouterr().out)["told"]["reason"] == "EMPTY"
    files.receipt.write_bytes(EVIDENCE.replace(b"EMPTY", b"OTHER"))
    assert main(files.words) == REFUSED


def test_programs_are_told_in_json(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    files = lay()
    assert main([*files.words, "--json"]) == HOLDS
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is True
    assert told["anchor"] == {"size": ANCHORED}
    assert [one["kind"] for one in told["entries"]] == ["ACCEPTED", "PULSED", None]
    files.receipt.write_bytes(b"\0")
    assert main([*files.words, "--json"]) == REFUSED
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_a_receipt_that_proves_nothing_is_refused_with_the_reason(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = replace(make_receipt(), note=make_note(1))
    assert main(lay(receipt).words) == REFUSED
    assert "REFUSED: too few of the witnesses" in capsys.readouterr().out


def test_the_text_of_a_code_is_read_from_a_file_or_as_it_comes_in(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    files = lay()
    text = show_receipt(files.receipt.read_bytes())
    assert text is not None
    files.receipt.write_text(f"{text}\n")
    assert main(files.words) == HOLDS
    words = [sys.executable, "-m", "server.verify", "-", "--trust", f"{files.trust}"]
    for sent, status in ((text, HOLDS), (text[:-1], REFUSED), (f"{text}\u00e9", REFUSED)):
        run = subprocess.run(words, cwd=ROOT, input=sent.encode(), capture_output=True, check=False)
        assert run.returncode == status
    assert "This receipt holds." in capsys.readouterr().out


def test_without_witnesses_it_says_what_that_means(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = Receipt((make_stated(2),), make_note(0))
    assert main(lay(receipt, least=0).words) == HOLDS
    assert "no witness is asked for" in capsys.readouterr().out


def test_without_trust_nothing_can_be_said(
    lay: Callable[..., Files], capsys: pytest.CaptureFixture[str]
) -> None:
    files = lay()
    with pytest.raises(SystemExit) as ended:
        main([f"{files.receipt}"])
    assert ended.value.code == CANNOT_TELL
    for damage in (lambda: files.trust.write_text("trust me\n"), files.trust.unlink):
        damage()
        assert main(files.words) == CANNOT_TELL
    assert "restante-verify: " in capsys.readouterr().err
    assert main([f"{files.receipt}x", "--trust", f"{files.trust}"]) == CANNOT_TELL


def test_a_file_without_end_is_not_read_to_its_end(lay: Callable[..., Files]) -> None:
    files = lay()
    assert main(["/dev/zero", "--trust", f"{files.trust}"]) == REFUSED
    assert main([f"{files.receipt}", "--trust", "/dev/zero"]) == CANNOT_TELL


def test_the_checker_loads_nothing_but_the_protocol(lay: Callable[..., Files]) -> None:
    probe = (
        "import sys; from server.verify import main; status = main(sys.argv[1:]);"
        "allowed = {'__main__', 'schema', 'server', 'nacl', '_cffi_backend', '_sodium'};"
        "foreign = {name.partition('.')[0] for name in sys.modules}"
        " - set(sys.stdlib_module_names) - allowed;"
        "ours = {name for name in sys.modules if name.startswith('server.')} - {'server.verify'};"
        "sys.exit(status or f'{sorted(foreign)} {sorted(ours)}' if foreign or ours else status)"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", probe, *lay().words],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == HOLDS, run.stderr
