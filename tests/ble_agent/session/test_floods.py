"""Phones that hog the radio: whatever they do, nothing is written and somebody else gets in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ble_agent.radio.port import Refused
from ble_agent.session.desk import MAX_PHONES, MAX_WAITING, STALL_S, UNPROVEN_S
from schema.codes import Code
from schema.gatt import AttError
from schema.handshake import OpenRequest
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation, Role
from tests.ble_agent.standing import Standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ble_agent.radio.loopback import LoopbackRadio
    from ble_agent.radio.port import Link
    from ble_agent.store import Moment
    from tests.ble_agent.visitor import Visitor

STAY = StayId(b"stay0001")


@dataclass
class Writes:
    """How often the store was written to."""

    labels: list[str] = field(default_factory=list)

    def __call__(self, moment: Moment, label: str) -> None:
        """As the store calls it around each commit."""
        if moment == "after":
            self.labels.append(label)


@dataclass
class Air:
    """The radio, the order in which it was used, and phones that take nothing from it."""

    radio: LoopbackRadio
    deaf: set[Link] = field(default_factory=set)
    heard: list[Link] = field(default_factory=list)

    async def reply(self, link: Link, fragment: bytes) -> None:
        """As the port says; for a deaf phone the stack never takes the fragment."""
        if link in self.deaf:
            await asyncio.Event().wait()
        self.heard.append(link)
        await self.radio.reply(link, fragment)

    async def drop(self, link: Link) -> None:
        """As the port says."""
        await self.radio.drop(link)

    async def advertise(self, on: bool) -> None:
        """As the port says."""
        await self.radio.advertise(on)


@dataclass
class Crowd:
    """A locker with a parcel in it, and a count of what it writes."""

    standing: Standing
    writes: Writes
    air: Air

    async def get_in(self) -> None:
        """The recipient opens and shuts the door, as if nobody else were there."""
        report = await self.standing.ask(Operation.OPEN, stay=STAY)
        assert report.code == Code.OK
        await self.standing.shut(1, occupied=True)


@pytest.fixture
async def crowd(folder: Path) -> AsyncIterator[Crowd]:
    writes = Writes()
    standing = await Standing(folder / "state", door_seconds=None, cut=writes).start()
    air = Air(standing.radio)
    standing.desk._radio = air  # type: ignore[assignment]
    await standing.set_up()
    await standing.deposit_by_hand(STAY, 1)
    writes.labels.clear()
    yield Crowd(standing, writes, air)
    assert standing.failures == []
    await standing.stop()


async def sync(standing: Standing) -> Visitor:
    """A phone whose request was answered 0."""
    visitor, report = await standing.come(Operation.SYNC, role=Role.COURIER)
    assert report.code == Code.OK
    return visitor


async def provoke(visitor: Visitor, times: int) -> None:
    """Frames that are refused, each with an answer, as fast as they can be written."""
    assert visitor.visit is not None
    for _ in range(times):
        await visitor.send(visitor.visit.write_reopen(4))


async def test_hellos_read_without_end_write_nothing_and_hold_no_place(crowd: Crowd) -> None:
    standing = crowd.standing
    readers = [await standing.visit() for _ in range(MAX_PHONES)]
    waiting = standing.scheduler.pending()
    hellos = set()
    for _ in range(1000):
        for reader in readers:
            hellos.add(await reader.phone.read_hello())
    assert len(hellos) == 3000  # never the same twice: each is the nonce of one request
    assert standing.scheduler.pending() == waiting
    assert crowd.writes.labels == []
    await crowd.get_in()
    for _ in range(UNPROVEN_S):
        await standing.pass_time(1)
        for reader in readers[1:]:
            if not reader.phone.gone.is_set():
                await reader.phone.read_hello()
    assert all(reader.phone.gone.is_set() for reader in readers)


async def test_only_the_last_of_many_hellos_serves_a_request(crowd: Crowd) -> None:
    visitor = await crowd.standing.visit()
    await visitor.greet()
    stale = visitor.visit
    await visitor.greet()
    assert stale is not None
    token = crowd.standing.token(Operation.OPEN, stay=STAY)
    message = stale.write_request((token,), OpenRequest(Operation.OPEN), visitor.holder, ())
    with pytest.raises(Refused) as refused:
        await visitor.send(message)
    assert refused.value.att_error == AttError.BAD_MESSAGE
    assert crowd.writes.labels == []


async def test_phones_that_come_and_go_leave_nothing_behind(crowd: Crowd) -> None:
    standing = crowd.standing
    before, waiting = standing.locker.journal.tail(), standing.scheduler.pending()
    for n in range(2000):
        visitor = await standing.visit()
        if n % 2:
            await visitor.greet()
        if n % 4:
            await visitor.leave()
        if n % 100 == 0:
            await standing.pass_time()
    await standing.pass_time()
    assert standing.scheduler.pending() <= waiting + MAX_PHONES
    assert standing.locker.journal.tail() == before
    assert crowd.writes.labels == []
    await crowd.get_in()


async def test_a_phone_that_writes_slowly_has_no_more_time_than_others(crowd: Crowd) -> None:
    standing = crowd.standing
    slow = [await standing.visit(mtu=23) for _ in range(MAX_PHONES)]
    for visitor in slow:
        await visitor.greet()
    answers = set()
    for second in range(UNPROVEN_S):
        for visitor in slow:
            if not visitor.phone.gone.is_set():
                try:
                    await visitor.phone.write(bytes([second]) + b"x" * 19)
                except Refused as refused:
                    answers.add(refused.att_error)
        if second == 10:
            await crowd.get_in()
        await standing.pass_time(1)
    assert answers == {AttError.NO_HELLO}  # after 15 s there is nothing left to complete
    assert all(visitor.phone.gone.is_set() for visitor in slow)


async def test_a_flood_of_answers_does_not_make_others_wait(crowd: Crowd) -> None:
    standing = crowd.standing
    noisy = [await sync(standing) for _ in range(MAX_PHONES - 1)]
    for visitor in noisy:
        await provoke(visitor, 200)
    quiet = await standing.visit()
    await quiet.greet()
    crowd.air.heard.clear()
    token = standing.token(Operation.OPEN, stay=STAY)
    report = await quiet.ask(token, OpenRequest(Operation.OPEN))
    assert report.code == Code.OK
    assert quiet.phone.link in crowd.air.heard[:MAX_PHONES]
    await standing.pass_time()
    assert not any(visitor.phone.gone.is_set() for visitor in [*noisy, quiet])
    await standing.shut(1, occupied=True)


async def test_a_radio_that_takes_everything_is_given_everything_at_once(crowd: Crowd) -> None:
    """Each turn of the loop that an answer waits for is one in which strangers are heard first."""
    standing = crowd.standing
    noisy = [await sync(standing) for _ in range(MAX_PHONES)]
    await standing.pass_time()
    crowd.air.heard.clear()
    for visitor in noisy:
        await provoke(visitor, 5)
    await asyncio.sleep(0)
    assert crowd.air.heard == [visitor.phone.link for visitor in noisy] * 5


async def test_who_makes_the_locker_talk_and_never_listens_is_sent_away(crowd: Crowd) -> None:
    standing = crowd.standing
    noisy, quiet = await sync(standing), await sync(standing)
    with pytest.raises(Refused) as refused:
        await provoke(noisy, MAX_WAITING + 5)
    assert refused.value.att_error == AttError.BUSY  # it has no place any more
    await standing.pass_time()
    assert noisy.phone.gone.is_set()
    assert not quiet.phone.gone.is_set()
    await crowd.get_in()


async def test_a_phone_that_stalls_the_radio_is_sent_away(crowd: Crowd) -> None:
    standing = crowd.standing
    deaf, quiet = await sync(standing), await sync(standing)
    crowd.air.deaf.add(deaf.phone.link)
    await provoke(deaf, 3)
    await provoke(quiet, 1)
    await standing.pass_time(STALL_S - 1)
    assert not quiet.phone.has_heard()
    await standing.pass_time(1)
    assert deaf.phone.gone.is_set()
    assert (await quiet.events()) == [Code.OUT_OF_SCOPE]
    await crowd.get_in()


async def test_a_phone_that_leaves_within_a_message_holds_up_nobody(crowd: Crowd) -> None:
    standing = crowd.standing
    deaf, quiet = await sync(standing), await sync(standing)
    crowd.air.deaf.add(deaf.phone.link)
    await provoke(deaf, 1)
    await standing.pass_time()
    await provoke(quiet, 1)
    await deaf.leave()
    assert (await quiet.events()) == [Code.OUT_OF_SCOPE]


async def test_a_flood_of_refusals_writes_one_line_and_the_valid_phone_gets_in(
    crowd: Crowd,
) -> None:
    standing = crowd.standing
    before = len(standing.journal())
    thief = standing.token(Operation.OPEN, stay=STAY)
    for n in range(300):
        report = await standing.ask(Operation.OPEN, token=thief, holder="thief")
        assert report.code == Code.HOLDER_PROOF_FAILED
        if n % 100 == 50:
            await crowd.get_in()
    assert Kind.DENIED not in standing.kinds(before)
    await standing.pass_time(60)
    assert standing.kinds(before).count(Kind.DENIED) == 1
    assert crowd.writes.labels.count("denied") == 1
