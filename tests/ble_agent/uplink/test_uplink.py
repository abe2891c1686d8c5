"""Lines on their way out: whole, in order, within every bound."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ble_agent.uplink import MAX_LINES, Sender, take_for_phone, take_load
from schema.envelopes import MAX_ENVELOPE_SIZE, MAX_INFLATED_SIZE
from schema.handshake import MAX_ENVELOPE, OpenRequest
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation
from schema.tokens import delegate
from tests.ble_agent.standing import NOW, key_of

if TYPE_CHECKING:
    from ble_agent.uplink import Load
    from tests.ble_agent.standing import Standing


def take(standing: Standing, *, after: int, max_bytes: int, is_phone: bool = False) -> Load:
    identity = standing.locker.identity
    seal_to = standing.locker.statements.trust().keys.find_sealing_key()
    return (take_for_phone if is_phone else take_load)(
        standing.locker.journal,
        Sender(identity.lid, identity.signing),
        seal_to,
        after=after,
        max_bytes=max_bytes,
    )


def write(standing: Standing, lines: int) -> None:
    with standing.locker.journal.record("lines") as record:
        for n in range(lines):
            record.append(Kind.DENIED, [NOW, {2: n}])


async def test_an_envelope_holds_as_many_of_the_oldest_lines_as_fit(standing: Standing) -> None:
    write(standing, 50)
    lines = standing.locker.journal.list_after(0, limit=1000)
    for after in (0, 7, len(lines) - 1):
        load = take(standing, after=after, max_bytes=MAX_ENVELOPE)
        assert load.envelope is not None
        assert len(load.envelope) <= MAX_ENVELOPE
        contents = standing.open(load.envelope)
        assert contents.first == after + 1
        assert list(contents.entries) == [raw for _, raw in lines[after : load.carried]]
        assert load.pending == len(lines) - load.carried
        if load.pending:
            more = take(standing, after=after, max_bytes=len(load.envelope) + 200)
            assert more.carried >= load.carried


async def test_nothing_left_is_no_envelope(standing: Standing) -> None:
    seq = standing.locker.journal.tail().seq
    load = take(standing, after=seq, max_bytes=MAX_ENVELOPE)
    assert (load.envelope, load.carried, load.pending) == (None, seq, 0)


async def test_a_long_journal_goes_in_envelopes_that_a_server_takes(standing: Standing) -> None:
    write(standing, 3 * MAX_LINES)
    after = envelopes = 0
    while (load := take(standing, after=after, max_bytes=MAX_ENVELOPE_SIZE)).envelope is not None:
        assert len(load.envelope) <= MAX_ENVELOPE_SIZE
        contents = standing.open(load.envelope)
        assert sum(map(len, contents.entries)) < MAX_INFLATED_SIZE
        after = load.carried
        envelopes += 1
    assert after == standing.locker.journal.tail().seq
    assert envelopes <= 5


async def test_lines_that_pack_well_still_inflate_within_bounds(standing: Standing) -> None:
    with standing.locker.journal.record("lines") as record:
        for _ in range(200):
            record.append(Kind.BOOT, ["long ago " * 300, 0])
    load = take(standing, after=0, max_bytes=MAX_ENVELOPE_SIZE)
    assert load.envelope is not None
    assert sum(map(len, standing.open(load.envelope).entries)) < MAX_INFLATED_SIZE
    assert load.pending > 0


@pytest.mark.parametrize("is_pair", [True, False])
async def test_the_longest_line_there_is_still_fits_a_phone(
    standing: Standing, is_pair: bool
) -> None:
    comps = tuple(range(192, 256)) if is_pair else ()
    if is_pair:
        _, report = await standing.open_all(comps=(1, *comps[1:]))
    else:
        await standing.deposit(b"stay0001")
        raw = standing.token(Operation.OPEN, stay=StayId(b"stay0001"), depth=2)
        holders = [key_of(name) for name in ("phone", "friend", "cousin")]
        chain = [raw]
        for giver, taker in pairwise(holders):
            passed = delegate(giver, chain[-1], exp=NOW + 60, holder=taker.public, actions=1)
            chain.append(passed)
        visitor = await standing.visit("cousin")
        report = await visitor.greet_and_ask(tuple(chain), OpenRequest(Operation.OPEN))
    assert report.code == 0
    load = take(standing, after=report.seq - 1, max_bytes=9999, is_phone=True)
    assert load.carried >= report.seq
    await standing.pass_time(3)
