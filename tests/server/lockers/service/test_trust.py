"""A locker that contradicted its journal is believed again by an operator's word alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.ids import LockerId
from schema.journal import Kind
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service.facts import open_incident
from server.lockers.service.trust import restore_trust
from server.lockers.tables import Incident, Locker
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town


@pytest.fixture
async def forked(database: Database, town: Town, ids: CountedIds) -> Town:
    """The town, whose locker has said two things under one number."""
    town.machine.boot()
    twin = town.machine.copy()
    town.machine.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    async with database.write() as session:
        await ledger.append(session, town.machine.contents(), now=START)
        await ledger.append(session, twin.contents(2), now=START)
        finding = Finding(
            kind=IncidentKind.JOURNAL_FORK, subject_id=town.locker_id, hub_id=town.hub_id
        )
        await open_incident(session, finding, ids=ids, now=START)
    return town


async def restore(
    database: Database, actor: Actor, town: Town, reason: str = "Seals whole."
) -> Locker | Refusal:
    async with database.write() as session:
        return await restore_trust(
            session, actor, locker_id=town.locker_id, reason=reason, now=START
        )


async def is_distrusted(database: Database, town: Town) -> bool:
    async with database.read() as session:
        return await ledger.is_distrusted(session, LockerId(town.machine.lid))


async def incident_of(database: Database) -> Incident:
    async with database.read() as session:
        return (await session.exec(select(Incident))).one()


async def test_operator_who_had_it_inspected_ends_the_incident(
    database: Database, forked: Town
) -> None:
    for reason in ("Seals whole.", "Again."):
        assert isinstance(await restore(database, forked.operator, forked, reason), Locker)
    assert not await is_distrusted(database, forked)
    incident = await incident_of(database)
    assert (incident.resolved_at, incident.resolution) == (START, "Seals whole.")


@pytest.mark.parametrize("role", [None, Role.HUB_CLERK, Role.HUB_MANAGER, Role.COURIER])
async def test_nobody_else_restores_it(database: Database, forked: Town, role: Role | None) -> None:
    for actor in (forked.actor("stranger", *([] if role is None else [role])), ANONYMOUS):
        outcome = await restore(database, actor, forked)
        assert isinstance(outcome, Refusal)
        assert outcome.code in {ProblemCode.NOT_FOUND, ProblemCode.SIGNED_OUT}
    assert await is_distrusted(database, forked)
    assert (await incident_of(database)).resolved_at is None


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "two\nlines"])
async def test_reason_is_a_line(database: Database, forked: Town, reason: str) -> None:
    outcome = await restore(database, forked.operator, forked, reason)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.field) == (ProblemCode.INPUT_INVALID, "reason")
    assert await is_distrusted(database, forked)


async def test_board_that_was_replaced_is_never_believed_again(
    database: Database, forked: Town
) -> None:
    async with database.write() as session:
        old = await session.get_one(Locker, forked.locker_id)
        unlike = {
            "id": key_of("new board"),
            "lid": b"newboard",
            "serial": "L-2",
            "noise_public": bytes(32),
            "sign_public": bytes(32),
        }
        session.add(Locker(**{**old.model_dump(), **unlike}))
        await session.flush()
        old.replaced_by = key_of("new board")
    outcome = await restore(database, forked.operator, forked)
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.WRONG_STATE
    assert await is_distrusted(database, forked)
