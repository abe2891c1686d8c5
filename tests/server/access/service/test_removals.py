"""Who may take what out again, and what the token for it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.keys import Operation, Role
from schema.tokens import parse_token
from server.access.rules import GrantState
from server.access.service.removals import RemovalStop, make_removal_bundle
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.lockers.rules import LockerState
from server.lockers.tables import Locker
from server.parcels.states import ParcelState, Removal
from server.people.roles import Role as Bundle
from tests.fakes.town import Town, key_of, phone_key
from tests.server.access.service.lying import join, lay, plan_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.access.tables import Grant
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import MovableClock

S = ParcelState


async def ask(
    database: Database,
    actor: Actor,
    tools: Tools,
    *names: str,
    purpose: Removal | None = None,
    is_route: bool = False,
) -> list[RemovalStop] | Refusal:
    async with database.write() as session:
        return await make_removal_bundle(
            session,
            actor,
            parcel_ids=[key_of(name) for name in names],
            purpose=purpose,
            is_route=is_route,
            tools=tools,
        )


async def stops(database: Database, actor: Actor, tools: Tools, *names: str) -> list[RemovalStop]:
    got = await ask(database, actor, tools, *names)
    assert isinstance(got, list), got
    return got


async def code_of(
    database: Database, actor: Actor, tools: Tools, *names: str, purpose: Removal | None = None
) -> ProblemCode:
    got = await ask(database, actor, tools, *names, purpose=purpose)
    assert isinstance(got, Refusal), got
    return got.code


async def test_token_opens_the_one_door_under_the_stay_as_a_courier(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    stay = await lay(database, town, tools(), "old", 3, S.EXPIRED)
    (stop,) = await stops(database, town.courier, tools(), "old")
    claims = parse_token(stop.removals[0].token.raw).claims
    assert (claims.actions, claims.role) == (Operation.OPEN, Role.COURIER)
    assert (claims.stay, claims.comps, claims.depth) == (stay.name, (3,), 0)
    assert claims.holder == phone_key("courier").public
    assert claims.exp - claims.nbf == 600
    assert stop.place.compartment.number == 3
    assert stop.statements != []


async def test_route_lasts_half_a_day(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    got = await ask(database, town.courier, tools(), "old", is_route=True)
    assert isinstance(got, list)
    claims = parse_token(got[0].removals[0].token.raw).claims
    assert claims.exp - claims.nbf == 12 * 3600


@pytest.mark.parametrize(
    ("state", "is_elsewhere", "purpose"),
    [
        (S.EXPIRED, False, Removal.RETURN),
        (S.DROPPED_OFF, True, Removal.ONWARD),
        (S.READY_FOR_PICKUP, True, Removal.ONWARD),
    ],
)
async def test_usual_purpose_follows_the_state(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    state: ParcelState,
    is_elsewhere: bool,
    purpose: Removal,
) -> None:
    await lay(database, town, tools(), "one", 2, state)
    if is_elsewhere:
        await plan_elsewhere(database, town, "one")
    (stop,) = await stops(database, town.courier, tools(), "one")
    assert stop.removals[0].purpose is purpose
    assert stop.removals[0].grant.removal is purpose


async def test_hub_staff_take_it_to_the_counter(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    clerk = town.actor("operator", Bundle.HUB_CLERK)
    (stop,) = await stops(database, clerk, tools(), "old")
    assert stop.removals[0].purpose is Removal.TO_COUNTER


async def test_asking_again_grants_nothing_twice_and_another_purpose_anew(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    (first,) = await stops(database, town.courier, tools(), "old")
    clock.move(minutes=2)
    (second,) = await stops(database, town.courier, tools(), "old")
    assert second.removals[0].token == first.removals[0].token
    got = await ask(database, town.courier, tools(), "old", purpose=Removal.TO_COUNTER)
    assert isinstance(got, list)
    grant = got[0].removals[0].grant
    assert (grant.removal, grant.state) == (Removal.TO_COUNTER, GrantState.ACTIVE)
    assert await state_of(database, first.removals[0].grant) is GrantState.SUPERSEDED


async def state_of(database: Database, grant: Grant) -> GrantState:
    async with database.read() as session:
        return (await session.get_one(type(grant), grant.id)).state


@pytest.mark.parametrize("state", [S.DEPOSITED, S.READY_FOR_PICKUP, S.ON_HOLD, S.COLLECTING])
async def test_what_waits_for_its_holder_stays(
    database: Database, town: Town, tools: Callable[[], Tools], state: ParcelState
) -> None:
    await lay(database, town, tools(), "one", 2, state)
    assert await code_of(database, town.courier, tools(), "one") is ProblemCode.WRONG_STATE


async def test_purpose_that_the_state_does_not_allow_is_refused(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    for purpose in (Removal.ONWARD, Removal.DISPOSAL):
        got = await code_of(database, town.courier, tools(), "old", purpose=purpose)
        assert got is ProblemCode.WRONG_STATE


async def test_neighbour_in_the_same_compartment_still_waits(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    stay = await lay(database, town, tools(), "old", 3, S.EXPIRED)
    await join(database, town, stay, "young", S.READY_FOR_PICKUP)
    assert await code_of(database, town.courier, tools(), "old") is ProblemCode.WRONG_STATE


async def test_parcel_that_lies_nowhere_is_not_taken_out(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    async with database.write() as session:
        await town.add_parcel(session, "gone", state=S.EXPIRED)
    assert await code_of(database, town.courier, tools(), "gone") is ProblemCode.WRONG_STATE


async def test_courier_of_another_carrier_finds_nothing(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    town.carrier_id = key_of("another carrier")
    assert await code_of(database, town.courier, tools(), "old") is ProblemCode.NOT_FOUND


async def test_recipients_and_nobody_take_nothing_out(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    assert await code_of(database, town.recipient, tools(), "old") is ProblemCode.NOT_PERMITTED
    assert await code_of(database, ANONYMOUS, tools(), "old") is ProblemCode.SIGNED_OUT


@pytest.mark.parametrize(
    ("state", "is_refused"),
    [(LockerState.STALE, False), (LockerState.LOCKED_DOWN, True), (LockerState.RETIRED, True)],
)
async def test_stale_locker_gives_out_and_a_retired_one_does_not(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    state: LockerState,
    is_refused: bool,
) -> None:
    await lay(database, town, tools(), "old", 3, S.EXPIRED)
    async with database.write() as session:
        locker = await session.get_one(Locker, town.locker_id)
        locker.state = state
    got = await ask(database, town.courier, tools(), "old")
    assert isinstance(got, Refusal) == is_refused


@pytest.mark.parametrize("count", [0, 51])
async def test_list_of_parcels_is_bounded(
    database: Database, town: Town, tools: Callable[[], Tools], count: int
) -> None:
    names = [f"p{number}" for number in range(count)]
    got = await code_of(database, town.courier, tools(), *names)
    assert got is ProblemCode.INPUT_INVALID
