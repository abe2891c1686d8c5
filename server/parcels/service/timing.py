"""The fair clock: when a parcel's time to collect ends, worked out anew whenever something changes.

It ends only later by what is done here, never sooner (DOMAIN 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.kit import outbox
from server.parcels import queries
from server.parcels.deadlines import is_past
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.service.stops import Wait, as_pause, find_wait
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Beat, HoldEnded, Outage, Parcel, ParcelPause, PauseCause

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

OUTAGES_KEPT = timedelta(days=90)
"""Longer than the longest wait: a week, a week more, thirty days of pauses and a long closure."""

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
    HOURS = "HOURS"
    """Its hub opens at other times."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why, as far as the caller knows, and by whose wish if it was a person's."""

    change: Change | None = None
    party: Party = Party.SRV
    actor_id: uuid.UUID | None = None


_CAUSES = {
    Change.OUTAGE: frozenset({PauseCause.OUTAGE}),
    Change.CLOSED: frozenset({PauseCause.HUB_CLOSED}),
    Change.RESUMED: frozenset(PauseCause) - {PauseCause.OUTAGE, PauseCause.HUB_CLOSED},
}


_SHUT_OUT = {
    Change.OUTAGE: PauseCause.OUTAGE,
    Change.CLOSED: PauseCause.HUB_CLOSED,
    Change.HOURS: PauseCause.HUB_CLOSED,
    Change.RESUMED: PauseCause.INCIDENT,
}
"""As what the time counts in which a parcel had expired too early."""


async def set_anew(
    session: Session, parcel: Parcel, because: Because, *, ids: Ids, now: datetime
) -> bool:
    """Works out when the locked parcel's time ends; whether it ends later than was thought.

    One that had expired for want of this time, and is still here, waits again (P23), and the time
    in which nobody could collect it does not count, unless more time was asked for too late. What
    moved it is found out where the caller does not know, or was wrong.
    """
    wait = await find_wait(session, parcel)
    before = parcel.available_through
    through = None if wait is None else wait.end()
    if wait is None or through is None or before is None or through <= before:
        return False
    change = _find_change(wait, before, because.change)
    shut_out = None
    if parcel.state is ParcelState.EXPIRED and change is not Change.EXTENDED:
        shut_out = await _find_shut_out(session, parcel, change, ids=ids, now=now)
        through = wait.end(and_also=None if shut_out is None else as_pause(shut_out))
    if parcel.state is ParcelState.EXPIRED and not _comes_back(parcel, through, now):
        return False
    if shut_out is not None:
        session.add(shut_out)
    trigger = Trigger.CHANGE_DEADLINE if parcel.state in _WAITING else Trigger.REVIVE
    happened = Occurrence(
        trigger=trigger,
        party=because.party,
        at=now,
        actor_id=because.actor_id,
        reason=f"{change}: until {through:%Y-%m-%dT%H:%MZ}, not {before:%Y-%m-%dT%H:%MZ}",
        through=through,
    )
    moved = await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    if moved is None:
        return False
    await outbox.append(
        session,
        id=ids.new(),
        kind=DEADLINE_CHANGED,
        subject=parcel.id,
        facts={"version": parcel.deadline_version, "change": change.value},
        at=now,
    )
    return True


def _find_change(wait: Wait, before: datetime, guess: Change | None) -> Change:
    """What moved the end beyond `before`: that without which it would not have moved.

    The guess wins where it is one of several; where each alone would have done it, none is.
    """
    if guess is not None and guess not in _CAUSES:
        return guess
    needed = [one for one, causes in _CAUSES.items() if wait.end(without=causes) <= before]
    if guess in needed:
        return guess
    if needed:
        return needed[0]
    is_hours = wait.end(without=frozenset(PauseCause)) > before
    return Change.HOURS if is_hours else guess or Change.OUTAGE


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

    Outages with less than ten minutes between them are one, so that a wait sees a bounded number
    of them. A clock that was set back counts for nothing.
    """
    last = await queries.lock_beat(session, BEAT)
    if last is None:
        session.add(Beat(name=BEAT, at=now))
        return None
    began, last.at = last.at, max(last.at, now)
    session.add(last)
    if now - began <= OUTAGE_AFTER:
        return None
    outage = await queries.find_last_outage(session, since=began - OUTAGE_AFTER)
    if outage is None:
        outage = Outage(id=ids.new(), started_at=began, ended_at=now)
    outage.ended_at = now
    session.add(outage)
    await session.flush()
    await queries.forget_outages(session, before=now - OUTAGES_KEPT)
    return outage


async def _find_shut_out(
    session: Session, parcel: Parcel, change: Change, *, ids: Ids, now: datetime
) -> ParcelPause | None:
    """The span since the parcel expired, which it had not, had we known; not written yet."""
    expired = await queries.find_last_into(session, parcel.id, ParcelState.EXPIRED)
    if expired is None:
        return None
    return ParcelPause(
        id=ids.new(),
        parcel_id=parcel.id,
        cause=_SHUT_OUT[change],
        started_at=expired.at,
        ended_at=now,
        party=Party.SRV,
        reason="It had expired before this was known.",
    )


def _comes_back(parcel: Parcel, through: datetime, now: datetime) -> bool:
    return parcel.hold_ended is HoldEnded.DEADLINE and not is_past(through, now)
