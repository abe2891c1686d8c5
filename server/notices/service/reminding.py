"""Reminders of waiting parcels: planned when a wait begins or changes, handed out when due.

A row holds the next reminder of its parcel. Handing out writes the event and the row after it in
one commit, so that none is lost or told twice however many workers look.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone
from server.hubs.service import list_hubs_by_ids
from server.kit import outbox
from server.kit.outbox import Event
from server.notices import queries
from server.notices.cadence import Reminder, Waiting, find_next, split_plan
from server.parcels import queries as parcels
from server.parcels.states import ParcelState
from server.people.service.preferences import list_preferences

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.parcels.tables import Parcel
    from server.people.preferences import Preferences

REMINDER_DUE = "reminder.due"
"""Outbox event: the recipient of the parcel is to be reminded now."""

SWEEP = 500
"""Reminders handed out in one transaction."""

WAITING = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB})


@dataclass(frozen=True, slots=True)
class Scene:
    """What planning asks about many parcels, looked up at once."""

    found: Mapping[uuid.UUID, Parcel]
    hubs: Mapping[uuid.UUID, Hub]
    preferences: Mapping[uuid.UUID, Preferences]
    reminded: Collection[tuple[uuid.UUID, int]]

    def wait_of(self, parcel_id: uuid.UUID) -> Waiting | None:
        """The wait of the parcel; None while none runs."""
        parcel = self.found.get(parcel_id)
        if parcel is None or not is_waiting(parcel) or parcel.recipient_id is None:
            return None
        since, through = parcel.available_from, parcel.collect_by
        assert since is not None
        assert through is not None
        own = self.preferences[parcel.recipient_id]
        zone = own.zone(self.hubs[parcel.hub_id].time_zone)
        is_cooled = parcel.climate_zone is not ClimateZone.AMBIENT
        return Waiting(
            since=since,
            through=through,
            zone=zone,
            is_cooled=is_cooled,
            quiet=None if is_cooled and own.may_cooled_break_quiet else own.quiet,
            usual=own.usual_windows,
            has_reached=(parcel.id, parcel.deadline_version) in self.reminded,
        )


def is_waiting(parcel: Parcel) -> bool:
    """Whether its time to collect runs."""
    return (
        parcel.state in WAITING and parcel.pause_cause is None and parcel.available_from is not None
    )


async def plan_next(session: Session, parcel_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """Plans the next reminder of these parcels anew, or takes it away while no time runs.

    The parcels are kept from changing, so that of two who plan the later sees the newer deadline.
    """
    scene = await _set_scene(session, await parcels.lock_parcels(session, parcel_ids))
    await queries.lock_reminders(session, parcel_ids)
    rows = []
    for parcel in scene.found.values():
        waiting = scene.wait_of(parcel.id)
        following = None if waiting is None else find_next(waiting, after=now)
        if following is not None:
            rows.append(_row(parcel, following))
    await queries.replace_reminders(session, parcel_ids, rows)


async def find_waits(
    session: Session, parcel_ids: Sequence[uuid.UUID]
) -> list[tuple[Parcel, Waiting | None]]:
    """The parcels, each with its wait as it is now; None while none runs."""
    scene = await _set_scene(session, await parcels.list_parcels_by_ids(session, parcel_ids))
    return [(scene.found[one], scene.wait_of(one)) for one in parcel_ids]


async def hand_out(session: Session, *, now: datetime, limit: int = SWEEP) -> int:
    """Writes an event for at most `limit` reminders that are due; how many rows were looked at.

    What was planned is looked at again, so that a deadline, wishes or a zone that changed since
    then count. After an outage the newest that was due is told, and what it has overtaken is not.
    """
    due = await queries.lock_due_reminders(session, now=now, limit=limit)
    parcel_ids = [parcel_id for parcel_id, _ in due]
    scene = await _set_scene(session, await parcels.list_parcels_by_ids(session, parcel_ids))
    events: list[Event] = []
    rows = []
    for parcel_id, due_at in due:
        waiting = scene.wait_of(parcel_id)
        if waiting is None:
            continue
        parcel = scene.found[parcel_id]
        reminder, following = split_plan(waiting, since=due_at, now=now)
        if reminder is not None:
            events.append(_event(parcel, reminder))
        if following is not None:
            rows.append(_row(parcel, following))
    await queries.replace_reminders(session, parcel_ids, rows)
    await outbox.append_all(session, events, at=now)
    return len(due)


def _event(parcel: Parcel, reminder: Reminder) -> Event:
    name = f"{reminder.kind} {parcel.deadline_version}"
    return Event(
        id=uuid.uuid5(parcel.id, name),
        kind=REMINDER_DUE,
        subject=parcel.id,
        facts={"kind": reminder.kind.value, "version": parcel.deadline_version},
    )


def _row(parcel: Parcel, reminder: Reminder) -> dict[str, object]:
    return {
        "parcel_id": parcel.id,
        "kind": reminder.kind,
        "due_at": reminder.at,
    }


async def _set_scene(session: Session, found: Mapping[uuid.UUID, Parcel]) -> Scene:
    recipients = {one.recipient_id for one in found.values() if one.recipient_id is not None}
    return Scene(
        found,
        await list_hubs_by_ids(session, {one.hub_id for one in found.values()}),
        await list_preferences(session, recipients),
        await queries.list_reminded(session, found.keys()),
    )
