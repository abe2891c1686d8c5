"""Anchors as readers see them: which contract holds the log's heads, and what it says of one.

The words of JSON-RPC and of Ethereum's ABI that a reader needs, and no more; asks nobody itself.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from schema.codec import Malformed

HEAD_OF = bytes.fromhex("f4023d4b")
"""Selector of `head_of(bytes32,uint64)`: the head of a size, all zeros if there is none."""

LARGEST_CHAIN_ID = 2**53

_WORD = 32
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,15})")


class Contract(NamedTuple):
    """Where heads are anchored: a contract, by its address in lower case, on a chain."""

    chain_id: int
    address: str

    def __str__(self) -> str:
        """The words of a trust file."""
        return f"{self.chain_id} {self.address}"


class AnchoredHead(NamedTuple):
    """A head of the log, by size and root."""

    size: int
    root: bytes


class KeptHead(NamedTuple):
    """A head as the contract keeps it, with the time of its block in Unix seconds."""

    size: int
    at: int
    root: bytes


def parse_contract(chain_id: str, address: str) -> Contract:
    """A contract by two words of a trust file; Malformed when they cannot be meant so."""
    if not re.fullmatch("[1-9][0-9]{0,15}", chain_id) or int(chain_id) > LARGEST_CHAIN_ID:
        raise Malformed("a chain has a number")
    if not _ADDRESS.fullmatch(address):
        raise Malformed("a contract is 0x and 40 hexadecimal digits")
    return Contract(int(chain_id), address.lower())


def head_call(contract: Contract, origin: str, size: int) -> list[Any]:
    """The parameters of `eth_call` that ask the contract for the head of this size."""
    name = hashlib.sha256(origin.encode()).digest()
    data = HEAD_OF + name + size.to_bytes(_WORD, "big")
    return [{"to": contract.address, "data": f"0x{data.hex()}"}, "latest"]


def parse_kept(result: object) -> KeptHead | None:
    """What `eth_call` answered; None if the contract holds no such head.

    Malformed when this is no answer of our contract, or there is none at that address.
    """
    if not isinstance(result, str) or not re.fullmatch("0x[0-9a-f]{192}", result):
        raise Malformed("that is no contract of anchors")
    raw = bytes.fromhex(result[2:])
    size, at = (int.from_bytes(raw[start : start + _WORD], "big") for start in (0, _WORD))
    return KeptHead(size, at, raw[2 * _WORD :]) if size else None


def parse_quantity(result: object) -> int:
    """A number as JSON-RPC writes it."""
    if not isinstance(result, str) or not _QUANTITY.fullmatch(result):
        raise Malformed("a number is expected")
    return int(result, 16)
