"""From the choice of a window to what its collection teaches, by the events that parcels write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlmodel import select

from server.kit.outbox import Lease, Outbox
from server.parcels.rules import Situation
from server.parcels.service.moving import EVENTS, Occurrence, move
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Assurance, Parcel
from server.pickups import jobs
from server.pickups.rules import Origin
from server.pickups.service import windows
from server.pickups.tables import PickupWindow
from server.pickups.wording import explain
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Database
    from server.pickups.service.windows import Offers
    from tests.fakes.sources import CountedIds, MovableClock
    from tests.fakes.town import Town


async def wait_for(database: Database, town: Town, name: str, *, since: datetime) -> None:
    async with database.write() as session:
        parcel = await town.add_parcel(session, name, at=since)
        parcel.state = ParcelState.READY_FOR_PICKUP
        parcel.available_from, parcel.available_through = since, since + timedelta(days=3)


async def collect(
    database: Database, town: Town, name: str, *, ids: CountedIds, at: datetime
) -> Lease:
    """The recipient opens and empties the door; the event that the parcel wrote."""
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of(name))
        for trigger in (Trigger.OPEN_ACCEPTED, Trigger.COLLECTED):
            happened = Occurrence(
                trigger=trigger,
                party=Party.AGT,
                at=at,
                actor_id=town.recipient.person_id,
                assurance=Assurance.A,
            )
            assert await move(session, parcel, happened, Situation(), ids=ids, now=at) is not None
        told = select(Outbox).where(
            Outbox.kind == EVENTS[ParcelState.COLLECTED], Outbox.subject == parcel.id
        )
        event = (await session.exec(told)).one()
        until = at + timedelta(minutes=1)
        return Lease(event.id, event.kind, event.subject, event.facts, 1, at, until)


async def offer(database: Database, town: Town, name: str, *, now: datetime) -> Offers:
    async with database.read() as session:
        offers = await windows.offer_windows(session, town.recipient, key_of(name), now=now)
    assert offers is not None
    return offers


async def test_who_comes_in_the_evening_is_offered_the_evening_and_told_why(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    """Six of nine parcels, which all came at noon, were fetched in the evening of their day."""
    for number in range(9):
        since = clock.now() + timedelta(days=number)
        name = f"parcel {number}"
        await wait_for(database, town, name, since=since)
        at = since + timedelta(hours=7 if number >= 3 else 1)
        held = await collect(database, town, name, ids=ids, at=at)
        await jobs.on_parcel_collected(database, held, ids=ids, now=at)
        await jobs.fold_lessons(database)
    now = clock.now() + timedelta(days=9)
    await wait_for(database, town, "tenth", since=now)
    offers = await offer(database, town, "tenth", now=now)
    best = offers.windows[0]
    assert best.start <= now + timedelta(hours=7) < best.end
    assert best.origin is Origin.LEARNED
    assert explain(best, offers.language).startswith("You fetched 6 of your last 9 in the ")


async def test_a_window_is_over_once_its_parcel_was_collected(
    database: Database, town: Town, clock: MovableClock, ids: CountedIds
) -> None:
    now = clock.now()
    await wait_for(database, town, "parcel", since=now)
    span = (now + timedelta(hours=5), now + timedelta(hours=6))
    async with database.write() as session:
        await windows.choose_window(
            session, town.recipient, key_of("parcel"), span=span, ids=ids, now=now
        )
    held = await collect(database, town, "parcel", ids=ids, at=span[0])
    for _ in range(2):
        await jobs.on_parcel_collected(database, held, ids=ids, now=span[0])
    async with database.read() as session:
        assert await session.get(PickupWindow, key_of("parcel")) is None
