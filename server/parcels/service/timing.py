"""The fair clock: when a parcel's time to collect ends, worked out anew whenever something changes.

It ends only later by what is done here, never sooner (DOMAIN 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.hubs.service import find_hub, get_timetable
from server.kit import outbox
from server.parcels import queries
from server.parcels.deadlines import (
    COUNTER_HOLD,
    HOLD,
    Pause,
    closed_days,
    end_of_wait,
    is_past,
)
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Beat, HoldEnded, LocationKind, Outage, Parcel, PauseCause

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

DEADLINE_CHANGED = "parcel.deadline_changed"
"""Outbox event: a parcel's time to collect ends at another moment, or runs again."""

SWEEP = 100
"""Parcels whose time is worked out anew in one transaction."""

BEAT = "worker"

OUTAGE_AFTER = timedelta(minutes=10)
"""A worker gives a sign each minute; without one for so long, the service was down."""

MOST_OUTAGES = 100

_WAITING = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB})


class Change(StrEnum):
    """Why a time to collect ends later."""

    EXTENDED = "EXTENDED"
    """Its recipient asked for more, or somebody gave it to them."""
    RESUMED = "RESUMED"
    """It was held, and is not any more."""
    CLOSED = "CLOSED"
    """Its hub is closed, and nobody had planned it."""
    OUTAGE = "OUTAGE"
    """The service did not work."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why, and by whose wish if it was a person's."""

    change: Change
    party: Party = Party.SRV
    actor_id: uuid.UUID | None = None


async def set_anew(
    session: Session, parcel: Parcel, because: Because, *, ids: Ids, now: datetime
) -> bool:
    """Works out when the locked parcel's time ends; whether it ends later than was thought.

    One that had expired for want of this time, and is still here, waits again (P23).
    """
    through = await _find_end(session, parcel)
    before = parcel.available_through
    if through is None or before is None or through <= before:
        return False
    if parcel.state is ParcelState.EXPIRED and not _comes_back(parcel, through, now):
        return False
    parcel.available_through = through
    parcel.deadline_version += 1
    session.add(parcel)
    trigger = Trigger.CHANGE_DEADLINE if parcel.state in _WAITING else Trigger.REVIVE
    happened = Occurrence(
        trigger=trigger,
        party=because.party,
        at=now,
        actor_id=because.actor_id,
        reason=f"{because.change}: until {through:%Y-%m-%dT%H:%MZ}, not {before:%Y-%m-%dT%H:%MZ}",
    )
    await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    await outbox.append(
        session,
        id=ids.new(),
        kind=DEADLINE_CHANGED,
        subject=parcel.id,
        facts={"version": parcel.deadline_version, "change": because.change.value},
        at=now,
    )
    return True


async def resume(session: Session, parcel: Parcel, *, ids: Ids, now: datetime) -> None:
    """The time of a parcel that was held runs again: it ends so much later."""
    await set_anew(session, parcel, Because(Change.RESUMED), ids=ids, now=now)


async def set_all_anew(
    session: Session,
    change: Change,
    *,
    hub_id: uuid.UUID | None,
    after: uuid.UUID | None,
    ids: Ids,
    now: datetime,
) -> uuid.UUID | None:
    """The next hundred parcels that wait, at a hub or anywhere; where to go on, None at the end."""
    waiting = await queries.lock_waiting(session, hub_id=hub_id, after=after, limit=SWEEP)
    for parcel in waiting:
        await set_anew(session, parcel, Because(change), ids=ids, now=now)
    return waiting[-1].id if len(waiting) == SWEEP else None


async def beat(session: Session, *, ids: Ids, now: datetime) -> Outage | None:
    """Notes that the service works; the outage that has just ended, if the last sign is old.

    A clock that was set back counts for nothing.
    """
    last = await queries.lock_beat(session, BEAT)
    if last is None:
        session.add(Beat(name=BEAT, at=now))
        return None
    began, last.at = last.at, max(last.at, now)
    session.add(last)
    if now - began <= OUTAGE_AFTER:
        return None
    outage = Outage(id=ids.new(), started_at=began, ended_at=now)
    session.add(outage)
    await session.flush()
    return outage


async def _find_end(session: Session, parcel: Parcel) -> datetime | None:
    since = parcel.available_from
    hub = await find_hub(session, parcel.hub_id)
    if since is None or hub is None or parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED:
        return None
    hours = await get_timetable(session, hub, now=since)
    stored = await queries.list_pauses(session, [parcel.id])
    outages = await queries.list_outages(session, since=since, limit=MOST_OUTAGES)
    pauses = [
        *(Pause(one.started_at, one.ended_at) for one in stored),
        *(Pause(one.started_at, one.ended_at) for one in outages),
        *closed_days(hours.closures, hours.zone),
    ]
    extensions = [
        one for one in await queries.list_extensions(session, [parcel.id]) if one.at >= since
    ]
    more = timedelta(hours=sum(one.hours for one in extensions))
    is_counter = parcel.location_kind is LocationKind.HUB_COUNTER
    hold = COUNTER_HOLD if is_counter else HOLD[parcel.climate_zone]
    return end_of_wait(since, time=hold + more, pauses=pauses, hours=hours)


def _comes_back(parcel: Parcel, through: datetime, now: datetime) -> bool:
    return parcel.hold_ended is HoldEnded.DEADLINE and not is_past(through, now)
