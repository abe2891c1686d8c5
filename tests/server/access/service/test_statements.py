"""Statements for a locker: which are carried, by whom they are signed, how they are numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    StatementType,
    Time,
    parse_statement,
    zones_of,
)
from server.access.service import statements
from server.access.service.statements import Carried, Signer
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.ledger import service as ledger
from server.lockers.service import facts as lockers
from server.lockers.service.reading import find_locker_by_lid, list_compartments
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of, publish_key_set

if TYPE_CHECKING:
    from schema.ids import KeyId
    from server.kit.db import Database, Session
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

NONCE = bytes(range(16))


async def signer_of(session: Session, town: Town, keyring: DerivedKeyring) -> Signer:
    found = await statements.find_signer(session, town.machine.lid, keyring=keyring, now=START)
    assert isinstance(found, Signer)
    return found


async def carried_now(
    database: Database, town: Town, keyring: DerivedKeyring
) -> dict[StatementType, Carried]:
    async with database.write() as session:
        signer = await signer_of(session, town, keyring)
        listed = await statements.list_statements(session, signer, now=START)
    return {one.kind: one for one in listed}


async def test_locker_gets_key_set_first_then_its_configuration(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    carried = await carried_now(database, town, keyring)
    assert list(carried) == [StatementType.KEY_SET, StatementType.CONFIGURATION]
    body = parse_statement(
        StatementType.CONFIGURATION, carried[StatementType.CONFIGURATION].raw
    ).body
    assert body == Configuration(town.machine.lid, 1, int(START.timestamp()), {1: False, 2: 120})


async def test_a_locker_is_told_which_compartments_are_cooled(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    zones = {2: ClimateZone.FROZEN, 3: ClimateZone.CHILLED}
    async with database.write() as session:
        locker = await find_locker_by_lid(session, town.machine.lid)
        assert locker is not None
        for door in (await list_compartments(session, [locker.id]))[locker.id]:
            door.climate_zone = zones.get(door.number, ClimateZone.AMBIENT)
    carried = await carried_now(database, town, keyring)
    body = parse_statement(
        StatementType.CONFIGURATION, carried[StatementType.CONFIGURATION].raw
    ).body
    assert isinstance(body, Configuration)
    assert zones_of(body.values) == zones


async def test_statements_are_signed_by_a_key_of_the_key_set(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    carried = await carried_now(database, town, keyring)
    keys = parse_statement(StatementType.KEY_SET, carried[StatementType.KEY_SET].raw).body
    assert isinstance(keys, KeySetStatement)
    configuration = parse_statement(
        StatementType.CONFIGURATION, carried[StatementType.CONFIGURATION].raw
    )
    signer = next(key for key in keys.keys if key.kid == configuration.signed.kid)
    assert configuration.is_signed_by(signer.public)


async def test_configuration_is_made_once(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    first = await carried_now(database, town, keyring)
    assert await carried_now(database, town, keyring) == first


async def test_acknowledgement_names_what_is_stored(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    town.machine.boot()
    async with database.write() as session:
        await ledger.append(session, town.machine.contents(), now=START)
    carried = await carried_now(database, town, keyring)
    raw = carried[StatementType.ACKNOWLEDGEMENT].raw
    body = parse_statement(StatementType.ACKNOWLEDGEMENT, raw).body
    assert body == Acknowledgement(town.machine.lid, int(START.timestamp()), 1, town.machine.head)


async def test_forked_journal_is_not_acknowledged(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    twin = town.machine.copy()
    town.machine.boot()
    twin.write(16, 1)
    async with database.write() as session:
        await ledger.append(session, town.machine.contents(), now=START)
        await ledger.append(session, twin.contents(), now=START)
    assert StatementType.ACKNOWLEDGEMENT not in await carried_now(database, town, keyring)


async def test_numbers_of_one_kind_only_grow(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    seqs = []
    for _ in range(3):
        async with database.write() as session:
            signer = await signer_of(session, town, keyring)
            made = await statements.publish_revocations(session, signer, now=START)
        body = parse_statement(StatementType.REVOCATIONS, made.raw).body
        assert isinstance(body, Revocations)
        seqs.append(body.seq)
    assert seqs == [1, 2, 3]


async def test_old_signers_statements_are_signed_anew_once_the_key_set_drops_it(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    ids: CountedIds,
    clock: MovableClock,
) -> None:
    async with database.write() as session:
        signer = await signer_of(session, town, keyring)
        await statements.publish_revocations(session, signer, now=START)
    before = await carried_now(database, town, keyring)
    clock.move(days=44)
    keyring.rotate(Purpose.ISSUER)
    clock.move(days=2)  # the first key has died
    async with database.write() as session:
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
        found = await statements.find_signer(
            session, town.machine.lid, keyring=keyring, now=clock.now()
        )
        assert isinstance(found, Signer)
        after = {
            one.kind: one
            for one in await statements.list_statements(session, found, now=clock.now())
        }
    for kind in (StatementType.CONFIGURATION, StatementType.REVOCATIONS):
        assert after[kind].seq == (before[kind].seq or 0) + 1
        assert parse_statement(kind, after[kind].raw).is_signed_by(found.issuer.rights.public)


async def test_rotation_before_its_key_set_changes_nothing(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    before = await carried_now(database, town, keyring)
    keyring.rotate(Purpose.ISSUER)
    assert await carried_now(database, town, keyring) == before


async def test_without_a_key_set_nothing_is_signed(
    database: Database, keyring: DerivedKeyring
) -> None:
    async with database.read() as session:
        found = await statements.find_signer(
            session, Town().machine.lid, keyring=keyring, now=START
        )
    assert isinstance(found, Refusal)
    assert found.code is ProblemCode.WRONG_STATE


async def test_time_is_bound_to_the_nonce(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    async with database.read() as session:
        signed = await statements.sign_time(
            session,
            town.courier,
            which=town.locker_id,
            nonce=NONCE,
            keyring=keyring,
            now=START,
        )
    assert isinstance(signed, Carried)
    body = parse_statement(StatementType.TIME, signed.raw).body
    assert body == Time(town.machine.lid, int(START.timestamp()), NONCE)


async def test_time_at_the_door_is_signed_by_a_key_that_the_locker_knows(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    ids: CountedIds,
    clock: MovableClock,
) -> None:
    async def signers() -> tuple[KeyId | None, KeyId]:
        """Key ids of the time at the door, and of what is taken along."""
        async with database.read() as session:
            at_door = await statements.sign_time(
                session,
                town.courier,
                which=town.locker_id,
                nonce=NONCE,
                keyring=keyring,
                now=clock.now(),
            )
            ahead = await statements.find_signer(
                session, town.machine.lid, keyring=keyring, now=clock.now()
            )
        assert isinstance(at_door, Carried)
        assert isinstance(ahead, Signer)
        return parse_statement(StatementType.TIME, at_door.raw).signed.kid, ahead.issuer.kid

    async def hear_of_key_set(seq: int) -> None:
        async with database.write() as session:
            await lockers.on_statement_applied(
                session, town.locker_id, kind=StatementType.KEY_SET, seq=seq
            )

    await hear_of_key_set(1)
    clock.move(days=31)
    new, old = keyring.list_keys(Purpose.ISSUER)
    assert await signers() == (old.kid, old.kid)  # no root has signed the new one
    async with database.write() as session:
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    assert await signers() == (old.kid, new.kid)
    await hear_of_key_set(2)
    assert await signers() == (new.kid, new.kid)
    await hear_of_key_set(1)
    clock.move(days=14)
    assert await signers() == (new.kid, new.kid)  # the old one has died


@pytest.mark.parametrize(
    ("who", "locker", "nonce", "code"),
    [
        ("courier", "locker", NONCE[1:], ProblemCode.INPUT_INVALID),
        ("courier", "elsewhere", NONCE, ProblemCode.NOT_FOUND),
        (None, "locker", NONCE, ProblemCode.SIGNED_OUT),
    ],
)
async def test_time_is_refused(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    who: str | None,
    locker: str,
    nonce: bytes,
    code: ProblemCode,
) -> None:
    async with database.read() as session:
        refused = await statements.sign_time(
            session,
            ANONYMOUS if who is None else town.actor(who),
            which=key_of(locker),
            nonce=nonce,
            keyring=keyring,
            now=START,
        )
    assert isinstance(refused, Refusal)
    assert refused.code is code
