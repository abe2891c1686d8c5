"""Taking rights back: who may, what the locker is told, and how long a list gets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.ids import StayId
from schema.statements import Revocations, StatementType, parse_statement
from schema.tokens import parse_token
from server.access.rules import Action, GrantState, Turn
from server.access.service.grants import (
    GrantTerms,
    Holder,
    Issued,
    end_grant,
    issue_grant,
    issue_token,
    on_stay_ended,
)
from server.access.service.revocations import Withdrawn, revoke_device, revoke_grant
from server.access.service.statements import REVOKED_AT_ONCE, Signer, find_signer
from server.access.tables import Grant
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.parcels.tables import Parcel
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import Town, key_of, phone_key

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring

OPEN_ID, DEPOSIT_ID = key_of("open"), key_of("deposit")


async def issue(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    *,
    action: Action = Action.OPEN,
    phones: int = 1,
    now: datetime = START,
) -> list[bytes]:
    """A grant with a token for each of some phones of its holder; the tokens' ids."""
    who = "recipient" if action is Action.OPEN else "courier"
    randomness = SeededRandomness(f"{action} {now}")
    async with database.write() as session:
        if await session.get(Parcel, key_of("parcel")) is None:
            await town.add_parcel(session)
        terms = GrantTerms(
            action=action,
            parcel_id=key_of("parcel"),
            locker_id=town.locker_id,
            stay=StayId(stay_of(1)),
            compartment=None,
            holder_id=key_of(who),
        )
        grant = await issue_grant(session, terms, grant_id=key_of(action.lower()), now=now)
        signer = await find_signer(session, town.machine.lid, keyring=keyring, now=now)
        assert isinstance(signer, Signer)
        ctis = []
        for number in range(phones):
            token = await issue_token(
                session,
                grant,
                Holder(key_of(f"{who} {number}"), phone_key(who).public),
                signer=signer,
                end=START.replace(hour=20),
                comps=(),
                randomness=randomness,
                now=now,
            )
            assert isinstance(token, Issued)
            ctis.append(bytes(parse_token(token.raw).claims.cti))
    return ctis


async def revoke(
    database: Database,
    actor: Actor,
    keyring: DerivedKeyring,
    grant: uuid.UUID = OPEN_ID,
    now: datetime = START,
) -> Withdrawn | Refusal:
    async with database.write() as session:
        return await revoke_grant(session, actor, grant_id=grant, keyring=keyring, now=now)


async def list_of(outcome: Withdrawn | Refusal) -> Revocations:
    assert isinstance(outcome, Withdrawn)
    assert outcome.statement is not None
    body = parse_statement(StatementType.REVOCATIONS, outcome.statement.raw).body
    assert isinstance(body, Revocations)
    return body


