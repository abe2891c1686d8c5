"""The receipt checker asks a real chain: what an anchor claims is there, or it is caught."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.anchors import Contract
from schema.checkpoint.trust import write_trust
from schema.receipts import write_receipt
from server.verify import CANNOT_TELL, HOLDS, REFUSED, main
from tests.contracts.tree import ROOT
from tests.schema.makers import LID
from tests.schema.test_receipts import (
    ANCHORED,
    LOCKER,
    LOG,
    ORIGIN,
    SEERS,
    make_anchor,
    make_receipt,
)
from tests.server.ledger.anchors.conftest import CAP_WEI
from tests.server.ledger.anchors.conftest import make_anchor as make_account

if TYPE_CHECKING:
    from pathlib import Path

    from server.ledger.anchors.evm import EvmAnchor
    from tests.fakes.evm import LocalChain

ELSEWHERE = Contract(1, f"0x{'ab' * 20}")


@pytest.fixture
def account(chain: LocalChain, chain_url: str) -> EvmAnchor:
    """The log of the receipts, in a contract of its own."""
    chain.heal()
    account = make_account(chain_url, Contract(chain.id, ""), origin=ORIGIN)
    chain.fund(account.address)
    account.deploy(cap_wei=CAP_WEI)
    return account


async def write(account: EvmAnchor, size: int, root: bytes) -> None:
    now = await account.read(since=0)
    await account.publish(account.sign(size, root, nonce=now.nonce, fee=now.fee).raw)


def check(folder: Path, *contracts: Contract, url: str, is_anchored: bool = True) -> int:
    receipt, trust = folder / "parcel.receipt", folder / "parcel.trust"
    made = make_receipt() if is_anchored else replace(make_receipt(), anchor=None)
    receipt.write_bytes(write_receipt(made))
    lockers = {LID: LOCKER.public}
    trust.write_text(
        write_trust([LOG], witnesses=SEERS, least=2, lockers=lockers, anchors=contracts)
    )
    return main([f"{receipt}", "--trust", f"{trust}", "--chain", url, "--json"])


async def test_an_anchor_that_the_chain_holds_has_the_time_of_its_block(
    account: EvmAnchor, chain_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await write(account, *make_anchor().head)
    contracts = [ELSEWHERE, account.contract]
    assert check(tmp_path, *contracts, url=chain_url) == HOLDS
    [kept] = (await account.read(since=0)).heads
    told = json.loads(capsys.readouterr().out)["anchor"]
    assert told == {"size": ANCHORED, "chain": account.contract.chain_id, "since": kept.at}
    words = [f"{tmp_path / 'parcel.receipt'}", "--trust", f"{tmp_path / 'parcel.trust'}"]
    assert main([*words, "--chain", chain_url]) == HOLDS
    out = capsys.readouterr().out
    assert f"was on chain {account.contract.chain_id} since 20" in out
    assert "no chain was asked" not in out


@pytest.mark.parametrize(
    ("size", "root", "reason"),
    [
        (None, b"", "no anchor of this size"),
        (ANCHORED + 1, b"r" * 32, "no anchor of this size"),
        (ANCHORED, b"r" * 32, "another root"),
    ],
    ids=["nothing", "a later one", "another log"],
)
async def test_a_back_dated_anchor_is_refused(
    account: EvmAnchor,
    chain_url: str,
    tmp_path: Path,
    size: int | None,
    root: bytes,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The receipt is whole, and its signed head continues the anchor; only the chain knows."""
    if size is not None:
        await write(account, size, root)
    assert check(tmp_path, account.contract, url=chain_url) == REFUSED
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert reason in told["reason"]


def test_a_chain_that_cannot_be_asked_leaves_the_question_open(
    chain: LocalChain, account: EvmAnchor, chain_url: str, tmp_path: Path
) -> None:
    nowhere = Contract(chain.id, f"0x{'1' * 40}")
    assert check(tmp_path, account.contract, url="http://127.0.0.1:1") == CANNOT_TELL
    assert check(tmp_path, account.contract, url="file:///dev/null") == CANNOT_TELL
    assert check(tmp_path, ELSEWHERE, url=chain_url) == CANNOT_TELL
    assert check(tmp_path, nowhere, url=chain_url) == CANNOT_TELL
    assert check(tmp_path, account.contract, url=chain_url, is_anchored=False) == CANNOT_TELL
    chain.is_silent = True
    assert check(tmp_path, account.contract, url=chain_url) == CANNOT_TELL
    chain.heal()


async def test_the_question_to_a_chain_loads_no_library(
    account: EvmAnchor, chain_url: str, tmp_path: Path
) -> None:
    await write(account, *make_anchor().head)
    check(tmp_path, account.contract, url=chain_url)
    probe = (
        "import sys; from server.verify import main; status = main(sys.argv[1:]);"
        "allowed = {'__main__', 'schema', 'server', 'nacl', '_cffi_backend', '_sodium'};"
        "foreign = {name.partition('.')[0] for name in sys.modules}"
        " - set(sys.stdlib_module_names) - allowed;"
        "sys.exit(f'{sorted(foreign)}' if foreign else status)"
    )
    words = [f"{tmp_path / 'parcel.receipt'}", "--trust", f"{tmp_path / 'parcel.trust'}"]
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-S", "-c", probe, *words, "--chain", chain_url],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == HOLDS, run.stderr
