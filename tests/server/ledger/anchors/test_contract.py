"""The contract in a real EVM: one owner for a log, sizes that only grow, and nothing taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from schema.checkpoint.anchors import HEAD_OF
from server.ledger.anchors.evm import CONTRACT
from tests.fakes.evm import compile_contract

if TYPE_CHECKING:
    from tests.fakes.evm import LocalChain

NAME, ROOT = b"n" * 32, b"r" * 32


@pytest.fixture(scope="module")
def functions(chain: LocalChain) -> Any:
    """A contract of this module's own; the chain's first account is whoever calls."""
    made = json.loads(CONTRACT.read_text())
    eth = chain.web3.eth
    eth.default_account = eth.accounts[0]
    sent = eth.contract(abi=made["abi"], bytecode=made["bytecode"]).constructor().transact()
    address = eth.get_transaction_receipt(sent)["contractAddress"]
    return eth.contract(address=address, abi=made["abi"]).functions


def refusal_of(call: Any, *, caller: str) -> str:
    from eth_tester.exceptions import TransactionFailed

    with pytest.raises(TransactionFailed) as told:
        call.call({"from": caller})
    return str(told.value)


def test_what_is_shipped_is_what_the_source_says() -> None:
    # python -m tests.fakes.evm writes it anew
    assert json.loads(CONTRACT.read_text()) == compile_contract()


def test_readers_ask_by_the_selector_that_the_contract_has() -> None:
    methods = json.loads(CONTRACT.read_text())["methods"]
    assert methods["head_of(bytes32,uint64)"] == f"0x{HEAD_OF.hex()}"


def test_a_log_has_one_owner_and_its_sizes_only_grow(chain: LocalChain, functions: Any) -> None:
    owner, other = chain.web3.eth.accounts[:2]
    assert "not yours" in refusal_of(functions.anchor(NAME, 1, ROOT), caller=owner)
    functions.register(NAME).transact({"from": owner})
    assert functions.owner_of(NAME).call() == owner
    assert "registered" in refusal_of(functions.register(NAME), caller=other)
    assert "not yours" in refusal_of(functions.anchor(NAME, 1, ROOT), caller=other)
    assert "does not grow" in refusal_of(functions.anchor(NAME, 0, ROOT), caller=owner)
    functions.anchor(NAME, 7, ROOT).transact({"from": owner})
    for size in (7, 6):
        assert "does not grow" in refusal_of(functions.anchor(NAME, size, NAME), caller=owner)
    largest = 2**64 - 1
    functions.anchor(NAME, largest, NAME).transact({"from": owner})
    assert functions.count_of(NAME).call() == 2
    first, second = (functions.head_at(NAME, place).call() for place in (0, 1))
    assert (first[0], first[2], second[0], second[2]) == (7, ROOT, largest, NAME)
    assert functions.head_of(NAME, 7).call() == first
    assert (
        functions.head_of(NAME, 8).call() == functions.head_at(NAME, 2).call() == (0, 0, bytes(32))
    )


def test_a_head_bears_the_time_of_its_block_and_is_told_as_an_event(
    chain: LocalChain, functions: Any
) -> None:
    eth, name = chain.web3.eth, b"m" * 32
    functions.register(name).transact()
    receipt = eth.get_transaction_receipt(functions.anchor(name, 3, ROOT).transact())
    block = eth.get_block(receipt["blockNumber"])
    assert functions.head_at(name, 0).call() == (3, block["timestamp"], ROOT)
    topics = [bytes(topic) for topic in receipt["logs"][0]["topics"]]
    signature = bytes(chain.web3.keccak(text="Anchored(bytes32,uint64,bytes32)"))
    assert topics == [signature, name, (3).to_bytes(32, "big")]
    assert bytes(receipt["logs"][0]["data"]) == ROOT
