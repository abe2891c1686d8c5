"""The desk of anchors, from a machine without a key to a confirmed head on a real EVM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schema.ids import LockerId
from server.kit.errors import SettingsError
from server.ledger.anchors.jobs.desk import AnchorDesk
from server.ledger.anchors.setting import make_anchor
from server.ledger.log import service as tlog
from server.ledger.log.queries import Leaf

if TYPE_CHECKING:
    from pathlib import Path

    from server.app import House
    from server.ledger.anchors.evm import EvmAnchor
    from tests.fakes.evm import LocalChain


async def write_foreign_head(anchor: EvmAnchor, chain: LocalChain) -> None:
    now = await anchor.read(since=0)
    await anchor.publish(anchor.sign(9, b"x" * 32, nonce=now.nonce, fee=now.fee).raw)
    chain.mine()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_operator_goes_from_a_key_to_an_anchored_head(
    house: House, chain: LocalChain, chain_url: str, tmp_path: Path
) -> None:
    told: list[str] = []
    chain.heal()
    with pytest.raises(SettingsError, match="RESTANTE_CHAIN_KEY"):
        await AnchorDesk(house, told.append).run("key")
    settings = replace(
        house.settings,
        chain_url=chain_url,
        chain_id=chain.id,
        chain_key=tmp_path / "key",
        chain_confirmations=1,
    )
    house = replace(house, settings=settings)
    for _ in range(2):
        await AnchorDesk(house, told.append).run("key")
    address = make_anchor(settings).address
    assert [line.split()[0] for line in told[::2]] == ["made", "found"]
    assert told[1] == told[3] == f"its account pays for anchors: {address}"
    chain.fund(address)
    await AnchorDesk(house, told.append).run("deploy")
    contract = told[-2].rpartition("=")[2]
    assert told[-1] == f"trust file: anchor {chain.id} {contract}"
    house = replace(house, settings=replace(settings, chain_contract=contract))
    assert await AnchorDesk(house, told.append).run("status")
    assert told[-1] == "nothing was anchored yet"
    async with house.database.write() as session:
        await tlog.queue_leaves(
            session, [Leaf(LockerId(b"locker-1"), 1, b"h" * 32)], now=house.clock.now()
        )
        await tlog.grow_and_sign(
            session, origin="testserver/log", keyring=house.keyring, now=house.clock.now()
        )
    await AnchorDesk(house, told.append).run("now")
    assert told[-1].split()[:3] == ["1", "leaves", "sent"]
    chain.mine()
    await AnchorDesk(house, told.append).run("now")
    assert told[-1].split()[:4] == ["1", "leaves", "confirmed", "since"]
    await write_foreign_head(make_anchor(house.settings), chain)
    assert not await AnchorDesk(house, told.append).run("now"), "an alarm is an exit status"
    assert told[-3].startswith("ALARM: the chain holds a head of 9 leaves")
    key = (tmp_path / "key").read_text().strip()
    assert not any(key in line for line in told)
