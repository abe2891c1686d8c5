"""More time is given by the forecast, by the hub's rule, and by what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.hubs.extensions import ExtensionRule
from server.hubs.service import change_extension_rule
from server.hubs.tables import Hub
from server.kit.errors import Refusal
from server.parcels.tables import Parcel, ParcelExtension
from server.people.roles import Role
from tests.fakes.occupancies import write_past
from tests.fakes.waits import Wait

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town


@pytest.fixture
def wait(database: Database, town: Town, ids: CountedIds) -> Wait:
    return Wait(database, town, ids)


async def extensions(wait: Wait) -> list[ParcelExtension]:
    async with wait.database.read() as session:
        return list((await session.exec(select(ParcelExtension))).all())


async def set_rule(wait: Wait, further: int, percent: int) -> None:
    async with wait.database.write() as session:
        hub = await change_extension_rule(
            session,
            wait.town.actor("owner", Role.HUB_OWNER),
            hub_id=wait.town.hub_id,
            wanted=ExtensionRule(0, further, percent),
        )
        assert isinstance(hub, Hub)


async def ask(wait: Wait, hours: float, more: int = 48) -> ProblemCode | None:
    """The recipient asks for more time, having read the newest deadline."""
    version = (await wait.parcel()).deadline_version
    outcome = await wait.extend(wait.town.recipient, hours, version, more)
    return outcome.code if isinstance(outcome, Refusal) else None


async def test_asked_on_the_first_hour_it_is_given_where_sixty_percent_is_foreseen(
    wait: Wait,
) -> None:
    await wait.begin()
    await wait.fill(4)
    await write_past(wait.database, wait.town, now=wait.at(1), share=0.6, days=30)
    assert isinstance(await wait.extend(wait.town.recipient, 1), Parcel)
    assert await wait.through() == 72 + 48
    (given,) = await extensions(wait)
    assert (given.rule_version, given.limit_percent, given.expected_percent) == (0, 80, 60)
    assert given.is_forecast


async def test_it_is_refused_where_ninety_percent_is_foreseen_however_empty_it_is_now(
    wait: Wait,
) -> None:
    await wait.begin()
    await wait.fill(0)
    await write_past(wait.database, wait.town, now=wait.at(1), share=0.9, days=30)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "90%" in refused.message
    assert refused.next
    assert await extensions(wait) == []


async def test_without_a_past_the_present_decides(wait: Wait) -> None:
    await wait.begin()
    await wait.fill(3)
    assert await ask(wait, 1) is None
    (given,) = await extensions(wait)
    assert (given.expected_percent, given.is_forecast) == (75, False)


async def test_the_recipient_says_how_much_more(wait: Wait) -> None:
    await wait.begin()
    assert await ask(wait, 1, more=5) is None
    assert await wait.through() == 72 + 5
    (given,) = await extensions(wait)
    assert given.hours == 5


@pytest.mark.parametrize("more", [0, -1, 49, 10**9])
async def test_more_than_two_days_or_nothing_is_no_wish(wait: Wait, more: int) -> None:
    await wait.begin()
    assert await ask(wait, 1, more=more) is ProblemCode.INPUT_INVALID
    assert await wait.through() == 72


async def test_a_hub_may_give_more_time_again_while_it_is_emptier(wait: Wait) -> None:
    await wait.begin()
    await set_rule(wait, further=2, percent=50)
    await wait.fill(3)
    assert await ask(wait, 1) is None
    assert await ask(wait, 2) is ProblemCode.EXTENSION_REFUSED
    await wait.fill(1)
    assert [await ask(wait, 3), await ask(wait, 4)] == [None, None]
    assert await ask(wait, 5) is ProblemCode.EXTENSION_REFUSED
    assert await wait.through() == 72 + 3 * 48
    given = await extensions(wait)
    assert [(one.rule_version, one.limit_percent) for one in given] == [(1, 80), (1, 50), (1, 50)]


async def test_no_rule_gives_more_than_a_week_in_all(wait: Wait) -> None:
    await wait.begin()
    await set_rule(wait, further=6, percent=80)
    assert [await ask(wait, hour) for hour in (1, 2, 3)] == [None] * 3
    refused = await wait.extend(wait.town.recipient, 4, (await wait.parcel()).deadline_version)
    assert isinstance(refused, Refusal)
    assert "24 hours" in refused.message
    assert await ask(wait, 5, more=24) is None
    assert await ask(wait, 6, more=1) is ProblemCode.EXTENSION_REFUSED
    assert await wait.through() == 72 + 7 * 24


async def test_a_rule_changed_later_takes_nothing_back(wait: Wait) -> None:
    await wait.begin()
    await set_rule(wait, further=1, percent=80)
    assert [await ask(wait, 1), await ask(wait, 2)] == [None, None]
    async with wait.database.write() as session:
        hub = await session.get_one(Hub, wait.town.hub_id)
        hub.further_extensions = 0
    await wait.close_hub(wait.at(24), 1, now=wait.at(3))
    assert await wait.through() == 72 + 96 + 24
