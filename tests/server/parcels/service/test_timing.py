"""The fair clock: nobody loses time by our fault, and more is given while there is room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from server.hubs.drafts import Hours
from server.hubs.rules import Closure
from server.hubs.service import HOURS_CHANGED, update_hub_hours
from server.kit.errors import Refusal
from server.kit.outbox import Lease, Outbox
from server.lockers.rules import Allocation
from server.lockers.tables import Compartment
from server.parcels.deadlines import HOLD
from server.parcels.jobs import expire_parcels, on_hours_changed, watch_service
from server.parcels.rules import Situation
from server.parcels.service.extending import extend
from server.parcels.service.holds import Trouble, hold
from server.parcels.service.moving import EVENTS, Occurrence, move, situation_of
from server.parcels.service.timing import DEADLINE_CHANGED, resume
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Parcel, ParcelEvent, PauseCause, Stay
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

HOUR = timedelta(hours=1)
THREE_DAYS = HOLD[ClimateZone.AMBIENT]


class Wait:
    """One parcel in a compartment of the town, and what befalls it; hours count from the start."""

    def __init__(self, database: Database, town: Town, ids: CountedIds) -> None:
        self.database, self.town, self.ids = database, town, ids

    def at(self, hours: float) -> datetime:
        return START + hours * HOUR

    async def begin(self, hours: float = 0, **changes: Any) -> None:
        """It was deposited at the start; the notice was taken so many hours later."""
        await self.begin_untold(**changes)
        async with self.database.write() as session:
            when = self.at(hours)
            await on_ready_accepted(
                session, parcel_id=key_of("parcel"), at=when, ids=self.ids, now=when
            )

    async def begin_untold(self, **changes: Any) -> None:
        """It was deposited at the start, and nobody was told."""
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session, state=ParcelState.DEPOSITED)
            session.add(
                Stay(
                    id=key_of("stay"),
                    name=stay_of(1),
                    created_at=START,
                    locker_id=self.town.locker_id,
                    compartment_id=key_of("door 1"),
                    begun_at=START,
                )
            )
            await session.flush()
            parcel.stay_id = key_of("stay")
            for name, value in changes.items():
                setattr(parcel, name, value)

    async def parcel(self) -> Parcel:
        async with self.database.read() as session:
            return await session.get_one(Parcel, key_of("parcel"))

    async def through(self) -> float:
        """The end of its time, in hours from the start."""
        through = (await self.parcel()).available_through
        assert through is not None
        return (through - START) / HOUR

    async def fail(self, since: float, until: float) -> None:
        """Its door was out of order."""
        trouble = Trouble(reason="broken", pause=PauseCause.LOCKER_FAULT, at=self.at(since))
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            assert await hold(session, parcel, trouble, ids=self.ids, now=self.at(since))
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            now = self.at(until)
            happened = Occurrence(
                trigger=Trigger.RESOLVE_HOLD, party=Party.OPR, at=now, reason="mended"
            )
            vouched = Situation(has_reason=True, wanted=ParcelState.READY_FOR_PICKUP)
            situation = situation_of(parcel, now, vouched)
            assert await move(session, parcel, happened, situation, ids=self.ids, now=now)
            await resume(session, parcel, ids=self.ids, now=now)

    async def close_hub(self, first: datetime, days: int, *, now: datetime, **kind: bool) -> None:
        """The hub's manager writes a closure, and the worker hears of it."""
        last = first.date() + timedelta(days=days - 1)
        closure = Closure(first.date(), last, "water", **{"is_planned": False, **kind})
        async with self.database.write() as session:
            hub = await update_hub_hours(
                session,
                self.town.actor("manager", Role.HUB_MANAGER),
                hub_id=self.town.hub_id,
                hours=Hours((), (closure,)),
                ids=self.ids,
                now=now,
            )
            assert not isinstance(hub, Refusal), hub
        event = Lease(self.ids.new(), HOURS_CHANGED, self.town.hub_id, {}, 1, now, now)
        await on_hours_changed(self.database, event, ids=self.ids, now=now)

    async def extend(self, actor: Actor, hours: float, version: int = 1) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await extend(
                session,
                actor,
                parcel_id=key_of("parcel"),
                version=version,
                ids=self.ids,
                now=self.at(hours),
            )

    async def fill(self, doors: int) -> None:
        """So many of the four compartments are in use."""
        async with self.database.write() as session:
            for number in range(1, 5):
                door = await session.get_one(Compartment, key_of(f"door {number}"))
                door.allocation = Allocation.OCCUPIED if number <= doors else Allocation.FREE

    async def rows(self) -> list[str]:
        async with self.database.read() as session:
            events = (await session.exec(select(ParcelEvent))).all()
        return [event.row for event in sorted(events, key=lambda one: one.number)]

    async def changes(self) -> list[str]:
        query = select(Outbox).where(Outbox.kind == DEADLINE_CHANGED)
        async with self.database.read() as session:
            return [str(row.facts["change"]) for row in await session.exec(query)]


