"""Who a locker is, once and for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import StateMissing, StoreMisused
from ble_agent.session.locker import open_store
from ble_agent.store.identity import commission, find_identity, get_identity
from schema.ids import KeyId
from schema.keys import Roots
from schema.noise import x25519_public
from tests.ble_agent.standing import key_of
from tests.ble_agent.visitor import Randomness

if TYPE_CHECKING:
    from pathlib import Path

ROOTS = Roots(
    ((KeyId(b"\xf0\x01"), key_of("root").public), (KeyId(b"\xf0\x02"), key_of("spare").public))
)


def test_a_fresh_folder_is_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    assert find_identity(store) is None
    with pytest.raises(StateMissing, match="locker init"):
        get_identity(store)
    store.close()


def test_what_was_commissioned_is_found_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    made = commission(store, compartments=3, roots=ROOTS, take_random=Randomness("x").take)
    store.close()
    store = open_store(tmp_path / "state")
    found = get_identity(store)
    assert (found.lid, found.noise_private, found.pin_secret) == (
        made.lid,
        made.noise_private,
        made.pin_secret,
    )
    assert found.signing.public == made.signing.public
    assert found.noise_public == x25519_public(made.noise_private)
    assert found.roots == ROOTS
    with store.reading() as connection:
        rows = connection.execute("SELECT number, stay FROM compartments").fetchall()
    assert rows == [(1, None), (2, None), (3, None)]
    store.close()


def test_a_folder_is_commissioned_once(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    made = commission(store, compartments=2, roots=ROOTS, take_random=Randomness("x").take)
    with pytest.raises(StoreMisused):
        commission(store, compartments=2, roots=ROOTS, take_random=Randomness("y").take)
    assert get_identity(store).lid == made.lid
    store.close()


def test_its_secrets_are_not_shown_by_accident(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    made = commission(store, compartments=1, roots=ROOTS, take_random=Randomness("x").take)
    store.close()
    assert repr(made.noise_private) not in repr(made)
    assert repr(made.pin_secret) not in repr(made)