async def test_locker_is_told_of_every_token_of_the_grant(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    ctis = await issue(database, town, keyring, phones=3)
    body = await list_of(await revoke(database, town.recipient, keyring))
    exp = int(START.replace(hour=20).timestamp())
    assert sorted(body.entries) == sorted((cti, exp) for cti in ctis)
    assert (body.lid, body.seq) == (town.machine.lid, 1)


async def test_revoking_again_gives_the_same_list(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring)
    first = await list_of(await revoke(database, town.recipient, keyring))
    assert await list_of(await revoke(database, town.recipient, keyring)) == first


async def test_grant_without_tokens_needs_no_list(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring, phones=0)
    outcome = await revoke(database, town.recipient, keyring)
    assert isinstance(outcome, Withdrawn)
    assert outcome.statement is None
    assert outcome.grant.state is GrantState.REVOKED


async def test_list_never_grows_beyond_what_a_locker_takes(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring, phones=41)
    body = await list_of(await revoke(database, town.recipient, keyring))
    assert len(body.entries) <= 40
    assert body.min_iat == int(START.timestamp())


async def test_token_that_died_with_an_overflow_is_not_given_again(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    before = await issue(database, town, keyring, action=Action.DEPOSIT)
    later, soon = START + timedelta(seconds=60), START + timedelta(seconds=90)
    assert await issue(database, town, keyring, action=Action.DEPOSIT, now=later) == before
    await issue(database, town, keyring, phones=41)
    body = await list_of(await revoke(database, town.recipient, keyring, now=later))
    assert body.min_iat == int(later.timestamp())
    after = await issue(database, town, keyring, action=Action.DEPOSIT, now=soon)
    assert after != before
    assert await issue(database, town, keyring, action=Action.DEPOSIT, now=soon) == after


async def test_what_is_revoked_after_an_overflow_is_listed_however_much_was_before(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    later, soon = START + timedelta(seconds=60), START + timedelta(seconds=90)
    await issue(database, town, keyring, phones=REVOKED_AT_ONCE)
    await revoke(database, town.recipient, keyring, now=later)
    [cti] = await issue(database, town, keyring, action=Action.DEPOSIT, now=soon)
    actor = town.actor("boss", Role.CARRIER_ADMIN)
    body = await list_of(await revoke(database, actor, keyring, DEPOSIT_ID, now=soon))
    assert [entry for entry, _ in body.entries] == [cti]


@pytest.mark.parametrize(
    ("who", "role", "action", "may"),
    [
        ("recipient", None, Action.OPEN, True),
        ("operator", Role.OPERATOR, Action.OPEN, True),
        ("stranger", None, Action.OPEN, False),
        ("courier", Role.COURIER, Action.OPEN, False),
        ("operator", Role.CARRIER_ADMIN, Action.OPEN, False),
        ("operator", Role.HUB_MANAGER, Action.OPEN, False),
        ("operator", Role.CARRIER_ADMIN, Action.DEPOSIT, True),
        ("operator", Role.HUB_MANAGER, Action.DEPOSIT, True),
        ("recipient", None, Action.DEPOSIT, False),
    ],
)
async def test_only_whoever_granted_takes_back(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    who: str,
    role: Role | None,
    action: Action,
    may: bool,
) -> None:
    await issue(database, town, keyring, action=action)
    actor = town.actor(who, *([] if role is None else [role]))
    outcome = await revoke(database, actor, keyring, key_of(action.lower()))
    if may:
        assert isinstance(outcome, Withdrawn)
    else:
        assert isinstance(outcome, Refusal)
        assert outcome.code is ProblemCode.NOT_FOUND


async def test_unknown_grant_is_not_found_and_nobody_must_sign_in(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring)
    unknown = await revoke(database, town.operator, keyring, key_of("none"))
    nobody = await revoke(database, ANONYMOUS, keyring)
    assert isinstance(unknown, Refusal)
    assert isinstance(nobody, Refusal)
    assert (unknown.code, nobody.code) == (ProblemCode.NOT_FOUND, ProblemCode.SIGNED_OUT)


async def test_grant_that_is_over_is_not_revoked(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring)
    async with database.write() as session:
        await on_stay_ended(session, stay_of(1), now=START)
    outcome = await revoke(database, town.recipient, keyring)
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.WRONG_STATE


async def test_turn_that_the_table_does_not_know_changes_nothing(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await issue(database, town, keyring)
    async with database.write() as session:
        grant = await session.get(Grant, OPEN_ID)
        assert grant is not None
        assert await end_grant(session, grant, Turn.EXPIRE, now=START)
        assert not await end_grant(session, grant, Turn.USE_UP, now=START)
        assert (grant.state, grant.version) == (GrantState.EXPIRED, 2)


async def test_removed_phones_tokens_are_listed_and_its_owners_others_go_on(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    lost, kept = await issue(database, town, keyring, phones=2)
    async with database.write() as session:
        told = await revoke_device(session, key_of("recipient 0"), keyring=keyring, now=START)
    assert told == 1
    body = await list_of(await revoke(database, town.recipient, keyring))
    assert [entry[0] for entry in body.entries] == sorted([lost, kept])
    async with database.write() as session:
        assert await revoke_device(session, key_of("nobody"), keyring=keyring, now=START) == 0
