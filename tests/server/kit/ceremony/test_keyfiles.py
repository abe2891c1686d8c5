"""Key files: what is in them, who can open them, and what they refuse."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from schema.keys import Operation
from server.kit.ceremony.keyfiles import (
    KeyKind,
    OfflineKey,
    make_key,
    open_key,
    read_half,
    seal_key,
    write_half,
    write_new,
)
from server.kit.errors import KeyringError
from tests.fakes.disk import room_for
from tests.fakes.sources import SeededRandomness
from tests.server.kit.ceremony.tables import CHEAP

if TYPE_CHECKING:
    from pathlib import Path

WORDS = b"correct horse battery"


def a_key(kind: KeyKind = KeyKind.SERVICE) -> OfflineKey:
    return make_key(kind, SeededRandomness(kind), nbf=100, exp=200)


def a_file(kind: KeyKind = KeyKind.SERVICE) -> str:
    return seal_key(a_key(kind), WORDS, SeededRandomness("file"), cost=CHEAP)


@pytest.mark.parametrize("kind", KeyKind)
def test_key_file_gives_back_the_key_to_its_passphrase_alone(kind: KeyKind) -> None:
    text = a_file(kind)
    assert open_key(text, WORDS) == a_key(kind)
    with pytest.raises(KeyringError, match="passphrase is wrong"):
        open_key(text, WORDS + b"!")


def test_seed_stands_in_no_text_and_no_repr() -> None:
    key = a_key()
    for text in (a_file(), repr(key), write_half(key.half)):
        assert key.seed.hex() not in text
        assert repr(key.seed) not in text


def test_same_key_and_passphrase_make_two_different_files() -> None:
    randomness = SeededRandomness("files")
    assert len({seal_key(a_key(), WORDS, randomness, cost=CHEAP) for _ in range(2)}) == 2


def test_short_passphrase_is_refused() -> None:
    with pytest.raises(KeyringError, match="12 characters"):
        seal_key(a_key(), b"short words", SeededRandomness(), cost=CHEAP)


@pytest.mark.parametrize(
    ("name", "value"),
    [("kid", "ffff"), ("public", "00" * 32), ("expires", 10**9), ("kind", "root")],
)
def test_public_words_that_are_not_the_keys_own_are_found_out(name: str, value: object) -> None:
    words = {**json.loads(a_file()), name: value}
    with pytest.raises(KeyringError, match="not those of the key inside"):
        open_key(json.dumps(words), WORDS)


@pytest.mark.parametrize(
    "change",
    [
        {"passes": 0},
        {"passes": 17},
        {"memory": 1 << 31},
        {"memory": 1},
        {"name": "scrypt"},
        {"passes": "many"},
        {"salt": "?"},
    ],
)
def test_file_cannot_ask_for_any_derivation_it_likes(change: dict[str, object]) -> None:
    words = json.loads(a_file())
    words["kdf"] |= change
    with pytest.raises(KeyringError):
        open_key(json.dumps(words), WORDS)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "restante key"}', "\x00"])
def test_other_texts_are_no_key_files(text: str) -> None:
    with pytest.raises(KeyringError):
        open_key(text, WORDS)
    with pytest.raises(KeyringError):
        read_half(text)


def test_later_version_is_refused_by_its_number() -> None:
    words = {**json.loads(a_file()), "version": 2}
    with pytest.raises(KeyringError, match="version 2"):
        open_key(json.dumps(words), WORDS)


def test_public_half_is_read_from_either_file_without_a_passphrase() -> None:
    half = a_key().half
    assert read_half(a_file()) == read_half(write_half(half)) == half


def test_rights_are_those_of_the_protocol() -> None:
    service, hub = a_key().half.as_entry(), a_key(KeyKind.HUB).half.as_entry()
    assert (service.actions, service.max_ttl) == (Operation.SERVICE | Operation.OPEN_ALL, 4 * 3600)
    assert (hub.actions, hub.max_ttl) == (Operation.DEPOSIT | Operation.OPEN, 24 * 3600)
    with pytest.raises(KeyringError, match="root"):
        a_key(KeyKind.ROOT).half.as_entry()


def test_file_is_for_its_owner_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    write_new(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyringError, match="cannot be written"):
        write_new(path, "two")
    assert path.read_text() == "one"


def test_disk_without_room_for_a_key_keeps_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    with room_for(4), pytest.raises(KeyringError, match="cannot be written: File too large"):
        write_new(path, "longer than there is room")
    assert not path.exists()
    write_new(path, "shorter")
