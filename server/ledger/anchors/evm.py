"""The contract on any chain with an EVM, over JSON-RPC. The one file that imports web3, when used.

Nothing that is raised or shown here holds the node's address, which may bear a secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schema.checkpoint.anchors import Contract
from server.kit.errors import ChainError
from server.ledger.anchors.port import MOST_HEADS, ChainHead, Fee, Reading, Signed

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRACT = Path(__file__).parent / "contract" / "anchors.json"

ANSWER_S = 3.0
"""A node answers within this: a look asks some seven times, and a worker's job has 20 s."""

DEPLOY_S = 300.0
"""How long a deployment waits for its block."""

_KNOWN = ("already known", "known transaction", "already imported", "already exists")
"""What nodes say of a transaction that they have: it is on its way, as was wanted."""


class EvmAnchor:
    """One log in a contract, written with one account. Its key is never shown."""

    def __init__(
        self, url: str, contract: Contract, *, origin: str, key: bytes, confirmations: int, gas: int
    ) -> None:
        self.contract = contract
        self.name = hashlib.sha256(origin.encode()).digest()
        self._url = url
        self._key = key
        self._confirmations = confirmations
        self._gas = gas

    async def read(self, *, since: int) -> Reading:
        """See `Anchor.read`."""
        return await asyncio.to_thread(self._read, since)

    def sign(self, size: int, root: bytes, *, nonce: int, fee: Fee) -> Signed:
        """See `Anchor.sign`; ECDSA as of RFC 6979, so the same words give the same bytes."""
        data = self._contract.encode_abi("anchor", args=[self.name, size, root])
        return self._sign(data, nonce=nonce, fee=fee, to=self._contract.address)

    async def publish(self, raw: bytes) -> None:
        """See `Anchor.publish`."""
        await asyncio.to_thread(self._publish, raw)

    @property
    def address(self) -> str:
        """The account that pays."""
        return str(self._account.address)

    def deploy(self, *, cap_wei: int) -> str:
        """Puts the contract on the chain unless the settings name one, and makes the log ours.

        Returns the contract's address. ChainError when the log has another owner already. Repeated
        without the address in the settings it makes another contract, which costs, and harms not.
        """
        with _asking():
            if not self.contract.address:
                at = self._wait(self._send(_abi()["bytecode"], cap_wei=cap_wei, gas=1_000_000))
                self.contract = Contract(self.contract.chain_id, str(at["contractAddress"]).lower())
            owner = self._contract.functions.owner_of(self.name).call()
            if int(owner, 16) == 0:
                data = self._contract.encode_abi("register", args=[self.name])
                self._wait(self._send(data, cap_wei=cap_wei, to=self._contract.address))
                owner = self._contract.functions.owner_of(self.name).call()
            if owner != self.address:
                raise ChainError(f"the log belongs to {owner} there, not to {self.address}")
            return self.contract.address

    def _read(self, since: int) -> Reading:
        with _asking():
            self._check_chain()
            eth = self._web3.eth
            latest = int(eth.block_number)
            count = self._count(latest)
            heads = tuple(
                self._head(place, latest) for place in range(since, min(count, since + MOST_HEADS))
            )
            deep = latest - self._confirmations
            return Reading(
                first=since,
                heads=heads,
                count=count,
                settled=self._count_settled(deep) if deep >= 0 else 0,
                nonce=int(eth.get_transaction_count(self.address, latest)),
                fee=self._fee(latest),
            )

    def _count(self, block: int) -> int:
        return int(self._contract.functions.count_of(self.name).call(block_identifier=block))

    def _count_settled(self, block: int) -> int:
        from web3.exceptions import BadFunctionCallOutput

        try:
            return self._count(block)
        except BadFunctionCallOutput:
            return 0  # the contract is younger than that

    def _head(self, place: int, block: int) -> ChainHead:
        at = self._contract.functions.head_at(self.name, place)
        size, time, root = at.call(block_identifier=block)
        return ChainHead(int(size), bytes(root), int(time))

    def _fee(self, block: int | str) -> Fee:
        eth = self._web3.eth
        base, tip = int(eth.get_block(block)["baseFeePerGas"]), int(eth.max_priority_fee)
        return Fee(2 * base + tip, tip)

    def _publish(self, raw: bytes) -> None:
        with _asking():
            try:
                self._web3.eth.send_raw_transaction(raw)
            except self._refusals as error:
                if not any(word in f"{error}".lower() for word in _KNOWN):
                    raise

    def _send(self, data: str, *, cap_wei: int, to: str | None = None, gas: int = 0) -> bytes:
        self._check_chain()
        nonce = int(self._web3.eth.get_transaction_count(self.address))
        most, tip = self._fee("latest")
        fee = Fee(min(most, cap_wei), min(tip, cap_wei))
        signed = self._sign(data, nonce=nonce, fee=fee, to=to, gas=gas)
        self._publish(signed.raw)
        return signed.hash

    def _wait(self, tx_hash: bytes) -> Any:
        receipt = self._web3.eth.wait_for_transaction_receipt(tx_hash, timeout=DEPLOY_S)
        if receipt["status"] != 1:
            raise ChainError(f"transaction 0x{tx_hash.hex()} failed on the chain")
        return receipt

    def _sign(
        self, data: str, *, nonce: int, fee: Fee, to: str | None = None, gas: int = 0
    ) -> Signed:
        words = {
            "type": 2,
            "chainId": self.contract.chain_id,
            "nonce": nonce,
            "gas": gas or self._gas,
            "maxFeePerGas": fee.most_wei,
            "maxPriorityFeePerGas": fee.tip_wei,
            "value": 0,
            "data": data,
        }
        signed = self._account.sign_transaction(words if to is None else words | {"to": to})
        return Signed(bytes(signed.hash), bytes(signed.raw_transaction))

    def _check_chain(self) -> None:
        there = int(self._web3.eth.chain_id)
        if there != self.contract.chain_id:
            raise ChainError(
                f"the node is on chain {there}, the settings say {self.contract.chain_id}"
            )

    @cached_property
    def _web3(self) -> Any:
        from web3 import HTTPProvider, Web3

        provider = HTTPProvider(
            self._url,
            request_kwargs={"timeout": ANSWER_S},
            # It would try again by itself, and the look is as often as is wanted.
            exception_retry_configuration=None,
            # It asks for the chain before each call; of what may change nothing is remembered.
            cache_allowed_requests=True,
            cacheable_requests={"eth_chainId"},
        )
        return Web3(provider)

    @cached_property
    def _contract(self) -> Any:
        address = self._web3.to_checksum_address(self.contract.address)
        return self._web3.eth.contract(address=address, abi=_abi()["abi"])

    @cached_property
    def _account(self) -> Any:
        return self._web3.eth.account.from_key(self._key)

    @cached_property
    def _refusals(self) -> tuple[type[Exception], ...]:
        from web3.exceptions import Web3RPCError

        return (Web3RPCError,)


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever a node or the way to it did wrong becomes a ChainError."""
    from requests import RequestException
    from web3.exceptions import BadFunctionCallOutput, Web3Exception, Web3RPCError

    try:
        yield
    except BadFunctionCallOutput as error:
        raise ChainError("there is no contract of ours at this address on the chain") from error
    except Web3RPCError as error:
        raise ChainError(f"the node says: {_said(error)}") from None
    except (RequestException, Web3Exception, ValueError) as error:
        raise ChainError(f"the node gave no answer ({type(error).__name__})") from None


def _said(error: Any) -> str:
    """The words of a node, and nothing of what it was asked."""
    response = getattr(error, "rpc_response", None) or {}
    told = response.get("error", {})
    return str(told.get("message", "no") if isinstance(told, dict) else "no")


def _abi() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(CONTRACT.read_text())
    return known
