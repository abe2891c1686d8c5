"""A head's way to a real EVM: nothing is anchored twice, and nothing is lost."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from sqlmodel import delete

from server.kit.metrics import Metrics
from server.ledger.anchors.jobs.looking import anchor_log, read_anchors
from server.ledger.anchors.tables import AnchorState, LogAnchor
from tests.server.ledger.anchors.conftest import CONFIRMATIONS

if TYPE_CHECKING:
    from server.ledger.anchors.evm import EvmAnchor
    from server.ledger.anchors.port import Reading
    from tests.fakes.evm import LocalChain
    from tests.server.ledger.anchors.conftest import AnchoredLog

QUEUED, SENT, CONFIRMED = AnchorState.QUEUED, AnchorState.SENT, AnchorState.CONFIRMED

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_head_is_anchored_once_it_is_deep_and_the_next_when_the_log_has_grown(
    log: AnchoredLog, chain: LocalChain
) -> None:
    await log.look()
    assert await log.states() == {}
    root = await log.grow(5)
    await log.look()
    assert await log.states() == {5: SENT}
    await log.look()
    chain.mine(CONFIRMATIONS)
    await log.look()
    assert await log.states() == {5: CONFIRMED}
    newer = await log.grow(3)
    await log.look(minutes=30)
    assert await log.states() == {5: CONFIRMED}, "it is not an hour yet"
    await log.look(at_once=True)
    assert await log.states() == {5: CONFIRMED, 8: SENT}
    chain.mine(CONFIRMATIONS)
    await log.look(minutes=120)
    await log.look(minutes=120)
    assert await log.states() == {5: CONFIRMED, 8: CONFIRMED}, "it has not grown since"
    assert await log.heads() == [(5, root), (8, newer)]
    first, second = await log.rows()
    assert (first.place, second.place) == (0, 1)
    assert first.block_at is not None
    metrics = Metrics()
    read_anchors(metrics, log.database)
    told = (await metrics.tell()).decode()
    assert 'restante_anchors{state="confirmed"} 2.0' in told
    assert "restante_anchored_leaves 8.0" in told
    assert generate_latest(metrics.registry)


async def test_a_foreign_head_on_the_chain_is_a_lasting_alarm(
    log: AnchoredLog, chain: LocalChain, caplog: pytest.LogCaptureFixture
) -> None:
    await log.grow(5)
    now = await log.anchor.read(since=0)
    await log.anchor.publish(log.anchor.sign(5, b"x" * 32, nonce=now.nonce, fee=now.fee).raw)
    await log.anchor.publish(log.anchor.sign(9, b"y" * 32, nonce=now.nonce + 1, fee=now.fee).raw)
    chain.mine(CONFIRMATIONS)
    with caplog.at_level(logging.ERROR):
        await log.look()
        await log.look()
    alarms = [record.message for record in caplog.records if "ALARM" in record.message]
    assert [line.split(" leaves")[0].split()[-1] for line in alarms] == ["5", "9"]
    assert await log.states() == {5: AnchorState.FOREIGN, 9: AnchorState.FOREIGN}
    await log.grow(3)
    await log.look(minutes=61)
    await log.look()
    assert (await log.states())[8] is AnchorState.PASSED, "smaller than what the chain holds"
    root = await log.grow(3)
    await log.look(minutes=61)
    assert (await log.heads())[-1] == (11, root)


@on_sqlite
async def test_a_lost_answer_and_a_refusal_anchor_nothing_twice(
    log: AnchoredLog, chain: LocalChain
) -> None:
    root = await log.grow()
    chain.refusal = "insufficient funds"
    await log.look()
    (row,) = await log.rows()
    assert (row.state, row.attempts, row.reason) == (SENT, 1, "the node says: insufficient funds")
    calls = len(chain.calls)
    await log.look(minutes=0.5)
    assert "eth_sendRawTransaction" not in chain.calls[calls:], "it waits before the next try"
    chain.refusal = None
    chain.lost = 1
    await log.look(minutes=1)
    assert (await log.rows())[0].attempts == 2
    for _ in range(3):
        chain.mine(CONFIRMATIONS)
        await log.look(minutes=5)
    assert await log.heads() == [(5, root)]
    assert await log.states() == {5: CONFIRMED}


@on_sqlite
async def test_a_stuck_transaction_is_replaced_by_a_better_paid_one(
    log: AnchoredLog, chain: LocalChain
) -> None:
    root = await log.grow()
    with chain.holding():
        await log.look()
        (first,) = await log.rows()
        await log.look()
        (same,) = await log.rows()
        await log.look(minutes=10)
        (raised,) = await log.rows()
        chain.mine()
    assert (same.tx_hash, same.sent_at) == (first.tx_hash, first.sent_at)
    assert raised.tx_hash != first.tx_hash
    assert raised.nonce == first.nonce
    assert first.fee_wei
    assert raised.fee_wei
    assert raised.fee_wei >= first.fee_wei * 5 // 4
    chain.mine(CONFIRMATIONS)
    await log.look()
    assert await log.heads() == [(5, root)]
    assert await log.states() == {5: CONFIRMED}


@on_sqlite
async def test_a_head_that_a_reorganisation_took_is_anchored_anew(
    log: AnchoredLog, chain: LocalChain, caplog: pytest.LogCaptureFixture
) -> None:
    root = await log.grow()
    past = chain.tester.take_snapshot()
    await log.look()
    assert await log.heads() == [(5, root)]
    chain.tester.revert_to_snapshot(past)
    assert await log.heads() == []
    await log.look()
    assert await log.heads() == [(5, root)], "before it was settled"
    chain.mine(CONFIRMATIONS)
    await log.look()
    assert await log.states() == {5: CONFIRMED}
    chain.tester.revert_to_snapshot(past)
    with caplog.at_level(logging.ERROR):
        await log.look()
    assert "took back" in caplog.text
    assert await log.heads() == [(5, root)], "deeper than the settings foresaw"
    chain.mine(CONFIRMATIONS)
    await log.look()
    assert await log.states() == {5: CONFIRMED}


@on_sqlite
async def test_a_transaction_that_a_block_took_without_effect_is_made_anew(
    log: AnchoredLog, chain: LocalChain
) -> None:
    root = await log.grow()
    chain.refusal = "busy"
    await log.look()
    chain.heal()
    (row,) = await log.rows()
    assert row.nonce is not None
    fee = (await log.anchor.read(since=0)).fee
    await log.anchor.publish(log.anchor.sign(0, root, nonce=row.nonce, fee=fee).raw)
    await log.look()
    (row,) = await log.rows()
    assert (row.state, row.attempts, row.nonce) == (QUEUED, 2, None)
    await log.look(minutes=5)
    assert await log.heads() == [(5, root)]


@on_sqlite
async def test_after_a_long_silence_of_the_chain_one_head_goes_out_and_then_the_newest(
    log: AnchoredLog, chain: LocalChain
) -> None:
    chain.is_silent = True
    for _ in range(4):
        await log.grow()
        await log.look(minutes=60)
    chain.heal()
    for _ in range(3):
        await log.look(minutes=30)
        chain.mine(CONFIRMATIONS)
    assert [size for size, _ in await log.heads()] == [5, 20]


@on_sqlite
async def test_a_silent_node_leaves_the_head_queued(
    log: AnchoredLog, chain: LocalChain, caplog: pytest.LogCaptureFixture
) -> None:
    root = await log.grow()
    chain.is_silent = True
    await log.look()
    assert await log.states() == {5: QUEUED}
    assert "cannot be read" in caplog.text
    chain.heal()
    await log.look()
    assert await log.heads() == [(5, root)]


class Glance:
    """The chain, of which one look brings two heads."""

    def __init__(self, anchor: EvmAnchor) -> None:
        self._anchor = anchor
        self.sign, self.publish = anchor.sign, anchor.publish

    async def read(self, *, since: int) -> Reading:
        reading = await self._anchor.read(since=since)
        return replace(reading, heads=reading.heads[:2])


@on_sqlite
async def test_a_server_that_forgot_its_anchors_reads_them_again_before_it_sends(
    log: AnchoredLog, chain: LocalChain
) -> None:
    sizes = [5, 10, 15]
    for _ in sizes:
        await log.grow()
        await log.look(at_once=True)
        chain.mine(CONFIRMATIONS)
        await log.look()
    async with log.database.write() as session:
        await session.exec(delete(LogAnchor))
    await log.grow()
    calls = len(chain.calls)
    for _ in range(4):
        log.clock.move(minutes=1)
        await anchor_log(log.database, Glance(log.anchor), log.plan, clock=log.clock)
    assert chain.calls[calls:].count("eth_sendRawTransaction") == 1
    assert await log.states() == {**dict.fromkeys(sizes, CONFIRMED), 20: SENT}
    assert [size for size, _ in await log.heads()] == [*sizes, 20]


@on_sqlite
async def test_a_head_that_nobody_may_see_yet_is_not_anchored(
    log: AnchoredLog, chain: LocalChain
) -> None:
    await log.grow()
    await log.grow(is_witnessed=True)
    await log.look()
    await log.look(at_once=True)
    assert [size for size, _ in await log.heads()] == [5]
    assert [*(await log.states())] == [5]
