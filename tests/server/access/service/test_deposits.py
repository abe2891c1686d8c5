"""What a courier takes along: tokens for reserved parcels, each naming a fresh stay."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.keys import Operation, Role
from schema.statements import StatementType
from schema.tokens import Claims, parse_token
from server.access.service.deposits import Stop, make_courier_bundle
from server.access.service.stops import PARCELS_AT_ONCE
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.lockers.rules import LockerState
from server.lockers.tables import Compartment, Locker
from server.parcels.states import ParcelState
from server.people.roles import Role as Bundle
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of, phone_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import MovableClock


async def prepare(
    database: Database,
    town: Town,
    *numbers: int,
    state: ParcelState = ParcelState.OUT_FOR_DELIVERY,
) -> None:
    """Parcels "p1", "p2", ... each with its compartment kept."""
    async with database.write() as session:
        for count, number in enumerate(numbers, 1):
            parcel = await town.add_parcel(session, f"p{count}", state=state)
            await town.reserve(session, parcel, number)


async def ask(
    database: Database, actor: Actor, tools: Tools, *names: str, is_route: bool = False
) -> list[Stop] | Refusal:
    async with database.write() as session:
        return await make_courier_bundle(
            session,
            actor,
            parcel_ids=[key_of(name) for name in names],
            is_route=is_route,
            tools=tools,
        )


async def stops(
    database: Database, actor: Actor, tools: Tools, *names: str, is_route: bool = False
) -> list[Stop]:
    got = await ask(database, actor, tools, *names, is_route=is_route)
    assert isinstance(got, list)
    return got


async def code_of(database: Database, actor: Actor, tools: Tools, *names: str) -> ProblemCode:
    got = await ask(database, actor, tools, *names)
    assert isinstance(got, Refusal)
    return got.code


def claims_of(stop: Stop, number: int = 0) -> Claims:
    return parse_token(stop.deposits[number].token.raw).claims


async def test_token_is_for_the_kept_compartment_and_ten_minutes(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    (stop,) = await stops(database, town.courier, tools(), "p1")
    claims = claims_of(stop)
    assert claims.holder == phone_key("courier").public
    assert (claims.role, claims.actions) == (Role.COURIER, Operation.DEPOSIT)
    assert (claims.comps, claims.depth) == ((2,), 0)
    assert claims.exp - claims.nbf == 600
    assert claims.stay == stop.deposits[0].stay.name


async def test_stop_brings_what_the_locker_needs(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    (stop,) = await stops(database, town.courier, tools(), "p1")
    assert stop.place.locker.noise_public == town.machine.noise_public
    assert [one.kind for one in stop.statements] == [
        StatementType.KEY_SET,
        StatementType.CONFIGURATION,
    ]


async def test_each_parcel_has_its_own_stay(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2, 3)
    (stop,) = await stops(database, town.courier, tools(), "p1", "p2")
    assert len({deposit.stay.name for deposit in stop.deposits}) == 2
    assert {claims_of(stop, number).comps for number in (0, 1)} == {(2,), (3,)}


async def test_route_token_lasts_half_a_day_and_fits_wherever_the_parcel_does(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    async with database.write() as session:
        narrow = await session.get(Compartment, key_of("door 4"))
        assert narrow is not None
        narrow.width_mm = narrow.height_mm = 50
    (stop,) = await stops(database, town.courier, tools(), "p1", is_route=True)
    claims = claims_of(stop)
    assert claims.exp - claims.nbf == 12 * 3600
    assert claims.comps == (2, 1, 3)


async def test_route_has_a_spare_token_with_a_stay_of_its_own(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    (stop,) = await stops(database, town.courier, tools(), "p1", is_route=True)
    (again,) = await stops(database, town.courier, tools(), "p1", is_route=True)
    spare = stop.deposits[0].spare
    assert spare is not None
    claims = parse_token(spare.token.raw).claims
    assert (claims.comps, claims.stay == stop.deposits[0].stay.name) == ((2, 1, 3, 4), False)
    assert again.deposits == stop.deposits
    (stop,) = await stops(database, town.courier, tools(), "p1")
    assert stop.deposits[0].spare is None


async def test_asking_again_mints_no_second_stay(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await prepare(database, town, 2)
    (first,) = await stops(database, town.courier, tools(), "p1")
    clock.move(minutes=4)
    (soon,) = await stops(database, town.courier, tools(), "p1")
    clock.move(minutes=4)
    (late,) = await stops(database, town.courier, tools(), "p1")
    assert soon.deposits[0].token == first.deposits[0].token
    assert late.deposits[0].token != first.deposits[0].token
    assert late.deposits[0].stay.name == first.deposits[0].stay.name


async def test_grant_lasts_as_long_as_its_newest_token(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await prepare(database, town, 2)
    await stops(database, town.courier, tools(), "p1")
    clock.move(minutes=8)
    (stop,) = await stops(database, town.courier, tools(), "p1")
    assert stop.deposits[0].grant.not_after == clock.now() + timedelta(minutes=10)


async def test_hub_staff_deposit_from_the_counter(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2, state=ParcelState.AT_HUB)
    clerk = town.actor("operator", Bundle.HUB_CLERK)
    (stop,) = await stops(database, clerk, tools(), "p1")
    assert claims_of(stop).holder == phone_key("operator").public


@pytest.mark.parametrize("who", ["recipient", "stranger"])
async def test_who_brings_nothing_finds_nothing(
    database: Database, town: Town, tools: Callable[[], Tools], who: str
) -> None:
    await prepare(database, town, 2)
    assert await code_of(database, town.actor(who), tools(), "p1") is ProblemCode.NOT_FOUND


async def test_courier_of_another_carrier_finds_nothing(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    town.carrier_id = key_of("another carrier")
    assert await code_of(database, town.courier, tools(), "p1") is ProblemCode.NOT_FOUND


async def test_nobody_and_machines_get_no_token(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    assert await code_of(database, ANONYMOUS, tools(), "p1") is ProblemCode.SIGNED_OUT
    system = Actor(carrier_id=town.carrier_id, grants=town.courier.grants)
    assert await code_of(database, system, tools(), "p1") is ProblemCode.NOT_PERMITTED


async def test_reservation_that_ran_out_is_to_be_made_again(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await prepare(database, town, 2)
    clock.move(minutes=16)
    refused = await code_of(database, town.courier, tools(), "p1")
    assert refused is ProblemCode.RESERVATION_EXPIRED


@pytest.mark.parametrize(
    "state", [ParcelState.DEPOSITED, ParcelState.COLLECTED, ParcelState.CANCELLED]
)
async def test_parcel_that_cannot_be_deposited_is_refused(
    database: Database, town: Town, tools: Callable[[], Tools], state: ParcelState
) -> None:
    await prepare(database, town, 2)
    async with database.write() as session:
        parcel = await town.add_parcel(session, "other")
        parcel.state, parcel.collected_at = state, START
    got = await code_of(database, town.courier, tools(), "p1", "other")
    assert got is ProblemCode.WRONG_STATE


@pytest.mark.parametrize("count", [0, PARCELS_AT_ONCE + 1])
async def test_list_of_parcels_is_bounded(
    database: Database, town: Town, tools: Callable[[], Tools], count: int
) -> None:
    got = await code_of(database, town.courier, tools(), *(f"p{n}" for n in range(count)))
    assert got is ProblemCode.INPUT_INVALID


async def test_stale_locker_takes_no_deposits(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    async with database.write() as session:
        locker = await session.get(Locker, town.locker_id)
        assert locker is not None
        locker.state = LockerState.STALE
    assert await code_of(database, town.courier, tools(), "p1") is ProblemCode.WRONG_STATE


async def test_distrusted_locker_takes_no_deposits(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await prepare(database, town, 2)
    twin = town.machine.copy()
    town.machine.boot()
    twin.write(16, 1)
    async with database.write() as session:
        await ledger.append(session, town.machine.contents(), now=START)
        await ledger.append(session, twin.contents(), now=START)
    assert await code_of(database, town.courier, tools(), "p1") is ProblemCode.WRONG_STATE
