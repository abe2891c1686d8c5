"""Anchors by the settings: which contract, which account, how often. Knows no database."""

from __future__ import annotations

import importlib.util
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.checkpoint.anchors import Contract
from server.kit.durable import write_new
from server.kit.errors import KeyringError, SettingsError
from server.ledger.anchors.evm import EvmAnchor
from server.ledger.anchors.port import Plan
from server.ledger.log.rules import origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.ids import Randomness
    from server.kit.settings import Settings

KEY_SIZE = 32
GWEI = 10**9

_OTHERS = 0o077


def find_contract(settings: Settings) -> Contract | None:
    """The contract that the settings name, if they do: enough to tell people of it."""
    if settings.chain_id is None or settings.chain_contract is None:
        return None
    return Contract(settings.chain_id, settings.chain_contract)


def make_plan(settings: Settings) -> Plan:
    """How the log is anchored; SettingsError names the setting that is missing."""
    contract = find_contract(settings)
    if contract is None:
        raise SettingsError("anchors need RESTANTE_CHAIN_ID and RESTANTE_CHAIN_CONTRACT")
    return Plan(
        contract=contract,
        origin=origin_of(settings.public_url),
        every=timedelta(minutes=settings.anchor_minutes),
        cap_wei=settings.chain_fee_cap_gwei * GWEI,
    )


def make_anchor(settings: Settings) -> EvmAnchor:
    """The account at its chain, which may lack a contract yet. Connects to nothing.

    SettingsError names the setting that is missing, KeyringError what is wrong with the key.
    """
    if settings.chain_url is None or settings.chain_id is None or settings.chain_key is None:
        raise SettingsError(
            "anchors need RESTANTE_CHAIN_URL, RESTANTE_CHAIN_ID and RESTANTE_CHAIN_KEY"
        )
    if importlib.util.find_spec("web3") is None:
        raise SettingsError("anchors need web3: `./restante anchor key` installs it")
    return EvmAnchor(
        settings.chain_url,
        Contract(settings.chain_id, settings.chain_contract or ""),
        origin=origin_of(settings.public_url),
        key=read_key(settings.chain_key),
        confirmations=settings.chain_confirmations,
        gas=settings.chain_gas_limit,
    )


def make_key(path: Path, randomness: Randomness) -> bool:
    """Makes the account's key unless there is one; whether it did."""
    try:
        write_new(path, f"{randomness.take(KEY_SIZE).hex()}\n")
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    return True


def read_key(path: Path) -> bytes:
    """The account's key; KeyringError when it is none, or others may read it."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise KeyringError(f"{path} may be read by others: chmod 600")
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"{path}: no key can be read ({type(error).__name__})") from error
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text):
        raise KeyringError(f"{path} holds no key: 64 hexadecimal digits")
    return bytes.fromhex(text.removeprefix("0x"))
