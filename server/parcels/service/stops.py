"""What stops the time of parcels, what each stop rests on, and what it did to the end of the wait.

Holds are stored with their parcel; closures and outages concern many, and are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from server.hubs.service import list_hubs_by_ids, list_timetables
from server.parcels import queries
from server.parcels.deadlines import (
    COUNTER_HOLD,
    HOLD,
    MOST_PAUSED,
    Counted,
    Pause,
    closed_days,
    end_of_wait,
    explain_wait,
)
from server.parcels.states import Party
from server.parcels.tables import (
    EvidenceKind,
    LocationKind,
    Parcel,
    ParcelExtension,
    ParcelPause,
    PauseCause,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet

    from server.hubs.rules import Timetable
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.parcels.tables import Outage

Row = TypeVar("Row", ParcelPause, ParcelExtension)

_SHARED = frozenset({EvidenceKind.CLOSURE, EvidenceKind.OUTAGE})
"""What stops the time of many parcels at once, and is stored with none of them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stop rests on: the locker, incident, hub or outage, with the entry of a journal."""

    kind: EvidenceKind
    id: uuid.UUID | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A span in which the time to collect does not run: who stopped it, why, and on what."""

    span: Pause
    cause: PauseCause
    party: Party
    reason: str | None
    evidence: Evidence


class Told(NamedTuple):
    """A stop, with the end of the wait before and after it; none where it counts for nothing now.

    While it goes on nobody knows the end after it.
    """

    stop: Stop
    through_before: datetime | None = None
    through_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """One parcel's wait that has begun, with all that makes it longer."""

    since: datetime
    time: timedelta
    stops: list[Stop]
    hours: Timetable

    def end(
        self, *, without: AbstractSet[PauseCause] = frozenset(), and_also: Pause | None = None
    ) -> datetime:
        """When it ends, or would without the stops of some causes, or with one more."""
        spans = [stop.span for stop in self.stops if stop.cause not in without]
        spans += [] if and_also is None else [and_also]
        return end_of_wait(self.since, time=self.time, pauses=spans, hours=self.hours)

    def explain(self) -> dict[int, Counted]:
        """What each stop did to the end, by its place; none that count for nothing."""
        spans = [stop.span for stop in self.stops]
        counted = explain_wait(self.since, time=self.time, pauses=spans, hours=self.hours)
        return {one.index: one for one in counted}


async def find_wait(session: Session, parcel: Parcel) -> Wait | None:
    """The parcel's wait; None before it began, and while nobody could be told of it."""
    if parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED:
        return None
    return (await list_waits(session, [parcel])).get(parcel.id)


async def list_waits(session: Session, parcels: Collection[Parcel]) -> dict[uuid.UUID, Wait]:
    """The waits of those of these parcels that have one, in as many statements as for one."""
    begun = {one.id: one.available_from for one in parcels if one.available_from is not None}
    hubs = await list_hubs_by_ids(session, {one.hub_id for one in parcels if one.id in begun})
    if not hubs:
        return {}
    stored = _by_parcel(await queries.list_pauses(session, begun))
    given = _by_parcel(await queries.list_extensions(session, begun))
    first, last = min(begun.values()), max(begun.values())
    hours = await list_timetables(session, hubs.values(), now=first)
    longest = (
        COUNTER_HOLD
        + MOST_PAUSED
        + timedelta(
            hours=max((sum(one.hours for one in each) for each in given.values()), default=0)
        )
    )
    outages = await queries.list_outages(session, since=first, until=last + longest)
    return {
        parcel.id: Wait(
            begun[parcel.id],
            _time_of(parcel, given.get(parcel.id, []), begun[parcel.id]),
            [
                *(_as_held(row) for row in stored.get(parcel.id, [])),
                *_closed(hubs[parcel.hub_id], hours[parcel.hub_id]),
                *(_as_down(row) for row in outages if row.ended_at > begun[parcel.id]),
            ],
            hours[parcel.hub_id],
        )
        for parcel in parcels
        if parcel.id in begun and parcel.hub_id in hubs
    }


async def list_told(session: Session, parcels: Collection[Parcel]) -> dict[uuid.UUID, list[Told]]:
    """What has stopped the time of parcels that the caller may see, the earliest first.

    All that was stored, and of closures and outages those that count in the wait of now.
    """
    waits = await list_waits(session, parcels)
    others = [one.id for one in parcels if one.id not in waits]
    stored = _by_parcel(await queries.list_pauses(session, others))
    told = {}
    for parcel in parcels:
        wait = waits.get(parcel.id)
        if wait is None:
            found = [Told(_as_held(row)) for row in stored.get(parcel.id, [])]
        elif parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED:
            held = [Told(stop) for stop in wait.stops if stop.evidence.kind not in _SHARED]
            found = [*held, Told(_untold(wait.since))]
        else:
            found = _explained(wait, until=parcel.collected_at)
        told[parcel.id] = sorted(found, key=lambda one: one.stop.span.start)
    return told


def _explained(wait: Wait, *, until: datetime | None) -> list[Told]:
    counted = wait.explain()
    found = []
    for index, stop in enumerate(wait.stops):
        moved = counted.get(index)
        is_late = until is not None and stop.span.start >= until
        if moved is not None and not is_late:
            found.append(Told(stop, moved.through_before, moved.through_after))
        elif stop.evidence.kind not in _SHARED:
            found.append(Told(stop))
    return found


def _time_of(parcel: Parcel, given: Sequence[ParcelExtension], since: datetime) -> timedelta:
    """What it had from the start, and what more was given since."""
    is_counter = parcel.location_kind is LocationKind.HUB_COUNTER
    hold = COUNTER_HOLD if is_counter else HOLD[parcel.climate_zone]
    return hold + timedelta(hours=sum(one.hours for one in given if one.at >= since))


def _by_parcel(rows: Sequence[Row]) -> dict[uuid.UUID, list[Row]]:
    grouped: dict[uuid.UUID, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.parcel_id, []).append(row)
    return grouped


def as_pause(row: ParcelPause) -> Pause:
    """The span alone."""
    return Pause(row.started_at, row.ended_at)


def _as_held(row: ParcelPause) -> Stop:
    if row.seq is not None:
        evidence = Evidence(EvidenceKind.JOURNAL, row.locker_id, row.seq)
    elif row.incident_id is not None:
        evidence = Evidence(EvidenceKind.INCIDENT, row.incident_id)
    else:
        evidence = Evidence(EvidenceKind.DECISION)
    return Stop(as_pause(row), row.cause, row.party, row.reason, evidence)


def _closed(hub: Hub, hours: Timetable) -> list[Stop]:
    evidence = Evidence(EvidenceKind.CLOSURE, hub.id)
    stops = []
    for closure in hours.closures:
        for span in closed_days([closure], hours.zone):
            why = closure.reason or None
            stops.append(Stop(span, PauseCause.HUB_CLOSED, Party.STA, why, evidence))
    return stops


def _as_down(row: Outage) -> Stop:
    evidence = Evidence(EvidenceKind.OUTAGE, row.id)
    return Stop(Pause(row.started_at, row.ended_at), PauseCause.OUTAGE, Party.SRV, None, evidence)


def _untold(since: datetime) -> Stop:
    evidence = Evidence(EvidenceKind.NOTICE)
    return Stop(Pause(since, None), PauseCause.NOTICE_UNDELIVERED, Party.SRV, None, evidence)
