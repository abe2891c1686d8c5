"""One account at a node, over real JSON-RPC: what it reads, sends, and says when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.anchors import Contract
from server.kit.errors import ChainError
from tests.contracts.imports import read_imports
from tests.contracts.tree import ROOT as TREE
from tests.server.ledger.anchors.conftest import CAP_WEI, CONFIRMATIONS, make_anchor

if TYPE_CHECKING:
    from server.ledger.anchors.evm import EvmAnchor
    from tests.fakes.evm import LocalChain

ROOT = b"r" * 32


async def test_a_head_is_settled_once_enough_blocks_lie_on_it(
    chain: LocalChain, anchor: EvmAnchor
) -> None:
    empty = await anchor.read(since=0)
    assert (empty.heads, empty.count, empty.settled) == ((), 0, 0)
    signed = anchor.sign(5, ROOT, nonce=empty.nonce, fee=empty.fee)
    assert signed == anchor.sign(5, ROOT, nonce=empty.nonce, fee=empty.fee)
    await anchor.publish(signed.raw)
    chain.mine(CONFIRMATIONS - 1)
    fresh = await anchor.read(since=0)
    assert [(head.size, head.root) for head in fresh.heads] == [(5, ROOT)]
    assert (fresh.count, fresh.settled, fresh.nonce) == (1, 0, empty.nonce + 1)
    chain.mine()
    later = await anchor.read(since=1)
    assert (later.heads, later.count, later.settled) == ((), 1, 1)


def test_web3_is_loaded_when_a_chain_is_asked_and_not_before() -> None:
    """Server, worker and checker start without it, and without the extra."""
    foreign = ("web3", "eth_", "requests", "segno")
    found = [
        item
        for items in read_imports(TREE).values()
        for item in items
        if item.target.startswith(foreign) and not item.module.startswith("server.notices")
    ]
    assert found
    assert {item.when for item in found} == {"deferred"}


async def test_what_a_node_refuses_is_told_in_its_words(
    chain: LocalChain, anchor: EvmAnchor
) -> None:
    now = await anchor.read(since=0)
    signed = anchor.sign(5, ROOT, nonce=now.nonce, fee=now.fee)
    chain.refusal = "insufficient funds for gas"
    with pytest.raises(ChainError, match="insufficient funds"):
        await anchor.publish(signed.raw)
    chain.refusal = "already known"
    await anchor.publish(signed.raw)
    chain.refusal = None
    chain.lost = 1
    with pytest.raises(ChainError, match="no answer"):
        await anchor.publish(signed.raw)
    assert (await anchor.read(since=0)).count == 1


async def test_another_chain_another_contract_and_a_silent_node_are_told_apart(
    chain: LocalChain, chain_url: str, contract: str
) -> None:
    elsewhere = make_anchor(chain_url, Contract(1, contract), origin="a")
    with pytest.raises(ChainError, match="the settings say 1"):
        await elsewhere.read(since=0)
    nowhere = make_anchor(chain_url, Contract(chain.id, f"0x{'1' * 40}"), origin="a")
    with pytest.raises(ChainError, match="no contract of ours"):
        await nowhere.read(since=0)
    silent = make_anchor("http://127.0.0.1:1/passphrase", Contract(chain.id, contract), origin="a")
    with pytest.raises(ChainError, match="no answer") as told:
        await silent.read(since=0)
    assert "passphrase" not in str(told.value)


def test_a_log_that_somebody_else_registered_is_not_ours(
    chain: LocalChain, chain_url: str, anchor: EvmAnchor
) -> None:
    assert anchor.deploy(cap_wei=CAP_WEI) == anchor.contract.address
    thief = make_anchor(chain_url, anchor.contract, origin="thief")
    thief.name = anchor.name
    chain.fund(thief.address)
    with pytest.raises(ChainError, match=f"belongs to {anchor.address}"):
        thief.deploy(cap_wei=CAP_WEI)
