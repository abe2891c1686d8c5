"""A reader's question to a node of a chain, with the standard library alone."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from schema.checkpoint.anchors import head_call, parse_kept, parse_quantity
from schema.codec import Malformed

if TYPE_CHECKING:
    from collections.abc import Collection

    from schema.checkpoint.anchors import AnchoredHead, Contract, KeptHead

ANSWER_S = 10.0
ANSWER_BYTES = 65_536


class NoAnswer(Exception):
    """The chain could not be asked: nothing follows, neither good nor bad."""


def list_kept(
    url: str, contracts: Collection[Contract], *, origin: str, head: AnchoredHead
) -> list[tuple[Contract, KeptHead | None]]:
    """What those of the contracts that lie on the node's chain keep for the head's size.

    NoAnswer when the node is silent, on another chain, or has no contract there; at least one is
    told of.
    """
    try:
        chain_id = parse_quantity(_ask(url, "eth_chainId", []))
        there = [one for one in contracts if one.chain_id == chain_id]
        calls = [head_call(contract, origin, head.size) for contract in there]
        kept = [parse_kept(_ask(url, "eth_call", call)) for call in calls]
    except Malformed as error:
        raise NoAnswer(f"the node's answer is not understood: {error}") from error
    if not kept:
        raise NoAnswer(f"the node is on chain {chain_id}, where the trust file names no contract")
    return [*zip(there, kept, strict=True)]


def _ask(url: str, method: str, params: list[Any]) -> object:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    if not url.startswith(("http://", "https://")):
        raise NoAnswer("a node has an address that begins with https:// or http://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is one of two
        url, body, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as response:  # noqa: S310
            told = json.loads(response.read(ANSWER_BYTES))
    except (OSError, ValueError) as error:
        raise NoAnswer(f"the node gave no answer ({type(error).__name__})") from error
    if not isinstance(told, dict) or "result" not in told:
        raise NoAnswer("the node refused to tell")
    return told["result"]
