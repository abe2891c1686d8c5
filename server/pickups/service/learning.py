"""What a collection teaches, and forgetting it.

Counts of a person are theirs and go with them. Counts of a hub and of everybody, and the weights of
the pool, name nobody: sums that fade, of which no single collection can be read. Where one person
made up much of a hub's counts these would still speak of that person, so they go as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.hubs.dayslots import slot_of
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.parcels import queries as parcels
from server.parcels.states import ParcelState
from server.people import queries as people
from server.people.service.preferences import get_preferences
from server.pickups import queries
from server.pickups.habits import (
    HALF_LIFE_DAYS,
    SLOTS,
    Arrival,
    Counts,
    forecast,
    learn,
    size_of,
)
from server.pickups.keys import evidence_of, keys_for, restore_pool, store_pool
from server.pickups.rules import REMEMBERED, delay_between
from server.pickups.tables import HabitPast

if TYPE_CHECKING:
    import uuid
    from datetime import date, datetime

    from server.hubs.dayslots import DaySlot
    from server.kit.db import Session
    from server.kit.errors import Refusal
    from server.parcels.tables import Parcel

    Moment = tuple[date, DaySlot]

MOST_SHARE = 0.2
"""A person whose share of a hub's counts was larger takes them along."""

MOST_HUBS = 100
"""Hubs looked at for that."""

KEPT = timedelta(days=60)
"""How long we know that a parcel has taught: no collection comes again later (DOMAIN 5.1)."""

SWEEP = 1_000
"""Most rows deleted in one go."""


async def learn_collection(
    session: Session, parcel_id: uuid.UUID, *, version: int, now: datetime
) -> bool:
    """Counts a collection, once for each parcel; whether it was counted.

    Only what recipients fetch on a phone of their own tells of their habits: not what a delegate
    took, nor what was given by digits or over a counter, where nobody knows who came. Nothing is
    learned of those who do not want it.
    """
    parcel = await parcels.get_parcel(session, parcel_id)
    if not await queries.insert_taught(session, parcel_id, at=now):
        return False
    line = await parcels.find_event(session, parcel_id, number=version)
    person_id = parcel.recipient_id
    if person_id is None or line is None or line.actor_id != person_id:
        return False
    await people.lock_person(session, person_id)
    wanted = (await get_preferences(session, person_id)).learns
    if not wanted or parcel.state is not ParcelState.COLLECTED:
        return False
    return await _count(session, parcel, person_id)


async def forget_habits(session: Session, actor: Actor) -> uuid.UUID | Refusal:
    """Erases what was learned of the actor; whose it was. Repeating it finds nothing."""
    if actor.person_id is None or not actor.can(Permission.CONSENT_WRITE):
        return deny(actor)
    await erase(session, actor.person_id)
    return actor.person_id


async def stop_learning(session: Session, person_id: uuid.UUID) -> bool:
    """Erases the habits of a person who wants none to be learned; False if they want it again."""
    await people.lock_person(session, person_id)
    if (await get_preferences(session, person_id)).learns:
        return False
    await erase(session, person_id)
    return True


async def erase(session: Session, person_id: uuid.UUID) -> None:
    """Deletes every row about the person, and counts of hubs that mostly speak of them."""
    await people.lock_person(session, person_id)
    await queries.lock_pool(session)
    own = await queries.sum_habits(session, person_id)
    hubs = await queries.list_hub_counts_of(session, person_id, limit=MOST_HUBS)
    telling = [row for row in hubs if own.get(row.part, 0.0) > MOST_SHARE * row.total]
    await queries.delete_counts(session, telling)
    await queries.delete_habits(session, person_id)


async def forget_taught(session: Session, *, now: datetime) -> int:
    """Deletes at most a thousand marks of parcels that teach no more; how many."""
    return await queries.prune_taught(session, before=now - KEPT, limit=SWEEP)


async def _count(session: Session, parcel: Parcel, person_id: uuid.UUID) -> bool:
    hub = await find_hub(session, parcel.hub_id)
    if hub is None or parcel.available_from is None or parcel.collected_at is None:
        return False
    zone = ZoneInfo(hub.time_zone)
    arrived, collected = (slot_of(at, zone) for at in (parcel.available_from, parcel.collected_at))
    await _add(session, person_id, hub.id, arrived, collected)
    return True


async def _add(
    session: Session,
    person_id: uuid.UUID,
    hub_id: uuid.UUID,
    arrived: Moment,
    collected: Moment,
) -> None:
    arrival = Arrival(arrived[0].toordinal(), int(arrived[1]))
    delay, day = delay_between(arrived, collected), collected[0].toordinal()
    pool_row = await queries.lock_pool(session)
    keys = keys_for(person_id, hub_id, arrival)
    rows = await queries.list_counts(session, keys)
    counts = {key: queries.as_counts(row) for key, row in rows.items()}
    pool = restore_pool(pool_row.kept)
    # As it would have been foreseen: nothing of this collection is in the counts yet.
    learn(pool, forecast(evidence_of(keys, counts), pool, arrival), delay, day=day)
    pool_row.kept = store_pool(pool)
    for key in keys:
        size = size_of(key.level)
        one = counts.get(key) or Counts(size, day=day)
        outcome = int(collected[1]) if size == SLOTS else delay
        one.add(outcome, day=day, half_life_days=HALF_LIFE_DAYS[key.level])
        await queries.save_counts(session, key, one, rows.get(key))
    past = await queries.find_past(session, person_id)
    past = past or HabitPast(person_id=person_id, slots=[])
    past.slots = [*past.slots, int(collected[1])][-REMEMBERED:]
    session.add(past)
    await session.flush()
