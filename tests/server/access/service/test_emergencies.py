"""What two persons agree to: who they may be, for how long, and for which doors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.access.rules import EMERGENCY_LIFE
from server.access.service import emergencies
from server.access.tables import EmergencyOpening
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.graph import Page
from server.lockers.tables import Incident, Locker
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.makers import make_actor

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

WHY = "the door is jammed"


@pytest.fixture(autouse=True)
async def staffed(database: Database, town: Town) -> None:
    async with database.write() as session:
        await town.add_staff(session, "technician", "colleague", "manager")


async def ask(
    database: Database,
    town: Town,
    ids: CountedIds,
    actor: Actor,
    *,
    compartment: int | None = 2,
    reason: str = WHY,
    locker_id: uuid.UUID | None = None,
) -> EmergencyOpening | Refusal:
    async with database.write() as session:
        return await emergencies.request_opening(
            session,
            actor,
            locker_id=locker_id or town.locker_id,
            compartment=compartment,
            reason=reason,
            ids=ids,
            now=START,
        )


async def confirm(
    database: Database,
    ids: CountedIds,
    actor: Actor,
    opening: EmergencyOpening | Refusal,
    *,
    now: datetime = START,
) -> EmergencyOpening | Refusal:
    assert isinstance(opening, EmergencyOpening)
    async with database.write() as session:
        return await emergencies.confirm_opening(
            session, actor, emergency_id=opening.id, ids=ids, now=now
        )


def code_of(outcome: object) -> ProblemCode:
    assert isinstance(outcome, Refusal)
    return outcome.code


async def test_asking_alone_allows_nothing(database: Database, town: Town, ids: CountedIds) -> None:
    opening = await ask(database, town, ids, town.technician)
    assert isinstance(opening, EmergencyOpening)
    assert (opening.reason, opening.confirmed_at) == (WHY, None)
    async with database.write() as session:
        assert (await session.exec(select(Incident))).all() == []
        locker = await session.get_one(Locker, town.locker_id)
        assert not await emergencies.is_agreed(session, locker, None, now=START)


async def test_second_person_is_another_and_may_open_such_doors(
    database: Database, town: Town, ids: CountedIds
) -> None:
    opening = await ask(database, town, ids, town.technician)
    alone = await confirm(database, ids, town.technician, opening)
    assert code_of(alone) is ProblemCode.SECOND_PERSON_NEEDED
    elsewhere = make_actor(
        Role.TECHNICIAN, person_id=key_of("colleague"), subject=key_of("another hub")
    )
    for actor in (town.manager, town.recipient, elsewhere):
        assert code_of(await confirm(database, ids, actor, opening)) is ProblemCode.NOT_FOUND
    assert code_of(await confirm(database, ids, ANONYMOUS, opening)) is ProblemCode.SIGNED_OUT
    colleague = town.actor("colleague", Role.TECHNICIAN)
    for actor in (colleague, town.operator):
        agreed = await confirm(database, ids, actor, opening)
        assert isinstance(agreed, EmergencyOpening)
        assert agreed.confirmed_by == key_of("colleague")
    async with database.read() as session:
        [incident] = (await session.exec(select(Incident))).all()
    assert incident.detail == f"compartment 2: {WHY}"


async def test_a_question_and_an_answer_last_four_hours_each(
    database: Database, town: Town, ids: CountedIds
) -> None:
    opening = await ask(database, town, ids, town.technician)
    late = START + EMERGENCY_LIFE + timedelta(seconds=1)
    refused = await confirm(database, ids, town.operator, opening, now=late)
    assert code_of(refused) is ProblemCode.WRONG_STATE
    in_time = START + EMERGENCY_LIFE
    agreed = await confirm(database, ids, town.operator, opening, now=in_time)
    assert isinstance(agreed, EmergencyOpening)
    assert agreed.expires_at == in_time + EMERGENCY_LIFE


async def test_all_doors_are_agreed_for_each_and_one_for_itself_alone(
    database: Database, town: Town, ids: CountedIds
) -> None:
    colleague = town.actor("colleague", Role.OPERATOR)
    asked = await ask(database, town, ids, town.operator, compartment=None)
    refused = await confirm(database, ids, town.technician, asked)
    assert code_of(refused) is ProblemCode.NOT_FOUND
    async with database.write() as session:
        locker = await session.get_one(Locker, town.locker_id)
        assert not await emergencies.is_agreed(session, locker, None, now=START)
        # Nothing is stored there: it needs nobody's word.
        assert await emergencies.is_agreed(session, locker, [1, 2], now=START)
    await confirm(database, ids, colleague, asked)
    async with database.write() as session:
        assert await emergencies.is_agreed(session, locker, None, now=START)
        later = START + EMERGENCY_LIFE + timedelta(seconds=1)
        assert not await emergencies.is_agreed(session, locker, None, now=later)


async def test_what_cannot_be_opened_is_not_asked_for(
    database: Database, town: Town, ids: CountedIds
) -> None:
    technician = town.technician
    wrong = [
        await ask(database, town, ids, technician, reason=" "),
        await ask(database, town, ids, technician, compartment=9),
        await ask(database, town, ids, technician, locker_id=key_of("nowhere")),
        await ask(database, town, ids, technician, compartment=None),
        await ask(database, town, ids, town.manager),
    ]
    assert [code_of(one) for one in wrong] == [
        ProblemCode.INPUT_INVALID,
        ProblemCode.NOT_FOUND,
        ProblemCode.NOT_FOUND,
        ProblemCode.NOT_PERMITTED,
        ProblemCode.NOT_PERMITTED,
    ]


async def test_openings_are_listed_newest_first_for_those_who_may_ask(
    database: Database, town: Town, ids: CountedIds
) -> None:
    asked = [await ask(database, town, ids, town.technician, compartment=n) for n in (1, 2, 3)]
    async with database.read() as session:
        shown = await emergencies.list_openings(
            session, town.operator, locker_id=town.locker_id, page=Page(first=1)
        )
        assert [one.compartment for one in shown] == [3, 2]
        assert isinstance(asked[1], EmergencyOpening)
        rest = await emergencies.list_openings(
            session, town.technician, locker_id=town.locker_id, page=Page(after=asked[1].id)
        )
        assert [one.compartment for one in rest] == [1]
        for actor, locker_id in ((town.manager, town.locker_id), (town.operator, key_of("none"))):
            page = Page()
            assert not await emergencies.list_openings(
                session, actor, locker_id=locker_id, page=page
            )
