"""Stuck doors, doors left open, doors that open by themselves: told once, ended by the door."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.compartments import DoorState
from server.kit.outbox import Lease, Outbox
from server.lockers import jobs
from server.lockers.incidents import (
    STEPS,
    TELLING,
    Fact,
    IncidentKind,
    NextStep,
    steps_for_holder,
)
from server.lockers.rules import FAILED_OPENINGS, ServiceState
from server.lockers.service import doors
from server.lockers.tables import Compartment, Incident
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

LATER = START + timedelta(minutes=20)


def fact(town: Town, number: int = 1, *, seq: int = 7) -> Fact:
    return Fact(town.locker_id, seq, START, 2, number)


async def door_of(database: Database, number: int = 1) -> Compartment:
    async with database.read() as session:
        return await session.get_one(Compartment, key_of(f"door {number}"))


async def incidents_of(database: Database) -> list[Incident]:
    async with database.read() as session:
        return list((await session.exec(select(Incident).order_by(col(Incident.id)))).all())


async def fail(
    database: Database, town: Town, ids: CountedIds, failures: int, *, seq: int | None = None
) -> bool:
    """The door did not open, for the so-many-th time; whether it is out of service for that."""
    async with database.write() as session:
        broken = await doors.on_open_not_detected(
            session, fact(town, seq=seq or failures), failures=failures, ids=ids, now=START
        )
    return broken is not None


async def test_stuck_door_is_one_incident_until_it_opens(
    database: Database, town: Town, ids: CountedIds
) -> None:
    for failures in (1, 2):
        assert not await fail(database, town, ids, failures)
    [incident] = await incidents_of(database)
    assert (incident.kind, incident.subject_id, incident.detail) == (
        IncidentKind.OPEN_NOT_DETECTED,
        key_of("door 1"),
        "door A1",
    )
    async with database.write() as session:
        await doors.on_opened(session, fact(town, 2, seq=3), now=LATER)
    [incident] = await incidents_of(database)
    assert incident.resolved_at is None, "another door has opened"
    async with database.write() as session:
        await doors.on_opened(session, fact(town, seq=4), now=LATER)
    [incident] = await incidents_of(database)
    assert (incident.resolved_at, incident.resolution) == (LATER, "The door has opened.")
    await fail(database, town, ids, 1, seq=5)
    assert [one.resolved_at for one in await incidents_of(database)] == [LATER, None]


async def test_door_that_never_opens_is_put_out_of_service(
    database: Database, town: Town, ids: CountedIds
) -> None:
    told = [await fail(database, town, ids, n) for n in range(1, FAILED_OPENINGS + 2)]
    assert told == [False] * (FAILED_OPENINGS - 1) + [True, True]
    broken = await door_of(database)
    assert (broken.service, broken.version) == (ServiceState.OUT_OF_SERVICE, 2)
    async with database.write() as session:
        await doors.on_opened(session, fact(town, seq=9), now=LATER)
    assert (await door_of(database)).service is ServiceState.OUT_OF_SERVICE, "a test cycle decides"


async def leave_open(database: Database, town: Town, *, seq: int = 7) -> None:
    async with database.write() as session:
        await doors.on_close_overdue(
            session,
            fact(town, seq=seq),
            opened_at=START,
            person_id=key_of("recipient"),
            now=START + timedelta(seconds=120),
        )


async def events_of(database: Database) -> list[Outbox]:
    async with database.read() as session:
        query = select(Outbox).order_by(col(Outbox.not_before))
        return list((await session.exec(query)).all())


def lease_of(event: Outbox) -> Lease:
    return Lease(event.id, event.kind, event.subject, event.facts, 1, event.created_at, LATER)


async def test_door_left_open_is_told_at_once_and_the_hub_after_ten_minutes(
    database: Database, town: Town, ids: CountedIds
) -> None:
    for _ in range(2):
        await leave_open(database, town)
    assert (await door_of(database)).door is DoorState.OPEN
    told, due = await events_of(database)
    assert (told.kind, told.not_before) == (doors.DOOR_LEFT_OPEN, START + timedelta(seconds=120))
    assert (due.kind, due.not_before) == (doors.DOOR_STILL_OPEN, START + doors.ESCALATION)
    assert told.subject == due.subject == key_of("door 1")
    assert await incidents_of(database) == []
    for _ in range(2):
        await jobs.escalate_open_door(database, lease_of(due), ids=ids, now=LATER)
    [incident] = await incidents_of(database)
    assert (incident.kind, incident.subject_id, incident.seq) == (
        IncidentKind.CLOSE_OVERDUE,
        key_of("door 1"),
        7,
    )
    async with database.write() as session:
        await doors.on_closed(session, fact(town, seq=8), now=LATER)
    [incident] = await incidents_of(database)
    assert (incident.resolved_at, incident.resolution) == (LATER, "The door was shut.")


async def test_door_shut_in_time_is_no_incident(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await leave_open(database, town)
    async with database.write() as session:
        await doors.on_closed(session, fact(town, seq=8), now=LATER)
    _, due = await events_of(database)
    await jobs.escalate_open_door(database, lease_of(due), ids=ids, now=LATER)
    assert await incidents_of(database) == []


async def test_door_that_opens_by_itself_again_and_again_is_one_incident(
    database: Database, town: Town, ids: CountedIds
) -> None:
    for seq in (3, 4):
        async with database.write() as session:
            await doors.on_unexpected_open(session, fact(town, seq=seq), ids=ids, now=START)
            await doors.on_closed(session, fact(town, seq=seq), now=START)
    [incident] = await incidents_of(database)
    assert incident.kind is IncidentKind.UNEXPECTED_OPEN
    assert incident.resolved_at is None, "a shut door does not say who was at it"


async def test_a_door_of_a_locker_that_we_do_not_know_is_no_business_of_ours(
    database: Database,
) -> None:
    elsewhere = Fact(key_of("no locker"), 1, START, 2, 1)
    async with database.write() as session:
        assert await doors.find_left_open(session, elsewhere) is None


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_kind_has_a_way_on(kind: IncidentKind) -> None:
    assert STEPS[kind]
    for is_broken in (False, True):
        assert steps_for_holder(kind, is_broken=is_broken)


def test_stuck_door_is_tried_again_until_it_is_out_of_service() -> None:
    kind = IncidentKind.OPEN_NOT_DETECTED
    assert steps_for_holder(kind, is_broken=False)[0] is NextStep.TRY_AGAIN
    assert NextStep.TRY_AGAIN not in steps_for_holder(kind, is_broken=True)
    assert NextStep.WAIT_FOR_REPAIR in steps_for_holder(kind, is_broken=True)


def test_cooled_goods_are_to_be_fetched_until_they_are_held() -> None:
    kind = IncidentKind.EXCURSION
    assert steps_for_holder(kind, is_broken=False)[0] is NextStep.FETCH_SOON
    held = steps_for_holder(kind, is_broken=False, is_held=True)
    assert NextStep.FETCH_SOON not in held
    assert held[0] is NextStep.WAIT_FOR_DECISION


def test_holders_are_told_of_doors_and_parcels_not_of_records() -> None:
    assert not TELLING & {IncidentKind.UNKNOWN_TOKEN, IncidentKind.JOURNAL_FORK}
