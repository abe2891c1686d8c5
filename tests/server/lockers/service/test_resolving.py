"""Who ends an incident, and when it cannot be ended by words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.graph import Page
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service import facts, reading, resolving
from server.lockers.tables import Incident, Locker
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.makers import make_actor

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town


async def open_one(
    database: Database, town: Town, ids: CountedIds, kind: IncidentKind = IncidentKind.OBJECTION
) -> Incident:
    finding = Finding(
        kind=kind, subject_id=town.locker_id, hub_id=town.hub_id, locker_id=town.locker_id, seq=3
    )
    async with database.write() as session:
        await facts.open_incident(session, finding, ids=ids, now=START)
        return (await session.exec(select(Incident))).one()


async def end(
    database: Database, actor: Actor, incident: Incident, reason: str = "it was the cat"
) -> Incident | Refusal:
    async with database.write() as session:
        return await resolving.resolve_incident(
            session, actor, incident_id=incident.id, reason=reason, now=START
        )


def code_of(outcome: object) -> ProblemCode:
    assert isinstance(outcome, Refusal)
    return outcome.code


@pytest.mark.parametrize("role", [Role.HUB_MANAGER, Role.TECHNICIAN, Role.OPERATOR])
async def test_who_looks_after_a_hub_ends_its_incidents(
    database: Database, town: Town, ids: CountedIds, role: Role
) -> None:
    actor = town.actor("keeper", role)
    incident = await open_one(database, town, ids)
    async with database.read() as session:
        seen = await reading.list_incidents(session, actor, page=Page())
    assert [one.id for one in seen] == [incident.id]
    for reason in ("it was the cat", "no, the dog"):
        ended = await end(database, actor, incident, reason)
        assert isinstance(ended, Incident)
        assert (ended.resolution, ended.resolved_by) == ("it was the cat", key_of("keeper"))
    async with database.read() as session:
        assert await reading.list_incidents(session, actor, page=Page()) == []


async def test_to_others_there_is_no_such_incident(
    database: Database, town: Town, ids: CountedIds
) -> None:
    incident = await open_one(database, town, ids)
    elsewhere = make_actor(Role.HUB_MANAGER, subject=key_of("another hub"))
    clerk = town.actor("clerk", Role.HUB_CLERK)
    for actor in (town.recipient, town.courier, clerk, elsewhere):
        assert code_of(await end(database, actor, incident)) is ProblemCode.NOT_FOUND
    assert code_of(await end(database, ANONYMOUS, incident)) is ProblemCode.SIGNED_OUT
    assert code_of(await end(database, town.operator, incident, "")) is ProblemCode.INPUT_INVALID


async def test_a_forked_journal_is_not_mended_by_words(
    database: Database, town: Town, ids: CountedIds
) -> None:
    incident = await open_one(database, town, ids, IncidentKind.JOURNAL_FORK)
    assert code_of(await end(database, town.operator, incident)) is ProblemCode.WRONG_STATE
    async with database.write() as session:
        row = await session.get_one(Locker, town.locker_id)
        new = Locker(
            **{
                **row.model_dump(),
                "id": key_of("new board"),
                "lid": b"newboard",
                "serial": "L-9",
                "noise_public": bytes(32),
                "sign_public": bytes(32),
            }
        )
        session.add(new)
        await session.flush()
        row.replaced_by = new.id
    assert isinstance(await end(database, town.operator, incident), Incident)
