"""Private keys as files: made once, kept close, replaced with an overlap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from nacl.public import PrivateKey as BoxKey

from schema.cose import verify
from schema.ids import KEY_ID_SIZE
from server.kit.errors import KeyringError
from server.kit.keyring import LIVES, OVERLAPS, FileKeyring, Purpose, current_key, derive
from tests.fakes.disk import room_for
from tests.fakes.sources import DerivedKeyring, MovableClock, SeededRandomness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys"


def keyring_of(folder: Path, clock: MovableClock, seed: str = "keys") -> FileKeyring:
    return FileKeyring(folder, clock=clock, randomness=SeededRandomness(seed))


@pytest.mark.parametrize("purpose", Purpose)
def test_a_first_key_is_made_and_found_again(
    folder: Path, clock: MovableClock, purpose: Purpose
) -> None:
    made = current_key(keyring_of(folder, clock), purpose)
    assert current_key(keyring_of(folder, clock, "another process"), purpose) == made
    assert made.expires_at - made.not_before == LIVES[purpose]
    assert made.is_alive_at(clock.now())


def test_an_issuer_key_lives_no_longer_than_the_protocol_allows() -> None:
    assert LIVES[Purpose.ISSUER].days <= 45


def test_keys_are_their_owners_alone(folder: Path, clock: MovableClock) -> None:
    current_key(keyring_of(folder, clock), Purpose.ISSUER)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.glob("*.json")] == [0o600]


def test_an_open_folder_is_refused(folder: Path, clock: MovableClock) -> None:
    folder.mkdir(parents=True, mode=0o755)
    with pytest.raises(KeyringError, match="chmod 700"):
        keyring_of(folder, clock).list_keys(Purpose.ISSUER)


def test_an_open_key_file_is_refused(folder: Path, clock: MovableClock) -> None:
    current_key(keyring_of(folder, clock), Purpose.ISSUER)
    next(folder.glob("*.json")).chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        keyring_of(folder, clock).list_keys(Purpose.ISSUER)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"purpose": "issuer", "kid": "zz"}'])
def test_a_damaged_key_file_is_named(folder: Path, clock: MovableClock, damage: str) -> None:
    current_key(keyring_of(folder, clock), Purpose.ISSUER)
    path = next(folder.glob("*.json"))
    path.write_text(damage)
    with pytest.raises(KeyringError, match="no key file"):
        keyring_of(folder, clock).list_keys(Purpose.ISSUER)


def test_a_new_key_stands_beside_the_old_one_until_that_dies(
    folder: Path, clock: MovableClock
) -> None:
    keyring = keyring_of(folder, clock)
    old = current_key(keyring, Purpose.ISSUER)
    clock.move(days=30)
    new = keyring.rotate(Purpose.ISSUER)
    assert keyring.list_keys(Purpose.ISSUER) == (new, old)
    clock.move(days=15)
    assert keyring.list_keys(Purpose.ISSUER) == (new,)


def test_a_rotation_is_seen_by_another_process(folder: Path, clock: MovableClock) -> None:
    one, other = keyring_of(folder, clock), keyring_of(folder, clock, "another process")
    current_key(one, Purpose.ISSUER)
    clock.move(seconds=1)
    new = other.rotate(Purpose.ISSUER)
    assert current_key(one, Purpose.ISSUER) == new


@pytest.mark.parametrize("purpose", Purpose)
def test_a_key_is_renewed_before_it_dies_and_both_live_for_the_overlap(
    folder: Path, clock: MovableClock, purpose: Purpose
) -> None:
    keyring = keyring_of(folder, clock)
    old = current_key(keyring, purpose)
    clock.move(days=(LIVES[purpose] - OVERLAPS[purpose]).days - 1)
    assert keyring.list_keys(purpose) == (old,)
    clock.move(days=1)
    new = current_key(keyring, purpose)
    assert keyring.list_keys(purpose) == (new, old)
    clock.move(days=OVERLAPS[purpose].days)
    assert old not in keyring.list_keys(purpose)
    assert new in keyring.list_keys(purpose)


def test_a_server_that_slept_through_the_life_of_its_keys_makes_new_ones(
    folder: Path, clock: MovableClock
) -> None:
    keyring = keyring_of(folder, clock)
    old = current_key(keyring, Purpose.ISSUER)
    clock.move(days=45)
    assert old not in keyring.list_keys(Purpose.ISSUER)


def test_a_clock_that_was_set_back_does_not_keep_us_from_reading(
    folder: Path, clock: MovableClock
) -> None:
    keyring = keyring_of(folder, clock)
    sealed_to, signed_by = (current_key(keyring, one) for one in (Purpose.SEAL, Purpose.ISSUER))
    clock.move(minutes=-1)
    assert keyring.list_keys(Purpose.SEAL) == (sealed_to,)
    assert signed_by not in keyring.list_keys(Purpose.ISSUER)


def test_ids_of_keys_in_one_key_set_differ(folder: Path, clock: MovableClock) -> None:
    keyring = FileKeyring(folder, clock=clock, randomness=Stubborn())
    ids = {current_key(keyring, purpose).kid for purpose in (Purpose.ISSUER, Purpose.SEAL)}
    assert len(ids) == 2


class Stubborn:
    """Gives every key id twice before it changes its mind."""

    def __init__(self) -> None:
        self._asked = 0

    def take(self, size: int) -> bytes:
        if size == KEY_ID_SIZE:
            self._asked += 1
        return bytes([(self._asked - 1) // 2]) * size


def test_a_half_written_key_is_no_key_and_makes_room_for_the_next(
    folder: Path, clock: MovableClock
) -> None:
    key = current_key(keyring_of(folder, clock), Purpose.ISSUER)
    draft = folder / "new.draft"
    draft.write_text('{"purpose": "issuer", ' + 1000 * " ")
    keyring = keyring_of(folder, clock, "another process")
    assert keyring.list_keys(Purpose.ISSUER) == (key,)
    new = keyring.rotate(Purpose.ISSUER)
    assert not draft.exists()
    assert set(keyring_of(folder, clock).list_keys(Purpose.ISSUER)) == {key, new}


def test_a_disk_that_takes_no_new_key_is_warned_of_while_an_old_one_lives(
    folder: Path, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    keyring = keyring_of(folder, clock)
    old = current_key(keyring, Purpose.ISSUER)
    clock.move(days=(LIVES[Purpose.ISSUER] - OVERLAPS[Purpose.ISSUER]).days)
    with room_for(20):
        assert keyring.list_keys(Purpose.ISSUER) == (old,)
        with pytest.raises(KeyringError, match="takes no new key: File too large"):
            keyring.rotate(Purpose.ISSUER)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(keyring.list_keys(Purpose.ISSUER)) == 2


def test_without_a_living_key_a_disk_that_takes_none_is_an_error(
    folder: Path, clock: MovableClock
) -> None:
    keyring = keyring_of(folder, clock)
    with room_for(20), pytest.raises(KeyringError, match="takes no new key"):
        keyring.list_keys(Purpose.SEAL)
    assert len(keyring.list_keys(Purpose.SEAL)) == 1
    (folder.parent / "file").touch()
    with pytest.raises(KeyringError, match="cannot be made"):
        keyring_of(folder.parent / "file", clock).list_keys(Purpose.SEAL)


def test_what_a_key_is_for_decides_what_it_can_do(keyring: DerivedKeyring) -> None:
    issuer = current_key(keyring, Purpose.ISSUER)
    assert verify(issuer.public, b"x", issuer.signing.sign(b"x"))
    seal = current_key(keyring, Purpose.SEAL)
    assert seal.public == bytes(BoxKey(seal.seed).public_key)
    secrets = [current_key(keyring, purpose) for purpose in (Purpose.CODES, Purpose.LINKS)]
    for key in (seal, *secrets):
        with pytest.raises(KeyringError):
            _ = key.signing
    for key in secrets:
        with pytest.raises(KeyringError):
            _ = key.public


def test_a_key_is_not_shown(folder: Path, clock: MovableClock) -> None:
    key = current_key(keyring_of(folder, clock), Purpose.ISSUER)
    stored = json.loads(next(folder.glob("*.json")).read_text())
    assert repr(key.seed) not in repr(key)
    assert stored["seed"] not in repr(key)


def test_derived_bytes_depend_on_every_part_and_its_borders(keyring: DerivedKeyring) -> None:
    key = current_key(keyring, Purpose.CODES)
    assert derive(key, b"a", b"bc") == derive(key, b"a", b"bc")
    assert len({derive(key, b"a", b"bc"), derive(key, b"ab", b"c"), derive(key, b"abc")}) == 3
