"""A PIN whose right was taken back, at a locker that nobody but phones can tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from ble_agent.codes import Codes
from schema.codes import Code
from schema.handshake import OpenRequest
from schema.keys import Operation
from server.access.service.passes import Pass, issue_pass
from server.access.service.revocations import Withdrawn, revoke_grant
from server.access.tables import Grant
from server.kit.db import Database
from server.lockers.service.pin_secrets import seal_secret
from server.lockers.tables import Locker
from server.parcels.tables import Parcel
from tests.ble_agent.standing import quick_folder
from tests.faults.countryside import COURIERS, Countryside, Handset, settle_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.kit.auth import Actor
    from tests.fakes.stores import SqliteTemplate


@pytest.fixture
async def land(sqlite_template: SqliteTemplate) -> AsyncIterator[Countryside]:
    """A locker with a keypad, and one parcel in it."""
    with quick_folder() as folder:
        (folder / "locker").mkdir()
        database = Database(sqlite_template.copy(folder), durable=False)
        land = await settle_down(database, folder / "locker", seed=11)
        land.is_kind = True
        await land.bring_parcel()
        for phone in land.phones:
            await land.reach_network(phone)
        async with database.write() as session:
            row = await session.get_one(Locker, land.town.locker_id)
            secret = land.locker.locker.identity.pin_secret
            row.sealed_pin_secret = seal_secret(secret, land.keyring)
        yield land
        await land.locker.stop()
        await database.close()


async def parcel_of(land: Countryside) -> Parcel:
    async with land.database.read() as session:
        return (await session.exec(select(Parcel))).one()


def owner_of(land: Countryside, parcel: Parcel) -> Handset:
    return next(one for one in land.phones[COURIERS:] if one.actor.person_id == parcel.recipient_id)


async def ask_pass(land: Countryside, parcel: Parcel) -> Pass:
    async with land.database.write() as session:
        got = await issue_pass(
            session, owner_of(land, parcel).actor, parcel_id=parcel.id, tools=land.tools
        )
    assert isinstance(got, Pass)
    return got


async def withdraw(land: Countryside, actor: Actor) -> None:
    async with land.database.write() as session:
        grants = await session.exec(select(Grant).where(Grant.action == "OPEN"))
        outcome = await revoke_grant(
            session,
            actor,
            grant_id=grants.one().id,
            keyring=land.keyring,
            now=land.clock.now(),
        )
    assert isinstance(outcome, Withdrawn)


def type_in(land: Countryside, got: Pass, digits: str | None = None) -> Code:
    keypad = Codes(land.locker.locker, lambda *_: None)
    return Code(keypad.enter_pin(got.place.compartment.number, digits or got.digits).code)


async def test_withdrawn_pin_is_refused_as_soon_as_anybody_has_brought_the_list(
    land: Countryside,
) -> None:
    parcel = await parcel_of(land)
    got = await ask_pass(land, parcel)
    await withdraw(land, land.town.operator)
    await land.bring_parcel()
    assert type_in(land, got) == Code.REVOKED
    assert type_in(land, got, "00000000") == Code.HOLDER_PROOF_FAILED
    assert land.locker.stay(got.place.compartment.number) is not None


async def test_pin_lives_on_where_its_owner_may_open_again(land: Countryside) -> None:
    parcel = await parcel_of(land)
    got, owner = await ask_pass(land, parcel), owner_of(land, parcel)
    await withdraw(land, owner.actor)
    await land.bring_parcel()
    assert type_in(land, got) == Code.REVOKED
    bundle = await land.ask_unlock(owner, parcel)
    owner.down = [(one.kind, one.raw) for one in bundle.statements]
    outcome = await land.visit(owner, bundle.token.raw, OpenRequest(Operation.SYNC))
    assert outcome.result.code == Code.OUT_OF_SCOPE, "the statements were applied before"
    assert type_in(land, got) == Code.OK
