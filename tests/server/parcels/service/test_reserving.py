"""Compartments for parcels, asked for by people with rights."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.compartments import ACCESSIBLE_REACH, DoorState, ReachBand
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.lockers.rules import Allocation
from server.lockers.service.reservations import Held
from server.lockers.tables import Compartment
from server.parcels.service.reserving import (
    cancel_reservation,
    reserve_compartment,
    swap_compartment,
)
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, Stay
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.makers import make_actor

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town


async def reserve(
    database: Database,
    actor: Actor,
    ids: CountedIds,
    *,
    locker_id: uuid.UUID | None = None,
    reach: ReachBand | None = None,
) -> Held | Refusal:
    async with database.write() as session:
        return await reserve_compartment(
            session,
            actor,
            parcel_id=key_of("parcel"),
            locker_id=locker_id,
            reach=reach,
            ids=ids,
            now=START,
        )


async def add_parcel(
    database: Database, town: Town, state: ParcelState = ParcelState.OUT_FOR_DELIVERY
) -> None:
    async with database.write() as session:
        await town.add_parcel(session, state=state)


def code_of(outcome: object) -> ProblemCode:
    assert isinstance(outcome, Refusal)
    return outcome.code


async def test_courier_clerk_and_operator_reserve(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    for actor in (town.courier, town.actor("clerk", Role.HUB_CLERK), town.operator):
        held = await reserve(database, actor, ids, locker_id=town.locker_id)
        assert isinstance(held, Held)
        assert held.compartment.number == 1


async def test_reach_of_the_recipient_is_kept(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    held = await reserve(database, town.courier, ids, reach=ACCESSIBLE_REACH)
    assert isinstance(held, Held)
    assert held.compartment.number == 2
    beyond = await reserve(database, town.operator, ids, locker_id=uuid.UUID(int=4))
    assert code_of(beyond) is ProblemCode.NOT_FOUND


@pytest.mark.parametrize("state", sorted(set(ParcelState) - {ParcelState.COLLECTED}))
async def test_only_a_parcel_that_is_still_to_come_gets_a_place(
    database: Database, town: Town, ids: CountedIds, state: ParcelState
) -> None:
    await add_parcel(database, town, state)
    outcome = await reserve(database, town.courier, ids)
    coming = {"ANNOUNCED", "AWAITING_DROPOFF", "IN_TRANSIT", "OUT_FOR_DELIVERY", "AT_HUB"}
    # What waits and lies nowhere was found after a dispute (P30).
    if state in coming | {"READY_FOR_PICKUP"}:
        assert isinstance(outcome, Held)
    else:
        assert code_of(outcome) is ProblemCode.WRONG_STATE


async def test_what_waits_behind_a_door_gets_no_other_place(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, ParcelState.READY_FOR_PICKUP)
    async with database.write() as session:
        stay = Stay(id=key_of("stay"), name=bytes(8), created_at=START, locker_id=town.locker_id)
        session.add(stay)
        await session.flush()
        (await session.get_one(Parcel, key_of("parcel"))).stay_id = stay.id
    assert code_of(await reserve(database, town.courier, ids)) is ProblemCode.WRONG_STATE


async def test_others_do_not_learn_that_the_parcel_exists(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    elsewhere = make_actor(Role.COURIER, subject=uuid.UUID(int=3))
    for actor in (town.stranger, elsewhere):
        assert code_of(await reserve(database, actor, ids)) is ProblemCode.NOT_FOUND
    assert code_of(await reserve(database, ANONYMOUS, ids)) is ProblemCode.SIGNED_OUT
    assert code_of(await reserve(database, town.recipient, ids)) is ProblemCode.NOT_PERMITTED


async def test_cancelling_frees_the_place_and_again_changes_nothing(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    held = await reserve(database, town.courier, ids)
    assert isinstance(held, Held)
    for _ in range(2):
        async with database.write() as session:
            outcome = await cancel_reservation(
                session, town.courier, parcel_id=key_of("parcel"), now=START
            )
        assert isinstance(outcome, Parcel)
    again = await reserve(database, town.courier, ids)
    assert isinstance(again, Held)
    assert again.reservation.id != held.reservation.id


async def swap(database: Database, actor: Actor, ids: CountedIds) -> Held | Refusal:
    async with database.write() as session:
        return await swap_compartment(
            session, actor, parcel_id=key_of("parcel"), ids=ids, now=START
        )


async def resize(database: Database, number: int, **changes: object) -> None:
    async with database.write() as session:
        door = await session.get_one(Compartment, key_of(f"door {number}"))
        for field, value in changes.items():
            setattr(door, field, value)


async def test_parcel_that_does_not_go_in_gets_a_larger_compartment(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    await resize(database, 4, height_mm=300)
    first = await reserve(database, town.courier, ids)
    second = await swap(database, town.courier, ids)
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert (first.compartment.number, second.compartment.number) == (1, 4)
    async with database.read() as session:
        left = await session.get_one(Compartment, first.compartment.id)
    assert left.allocation is Allocation.FREE
    assert code_of(await swap(database, town.courier, ids)) is ProblemCode.NO_COMPARTMENT
    async with database.read() as session:
        kept = await session.get_one(Compartment, second.compartment.id)
    assert kept.allocation is Allocation.RESERVED


async def test_open_door_is_not_left_for_another(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    await resize(database, 4, height_mm=300)
    await reserve(database, town.courier, ids)
    await resize(database, 1, door=DoorState.OPEN)
    assert code_of(await swap(database, town.courier, ids)) is ProblemCode.WRONG_STATE


async def test_swap_needs_something_to_swap_and_somebody_who_may(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town)
    assert code_of(await swap(database, town.courier, ids)) is ProblemCode.RESERVATION_EXPIRED
    await reserve(database, town.courier, ids)
    assert code_of(await swap(database, town.stranger, ids)) is ProblemCode.NOT_FOUND
    assert code_of(await swap(database, town.recipient, ids)) is ProblemCode.NOT_PERMITTED
