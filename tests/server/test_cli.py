"""Verbs for whoever has the server machine, run as they are run there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.checkpoint.notes import NoteKey
from server.cli import VERBS
from server.ledger.log.cosigning.tables import WitnessTrouble
from server.lockers.tables import SignedKeySet
from server.people.tables import Membership
from tests.contracts.tree import ROOT
from tests.fakes.sources import START

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.db import Database


def run(*argv: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The verb in a process of its own, with these `RESTANTE_` settings and no others."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *argv],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.both_databases_in_ci
async def test_operator_is_added_once(database: Database, database_url: str) -> None:
    for _ in range(2):
        added = run("operator", "add", "Op@example.org", RESTANTE_DATABASE_URL=database_url)
        assert added.stderr == ""
        assert added.stdout == "op@example.org is an operator and may sign in\n"
    async with database.read() as session:
        assert len((await session.exec(select(Membership))).all()) == 1


def test_operator_without_a_database_is_told_what_to_do(tmp_path: Path) -> None:
    nowhere = f"sqlite+aiosqlite:///{tmp_path}/missing/restante.db"
    refused = run("operator", "add", "op@example.org", RESTANTE_DATABASE_URL=nowhere)
    assert refused.returncode == 1
    assert "serve --migrate" in refused.stderr


def test_operator_needs_an_email_address() -> None:
    refused = run("operator", "add", "+4930123456")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "restante: +4930123456 is no e-mail address\n"


@pytest.mark.both_databases_in_ci
async def test_outbox_is_looked_at_from_the_command_line(
    database: Database, database_url: str
) -> None:
    listed = run("outbox", "list", RESTANTE_DATABASE_URL=database_url)
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "none is dead\n", "")
    refused = run("outbox", "retry", "first", RESTANTE_DATABASE_URL=database_url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "restante: 'first' is no id of an event\n"


def test_wrong_setting_stops_the_server_with_a_sentence() -> None:
    refused = run("serve", RESTANTE_LISTEN_PORT="door")
    assert refused.returncode == 1
    assert refused.stderr == "restante: RESTANTE_LISTEN_PORT must be a port from 0 to 65535\n"


def test_unknown_setting_stops_the_server_with_a_sentence() -> None:
    refused = run("serve", RESTANTE_LISTEN_PROT="1")
    assert refused.returncode == 1
    assert "RESTANTE_LISTEN_PROT is no setting" in refused.stderr


@pytest.mark.both_databases_in_ci
async def test_key_set_is_drafted_signed_offline_and_published(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    words.write_text("correct horse battery")
    secret = ("--passphrase-file", str(words))
    made = run("keys", "new-root", str(tmp_path / "root"), *secret)
    root = made.stdout.splitlines()[-1]
    settings = {
        "RESTANTE_DATABASE_URL": database_url,
        "RESTANTE_STATE_DIR": str(tmp_path / "state"),
        "RESTANTE_ROOT_KEYS": root,
    }
    draft, signed = str(tmp_path / "draft"), str(tmp_path / "signed")
    assert run("keys", "draft", draft, **settings).returncode == 0
    # As on a machine that has no server: no setting is read here.
    offline = ("sign", draft, "--root", str(tmp_path / "root"), "--out", signed, "--yes")
    assert run("keys", *offline, *secret, RESTANTE_LISTEN_PORT="door").returncode == 0
    for _ in range(2):
        added = run("keys", "add", signed, **settings)
        assert (added.stdout, added.stderr) == ("key set 1 is published\n", "")
    async with database.read() as session:
        assert len((await session.exec(select(SignedKeySet))).all()) == 1
    others = run("keys", "add", signed, **settings | {"RESTANTE_ROOT_KEYS": ""})
    assert others.stderr == "restante: No root that this server knows has signed this key set.\n"


def test_words_of_keys_that_cannot_be_done_end_in_a_sentence(tmp_path: Path) -> None:
    for words in (("show", str(tmp_path / "none")), ("add", str(tmp_path / "none"))):
        refused = run("keys", *words)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"restante: {tmp_path / 'none'} cannot be read\n"
    assert "--locker" in run("keys", "draft", "x", "--locker", "nowhere").stderr


@pytest.mark.both_databases_in_ci
async def test_the_public_log_is_told_with_its_key(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    settings = {
        "RESTANTE_DATABASE_URL": database_url,
        "RESTANTE_STATE_DIR": str(tmp_path / "state"),
        "RESTANTE_PUBLIC_URL": "https://lockers.example.org",
    }
    told = run("log", "status", **settings)
    assert (told.returncode, told.stderr) == (0, "")
    first, *rest = told.stdout.splitlines()
    word, vkey, url = first.split()
    assert (word, url) == ("log", "https://lockers.example.org/log")
    assert NoteKey.parse(vkey).name == "lockers.example.org/log"
    assert rest == [
        "signed: 0 leaves; published: 0; waiting: 0",
        "to be published: nothing waits",
    ]
    async with database.write() as session:
        trouble = WitnessTrouble(
            witness="w1.example.org+x",
            is_split=True,
            size=5,
            reason="another root",
            since_at=START,
            last_at=START,
            times=1,
        )
        session.add(trouble)
    split = run("log", "status", **settings)
    assert split.returncode == 1
    assert "SPLIT VIEW: w1.example.org+x: another root" in split.stdout
    assert run("log", "status", "--forget", **settings).returncode == 0


def test_only_an_agent_with_a_panel_fetches_what_serves_a_page() -> None:
    needs_of = VERBS["agent"].needs_of
    for words in (["--panel", "8480"], ["--state", "panel", "--panel=8480"]):
        assert needs_of(words) - needs_of([]) == {"panel"}
    assert needs_of(["--state", "--panel-language"]) == needs_of(["panel"]) == needs_of([])
    assert "panel" not in VERBS["keys"].needs_of(["sign", "draft"])
    assert VERBS["keys"].needs_of(["sign", "draft"]) < VERBS["keys"].needs_of(["draft"])
