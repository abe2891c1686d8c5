"""Two digits on show: redrawn each minute, and after whoever has proved to hold a token."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from ble_agent.session.presence import REDRAW_S, Presence
from schema.codes import Code
from schema.handshake import OpenRequest
from schema.ids import StayId
from schema.keys import Operation, Role
from tests.ble_agent.standing import ISSUER
from tests.fakes.scheduler import ManualScheduler

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing

STAY = StayId(b"stay0001")


class Source:
    """Bytes that count up."""

    def __init__(self) -> None:
        self.drawn = 0

    def take(self, size: int) -> bytes:
        """The next byte."""
        self.drawn += 1
        return bytes([(self.drawn * 7) % 256] * size)


def test_none_is_shown_until_one_is_asked_for() -> None:
    asked, shown = [False], list[int]()
    scheduler = ManualScheduler()
    presence = Presence(Source().take, shown.append, scheduler=scheduler, is_asked=lambda: asked[0])
    assert presence.code() is None
    presence.redraw()
    assert (shown, scheduler.pending()) == ([], 0)
    asked[0] = True
    assert presence.code() == shown[0]
    scheduler.advance(REDRAW_S - 1)
    assert presence.code() == shown[-1]
    assert len(shown) == 1
    scheduler.advance(1)
    assert len(shown) == 2
    assert presence.code() == shown[-1]
    asked[0] = False
    scheduler.advance(REDRAW_S)
    assert (len(shown), scheduler.pending()) == (2, 0)


def test_each_of_the_hundred_is_as_likely() -> None:
    shown: list[int] = []
    presence = Presence(
        Source().take, shown.append, scheduler=ManualScheduler(), is_asked=lambda: True
    )
    for _ in range(2000):
        presence.redraw()
    counts = Counter(shown)
    assert set(counts) == set(range(100))
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.fixture
async def asking(standing: Standing) -> Standing:
    """A locker with a parcel that asks for presence."""
    await standing.deposit(STAY)
    cfg = standing.configuration({1: True})
    assert (await standing.ask(Operation.SYNC, None, cfg, role=Role.COURIER)).code == Code.OK
    return standing


async def test_the_code_is_shown_before_anybody_asks(asking: Standing) -> None:
    assert len(asking.shown) == 1
    await asking.pass_time(REDRAW_S)
    assert len(asking.shown) == 2
    report = await asking.ask(Operation.OPEN, stay=STAY, code=asking.shown[-1])
    assert report.code == Code.OK
    assert len(asking.shown) == 3  # it served once
    await asking.pass_time(3)


async def test_it_is_shown_again_after_a_start(asking: Standing) -> None:
    before = len(asking.shown)
    await asking.restart()
    assert len(asking.shown) == before + 1


async def test_a_wrong_code_is_redrawn_so_that_a_hundred_tries_are_a_hundred_chances(
    asking: Standing,
) -> None:
    for _ in range(5):
        wrong, count = (asking.shown[-1] + 1) % 100, len(asking.shown)
        report = await asking.ask(Operation.OPEN, stay=STAY, code=wrong)
        assert report.code == Code.PRESENCE_CODE_WRONG
        assert len(asking.shown) == count + 1


async def test_without_a_code_nothing_opens_and_nothing_is_redrawn(asking: Standing) -> None:
    report = await asking.ask(Operation.OPEN, stay=STAY)
    assert report.code == Code.PRESENCE_CODE_WRONG
    assert len(asking.shown) == 1


async def test_a_stranger_cannot_make_it_jump(asking: Standing) -> None:
    thief = await asking.visit("thief")
    token = asking.token(Operation.OPEN, stay=STAY)
    report = await thief.greet_and_ask(token, OpenRequest(Operation.OPEN, None, 7))
    assert report.code == Code.HOLDER_PROOF_FAILED
    forged = asking.token(Operation.OPEN, stay=STAY, signer=("thief", ISSUER))
    assert (await asking.ask(Operation.OPEN, token=forged, code=7)).code == Code.BAD_SIGNATURE
    assert len(asking.shown) == 1


async def test_a_proved_holder_who_is_refused_for_something_else_redraws_too(
    asking: Standing,
) -> None:
    report = await asking.ask(Operation.OPEN, 4, stay=STAY, code=asking.shown[-1])
    assert report.code == Code.OUT_OF_SCOPE
    assert len(asking.shown) == 2


async def test_a_sync_asks_for_no_presence(asking: Standing) -> None:
    assert (await asking.ask(Operation.SYNC, role=Role.COURIER)).code == Code.OK