@pytest.fixture
def wait(database: Database, town: Town, ids: CountedIds) -> Wait:
    return Wait(database, town, ids)


async def test_a_fault_a_late_notice_and_a_closure_move_the_deadline_by_their_union(
    wait: Wait,
) -> None:
    await wait.begin(hours=5)
    assert await wait.through() == 5 + 72
    await wait.fail(10, 19)
    assert await wait.through() == 5 + 72 + 9
    # The fault lies within this day (the start is at half past nine in UTC, noon in Tallinn).
    await wait.close_hub(wait.at(0), 1, now=wait.at(20))
    midnight = 11.5
    assert await wait.through() == 5 + 72 + (midnight - 5) + (19 - midnight)
    assert (await wait.parcel()).pause_cause is None


async def test_what_expired_for_want_of_that_time_comes_back(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    assert (await wait.parcel()).state is ParcelState.EXPIRED
    await wait.close_hub(wait.at(24), 2, now=wait.at(76))
    parcel = await wait.parcel()
    assert (parcel.state, parcel.hold_ended) == (ParcelState.READY_FOR_PICKUP, None)
    assert await wait.through() == 72 + 48
    assert (await wait.rows())[-2:] == ["P22", "P23"]


async def test_what_was_refused_does_not_come_back(wait: Wait) -> None:
    await wait.begin()
    async with wait.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        refused = Occurrence(trigger=Trigger.REFUSE, party=Party.REC, at=wait.at(1))
        await move(
            session, parcel, refused, situation_of(parcel, wait.at(1)), ids=wait.ids, now=wait.at(1)
        )
    await wait.close_hub(wait.at(24), 2, now=wait.at(2))
    assert (await wait.parcel()).state is ParcelState.EXPIRED


async def test_a_closure_that_was_planned_moves_nothing(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1), is_planned=True)
    assert await wait.through() == 72
    assert await wait.changes() == []


async def test_a_closure_taken_back_takes_no_time_back(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1))
    await wait.close_hub(wait.at(24), 1, now=wait.at(2), is_planned=True)
    assert await wait.through() == 72 + 24
    assert await wait.changes() == ["CLOSED"]


