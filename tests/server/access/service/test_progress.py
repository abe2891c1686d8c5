"""What a locker has applied, beside what was signed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.statements import StatementType
from server.access.service.progress import Progress, find_progress
from server.access.service.statements import (
    Signer,
    find_signer,
    list_statements,
    publish_revocations,
)
from server.kit.auth import ANONYMOUS
from server.lockers.service.facts import on_statement_applied
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring
    from tests.fakes.town import Town

KINDS = (StatementType.KEY_SET, StatementType.REVOCATIONS, StatementType.CONFIGURATION)


async def look(database: Database, town: Town) -> list[Progress]:
    async with database.read() as session:
        found = await find_progress(session, town.operator, town.locker_id)
    assert found is not None
    return found


async def sign(database: Database, town: Town, keyring: DerivedKeyring) -> None:
    """A list of revocations and a configuration for the town's locker."""
    async with database.write() as session:
        signer = await find_signer(session, town.machine.lid, keyring=keyring, now=START)
        assert isinstance(signer, Signer)
        await publish_revocations(session, signer, now=START)
        await list_statements(session, signer, now=START)


async def test_new_locker_has_applied_nothing(database: Database, town: Town) -> None:
    assert await look(database, town) == [
        Progress(StatementType.KEY_SET, 0, 1),
        Progress(StatementType.REVOCATIONS, 0, 0),
        Progress(StatementType.CONFIGURATION, 0, 0),
    ]


async def test_what_was_applied_is_no_longer_behind(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await sign(database, town, keyring)
    assert [one.is_behind for one in await look(database, town)] == [True, True, True]
    async with database.write() as session:
        for kind in KINDS:
            await on_statement_applied(session, town.locker_id, kind=kind, seq=1)
    assert await look(database, town) == [Progress(kind, 1, 1) for kind in KINDS]
    assert not any(one.is_behind for one in await look(database, town))


async def test_locker_that_forgot_the_lists_of_a_lost_key_is_behind_again(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    await sign(database, town, keyring)
    async with database.write() as session:
        for seq in (1, 0):
            kind = StatementType.REVOCATIONS
            await on_statement_applied(session, town.locker_id, kind=kind, seq=seq)
    assert (await look(database, town))[1] == Progress(StatementType.REVOCATIONS, 0, 1)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.OPERATOR, True),
        (Role.HUB_CLERK, True),
        (Role.AUDITOR, True),
        (Role.COURIER, False),
        (None, False),
    ],
)
async def test_only_staff_and_the_networks_people_see_it(
    database: Database, town: Town, role: Role | None, may: bool
) -> None:
    actor = town.actor("operator", *([] if role is None else [role]))
    async with database.read() as session:
        assert (await find_progress(session, actor, town.locker_id) is not None) is may
        assert await find_progress(session, actor, key_of("no locker")) is None
        assert await find_progress(session, ANONYMOUS, town.locker_id) is None
