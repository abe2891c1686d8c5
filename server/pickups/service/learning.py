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
    size_of,
)
from server.pickups.keys import OF_PERSON, evidence_of, keys_for
from server.pickups.rules import REMEMBERED, delay_between
from server.pickups.service.folding import FOLDED, fold_lessons
from server.pickups.tables import HabitPast, Lesson

if TYPE_CHECKING:
    import uuid
    from datetime import date, datetime

    from server.hubs.dayslots import DaySlot
    from server.kit.db import Session
    from server.kit.errors import Refusal
    from server.kit.ids import Ids
    from server.parcels.tables import Parcel
    from server.pickups.habits import Forecast

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
    session: Session, parcel_id: uuid.UUID, *, version: int, ids: Ids, now: datetime
) -> bool:
    """Counts a collection, once for each parcel; whether it was counted.

    What it says of the person counts at once, what it says of everybody with `fold_lessons`.

    Only what recipients fetch on a phone of their own tells of their habits: not what a delegate
    took, nor what was given by digits or over a counter, where nobody knows who came. Nothing is
    learned of those who do not want it.
    """
    parcel = await parcels.get_parcel(session, parcel_id)
    if not await queries.insert_taught(session, parcel_id, at=now):
        return False
    shown = await queries.take_forecast(session, parcel_id)
    line = await parcels.find_event(session, parcel_id, number=version)
    person_id = parcel.recipient_id
    if person_id is None or line is None or line.actor_id != person_id:
        return False
    await people.lock_person(session, person_id)
    wanted = (await get_preferences(session, person_id)).learns
    if not wanted or parcel.state is not ParcelState.COLLECTED:
        return False
    return await _count(session, parcel, person_id, shown, ids=ids)


async def note_forecast(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> bool:
    """Keeps what is foreseen of a parcel that has become ready, to see later how it came true.

    Once for each parcel, and nothing of those who want nothing learned; whether it is kept.
    """
    parcel = await parcels.find_parcel(session, parcel_id)
    if parcel is None or parcel.state is not ParcelState.READY_FOR_PICKUP:
        return False
    hub = await find_hub(session, parcel.hub_id)
    if hub is None or parcel.recipient_id is None or parcel.available_from is None:
        return False
    await people.lock_person(session, parcel.recipient_id)
    if not (await get_preferences(session, parcel.recipient_id)).learns:
        return False
    arrived = slot_of(parcel.available_from, ZoneInfo(hub.time_zone))
    made = await foresee(session, parcel.recipient_id, hub.id, arrived)
    await queries.insert_forecast(session, parcel_id, at=now, probabilities=made.probabilities)
    return True


async def foresee(
    session: Session, person_id: uuid.UUID, hub_id: uuid.UUID, arrived: Moment
) -> Forecast:
    """When this person will come to this hub for a parcel that became ready then."""
    arrival = Arrival(arrived[0].toordinal(), int(arrived[1]))
    keys = keys_for(person_id, hub_id, arrival)
    rows = await queries.list_counts(session, keys)
    counts = {key: queries.as_counts(row) for key, row in rows.items()}
    return forecast(evidence_of(keys, counts), await queries.find_pool(session), arrival)


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
    # What they taught a moment ago is to be weighed with the rest.
    while await fold_lessons(session) == FOLDED:
        pass
    await queries.lock_pool(session)
    own = await queries.sum_habits(session, person_id)
    hubs = await queries.list_hub_counts_of(session, person_id, limit=MOST_HUBS)
    telling = [row for row in hubs if own.get(row.part, 0.0) > MOST_SHARE * row.total]
    await queries.delete_counts(session, telling)
    await queries.delete_habits(session, person_id)


async def forget_taught(session: Session, *, now: datetime) -> int:
    """Deletes at most a thousand marks of parcels that teach no more, and as many forecasts of
    parcels that were never fetched; how many.
    """
    gone = await queries.prune_taught(session, before=now - KEPT, limit=SWEEP)
    return gone + await queries.prune_forecasts(session, before=now - KEPT, limit=SWEEP)


async def _count(
    session: Session,
    parcel: Parcel,
    person_id: uuid.UUID,
    shown: list[float] | None,
    *,
    ids: Ids,
) -> bool:
    hub = await find_hub(session, parcel.hub_id)
    if hub is None or parcel.available_from is None or parcel.collected_at is None:
        return False
    zone = ZoneInfo(hub.time_zone)
    arrived, collected = (slot_of(at, zone) for at in (parcel.available_from, parcel.collected_at))
    # As it would have been foreseen: nothing of this collection is in the counts yet.
    made = await foresee(session, person_id, hub.id, arrived)
    lesson = Lesson(
        id=ids.new(),
        hub_id=hub.id,
        arrived_day=arrived[0].toordinal(),
        arrived_slot=int(arrived[1]),
        collected_day=collected[0].toordinal(),
        collected_slot=int(collected[1]),
        delay=delay_between(arrived, collected),
        pooled=made.pooled,
        votes=list(made.votes),
        shown=shown,
    )
    session.add(lesson)
    await _add(session, person_id, lesson)
    return True


async def _add(session: Session, person_id: uuid.UUID, lesson: Lesson) -> None:
    """Counts the lesson among the person's own."""
    arrival = Arrival(lesson.arrived_day, lesson.arrived_slot)
    keys = [one for one in keys_for(person_id, lesson.hub_id, arrival) if one.level in OF_PERSON]
    rows = await queries.list_counts(session, keys)
    day = lesson.collected_day
    for key in keys:
        size = size_of(key.level)
        one = queries.as_counts(rows[key]) if key in rows else Counts(size, day=day)
        outcome = lesson.collected_slot if size == SLOTS else lesson.delay
        one.add(outcome, day=day, half_life_days=HALF_LIFE_DAYS[key.level])
        await queries.save_counts(session, key, one, rows.get(key))
    past = await queries.find_past(session, person_id)
    past = past or HabitPast(person_id=person_id, slots=[])
    past.slots = [*past.slots, lesson.collected_slot][-REMEMBERED:]
    session.add(past)
    await session.flush()