async def test_time_in_which_the_service_was_down_does_not_count(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    for minute in (0, 1, 2):
        await watch_service(wait.database, ids=ids, now=wait.at(1) + timedelta(minutes=minute))
    assert await wait.through() == 72
    back = wait.at(4) + timedelta(minutes=2)
    for _ in range(2):
        await watch_service(wait.database, ids=ids, now=back)
    assert await wait.through() == 72 + 3
    assert await wait.changes() == ["OUTAGE"]


async def test_nothing_expires_by_an_outage_that_lasted_over_its_end(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    await watch_service(wait.database, ids=ids, now=wait.at(60))
    await watch_service(wait.database, ids=ids, now=wait.at(80))
    await expire_parcels(wait.database, ids=ids, now=wait.at(80))
    assert (await wait.parcel()).state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 72 + 20


async def test_a_clock_set_back_is_no_outage(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    for hours in (5.0, 1.0, 1.1, 5.1):
        await watch_service(wait.database, ids=ids, now=wait.at(hours))
    assert await wait.changes() == []


async def test_more_time_is_given_once_from_the_first_hour_on(wait: Wait) -> None:
    await wait.begin()
    await wait.fill(2)
    for _ in range(2):
        parcel = await wait.extend(wait.town.recipient, 1)
        assert isinstance(parcel, Parcel)
    assert await wait.through() == 72 + 48
    refused = await wait.extend(wait.town.recipient, 2, version=2)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "once" in refused.message
    assert refused.next


async def test_a_full_hub_gives_no_more_time_and_says_what_else_can_be_done(wait: Wait) -> None:
    await wait.begin()
    await wait.fill(4)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED
    assert "100%" in refused.message
    assert refused.next
    assert await wait.through() == 72


async def test_cooled_goods_get_no_more_time(wait: Wait) -> None:
    await wait.begin(climate_zone=ClimateZone.CHILLED)
    refused = await wait.extend(wait.town.recipient, 1)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.EXTENSION_REFUSED


async def test_more_time_can_be_had_late_while_the_parcel_is_there(
    wait: Wait, ids: CountedIds
) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    version = (await wait.parcel()).deadline_version
    assert isinstance(await wait.extend(wait.town.recipient, 76, version=version), Parcel)
    assert (await wait.parcel()).state is ParcelState.READY_FOR_PICKUP
    assert await wait.through() == 72 + 48


async def test_whoever_saw_an_older_deadline_is_told(wait: Wait) -> None:
    await wait.begin()
    await wait.close_hub(wait.at(24), 1, now=wait.at(1))
    refused = await wait.extend(wait.town.recipient, 2)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.CHANGED_MEANWHILE


@pytest.mark.parametrize(
    ("name", "roles", "code"),
    [
        ("manager", (Role.HUB_MANAGER,), None),
        ("operator", (Role.OPERATOR,), None),
        ("clerk", (Role.HUB_CLERK,), ProblemCode.NOT_PERMITTED),
        ("stranger", (), ProblemCode.NOT_FOUND),
    ],
)
async def test_who_may_give_more_time(
    wait: Wait, name: str, roles: tuple[Role, ...], code: ProblemCode | None
) -> None:
    await wait.begin()
    outcome = await wait.extend(wait.town.actor(name, *roles), 1)
    assert (outcome.code if isinstance(outcome, Refusal) else None) is code


async def test_more_time_beyond_what_has_passed_is_of_no_use(wait: Wait, ids: CountedIds) -> None:
    await wait.begin()
    await expire_parcels(wait.database, ids=ids, now=wait.at(75))
    version = (await wait.parcel()).deadline_version
    refused = await wait.extend(wait.town.recipient, 72 + 48 + 3, version=version)
    assert isinstance(refused, Refusal)
    assert (await wait.parcel()).state is ParcelState.EXPIRED


async def test_what_was_held_before_anybody_was_told_is_told_of_when_the_hold_ends(
    wait: Wait,
) -> None:
    await wait.begin_untold()
    await wait.fail(1, 9)
    parcel = await wait.parcel()
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    assert parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED
    query = select(Outbox.kind).where(Outbox.kind == EVENTS[ParcelState.DEPOSITED])
    async with wait.database.read() as session:
        assert len((await session.exec(query)).all()) == 1
    async with wait.database.write() as session:
        when = wait.at(10)
        await on_ready_accepted(
            session, parcel_id=key_of("parcel"), at=when, ids=wait.ids, now=when
        )
    assert (await wait.parcel()).pause_cause is None
    assert await wait.through() == 10 + 72
