"""What a sender's phone gets, and who is no sender."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.keys import Operation
from schema.tokens import parse_token
from server.access.rules import Action
from server.access.service.dropoffs import Dropoff, make_dropoff_bundle
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.lockers.rules import LockerState
from server.lockers.tables import Compartment, Locker, Reservation
from server.parcels.states import ParcelState
from tests.fakes.town import Town, key_of, phone_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import MovableClock

S = ParcelState


async def offer(
    database: Database,
    town: Town,
    tools: Tools,
    *,
    state: ParcelState = S.AWAITING_DROPOFF,
    through: timedelta = timedelta(days=5),
) -> None:
    """A parcel that the stranger wants to send."""
    async with database.write() as session:
        parcel = await town.add_parcel(session, state=state)
        parcel.sender_id = key_of("stranger")
        parcel.dropoff_through = tools.now + through


async def ask(
    database: Database, actor: Actor, tools: Tools, locker: str = "locker"
) -> Dropoff | Refusal:
    async with database.write() as session:
        return await make_dropoff_bundle(
            session, actor, parcel_id=key_of("parcel"), locker_id=key_of(locker), tools=tools
        )


async def got(database: Database, town: Town, tools: Tools) -> Dropoff:
    outcome = await ask(database, town.stranger, tools)
    assert isinstance(outcome, Dropoff), outcome
    return outcome


async def code_of(
    database: Database, actor: Actor, tools: Tools, locker: str = "locker"
) -> ProblemCode:
    outcome = await ask(database, actor, tools, locker)
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


async def test_token_is_for_whatever_fits_and_for_a_day(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await offer(database, town, tools())
    bundle = await got(database, town, tools())
    claims = parse_token(bundle.token.raw).claims
    assert (claims.actions, claims.stay) == (Operation.DEPOSIT, bundle.stay.name)
    assert claims.holder == phone_key("stranger").public
    assert claims.exp - claims.nbf == 24 * 3600
    assert claims.comps == bundle.comps == (1, 2, 3, 4)
    assert bundle.grant.action is Action.DROPOFF
    async with database.read() as session:
        kept = (await session.exec(select(Reservation))).one()
    assert kept.compartment_id == key_of("door 1")


async def test_token_ends_with_the_time_to_bring_it(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await offer(database, town, tools(), through=timedelta(hours=3))
    claims = parse_token((await got(database, town, tools())).token.raw).claims
    assert claims.exp - claims.nbf == 3 * 3600


async def test_full_locker_is_no_reason_to_stay_at_home(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await offer(database, town, tools())
    async with database.write() as session:
        for number in (1, 2):
            other = await town.add_parcel(session, f"other {number}")
            await town.reserve(session, other, number)
        for number in (3, 4):
            (await session.get_one(Compartment, key_of(f"door {number}"))).height_mm = 50
    bundle = await got(database, town, tools())
    assert bundle.comps == (1, 2)


async def test_asking_again_gives_the_same(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await offer(database, town, tools())
    first = await got(database, town, tools())
    clock.move(hours=1)
    assert (await got(database, town, tools())).token == first.token


async def test_others_find_no_such_parcel(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await offer(database, town, tools())
    for actor in (town.recipient, town.courier, town.operator):
        assert await code_of(database, actor, tools()) is ProblemCode.NOT_FOUND
    assert await code_of(database, ANONYMOUS, tools()) is ProblemCode.SIGNED_OUT


@pytest.mark.parametrize("state", [S.DROPPED_OFF, S.CANCELLED, S.IN_TRANSIT])
async def test_what_was_brought_or_called_off_is_not_brought_again(
    database: Database, town: Town, tools: Callable[[], Tools], state: ParcelState
) -> None:
    await offer(database, town, tools(), state=state)
    assert await code_of(database, town.stranger, tools()) is ProblemCode.WRONG_STATE


async def test_too_late_is_too_late(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await offer(database, town, tools())
    clock.move(days=6)
    assert await code_of(database, town.stranger, tools()) is ProblemCode.WRONG_STATE


async def test_locker_must_exist_and_take_parcels_that_fit(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await offer(database, town, tools())
    assert await code_of(database, town.stranger, tools(), "nowhere") is ProblemCode.NOT_FOUND
    async with database.write() as session:
        for number in range(1, 5):
            (await session.get_one(Compartment, key_of(f"door {number}"))).height_mm = 50
    assert await code_of(database, town.stranger, tools()) is ProblemCode.NO_COMPARTMENT
    async with database.write() as session:
        (await session.get_one(Locker, town.locker_id)).state = LockerState.STALE
    assert await code_of(database, town.stranger, tools()) is ProblemCode.WRONG_STATE
