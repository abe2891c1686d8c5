"""What a reader asks a contract, and what it takes for an answer."""

from __future__ import annotations

import hashlib

import pytest

from schema.checkpoint.anchors import (
    HEAD_OF,
    LARGEST_CHAIN_ID,
    Contract,
    KeptHead,
    head_call,
    parse_contract,
    parse_kept,
    parse_quantity,
)
from schema.codec import Malformed

ADDRESS = f"0x{'ab' * 20}"


def test_a_contract_is_named_by_two_words() -> None:
    contract = parse_contract("10", f"0x{'AB' * 20}")
    assert contract == Contract(10, ADDRESS)
    assert parse_contract(*f"{contract}".split(" ")) == contract
    assert parse_contract(f"{LARGEST_CHAIN_ID}", ADDRESS).chain_id == LARGEST_CHAIN_ID


@pytest.mark.parametrize(
    ("chain_id", "address"),
    [
        ("0", ADDRESS),
        ("01", ADDRESS),
        ("-1", ADDRESS),
        ("1" * 17, ADDRESS),
        (f"{LARGEST_CHAIN_ID + 1}", ADDRESS),
        ("1", ADDRESS[:-1]),
        ("1", ADDRESS[2:]),
        ("1", f"{ADDRESS}0"),
        ("1", f"0x{'xy' * 20}"),
    ],
)
def test_what_names_no_contract_is_refused(chain_id: str, address: str) -> None:
    with pytest.raises(Malformed):
        parse_contract(chain_id, address)


def test_the_question_names_the_log_by_its_hash_and_the_head_by_its_size() -> None:
    call, block = head_call(Contract(1, ADDRESS), "example.org/log", 258)
    assert (call["to"], block) == (ADDRESS, "latest")
    name = hashlib.sha256(b"example.org/log").digest()
    words = [HEAD_OF, name, (258).to_bytes(32, "big")]
    assert call["data"] == f"0x{b''.join(words).hex()}"


def test_an_answer_is_a_head_or_none() -> None:
    words = [(7).to_bytes(32, "big"), (9).to_bytes(32, "big"), b"r" * 32]
    assert parse_kept(f"0x{b''.join(words).hex()}") == KeptHead(7, 9, b"r" * 32)
    assert parse_kept(f"0x{bytes(96).hex()}") is None


@pytest.mark.parametrize("answer", [None, 7, "", "0x", f"0x{'0' * 191}", f"0x{'0' * 193}", [], {}])
def test_another_answer_is_refused(answer: object) -> None:
    with pytest.raises(Malformed):
        parse_kept(answer)


def test_numbers_have_one_way_to_be_written() -> None:
    assert [parse_quantity(word) for word in ("0x0", "0x1", "0xff")] == [0, 1, 255]
    for word in ("", "0x", "0x00", "1", "0xFF", 1, None, f"0x1{'0' * 16}"):
        with pytest.raises(Malformed):
            parse_quantity(word)
