"""PINs on request: who gets one, that it is the locker's own, and that nobody keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.statements import Revocations, StatementType, parse_statement
from schema.tokens.passes import is_pin_right
from server.access.service.bundles import UnlockBundle, make_unlock_bundle
from server.access.service.passes import PASS_ISSUED, Pass, issue_pass
from server.access.service.removals import make_removal_bundle
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
    from server.access.service.statements import Carried
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


async def withdraw(
    database: Database, keyring: DerivedKeyring, clock: MovableClock, actor: Actor
) -> Withdrawn:
    """Somebody takes the right to open back."""
    async with database.write() as session:
        grant = (await session.exec(select(Grant).order_by(col(Grant.created_at).desc()))).first()
        assert grant is not None
        outcome = await revoke_grant(
            session, actor, grant_id=grant.id, keyring=keyring, now=clock.now()
        )
    assert isinstance(outcome, Withdrawn)
    return outcome


def named(carried: Carried | None) -> dict[bytes, int]:
    """What a list of revocations names, and until when."""
    assert carried is not None
    body = parse_statement(StatementType.REVOCATIONS, carried.raw).body
    assert isinstance(body, Revocations)
    return dict(body.entries)


async def test_withdrawn_right_takes_its_pin_along_and_says_until_when_it_may_open(
    database: Database,
    waiting: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    clock: MovableClock,
) -> None:
    got = await ask(database, tools, waiting.recipient)
    assert isinstance(got, Pass)
    outcome = await withdraw(database, keyring, clock, waiting.operator)
    assert outcome.pin_until == got.expires_at
    assert named(outcome.statement) == {STAY: int(got.expires_at.timestamp())}
    clock.move(days=3)
    outcome = await withdraw(database, keyring, clock, waiting.operator)
    assert outcome.pin_until is None


async def test_right_without_a_pin_names_no_stay(
    database: Database,
    waiting: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    clock: MovableClock,
) -> None:
    await fetch(database, tools, waiting.recipient)
    outcome = await withdraw(database, keyring, clock, waiting.operator)
    assert outcome.pin_until is None
    assert STAY not in named(outcome.statement)


async def test_stay_that_its_recipient_may_open_again_is_named_no_more(
    database: Database,
    waiting: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    clock: MovableClock,
) -> None:
    """The list ends tokens of the stay with its PIN: the new phone could not get in otherwise."""
    await ask(database, tools, waiting.recipient)
    outcome = await withdraw(database, keyring, clock, waiting.recipient)
    assert STAY in named(outcome.statement)
    clock.move(minutes=1)
    lists = [await fetch(database, tools, waiting.recipient) for _ in range(2)]
    assert [STAY in named(one) for one in lists] == [False, False]
    assert lists[0] == lists[1]


async def test_parcel_that_is_taken_out_for_its_recipient_is_named_no_more(
    database: Database,
    waiting: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    clock: MovableClock,
) -> None:
    await ask(database, tools, waiting.recipient)
    await withdraw(database, keyring, clock, waiting.operator)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.state = ParcelState.EXPIRED
    async with database.write() as session:
        stops = await make_removal_bundle(
            session,
            waiting.courier,
            parcel_ids=[key_of("parcel")],
            purpose=None,
            is_route=False,
            tools=tools(),
        )
    assert isinstance(stops, list)
    lists = [one for one in stops[0].statements if one.kind is StatementType.REVOCATIONS]
    assert STAY not in named(lists[0])


async def fetch(database: Database, tools: Callable[[], Tools], actor: Actor) -> Carried | None:
    """The recipient asks for an unlock bundle; the list of revocations in it."""
    async with database.write() as session:
        got = await make_unlock_bundle(session, actor, parcel_id=key_of("parcel"), tools=tools())
    assert isinstance(got, UnlockBundle)
    lists = [one for one in got.statements if one.kind is StatementType.REVOCATIONS]
    return lists[0] if lists else None


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
