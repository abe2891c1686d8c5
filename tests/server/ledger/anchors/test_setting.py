"""Anchors by the settings, and the key of the account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.anchors import Contract
from server.kit.errors import KeyringError, SettingsError
from server.ledger.anchors.setting import (
    find_contract,
    make_anchor,
    make_key,
    make_plan,
    read_key,
)
from tests.makers import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.sources import SeededRandomness

ADDRESS = f"0x{'ab' * 20}"
NAMED = replace(SETTINGS, chain_id=5, chain_contract=ADDRESS)


def test_a_plan_needs_the_contract_and_its_chain() -> None:
    assert find_contract(SETTINGS) is None
    with pytest.raises(SettingsError, match="RESTANTE_CHAIN_CONTRACT"):
        make_plan(replace(NAMED, chain_contract=None))
    plan = make_plan(replace(NAMED, anchor_minutes=5, chain_fee_cap_gwei=2))
    assert plan.contract == find_contract(NAMED) == Contract(5, ADDRESS)
    assert (plan.origin, plan.every, plan.cap_wei) == (
        "testserver/log",
        timedelta(minutes=5),
        2 * 10**9,
    )


def test_an_account_needs_a_node_a_chain_and_a_key(tmp_path: Path) -> None:
    whole = replace(NAMED, chain_url="http://127.0.0.1:1", chain_key=tmp_path / "key")
    for part in (
        replace(whole, chain_url=None),
        replace(whole, chain_id=None),
        replace(whole, chain_key=None),
    ):
        with pytest.raises(SettingsError, match="RESTANTE_CHAIN_URL"):
            make_anchor(part)
    with pytest.raises(KeyringError, match="no key can be read"):
        make_anchor(whole)


def test_a_key_is_made_once_and_read_by_its_owner_alone(
    tmp_path: Path, randomness: SeededRandomness
) -> None:
    path = tmp_path / "key"
    assert make_key(path, randomness)
    key = read_key(path)
    assert not make_key(path, randomness)
    assert read_key(path) == key
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="may be read by others"):
        read_key(path)
    with pytest.raises(SettingsError, match="No such file"):
        make_key(tmp_path / "nowhere" / "key", randomness)


@pytest.mark.parametrize("text", ["", "1234567890abcdef", "g" * 64, "ä" * 64, "0" * 66])
def test_what_is_no_key_is_refused_without_telling_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(KeyringError, match="holds no key") as told:
        read_key(path)
    assert not text or text not in str(told.value)
