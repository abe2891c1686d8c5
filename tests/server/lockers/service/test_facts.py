"""What a locker reports about itself and its doors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.compartments import DoorState
from schema.statements import StatementType
from server.kit.outbox import Outbox
from server.lockers import jobs, queries
from server.lockers.incidents import ATTENTION, SEVERITIES, Fact, Finding, IncidentKind
from server.lockers.rules import Allocation, Change, DisplayStatus, LockerState, ServiceState
from server.lockers.service import closing, doors, facts, reading
from server.lockers.service.history import Cause
from server.lockers.service.reservations import status_of
from server.lockers.tables import Compartment, Incident, Locker
from tests.fakes.sources import START
from tests.fakes.town import COMPARTMENTS, key_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town


def fact(town: Town, number: int = 1, *, seq: int = 7) -> Fact:
    return Fact(town.locker_id, seq, START, 2, number)


async def door_of(database: Database, number: int = 1) -> Compartment:
    async with database.read() as session:
        found = await session.get(Compartment, key_of(f"door {number}"))
    assert found is not None
    return found


async def locker_of(database: Database, town: Town) -> Locker:
    async with database.read() as session:
        found = await reading.find_locker(session, town.locker_id)
    assert found is not None
    return found


async def test_locker_that_is_heard_of_is_online_again(database: Database, town: Town) -> None:
    async with database.write() as session:
        (await session.get_one(Locker, town.locker_id)).state = LockerState.STALE
    async with database.write() as session:
        await facts.on_heard(session, town.locker_id, at=START, clock_quality=1)
        await facts.on_heard(
            session, town.locker_id, at=START - timedelta(hours=1), clock_quality=0
        )
    locker = await locker_of(database, town)
    assert (locker.state, locker.last_fact_at, locker.clock_quality) == (
        LockerState.ONLINE,
        START,
        1,
    )


async def test_silence_makes_a_locker_offline_and_then_stale(
    database: Database, town: Town, clock: MovableClock
) -> None:
    seen = []
    for pause in (
        timedelta(minutes=15),
        timedelta(seconds=1),
        timedelta(days=6),
        timedelta(days=1),
    ):
        clock.move(seconds=pause.total_seconds())
        await jobs.note_silence(database, now=clock.now())
        seen.append((await locker_of(database, town)).state)
    assert seen == [
        LockerState.ONLINE,
        LockerState.OFFLINE_OK,
        LockerState.OFFLINE_OK,
        LockerState.STALE,
    ]
    assert await jobs.note_silence(database, now=clock.now()) == 0


async def test_applied_statements_are_remembered_by_kind(database: Database, town: Town) -> None:
    async with database.write() as session:
        for kind in StatementType:
            await facts.on_statement_applied(
                session, town.locker_id, kind=kind, seq=10 + kind.value
            )
    locker = await locker_of(database, town)
    assert (locker.revocation_seq, locker.key_set_seq, locker.configuration_seq) == (11, 13, 14)


async def test_door_is_shown_open_until_it_is_seen_closed(database: Database, town: Town) -> None:
    async with database.write() as session:
        await facts.on_door(session, fact(town), DoorState.OPEN)
        await facts.on_door(session, fact(town), DoorState.OPEN)
    opened = await door_of(database)
    assert (status_of(opened), opened.version) == (DisplayStatus.DOOR_OPEN, 2)
    async with database.write() as session:
        await facts.on_door(session, fact(town), DoorState.CLOSED)
    assert status_of(await door_of(database)) is DisplayStatus.AVAILABLE


@pytest.mark.parametrize(
    ("change", "allocation"),
    [
        (Change.STORE, Allocation.OCCUPIED),
        (Change.DOUBT, Allocation.UNKNOWN),
        (Change.EMPTY, Allocation.FREE),
    ],
)
async def test_allocation_follows_the_table_and_ends_reservations_but_for_emptying(
    database: Database, town: Town, change: Change, allocation: Allocation
) -> None:
    async with database.write() as session:
        if change is Change.EMPTY:
            await facts.change_allocation(session, fact(town), Change.STORE)
        else:
            parcel = await town.add_parcel(session)
            await town.reserve(session, parcel, 1)
        found = await facts.change_allocation(session, fact(town), change)
        assert found is not None
        assert await queries.lock_live_reservation(session, key_of("parcel")) is None
    assert (await door_of(database)).allocation is allocation


async def test_unknown_compartment_changes_nothing(
    database: Database, town: Town, ids: CountedIds
) -> None:
    beyond = fact(town, COMPARTMENTS + 1)
    async with database.write() as session:
        assert await facts.change_allocation(session, beyond, Change.STORE) is None
        assert await facts.on_door(session, beyond, DoorState.OPEN) is None
        await doors.on_opened(session, beyond, now=START)
        await doors.on_closed(session, beyond, now=START)
        await doors.on_unexpected_open(session, beyond, ids=ids, now=START)
        await doors.on_close_overdue(session, beyond, opened_at=START, person_id=None, now=START)
        assert not await doors.on_open_not_detected(session, beyond, failures=9, ids=ids, now=START)
    async with database.read() as session:
        assert (await session.exec(select(Incident))).all() == []
        assert (await session.exec(select(Outbox))).all() == []


async def test_quarantine_does_not_hide_that_a_door_is_broken(
    database: Database, town: Town, ids: CountedIds
) -> None:
    cause = Cause(at=START, reason="a complaint")
    async with database.write() as session:
        broken = await queries.lock_compartment(session, town.locker_id, 2)
        assert broken is not None
        broken.service = ServiceState.OUT_OF_SERVICE
        for number in (1, 2):
            key = key_of(f"door {number}")
            await closing.quarantine_by_rule(session, key, cause, ids=ids, now=START)
    assert (await door_of(database, 1)).service is ServiceState.QUARANTINED
    assert (await door_of(database, 2)).service is ServiceState.OUT_OF_SERVICE


async def test_incident_says_how_urgent_it_is(
    database: Database, town: Town, ids: CountedIds
) -> None:
    assert set(SEVERITIES) == set(ATTENTION) == set(IncidentKind)
    finding = Finding(
        kind=IncidentKind.UNKNOWN_TOKEN,
        subject_id=town.locker_id,
        hub_id=town.hub_id,
        locker_id=town.locker_id,
        seq=9,
        detail="x" * 999,
    )
    async with database.write() as session:
        assert await facts.open_incident(session, finding, ids=ids, now=START)
        assert not await facts.open_incident(session, finding, ids=ids, now=START)
    async with database.read() as session:
        row = (await session.exec(select(Incident))).one()
    assert (row.severity, row.due_at, len(row.detail)) == ("CRITICAL", START, 300)
