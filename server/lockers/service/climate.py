"""Whether a compartment keeps its temperature (C18): the state, its history, and the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.lockers import queries
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.service import history
from server.lockers.service.facts import open_incident
from server.lockers.service.history import Cause

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.rules import ClimateState
    from server.lockers.tables import Compartment, Locker

COLD_AGAIN = "It is at its temperature again."


async def change_climate(
    session: Session,
    compartment: Compartment,
    climate: ClimateState,
    fact: Fact,
    *,
    detail: str,
    ids: Ids,
    now: datetime,
) -> None:
    """The locked compartment is in this state from now on; the same again changes nothing."""
    before = compartment.climate
    if before is climate:
        return
    compartment.climate = climate
    compartment.version += 1
    session.add(compartment)
    cause = Cause(at=fact.at, reason=detail, fact=fact)
    await history.note(
        session, compartment, cause, row="C18", before=before, after=climate, ids=ids, now=now
    )


async def report_excursion(
    session: Session,
    locker: Locker,
    compartment: Compartment,
    fact: Fact,
    *,
    detail: str,
    ids: Ids,
    now: datetime,
) -> None:
    """Tells those who look after the hub, within the hour; once as long as nobody has put it right.

    Empty or full: what is put in next would spoil as well.
    """
    kind = IncidentKind.EXCURSION
    if await queries.find_open_incident(session, kind, compartment.id) is not None:
        return
    finding = Finding(
        kind=kind,
        subject_id=compartment.id,
        hub_id=locker.hub_id,
        detail=f"door {compartment.label}: {detail}",
        locker_id=locker.id,
        seq=fact.seq,
    )
    await open_incident(session, finding, ids=ids, now=now)


async def end_excursion(session: Session, compartment: Compartment, *, now: datetime) -> None:
    """It was put right by itself, and in time: nobody has to look."""
    await queries.end_incidents(
        session, IncidentKind.EXCURSION, compartment.id, resolution=COLD_AGAIN, now=now
    )
