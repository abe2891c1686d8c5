"""Ready, objected to, settled, expired: what people and time decide."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Facts, Lease
from server.lockers.incidents import Fact, IncidentKind
from server.lockers.rules import ServiceState
from server.lockers.tables import Compartment, Incident
from server.parcels import jobs
from server.parcels.deadlines import GRACE, MOST_PAUSED
from server.parcels.retention import KEPT_AT_LEAST
from server.parcels.rules import Situation
from server.parcels.service import facts, stays, waiting
from server.parcels.service.depositing import Putting
from server.parcels.service.holds import Trouble, hold
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.service.scenes import Opening
from server.parcels.service.timing import resume
from server.parcels.service.waiting import Objection
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Assurance, HoldEnded, Parcel, ParcelEvent, PauseCause
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, SeededRandomness
    from tests.fakes.town import Town

S = ParcelState
PARCEL = key_of("parcel")


async def parcel_of(database: Database) -> Parcel:
    async with database.read() as session:
        return await session.get_one(Parcel, PARCEL)


async def change(database: Database, **values: Any) -> None:
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        for name, value in values.items():
            setattr(parcel, name, value)


async def rows(database: Database) -> list[str]:
    async with database.read() as session:
        events = (await session.exec(select(ParcelEvent))).all()
    return [event.row for event in sorted(events, key=lambda one: one.number)]


@pytest.fixture
async def deposited(
    database: Database, town: Town, ids: CountedIds, randomness: SeededRandomness
) -> Database:
    """A database with a parcel that lies in compartment 1 since START."""
    async with database.write() as session:
        await town.add_parcel(session)
        stay = await stays.mint_stay(
            session,
            parcel_id=PARCEL,
            locker_id=town.locker_id,
            ids=ids,
            randomness=randomness,
            now=START,
        )
        await facts.on_deposited(
            session,
            Fact(town.locker_id, 1, START, 2, 1),
            stay=stay.name,
            putting=Putting(depositor_id=None),
            ids=ids,
            now=START,
        )
    return database


async def accept_notice(database: Database, ids: CountedIds, at: datetime) -> None:
    async with database.write() as session:
        await waiting.on_ready_accepted(session, parcel_id=PARCEL, at=at, ids=ids, now=at)


async def collect_unsensed(database: Database, town: Town, ids: CountedIds) -> Lease:
    """The holder opens and closes at START, no sensor; the event that is to settle it."""
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        stay = await stays.find_stay_of(session, parcel)
        assert stay is not None
        await facts.on_open_accepted(
            session,
            Fact(town.locker_id, 2, START, 2, 1),
            stay=stay.name,
            holder_id=key_of("recipient"),
            ids=ids,
            now=START,
        )
        await facts.on_collected(
            session,
            Fact(town.locker_id, 3, START, 2, 1),
            stay=stay.name,
            grade=2,
            opening=Opening(is_token_valid=True, is_holder_proved=True),
            ids=ids,
            now=START,
        )
    told: Facts = {"locker": str(town.locker_id), "seq": 3, "holder": None, "token_valid": True}
    return Lease(uuid.UUID(int=1), "parcel.settling", PARCEL, told, 1, START, START)


async def test_accepted_notice_makes_it_ready_and_starts_the_time(
    deposited: Database, ids: CountedIds
) -> None:
    at = START + timedelta(minutes=3)
    await accept_notice(deposited, ids, at)
    await accept_notice(deposited, ids, at + timedelta(minutes=5))
    parcel = await parcel_of(deposited)
    assert (parcel.state, parcel.available_from) == (S.READY_FOR_PICKUP, at)
    assert parcel.available_through == at + timedelta(hours=72)
    assert await rows(deposited) == ["P10", "P12"]


async def test_undelivered_notice_makes_it_ready_but_pauses_until_one_is_taken(
    deposited: Database, ids: CountedIds
) -> None:
    async with deposited.write() as session:
        await waiting.on_ready_undeliverable(
            session, parcel_id=PARCEL, at=START, ids=ids, now=START
        )
    paused = await parcel_of(deposited)
    assert (paused.state, paused.pause_cause) == (
        S.READY_FOR_PICKUP,
        PauseCause.NOTICE_UNDELIVERED,
    )
    late = START + timedelta(days=30)
    assert await jobs.expire_parcels(deposited, ids=ids, now=late) == 0
    await accept_notice(deposited, ids, late)
    parcel = await parcel_of(deposited)
    assert (parcel.pause_cause, parcel.available_from) == (None, late)
    assert parcel.deadline_version == 2
    assert await rows(deposited) == ["P10", "P12", "P19"]


async def test_who_could_never_be_told_keeps_no_compartment_for_ever(
    deposited: Database, ids: CountedIds
) -> None:
    async with deposited.write() as session:
        await waiting.on_ready_undeliverable(
            session, parcel_id=PARCEL, at=START, ids=ids, now=START
        )
    end = START + timedelta(hours=72) + GRACE + MOST_PAUSED
    assert await jobs.expire_parcels(deposited, ids=ids, now=end) == 0
    assert await jobs.expire_parcels(deposited, ids=ids, now=end + timedelta(seconds=1)) == 1
    assert await jobs.expire_parcels(deposited, ids=ids, now=end + timedelta(hours=1)) == 0
    assert (await parcel_of(deposited)).state is S.EXPIRED


async def hold_untold(database: Database, ids: CountedIds) -> None:
    """Nobody could be told, and then the locker broke."""
    async with database.write() as session:
        await waiting.on_ready_undeliverable(
            session, parcel_id=PARCEL, at=START, ids=ids, now=START
        )
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        trouble = Trouble(reason="broken", pause=PauseCause.LOCKER_FAULT, at=START)
        assert await hold(session, parcel, trouble, ids=ids, now=START)


async def mend(database: Database, ids: CountedIds, at: datetime) -> None:
    async with database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        mended = Occurrence(trigger=Trigger.RESOLVE_HOLD, party=Party.OPR, at=at, reason="mended")
        situation = situation_of(parcel, at, Situation(has_reason=True, wanted=S.READY_FOR_PICKUP))
        assert await move(session, parcel, mended, situation, ids=ids, now=at)
        await resume(session, parcel, ids=ids, now=at)


async def test_end_of_a_hold_starts_no_time_of_which_nobody_was_told(
    deposited: Database, ids: CountedIds
) -> None:
    await hold_untold(deposited, ids)
    await mend(deposited, ids, START + timedelta(hours=9))
    late = START + timedelta(days=10)
    assert (await parcel_of(deposited)).pause_cause is PauseCause.NOTICE_UNDELIVERED
    assert await jobs.expire_parcels(deposited, ids=ids, now=late) == 0
    await accept_notice(deposited, ids, late)
    assert (await parcel_of(deposited)).available_through == late + timedelta(hours=72)


async def test_who_is_told_while_it_is_held_has_the_whole_time_afterwards(
    deposited: Database, ids: CountedIds
) -> None:
    await hold_untold(deposited, ids)
    await accept_notice(deposited, ids, START + timedelta(hours=5))
    assert (await parcel_of(deposited)).pause_cause is PauseCause.LOCKER_FAULT
    await mend(deposited, ids, START + timedelta(hours=9))
    parcel = await parcel_of(deposited)
    assert parcel.pause_cause is None
    assert parcel.available_through == START + timedelta(hours=9 + 72)


async def test_notice_for_a_parcel_that_was_collected_already_changes_nothing(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    event = await collect_unsensed(deposited, town, ids)
    await jobs.settle_collection(deposited, event, ids=ids, now=START + timedelta(seconds=60))
    await accept_notice(deposited, ids, START + timedelta(seconds=61))
    assert await rows(deposited) == ["P10", "P15", "P16"]


async def test_unopposed_collection_counts_after_a_minute_and_once(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    event = await collect_unsensed(deposited, town, ids)
    for seconds in (59, 60, 61):
        now = START + timedelta(seconds=seconds)
        await jobs.settle_collection(deposited, event, ids=ids, now=now)
    parcel = await parcel_of(deposited)
    assert (parcel.state, parcel.assurance) == (S.COLLECTED, Assurance.B)
    assert parcel.collected_at == START + timedelta(seconds=60)
    assert (parcel.over_at, parcel.forget_at) == (
        parcel.collected_at,
        START + timedelta(seconds=60) + KEPT_AT_LEAST,
    )
    assert parcel.settles_at is None
    assert await rows(deposited) == ["P10", "P15", "P16"]


async def test_collection_that_cannot_count_any_more_is_an_incident(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    event = await collect_unsensed(deposited, town, ids)
    await change(deposited, state=S.RETURNED)
    now = START + timedelta(seconds=60)
    await jobs.settle_collection(deposited, event, ids=ids, now=now)
    parcel = await parcel_of(deposited)
    assert (parcel.state, parcel.settles_at) == (S.RETURNED, None)
    async with deposited.read() as session:
        assert (await session.exec(select(Incident))).one().kind is IncidentKind.FACT_WITHOUT_ROW


async def object_to(
    database: Database, actor: Actor, ids: CountedIds, now: datetime
) -> Parcel | Refusal:
    async with database.write() as session:
        return await waiting.object_to_collection(
            session, actor, parcel_id=PARCEL, objection=Objection.EMPTY, ids=ids, now=now
        )


async def test_objection_in_time_holds_the_parcel_and_keeps_the_evidence(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    event = await collect_unsensed(deposited, town, ids)
    outcome = await object_to(deposited, town.recipient, ids, START + timedelta(seconds=20))
    assert isinstance(outcome, Parcel)
    await jobs.settle_collection(deposited, event, ids=ids, now=START + timedelta(seconds=60))
    assert (await parcel_of(deposited)).state is S.ON_HOLD
    async with deposited.read() as session:
        door = await session.get_one(Compartment, key_of("door 1"))
        incident = (await session.exec(select(Incident))).one()
    assert door.service is ServiceState.QUARANTINED
    assert (incident.kind, incident.subject_id) == (IncidentKind.OBJECTION, PARCEL)


async def test_objection_is_the_recipients_and_only_while_it_is_open(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    early = await object_to(deposited, town.recipient, ids, START)
    await collect_unsensed(deposited, town, ids)
    others = [
        await object_to(deposited, actor, ids, START)
        for actor in (ANONYMOUS, town.stranger, town.courier, town.operator)
    ]
    codes = [one.code for one in (early, *others) if isinstance(one, Refusal)]
    assert codes == [
        ProblemCode.WRONG_STATE,
        ProblemCode.SIGNED_OUT,
        *[ProblemCode.NOT_FOUND] * 3,
    ]


async def test_deadline_and_grace_expire_a_parcel(deposited: Database, ids: CountedIds) -> None:
    await accept_notice(deposited, ids, START)
    end = START + timedelta(hours=72) + GRACE
    assert await jobs.expire_parcels(deposited, ids=ids, now=end) == 0
    assert await jobs.expire_parcels(deposited, ids=ids, now=end + timedelta(seconds=1)) == 1
    assert await jobs.expire_parcels(deposited, ids=ids, now=end + timedelta(days=1)) == 0
    parcel = await parcel_of(deposited)
    assert (parcel.state, parcel.hold_ended) == (S.EXPIRED, HoldEnded.DEADLINE)
    assert parcel.stay_id is not None


async def test_open_session_does_not_expire(
    deposited: Database, town: Town, ids: CountedIds
) -> None:
    await accept_notice(deposited, ids, START)
    await collect_unsensed(deposited, town, ids)
    assert await jobs.expire_parcels(deposited, ids=ids, now=START + timedelta(days=9)) == 0


async def test_notice_about_no_parcel_is_nothing(database: Database, ids: CountedIds) -> None:
    async with database.write() as session:
        for react in (waiting.on_ready_accepted, waiting.on_ready_undeliverable):
            assert await react(session, parcel_id=PARCEL, at=START, ids=ids, now=START) is None
