"""The monitor as people run it: against a real log over HTTP, and what it says and remembers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from starlette.applications import Starlette

from schema.checkpoint.trust import parse_trust, write_trust
from server import cli
from server.ledger.log.cosigning import jobs as cosigning
from server.ledger.monitor.desk import ALL_WELL, CANNOT_TELL, FOUND, Desk
from server.ledger.monitor.findings import CannotTell
from server.ledger.monitor.sources import FolderSource
from server.ledger.monitor.state import read_state
from server.pages.log import log_routes
from tests.contracts.tree import ROOT
from tests.fakes.published import SEERS, publish
from tests.fakes.seers import Seers
from tests.fakes.serving import serving
from tests.fakes.trees import LID, ORIGIN, Tree, entries_of
from tests.server.ledger.log.cosigning.test_jobs import Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

TREE = Tree(entries_of(LID, 1, 300))
FORK = Tree(entries_of(LID, 1, 300, "other"))
TRUST = write_trust([TREE.public], witnesses=SEERS, least=2, lockers={})


class Looked(NamedTuple):
    """How one run of the verb ended, and what it said."""

    status: int
    told: str
    complained: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Looked]:
    def look(*words: str) -> Looked:
        status = cli.main(["monitor", *words, "--once"])
        return Looked(status, *capsys.readouterr())

    return look


async def test_a_real_log_with_its_witnesses_is_followed_over_http(
    database: Database,
    keyring: DerivedKeyring,
    clock: MovableClock,
    tmp_path: Path,
    run: Callable[..., Looked],
) -> None:
    log = Watched(database, keyring, clock)
    log.seers = Seers(tmp_path, [log.key], clock)
    log.witnessing = log.seers.witnessing(least=2)
    async with serving(Starlette(routes=log_routes(database))) as url:
        trust = tmp_path / "trust"
        listed = write_trust([log.key], witnesses=log.seers.keys, least=2, lockers={})
        trust.write_text(listed.replace(f"log {log.key}", f"log {log.key} {url}/log"))
        words = ("--trust", f"{trust}", "--state", f"{tmp_path / 'state'}", "--json")
        for size in (3, 500):
            await log.add(size)
            await log.cosign()
            looked = await asyncio.to_thread(run, *words)
            assert (looked.status, looked.complained) == (ALL_WELL, "")
            told = json.loads(looked.told)
            assert (told["log"], told["size"], told["lockers"]) == (ORIGIN, log.size, 1)
            assert told["found"] == []
        log.seers.streets.closed = {*log.seers.witnesses}
        await log.add(5)
        await cosigning.cosign_log(database, log.witnessing, clock=clock)
        late = await asyncio.to_thread(run, *words, "--max-merge-delay", "1")
        assert late.status == FOUND, "the clock of this test stands in the past"
        assert [one["kind"] for one in json.loads(late.told)["found"]] == ["LATE"]
    await log.seers.close()


def lay(folder: Path) -> tuple[str, ...]:
    """A published log, and the words to look at it."""
    publish(TREE, folder / "log")
    (folder / "trust").write_text(TRUST)
    return (
        *("--trust", f"{folder / 'trust'}", "--log", f"{folder / 'log'}"),
        *("--state", f"{folder / 'state'}"),
    )


def test_findings_stand_until_somebody_forgets_them(
    tmp_path: Path, run: Callable[..., Looked]
) -> None:
    words = lay(tmp_path)
    assert run(*words).status == ALL_WELL
    publish(FORK, tmp_path / "log")
    for _ in range(2):
        looked = run(*words)
        assert looked.status == FOUND
        assert "REPLACED_ROOT: two roots over 300 leaves" in looked.told
    publish(TREE, tmp_path / "log")
    assert run(*words).status == FOUND
    assert run(*words, "--forget").status == ALL_WELL


def test_it_goes_on_until_it_is_told_to_end(tmp_path: Path) -> None:
    words = lay(tmp_path)
    argv = [sys.executable, "-m", "server.cli", "monitor", *words, "--every", "3600"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "all is well" in running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == ALL_WELL


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"--trust": "nowhere"}, "nowhere: No such file"),
        ({"--log": "nowhere"}, "there is no folder nowhere"),
        ({"--log": "ftp://example.org"}, "no address"),
        ({"--log": ""}, "--log is needed"),
    ],
)
def test_what_it_cannot_work_with_is_said(
    tmp_path: Path, change: dict[str, str], reason: str, run: Callable[..., Looked]
) -> None:
    words = lay(tmp_path)
    pairs = dict(zip(words[::2], words[1::2], strict=True)) | change
    refused = run(*(part for pair in pairs.items() for part in pair if all(pair)))
    assert refused.status == CANNOT_TELL
    assert reason in refused.complained


class Teller:
    """Hears what is told, and looks at once whether it is written down."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []
        self.was_durable: list[bool] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        for kind in ("REPLACED_ROOT", "ROLLED_BACK"):
            if kind in line:
                kinds = [one.kind for one in read_state(self.file).findings]
                self.was_durable.append(kind in kinds)


