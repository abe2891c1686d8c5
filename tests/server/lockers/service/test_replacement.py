"""A new controller takes an old one's place: doors, serial, state, and what it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from schema.codes import ProblemCode
from schema.cose import SigningKey
from schema.ids import LockerId, locker_text
from schema.keys import enrolment_message
from schema.noise import x25519_public
from server.kit.errors import Refusal
from server.lockers.rules import LockerState
from server.lockers.service import reading
from server.lockers.service.enrolment import EnrolmentClaim, enrol
from server.lockers.service.replacement import (
    IssuedEnrolment,
    create_replacement,
    list_controllers,
)
from server.lockers.tables import Locker
from tests.fakes.journals import seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness
    from tests.fakes.town import Town

    Draw: TypeAlias = "Callable[[], Awaitable[str]]"
    Join: TypeAlias = "Callable[[EnrolmentClaim], Awaitable[Locker | Refusal]]"


def claim_of(name: str, code: str, *, lid: LockerId | None = None) -> EnrolmentClaim:
    """A board of this name asks to join."""
    key, noise = SigningKey(seed(name)), x25519_public(seed(name, "noise"))
    whose = lid or LockerId(seed(name)[:8])
    message = enrolment_message(code, whose, noise, key.public)
    return EnrolmentClaim(code, whose, noise, key.public, b"p" * 32, key.sign(message))


@pytest.fixture
def draw(
    database: Database,
    town: Town,
    randomness: SeededRandomness,
    ids: CountedIds,
    clock: MovableClock,
) -> Draw:
    async def draw() -> str:
        async with database.write() as session:
            issued = await create_replacement(
                session,
                town.operator,
                locker_id=town.locker_id,
                randomness=randomness,
                ids=ids,
                now=clock.now(),
            )
        assert isinstance(issued, IssuedEnrolment)
        return issued.code

    return draw


@pytest.fixture
def join(database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock) -> Join:
    async def join(claim: EnrolmentClaim) -> Locker | Refusal:
        async with database.write() as session:
            return await enrol(session, claim, keyring=keyring, ids=ids, now=clock.now())

    return join


async def row(database: Database, town: Town) -> Locker:
    """The old board's row."""
    async with database.read() as session:
        return await session.get_one(Locker, town.locker_id)


async def test_new_board_has_the_doors_and_the_serial_of_the_old_one(
    database: Database, town: Town, draw: Draw, join: Join
) -> None:
    new = await join(claim_of("new", await draw()))
    assert isinstance(new, Locker)
    old = await row(database, town)
    assert (new.serial, new.hub_id, new.state) == ("L-1", town.hub_id, LockerState.PROVISIONING)
    assert old.serial == f"L-1 {locker_text(town.machine.lid)}"
    assert (old.state, old.replaced_by) == (LockerState.RETIRED, new.id)
    async with database.read() as session:
        doors = await reading.list_compartments(session, [old.id, new.id])
        assert [one.id for one in await list_controllers(session, new)] == [old.id, new.id]
    assert [door.number for door in doors[new.id]] == [1, 2, 3, 4]
    assert not doors.get(old.id)


async def test_lost_answer_is_asked_for_again(town: Town, draw: Draw, join: Join) -> None:
    claim = claim_of("new", await draw())
    first, second = await join(claim), await join(claim)
    assert isinstance(first, Locker)
    assert isinstance(second, Locker)
    assert first.id == second.id


async def test_board_is_replaced_once_however_many_codes_were_drawn(draw: Draw, join: Join) -> None:
    codes = [await draw(), await draw()]
    assert isinstance(await join(claim_of("new", codes[0])), Locker)
    refused = await join(claim_of("another", codes[1]))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE


async def test_old_board_cannot_take_its_own_place(
    database: Database, town: Town, draw: Draw, join: Join
) -> None:
    refused = await join(claim_of("new", await draw(), lid=town.machine.lid))
    assert isinstance(refused, Refusal)
    assert refused.field == "lockerId"
    old = await row(database, town)
    assert (old.serial, old.state, old.replaced_by) == ("L-1", LockerState.ONLINE, None)


async def test_late_code_replaces_nothing(
    database: Database, town: Town, draw: Draw, join: Join, clock: MovableClock
) -> None:
    code = await draw()
    clock.move(hours=24)
    refused = await join(claim_of("new", code))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.CODE_EXPIRED
    assert (await row(database, town)).replaced_by is None


async def test_second_replacement_goes_on_from_the_first(
    database: Database, town: Town, draw: Draw, join: Join
) -> None:
    first = await join(claim_of("new", await draw()))
    assert isinstance(first, Locker)
    async with database.write() as session:
        (await session.get_one(Locker, first.id)).state = LockerState.ONLINE
    old, town.locker_id = town.locker_id, first.id
    second = await join(claim_of("newer", await draw()))
    assert isinstance(second, Locker)
    async with database.read() as session:
        line = [one.id for one in await list_controllers(session, second)]
    assert line == [old, first.id, second.id]
    assert second.serial == "L-1"


async def test_a_new_board_stands_behind_the_same_keypad(
    database: Database, town: Town, draw: Draw, join: Join
) -> None:
    async with database.write() as session:
        (await session.get_one(Locker, town.locker_id)).has_keypad = True
    new = await join(claim_of("new", await draw()))
    assert isinstance(new, Locker)
    assert new.has_keypad
