"""A parcel that waits in the town, and what befalls it; hours count from the start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlmodel import select

from server.hubs.drafts import Hours
from server.hubs.rules import Closure
from server.hubs.service import HOURS_CHANGED, update_hub_hours
from server.hubs.tables import Hub
from server.kit.errors import Refusal
from server.kit.outbox import Lease, Outbox
from server.lockers.incidents import Fact
from server.lockers.rules import Allocation
from server.lockers.tables import Compartment
from server.parcels.jobs import on_hours_changed
from server.parcels.rules import Situation
from server.parcels.service.extending import Wish, extend
from server.parcels.service.holds import Trouble, hold
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.service.stops import list_told
from server.parcels.service.timing import DEADLINE_CHANGED, resume
from server.parcels.service.waiting import on_ready_accepted
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Parcel, ParcelEvent, PauseCause, Stay, StayParcel
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from server.parcels.service.stops import Told
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

HOUR = timedelta(hours=1)


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
            inside = StayParcel(stay_id=key_of("stay"), parcel_id=parcel.id, put_in_at=START)
            session.add(inside)
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

    async def fail(self, since: float, until: float, *, seq: int = 7) -> None:
        """Its door was out of order, as the locker wrote."""
        await self.hold(since, seq=seq)
        await self.release(until)

    async def hold(self, since: float, *, seq: int = 7) -> None:
        """Its door is out of order from then on."""
        fact = Fact(self.town.locker_id, seq, self.at(since), 2, 1)
        trouble = Trouble(
            reason="broken", pause=PauseCause.LOCKER_FAULT, at=self.at(since), fact=fact
        )
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            assert await hold(session, parcel, trouble, ids=self.ids, now=self.at(since))

    async def step(
        self,
        trigger: Trigger,
        party: Party,
        hours: float,
        vouched: Situation | None = None,
        *,
        seq: int | None = None,
    ) -> Parcel:
        """Something else happens to it, which the table of parcels takes."""
        now = self.at(hours)
        is_fact = party is Party.AGT
        happened = Occurrence(
            trigger=trigger,
            party=party,
            at=now,
            reason="by a test",
            locker_id=self.town.locker_id if is_fact else None,
            seq=(seq or int(hours * 10)) if is_fact else None,
        )
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            situation = situation_of(parcel, now, vouched)
            assert await move(session, parcel, happened, situation, ids=self.ids, now=now)
        return await self.parcel()

    async def release(self, until: float) -> None:
        """Somebody has mended it."""
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

    async def extend(
        self, actor: Actor, hours: float, version: int = 1, more: int = 48
    ) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await extend(
                session,
                actor,
                parcel_id=key_of("parcel"),
                wish=Wish(version, more),
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

    async def zone(self) -> ZoneInfo:
        """The hub's."""
        async with self.database.read() as session:
            return ZoneInfo((await session.get_one(Hub, self.town.hub_id)).time_zone)

    async def told(self) -> list[Told]:
        """What has stopped its time, as those hear of it who may see it."""
        async with self.database.read() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            return (await list_told(session, [parcel]))[parcel.id]

    async def last_event(self) -> ParcelEvent:
        """The newest line of its history."""
        async with self.database.read() as session:
            events = (await session.exec(select(ParcelEvent))).all()
        return max(events, key=lambda one: one.number)
