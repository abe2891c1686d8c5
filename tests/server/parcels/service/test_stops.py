"""What stops a parcel's time is told with who, why, on what evidence, and with what effect."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from server.lockers.rules import Allocation
from server.lockers.tables import Compartment, Incident
from server.parcels.jobs import expire_parcels, watch_service
from server.parcels.rules import Situation
from server.parcels.service import waiting
from server.parcels.service.compartments import take_out_of_service
from server.parcels.service.stops import Evidence, Told
from server.parcels.service.waiting import Objection, on_ready_accepted
from server.parcels.states import ParcelState, Party, Removal, Trigger
from server.parcels.tables import (
    EvidenceKind,
    LocationKind,
    Outage,
    Parcel,
    ParcelPause,
    PauseCause,
)
from tests.fakes.town import key_of
from tests.fakes.waits import HOUR, Wait

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

K, C = EvidenceKind, PauseCause


@pytest.fixture
def wait(database: Database, town: Town, ids: CountedIds) -> Wait:
    return Wait(database, town, ids)


def causes(told: list[Told]) -> list[PauseCause]:
    return [one.stop.cause for one in told]


async def test_each_stop_names_who_why_on_what_and_the_end_before_and_after(wait: Wait) -> None:
    await wait.begin(hours=5)
    await wait.fail(10, 19, seq=44)
    await wait.close_hub(wait.at(48), 1, now=wait.at(20))
    await watch_service(wait.database, ids=wait.ids, now=wait.at(21))
    await watch_service(wait.database, ids=wait.ids, now=wait.at(23))
    told = await wait.told()
    assert causes(told) == [C.LOCKER_FAULT, C.OUTAGE, C.HUB_CLOSED]
    held, down, closed = (one.stop for one in told)
    assert held.evidence == Evidence(K.JOURNAL, wait.town.locker_id, 44)
    assert (held.party, held.reason) == (Party.SRV, "broken")
    assert (held.span.start, held.span.end) == (wait.at(10), wait.at(19))
    async with wait.database.read() as session:
        outage = (await session.exec(select(Outage))).one()
    assert down.evidence == Evidence(K.OUTAGE, outage.id)
    assert closed.evidence == Evidence(K.CLOSURE, wait.town.hub_id)
    assert (closed.party, closed.reason) == (Party.STA, "water")
    ends = [wait.at(77), wait.at(77 + 9), wait.at(77 + 9 + 2), wait.at(77 + 9 + 2 + 24)]
    assert [one.through_before for one in told] == ends[:3]
    assert [one.through_after for one in told] == ends[1:]
    assert await wait.through() == 77 + 9 + 2 + 24


async def test_a_change_of_the_end_stands_in_the_history_with_old_and_new(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1))
    line = await wait.last_event()
    assert (line.party, line.row) == (Party.SRV, "P19")
    assert line.reason is not None
    assert line.reason.startswith("CLOSED: until ")
    assert (line.through_before, line.through_after) == (wait.at(72), wait.at(96))


async def test_a_stop_that_overlaps_another_is_told_and_moves_nothing_more(wait: Wait) -> None:
    await wait.begin()
    await wait.fail(26, 30)
    await wait.close_hub(wait.at(24), 2, now=wait.at(31))
    closed, held = await wait.told()
    assert closed.stop.cause is C.HUB_CLOSED
    assert held.stop.cause is C.LOCKER_FAULT
    assert held.through_before is None
    assert closed.through_after == wait.at(72 + 48)


async def test_a_stop_that_goes_on_has_no_end_and_no_new_time(wait: Wait) -> None:
    await wait.begin()
    await wait.hold(3)
    (held,) = await wait.told()
    assert (held.stop.span.end, held.through_before) == (None, wait.at(72))
    assert held.through_after is None


async def test_what_nobody_was_told_of_is_told_as_a_stop(wait: Wait, ids: CountedIds) -> None:
    await wait.begin_untold()
    async with wait.database.write() as session:
        await waiting.on_ready_undeliverable(
            session, parcel_id=key_of("parcel"), at=wait.at(1), ids=ids, now=wait.at(1)
        )
    assert (await wait.parcel()).pause_cause is C.NOTICE_UNDELIVERED
    (untold,) = await wait.told()
    assert untold.stop.cause is C.NOTICE_UNDELIVERED
    assert untold.stop.evidence == Evidence(K.NOTICE)
    assert (untold.stop.span.start, untold.stop.span.end) == (wait.at(1), None)


async def test_a_broken_door_rests_on_the_incident_that_somebody_opened(wait: Wait) -> None:
    await wait.begin()
    async with wait.database.write() as session:
        door = await session.get_one(Compartment, key_of("door 1"))
        door.allocation = Allocation.OCCUPIED
        await session.flush()
        await take_out_of_service(
            session,
            wait.town.manager,
            locker_id=wait.town.locker_id,
            number=1,
            reason="hinge",
            ids=wait.ids,
            now=wait.at(2),
        )
    async with wait.database.read() as session:
        incident = (await session.exec(select(Incident))).one()
    (held,) = await wait.told()
    assert (held.stop.cause, held.stop.reason) == (C.LOCKER_FAULT, "hinge")
    assert held.stop.evidence == Evidence(K.INCIDENT, incident.id)


async def test_an_objection_rests_on_its_incident(wait: Wait) -> None:
    await wait.begin()
    await wait.step(Trigger.OPEN_ACCEPTED, Party.AGT, 2)
    async with wait.database.write() as session:
        await waiting.object_to_collection(
            session,
            wait.town.recipient,
            parcel_id=key_of("parcel"),
            objection=Objection.DAMAGED,
            ids=wait.ids,
            now=wait.at(3),
        )
    async with wait.database.read() as session:
        incident = (await session.exec(select(Incident))).one()
    (held,) = await wait.told()
    assert (held.stop.cause, held.stop.party) == (C.DISPUTE, Party.REC)
    assert held.stop.evidence == Evidence(K.INCIDENT, incident.id)


async def test_a_door_that_burst_open_stops_the_time_for_a_door_nobody_knows(wait: Wait) -> None:
    await wait.begin()
    parcel = await wait.step(Trigger.UNEXPECTED_OPEN, Party.AGT, 2)
    assert parcel.pause_cause is C.DOOR_UNKNOWN
    (held,) = await wait.told()
    assert held.stop.evidence == Evidence(K.JOURNAL, wait.town.locker_id, 20)


async def carry_away(wait: Wait) -> Parcel:
    """It waits in a locker that was not planned, and a courier takes it on."""
    await wait.begin(location_kind=LocationKind.TEMPORARY)
    return await wait.step(Trigger.REMOVED, Party.AGT, 10, Situation(removal=Removal.ONWARD))


async def put_down(wait: Wait, hours: float, ids: CountedIds) -> None:
    await wait.step(Trigger.DEPOSITED, Party.AGT, hours)
    async with wait.database.write() as session:
        when = wait.at(hours + 1)
        await on_ready_accepted(session, parcel_id=key_of("parcel"), at=when, ids=ids, now=when)


async def test_time_stands_still_while_we_carry_it_to_another_locker(
    wait: Wait, ids: CountedIds
) -> None:
    parcel = await carry_away(wait)
    assert (parcel.pause_cause, parcel.available_through) == (C.TRANSFER, None)
    assert (await wait.step(Trigger.LOAD, Party.COU, 12)).pause_cause is C.TRANSFER
    (carried,) = await wait.told()
    assert carried.stop.evidence == Evidence(K.JOURNAL, wait.town.locker_id, 100)
    assert carried.stop.span.end is None
    await put_down(wait, 30, ids)
    assert (await wait.parcel()).pause_cause is None
    (carried,) = await wait.told()
    assert (carried.stop.span.start, carried.stop.span.end) == (wait.at(10), wait.at(31))
    assert await wait.through() == 31 + 72


async def test_a_hold_takes_the_place_of_a_transfer(wait: Wait, ids: CountedIds) -> None:
    await carry_away(wait)
    await wait.step(Trigger.DEPOSITED, Party.AGT, 30)
    await wait.step(Trigger.HOLD, Party.SRV, 31, Situation(has_reason=True))
    assert (await wait.parcel()).pause_cause is C.INCIDENT
    carried, held = await wait.told()
    assert carried.stop.span.end == held.stop.span.start == wait.at(31)
    assert held.stop.evidence == Evidence(K.DECISION)


async def test_what_is_given_up_on_its_way_is_carried_no_more(wait: Wait) -> None:
    await carry_away(wait)
    lost = Situation(has_reason=True, has_second_person=True)
    assert (await wait.step(Trigger.LOSE, Party.OPR, 40, lost)).pause_cause is None
    async with wait.database.read() as session:
        (row,) = (await session.exec(select(ParcelPause))).all()
    assert row.ended_at == wait.at(40)


async def test_what_kept_a_parcel_from_expiring_is_named_rightly(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    async with wait.database.write() as session:
        session.add(
            ParcelPause(
                id=ids.new(),
                parcel_id=key_of("parcel"),
                cause=C.LOCKER_FAULT,
                started_at=wait.at(20),
                ended_at=wait.at(26),
                party=Party.SRV,
            )
        )
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    assert (await wait.parcel()).state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 78
    assert await wait.changes() == ["RESUMED"]


async def test_every_outage_counts_however_many_there_were(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    for number in range(130):
        await watch_service(wait.database, ids=ids, now=wait.at(1) + number * timedelta(minutes=22))
        went = wait.at(1) + number * timedelta(minutes=22) + timedelta(minutes=11)
        await watch_service(wait.database, ids=ids, now=went)
    async with wait.database.read() as session:
        outages = (await session.exec(select(Outage))).all()
    lost = sum((one.ended_at - one.started_at for one in outages), timedelta(0))
    assert lost >= 130 * timedelta(minutes=11)
    assert await wait.through() == 72 + lost / HOUR


async def test_outages_without_a_pause_between_them_are_one(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    minutes = [0, 20, 25, 60, 75]
    for minute in minutes:
        await watch_service(wait.database, ids=ids, now=wait.at(1) + timedelta(minutes=minute))
    async with wait.database.read() as session:
        (outage,) = (await session.exec(select(Outage))).all()
    assert (outage.started_at, outage.ended_at) == (wait.at(1), wait.at(2.25))


async def test_outages_older_than_any_wait_are_forgotten(wait: Wait, ids: CountedIds) -> None:
    for day in (0.0, 1.0, 95.0, 96.0):
        await watch_service(wait.database, ids=ids, now=wait.at(24 * day))
        await watch_service(wait.database, ids=ids, now=wait.at(24 * day + 0.1))
    async with wait.database.read() as session:
        outages = (await session.exec(select(Outage))).all()
    assert all(one.ended_at >= wait.at(24 * 5) for one in outages)
