"""PINs on request: who gets one, that it is the locker's own, and that nobody keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.tokens.passes import is_pin_right
from server.access.service.passes import PASS_ISSUED, Pass, issue_pass
from server.access.service.revocations import Withdrawn, revoke_grant
from server.access.tables import Grant, IssuedPass
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.kit.keyring import Purpose, current_key
from server.kit.outbox import Outbox
from server.lockers.service import pin_secrets
from server.lockers.tables import Locker
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of
from tests.server.access.service.test_bundles import STAY, put_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from server.kit.keyring import Keyring
    from tests.fakes.sources import DerivedKeyring, MovableClock

SECRET = bytes(range(32))


async def enrol_secret(database: Database, town: Town, keyring: Keyring) -> None:
    """The town's locker has enrolled with this secret."""
    async with database.write() as session:
        locker = await session.get_one(Locker, town.locker_id)
        locker.sealed_pin_secret = pin_secrets.seal_secret(SECRET, keyring)


@pytest.fixture
async def waiting(database: Database, town: Town, keyring: DerivedKeyring) -> Town:
    """The town, where a parcel waits at door 3 of a locker with a keypad."""
    await enrol_secret(database, town, keyring)
    await put_in(database, town, state=ParcelState.READY_FOR_PICKUP)
    return town


async def ask(
    database: Database, tools: Callable[[], Tools], actor: Actor, name: str = "parcel"
) -> Pass | Refusal:
    async with database.write() as session:
        return await issue_pass(session, actor, parcel_id=key_of(name), tools=tools())


async def issued(database: Database) -> list[IssuedPass]:
    async with database.read() as session:
        return list(await session.exec(select(IssuedPass)))


async def news(database: Database) -> list[Outbox]:
    async with database.read() as session:
        return list(await session.exec(select(Outbox).where(Outbox.kind == PASS_ISSUED)))


async def test_pin_is_what_the_locker_works_out_today_and_tomorrow(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    got = await ask(database, tools, waiting.recipient)
    assert isinstance(got, Pass)
    assert got.place.compartment.number == 3
    for later, is_right in ((0, True), (1, True), (2, False)):
        at = int((START + timedelta(days=later)).timestamp())
        assert is_pin_right(SECRET, STAY, got.digits, at) is is_right
    assert got.expires_at == datetime(2026, 5, 6, tzinfo=UTC)


async def test_asking_is_written_down_and_the_digits_are_not(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    first = await ask(database, tools, waiting.recipient)
    again = await ask(database, tools, waiting.recipient)
    assert isinstance(first, Pass)
    assert isinstance(again, Pass)
    assert first.digits == again.digits
    assert first.digits not in repr(first)
    (row,) = await issued(database)
    assert (row.device_id, row.issued_at) == (key_of("recipient phone"), START)
    (event,) = await news(database)
    assert (event.subject, event.facts) == (
        key_of("parcel"),
        {"grantId": str(row.grant_id), "deviceId": str(row.device_id)},
    )
    assert first.digits not in f"{row.model_dump()}{event.model_dump()}"
    clock.move(days=1)
    tomorrow = await ask(database, tools, waiting.recipient)
    assert isinstance(tomorrow, Pass)
    assert tomorrow.digits != first.digits
    assert len(await issued(database)) == len(await news(database)) == 2


@pytest.mark.parametrize("role", [None, Role.COURIER, Role.HUB_CLERK, Role.OPERATOR])
async def test_nobody_else_gets_one(
    database: Database, waiting: Town, tools: Callable[[], Tools], role: Role | None
) -> None:
    actor = waiting.actor("stranger", *([] if role is None else [role]))
    for name in ("parcel", "none"):
        refused = await ask(database, tools, actor, name)
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.NOT_FOUND
    refused = await ask(database, tools, ANONYMOUS)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.SIGNED_OUT
    assert await issued(database) == []


async def test_phone_that_waits_gets_none(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    clock.move(minutes=1)
    async with database.write() as session:
        await waiting.add_phone(session, "recipient new", at=clock.now(), is_confirmed=False)
    own = waiting.recipient
    actor = Actor(own.person_id, key_of("recipient new phone"), None, own.grants)
    refused = await ask(database, tools, actor)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DEVICE_TOO_NEW


@pytest.mark.parametrize("state", [ParcelState.COLLECTED, ParcelState.EXPIRED])
async def test_there_is_none_for_a_parcel_that_does_not_wait(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    state: ParcelState,
) -> None:
    await enrol_secret(database, town, keyring)
    await put_in(database, town, state=ParcelState.READY_FOR_PICKUP)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.state, parcel.collected_at = state, START
    refused = await ask(database, tools, town.recipient)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE


async def test_there_is_none_once_the_right_was_withdrawn(
    database: Database, waiting: Town, keyring: DerivedKeyring, tools: Callable[[], Tools]
) -> None:
    await ask(database, tools, waiting.recipient)
    async with database.write() as session:
        (grant,) = (await session.exec(select(Grant))).all()
        outcome = await revoke_grant(
            session, waiting.operator, grant_id=grant.id, keyring=keyring, now=START
        )
    assert isinstance(outcome, Withdrawn)
    refused = await ask(database, tools, waiting.recipient)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE


@pytest.mark.parametrize("is_damaged", [True, False])
async def test_secret_that_cannot_be_read_any_more_is_told(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    is_damaged: bool,
) -> None:
    await put_in(database, town, state=ParcelState.READY_FOR_PICKUP)
    if is_damaged:
        key = current_key(keyring, Purpose.SEAL)
        async with database.write() as session:
            locker = await session.get_one(Locker, town.locker_id)
            locker.sealed_pin_secret = key.kid + bytes(80)
    refused = await ask(database, tools, town.recipient)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.next) == (
        ProblemCode.WRONG_STATE,
        "Use your phone, or ask at the hub.",
    )
    assert await issued(database) == []
