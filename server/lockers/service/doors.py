"""Doors that do not do as they should: stuck, left open, open by themselves.

One trouble of a door is one open incident, however often the locker writes of it; what the door
itself puts right ends the incident without anybody's doing.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.compartments import DoorState
from schema.ids import LockerId
from server.kit import outbox
from server.ledger import service as ledger
from server.lockers import queries
from server.lockers.closing import Closing
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.rules import FAILED_OPENINGS
from server.lockers.service.closing import close
from server.lockers.service.facts import on_door, open_incident
from server.lockers.service.history import Cause

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.kit.outbox import Lease
    from server.lockers.tables import Compartment, Incident

DOOR_LEFT_OPEN = "locker.door_left_open"
"""Outbox event: a door stands open for too long; its subject is the compartment."""

DOOR_STILL_OPEN = "locker.door_still_open"
"""Outbox event, due when the hub is told of a door left open unless it has closed by then."""

ESCALATION = timedelta(seconds=600)
"""How long a door stands open before it is an incident (DOMAIN 5.1, door open ladder)."""


async def on_opened(session: Session, fact: Fact, *, now: datetime) -> None:
    """A door opened for somebody who was let at it: if it was stuck before, it is not any more."""
    compartment = await on_door(session, fact, DoorState.OPEN)
    if compartment is not None:
        kind, resolution = IncidentKind.OPEN_NOT_DETECTED, "The door has opened."
        await queries.end_incidents(session, kind, compartment.id, resolution=resolution, now=now)


async def on_closed(session: Session, fact: Fact, *, now: datetime) -> None:
    """A door is shut: if it was left open too long, that is over."""
    compartment = await on_door(session, fact, DoorState.CLOSED)
    if compartment is not None:
        kind, resolution = IncidentKind.CLOSE_OVERDUE, "The door was shut."
        await queries.end_incidents(session, kind, compartment.id, resolution=resolution, now=now)


async def on_open_not_detected(
    session: Session, fact: Fact, *, failures: int, ids: Ids, now: datetime
) -> Compartment | None:
    """A bolt was pulsed and the door stayed shut, for the `failures`-th time in a row (C16).

    The compartment, if that many put it out of service.
    """
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    if compartment is None:
        return None
    await _report(session, fact, compartment, IncidentKind.OPEN_NOT_DETECTED, ids=ids, now=now)
    if failures < FAILED_OPENINGS:
        return None
    cause = Cause(at=fact.at, reason=never_opened(failures), fact=fact)
    await close(session, compartment, Closing.BREAK_DOWN, cause, ids=ids, now=now)
    return compartment


def never_opened(failures: int) -> str:
    """Why such a door is out of service, and what lies behind it is held."""
    return f"The door did not open {failures} times in a row."


async def on_unexpected_open(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """A door opened that nobody was let at: by force, by its own fault, or by a mechanical key."""
    compartment = await on_door(session, fact, DoorState.OPEN)
    if compartment is not None:
        await _report(session, fact, compartment, IncidentKind.UNEXPECTED_OPEN, ids=ids, now=now)


async def on_close_overdue(
    session: Session,
    fact: Fact,
    *,
    opened_at: datetime,
    person_id: uuid.UUID | None,
    now: datetime,
) -> None:
    """A door stands open for longer than configured.

    Whoever opened it (`person_id`) is asked to shut it, and the hub is told if it is still open ten
    minutes after it opened.
    """
    compartment = await on_door(session, fact, DoorState.OPEN)
    if compartment is None:
        return
    facts: outbox.Facts = {
        "locker": str(fact.locker_id),
        "compartment": fact.compartment,
        "seq": fact.seq,
        "person": None if person_id is None else str(person_id),
    }
    for kind, due_at in ((DOOR_LEFT_OPEN, now), (DOOR_STILL_OPEN, opened_at + ESCALATION)):
        await outbox.append(
            session,
            id=uuid.uuid5(fact.locker_id, f"{kind} {fact.seq}"),
            kind=kind,
            subject=compartment.id,
            facts=facts,
            at=now,
            not_before=due_at,
        )


def door_of(event: Lease) -> Fact:
    """The fact that an event about a door left open was written for."""
    return Fact(
        locker_id=uuid.UUID(str(event.facts["locker"])),
        seq=int(event.facts["seq"] or 0),
        at=event.created_at,
        clock_quality=0,
        compartment=int(event.facts["compartment"] or 0),
    )


async def escalate(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """Tells the hub of a door left open; nothing if it was shut since that fact."""
    compartment = await find_left_open(session, fact)
    if compartment is not None:
        await _report(session, fact, compartment, IncidentKind.CLOSE_OVERDUE, ids=ids, now=now)


async def find_left_open(session: Session, fact: Fact) -> Compartment | None:
    """The compartment whose door was open too long at that fact; None if it was shut since."""
    locker = await queries.find_locker(session, fact.locker_id)
    compartment = await queries.lock_compartment(session, fact.locker_id, fact.compartment)
    if locker is None or compartment is None or compartment.door is not DoorState.OPEN:
        return None
    was_shut = await ledger.has_closed(
        session, LockerId(locker.lid), fact.compartment, after=fact.seq
    )
    return None if was_shut else compartment


async def list_open_incidents_about(
    session: Session,
    subject_ids: Collection[uuid.UUID],
    kinds: Collection[IncidentKind],
    *,
    limit: int,
) -> Sequence[Incident]:
    """At most `limit` that are open of these kinds about these parcels, compartments or lockers,
    the oldest first.
    """
    return await queries.list_open_incidents_about(session, subject_ids, kinds, limit=limit)


async def _report(
    session: Session,
    fact: Fact,
    compartment: Compartment,
    kind: IncidentKind,
    *,
    ids: Ids,
    now: datetime,
) -> None:
    if await queries.find_open_incident(session, kind, compartment.id) is not None:
        return
    locker = await queries.get_locker(session, fact.locker_id)
    finding = Finding(
        kind=kind,
        subject_id=compartment.id,
        hub_id=locker.hub_id,
        detail=f"door {compartment.label}",
        locker_id=locker.id,
        seq=fact.seq,
    )
    await open_incident(session, finding, ids=ids, now=now)
