"""Verbs for whoever has the server machine, run as they are run there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from sqlmodel import select

from server.people.tables import Membership
from tests.contracts.tree import ROOT

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


def test_wrong_setting_stops_the_server_with_a_sentence() -> None:
    refused = run("serve", RESTANTE_LISTEN_PORT="door")
    assert refused.returncode == 1
    assert refused.stderr == "restante: RESTANTE_LISTEN_PORT must be a port from 0 to 65535\n"


def test_unknown_setting_stops_the_server_with_a_sentence() -> None:
    refused = run("serve", RESTANTE_LISTEN_PROT="1")
    assert refused.returncode == 1
    assert "RESTANTE_LISTEN_PROT is no setting" in refused.stderr
