"""A real EVM in this process behind real HTTP, whose blocks, past and answers a test decides.

`python -m tests.fakes.evm` compiles the contract and writes what the server ships.
"""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from server.ledger.anchors.evm import CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = CONTRACT.with_name("Anchors.vy")


def compile_contract() -> dict[str, Any]:
    """What stands in the file beside the source."""
    from vyper import __version__, compile_code

    made = compile_code(
        SOURCE.read_text(), output_formats=["abi", "bytecode", "method_identifiers"]
    )
    return {
        "compiler": f"vyper {__version__}",
        "abi": made["abi"],
        "methods": made["method_identifiers"],
        "bytecode": made["bytecode"],
    }


class LocalChain:
    """A chain of its own; each transaction is a block at once, unless somebody is `holding` it.

    `is_silent`: no answer at all. `lost`: so many answers to a sent transaction get lost, after it
    was taken. `refusal`: what the node says instead of taking one.
    """

    def __init__(self) -> None:
        from eth_tester import EthereumTester, PyEVMBackend
        from web3 import EthereumTesterProvider, Web3

        self.tester = EthereumTester(PyEVMBackend())
        self.web3 = Web3(EthereumTesterProvider(self.tester))
        self.is_silent = False
        self.lost = 0
        self.refusal: str | None = None
        self.calls: list[str] = []
        self._ask = self.web3.provider.request_func(self.web3, self.web3.middleware_onion)
        self._turn = threading.Lock()

    @property
    def id(self) -> int:
        return int(self.web3.eth.chain_id)

    def heal(self) -> None:
        """It answers and takes transactions again."""
        self.is_silent, self.lost, self.refusal = False, 0, None

    def fund(self, address: str) -> None:
        rich = self.web3.eth.accounts[0]
        self.web3.eth.send_transaction({"from": rich, "to": address, "value": 10**18})

    def mine(self, blocks: int = 1) -> None:
        self.tester.mine_blocks(blocks)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Transactions wait, as on a busy chain, until somebody mines."""
        self.tester.disable_auto_mine_transactions()
        try:
            yield
        finally:
            self.tester.enable_auto_mine_transactions()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a call, or None if it gets lost."""
        method, params = asked["method"], asked["params"]
        with self._turn:
            self.calls.append(method)
            if self.is_silent:
                return None
            is_send = method == "eth_sendRawTransaction"
            if is_send and self.refusal is not None:
                answer: dict[str, Any] = {"error": {"code": -32000, "message": self.refusal}}
            else:
                answer = self._carry_out(method, params)
            if is_send and self.lost:
                self.lost -= 1
                return None
        return {"jsonrpc": "2.0", "id": asked["id"], **answer}

    def _carry_out(self, method: str, params: Any) -> dict[str, Any]:
        from eth_tester.exceptions import TransactionFailed, ValidationError
        from eth_utils import ValidationError as Refused

        try:
            return {"result": _as_json(self._ask(method, params).get("result"))}
        except (TransactionFailed, ValidationError, Refused) as error:
            return {"error": {"code": -32000, "message": f"{error}"}}


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    chain: LocalChain

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = self.chain.answer(asked)
        if answer is None:
            self.close_connection = True
            return
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", f"{len(body)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's word
        """Says nothing."""


@contextlib.contextmanager
def serving_chain(chain: LocalChain) -> Iterator[str]:
    """The chain's node, at this address."""
    door = type("Door", (_Door,), {"chain": chain})
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _as_json(value: Any) -> Any:
    match value:
        case bool() | str() | None:
            return value
        case int():
            return hex(value)
        case bytes():
            return f"0x{value.hex()}"
        case _ if hasattr(value, "items"):
            return {key: _as_json(one) for key, one in value.items()}
        case _:
            return [_as_json(one) for one in value]


if __name__ == "__main__":
    CONTRACT.write_text(json.dumps(compile_contract(), indent=1) + "\n")
