"""Lines on their way out: whole, in order, within every bound."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ble_agent.backends.carrier import ServiceError
from ble_agent.journal.readings import COPIES
from ble_agent.uplink import MAX_LINES, NetworkUplink, Reach, take_for_phone, take_load
from schema.envelopes import MAX_ENVELOPE_SIZE, MAX_INFLATED_SIZE
from schema.handshake import MAX_ENVELOPE, OpenRequest
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation
from schema.readings import Reading, ReadingKind
from schema.statements import parse_statement
from schema.tokens import delegate
from tests.ble_agent.standing import NOW, key_of

if TYPE_CHECKING:
    from ble_agent.uplink import Load
    from schema.envelopes import Contents
    from schema.statements import SignedStatement
    from tests.ble_agent.standing import Standing


def take(standing: Standing, *, after: int, max_bytes: int, is_phone: bool = False) -> Load:
    seal_to = standing.locker.statements.trust().keys.find_sealing_key()
    take_some = take_for_phone if is_phone else take_load
    return take_some(standing.locker.outgoing, seal_to, after=Reach(after), max_bytes=max_bytes)


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
        assert list(contents.entries) == [raw for _, raw in lines[after : load.reach.line]]
        assert load.pending == len(lines) - load.reach.line
        if load.pending:
            more = take(standing, after=after, max_bytes=len(load.envelope) + 200)
            assert more.reach.line >= load.reach.line


async def test_nothing_left_is_no_envelope(standing: Standing) -> None:
    seq = standing.locker.journal.tail().seq
    load = take(standing, after=seq, max_bytes=MAX_ENVELOPE)
    assert (load.envelope, load.reach.line, load.pending) == (None, seq, 0)


async def test_a_long_journal_goes_in_envelopes_that_a_server_takes(standing: Standing) -> None:
    write(standing, 3 * MAX_LINES)
    after = envelopes = 0
    while (load := take(standing, after=after, max_bytes=MAX_ENVELOPE_SIZE)).envelope is not None:
        assert len(load.envelope) <= MAX_ENVELOPE_SIZE
        contents = standing.open(load.envelope)
        assert sum(map(len, contents.entries)) < MAX_INFLATED_SIZE
        after = load.reach.line
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
    assert load.reach.line >= report.seq
    await standing.pass_time(3)


def measure(standing: Standing, count: int) -> list[Reading]:
    taken = [Reading(NOW + n, 1, ReadingKind.TEMPERATURE, n) for n in range(count)]
    standing.locker.readings.add(taken)
    return taken


async def test_readings_fill_what_lines_leave_free(standing: Standing) -> None:
    taken = measure(standing, 200)
    lines = standing.locker.journal.list_after(0, limit=1000)
    load = take(standing, after=0, max_bytes=MAX_ENVELOPE)
    assert load.envelope is not None
    assert len(load.envelope) <= MAX_ENVELOPE
    contents = standing.open(load.envelope)
    assert list(contents.entries) == [raw for _, raw in lines]
    assert 0 < len(contents.readings) < 200
    assert list(contents.readings) == taken[: len(contents.readings)]
    assert len(load.readings) == len(contents.readings)


async def test_readings_travel_alone_when_no_line_waits(standing: Standing) -> None:
    taken = measure(standing, 3)
    tail = standing.locker.journal.tail()
    load = take(standing, after=tail.seq, max_bytes=MAX_ENVELOPE)
    assert load.envelope is not None
    contents = standing.open(load.envelope)
    assert (contents.first, contents.entries, contents.head) == (tail.seq + 1, (), tail.head)
    assert list(contents.readings) == taken
    assert (load.reach.line, load.pending) == (tail.seq, 0)


async def test_readings_do_not_overtake_a_line_that_waits_for_more_room(standing: Standing) -> None:
    measure(standing, 3)
    write(standing, 50)
    load = take(standing, after=0, max_bytes=MAX_ENVELOPE)
    assert load.pending > 0
    assert load.readings == ()
    assert take(standing, after=0, max_bytes=150).envelope is None


async def test_each_phone_counts_as_a_carrier_of_its_readings(standing: Standing) -> None:
    measure(standing, 1)
    for _ in range(COPIES):
        assert len(take(standing, after=0, max_bytes=9999, is_phone=True).readings) == 1
    assert take(standing, after=0, max_bytes=9999, is_phone=True).readings == ()


class Server:
    """The far end of a network: takes each envelope and acknowledges, or does not answer."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.is_away = False
        self.contents: list[Contents] = []

    async def take(self, envelope: bytes) -> tuple[SignedStatement, ...]:
        if self.is_away:
            raise ServiceError("no way to the server")
        contents = self.standing.open(envelope)
        self.contents.append(contents)
        if not contents.entries:
            return ()
        last = contents.first + len(contents.entries) - 1
        return (parse_statement(*self.standing.acknowledgement(last)),)


async def run_uplink(standing: Standing, server: Server, *, looks: int) -> None:
    locker = standing.locker
    uplink = NetworkUplink(
        locker.outgoing, locker.statements, server.take, standing.failures.append
    )
    for _ in range(looks):
        await uplink.look()


async def test_the_network_takes_lines_and_readings_and_nothing_twice(standing: Standing) -> None:
    taken = measure(standing, 3)
    server = Server(standing)
    await run_uplink(standing, server, looks=3)
    (contents,) = server.contents
    assert list(contents.readings) == taken
    more = [Reading(NOW + 900, 2, ReadingKind.TEMPERATURE, 1)]
    standing.locker.readings.add(more)
    await run_uplink(standing, server, looks=3)
    assert [list(one.readings) for one in server.contents] == [taken, more]
    assert standing.locker.readings.list_after(0) == []


async def test_a_server_that_is_away_costs_no_reading(standing: Standing) -> None:
    taken = measure(standing, 3)
    server = Server(standing)
    server.is_away = True
    await run_uplink(standing, server, looks=COPIES + 1)
    assert server.contents == []
    server.is_away = False
    await run_uplink(standing, server, looks=1)
    assert [list(one.readings) for one in server.contents] == [taken]
