"""Ceremonies as people hold them, verb by verb."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING

import pytest

from schema.ids import EVERY_LOCKER, LockerId, locker_text
from schema.keys import KeySet, Roots
from schema.statements import KeySetStatement, StatementType, parse_statement
from schema.tokens import parse_token
from server.kit.ceremony.keyfiles import armour, read_half
from server.kit.errors import KeyringError
from server.lockers.service.keysets import payload_of, roots_of
from tests.fakes.sources import START
from tests.server.kit.ceremony.tables import PASSPHRASE, Table

if TYPE_CHECKING:
    from pathlib import Path

LID = LockerId(b"lockerno")
DRAFT = KeySetStatement(EVERY_LOCKER, 1, int(START.timestamp()), ())


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path)
    made.run("new-root", "root.key")
    made.run("new-service", "one.key")
    (tmp_path / "set.draft").write_text(armour(payload_of(DRAFT)))
    return made


def test_root_is_made_encrypted_and_told_as_lockers_and_servers_take_it(table: Table) -> None:
    shown = next(line for line in table.said if len(line) == 68)
    half = read_half(table.read("root.key.pub"))
    assert roots_of([bytes.fromhex(shown)]) == Roots(((half.kid, half.public),))
    assert stat.S_IMODE((table.folder / "root.key").stat().st_mode) == 0o600
    table.said.clear()
    table.run("show", "root.key", "one.key.pub")
    assert shown in table.said


def test_draft_is_shown_confirmed_and_signed(table: Table) -> None:
    words = ("sign", "set.draft", "--root", "root.key", "--include", "one.key.pub")
    assert table.run(*words, "--out", "set.signed") == 0
    parsed = parse_statement(StatementType.KEY_SET, base64.b64decode(table.read("set.signed")))
    assert isinstance(parsed.body, KeySetStatement)
    service = read_half(table.read("one.key.pub"))
    assert KeySet(parsed.body.keys).find_signer(service.kid) == service.as_entry()
    assert parsed.is_signed_by(read_half(table.read("root.key.pub")).public)
    assert any("SERVICE, OPEN_ALL" in line for line in table.said)


def test_nothing_is_signed_by_whoever_does_not_say_yes(table: Table) -> None:
    table.answer = False
    words = ("sign", "set.draft", "--root", "root.key", "--out", "set.signed")
    assert table.run(*words) == 1
    assert not (table.folder / "set.signed").exists()
    assert table.run(*words, "--yes") == 0


def test_key_is_not_made_over_another_nor_with_two_passphrases(table: Table) -> None:
    with pytest.raises(KeyringError, match="there already"):
        table.run("new-root", "root.key")
    table.typed = [PASSPHRASE, "another horse battery"]
    with pytest.raises(KeyringError, match="differ"):
        table.run("new-hub", "hub.key")
    assert not (table.folder / "hub.key").exists()


def test_passphrase_may_come_from_a_file(table: Table) -> None:
    (table.folder / "words.txt").write_text("words out of a file\n")
    table.run("new-hub", "hub.key", "--passphrase-file", "words.txt", "--days", "30")
    half = read_half(table.read("hub.key"))
    assert half.exp - half.nbf == 30 * 86_400
    with pytest.raises(KeyringError, match="passphrase is wrong"):
        table.run(*staff("hub.key", "DEPOSIT"), "--stay", "00" * 8)
    with pytest.raises(KeyringError, match="cannot be read"):
        table.run("new-hub", "other.key", "--passphrase-file", "none.txt")


def staff(key: str, operation: str, locker: str = locker_text(LID)) -> tuple[str, ...]:
    """`issue` for a phone at the locker, for an hour."""
    keys = ("--noise", "aa" * 32, "--sign", "bb" * 32, "--holder", "cc" * 32)
    return ("issue", key, "--operation", operation, "--locker", locker, *keys, "--out", "t.json")


def test_technicians_token_is_bound_to_phone_locker_and_doors(table: Table) -> None:
    table.run(*staff("one.key", "SERVICE", LID.hex()), "--compartments", "3,4")
    words = json.loads(table.read("t.json"))
    claims = parse_token(base64.b64decode(words["token"])).claims
    assert (claims.aud, claims.holder, claims.comps) == (locker_text(LID), b"\xcc" * 32, (3, 4))
    assert (words["noisePublic"], words["signPublic"]) == ("aa" * 32, "bb" * 32)
    assert claims.exp - claims.nbf == 3600


@pytest.mark.parametrize(
    "words",
    [
        ("--compartments", "three"),
        ("--compartments", "256"),
        ("--compartments", "1", "--holder", "cc"),
        ("--compartments", "1", "--locker", "nowhere"),
        ("--compartments", "1", "--minutes", "241"),
    ],
)
def test_words_that_make_no_token_are_told(table: Table, words: tuple[str, ...]) -> None:
    with pytest.raises(KeyringError):
        table.run(*staff("one.key", "SERVICE"), *words)
    assert not (table.folder / "t.json").exists()


def test_life_of_a_key_has_its_bounds(table: Table) -> None:
    for days in ("0", "731"):
        with pytest.raises(KeyringError, match="--days"):
            table.run("new-service", "long.key", "--days", days)