def make_desk(folder: Path, clock: MovableClock, **changes: Any) -> tuple[Desk, Teller]:
    teller = Teller(folder / "state")
    desk = Desk(
        source=FolderSource(folder / "log"),
        trust=parse_trust(TRUST.encode()),
        file=folder / "state",
        clock=clock,
        tell=teller,
        delay_s=600,
        **changes,
    )
    return desk, teller


def test_a_finding_is_written_down_before_it_is_told_and_told_again_after_a_crash(
    tmp_path: Path, clock: MovableClock
) -> None:
    lay(tmp_path)
    desk, teller = make_desk(tmp_path, clock)
    assert desk.look() == ALL_WELL
    publish(FORK, tmp_path / "log")
    assert desk.look() == FOUND
    assert teller.was_durable == [True]
    assert desk.look() == FOUND
    assert sum("REPLACED_ROOT" in line for line in teller.lines) == 1, "once a process"
    again, heard = make_desk(tmp_path, clock)
    looks = iter([False, True])
    assert again.watch(every_s=1, wait=lambda _s: next(looks)) == FOUND
    assert sum("REPLACED_ROOT" in line for line in heard.lines) == 1


def test_a_state_that_cannot_be_kept_tells_no_finding(tmp_path: Path, clock: MovableClock) -> None:
    lay(tmp_path)
    desk, teller = make_desk(tmp_path, clock, as_json=True)
    assert desk.look() == ALL_WELL
    publish(TREE, tmp_path / "log", 200)
    (tmp_path / "state.draft").mkdir()
    assert desk.look() == CANNOT_TELL
    assert "cannot_tell" in json.loads(teller.lines[-1])
    (tmp_path / "state.draft").rmdir()
    assert desk.look() == FOUND
    assert [one["kind"] for one in json.loads(teller.lines[-1])["found"]] == ["ROLLED_BACK"]


def test_a_log_out_of_reach_keeps_what_was_found(tmp_path: Path, clock: MovableClock) -> None:
    desk, teller = make_desk(tmp_path, clock)
    assert desk.look() == CANNOT_TELL
    assert "no head yet" in teller.lines[-1]
    lay(tmp_path)
    desk.look()
    publish(FORK, tmp_path / "log")
    desk.look()
    (tmp_path / "log" / "checkpoint").unlink()
    assert desk.look() == FOUND
    (tmp_path / "state").write_text("{")
    assert desk.look() == CANNOT_TELL
    with pytest.raises(CannotTell):
        desk.forget()


def test_it_needs_pynacl_and_nothing_else(tmp_path: Path) -> None:
    probe = (
        "import sys; from server import cli;"
        "status = cli.main(['monitor', *sys.argv[1:]]);"
        "allowed = {'nacl', '_cffi_backend', '_sodium', 'schema', 'server', '__main__'};"
        "foreign = {name.partition('.')[0] for name in sys.modules}"
        " - set(sys.stdlib_module_names) - allowed;"
        "sys.exit(status or f'{sorted(foreign)}' if foreign else status)"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", probe, *lay(tmp_path), "--once"],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (ALL_WELL, "")
