"""What every fact about a stay has in common: where it happened, whom it concerns, how it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.kit import outbox
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.rules import Change
from server.lockers.service import facts as lockers
from server.lockers.service.closing import quarantine_by_rule
from server.lockers.service.history import Cause
from server.lockers.service.reading import lock_locker
from server.parcels import conflicts, queries
from server.parcels.deadlines import OBJECTION_S
from server.parcels.rules import Move, Situation
from server.parcels.service.moving import (
    SETTLING,
    Occurrence,
    move,
    overrule,
    record,
    situation_of,
)
from server.parcels.states import ParcelState, Party, Removal, Trigger
from server.parcels.tables import Assurance, Parcel, Stay

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Locker

SENSED_GRADE, SILENT_GRADE, OVERDUE_GRADE = 1, 2, 3
"""Grades of the evidence for a collection (DOMAIN 1.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the acceptance behind a collection says about whoever opened."""

    is_token_valid: bool
    """The token was valid when the locker took it."""
    is_holder_proved: bool
    """The holder's device key signed; False for a PIN and for staff."""
    holder_id: uuid.UUID | None = None
    removal: Removal | None = None
    """What the REMOVE grant was for, if it was one."""

    def meaning(self, grade: int) -> Trigger:
        """What a COLLECTED of this grade stands for."""
        if grade == OVERDUE_GRADE:
            return Trigger.CLOSE_OVERDUE
        return Trigger.COLLECTED if self.removal is None else Trigger.REMOVED

    def assurance(self, grade: int) -> Assurance:
        """How sure it then is that the holder took it."""
        if not self.is_holder_proved:
            return Assurance.C
        return Assurance.A if grade == SENSED_GRADE else Assurance.B


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fact happened, and the transaction in which it is taken."""

    session: Session
    fact: Fact
    locker: Locker
    stay: Stay | None
    ids: Ids
    now: datetime


async def enter(
    session: Session,
    fact: Fact,
    trigger: Trigger,
    stay: bytes | None,
    *,
    ids: Ids,
    now: datetime,
) -> Scene | None:
    """Locks the locker, then the stay; None for an unknown locker or an entry heard of before."""
    locker = await lock_locker(session, fact.locker_id)
    if locker is None or not await queries.take_fact(
        session, locker_id=fact.locker_id, seq=fact.seq, at=fact.at, trigger=trigger, stay=stay
    ):
        return None
    kept = None if stay is None else await queries.lock_stay(session, stay)
    # A token names one locker only, so a stay cannot wander: another locker's is as good as none.
    is_ours = kept is not None and kept.locker_id == fact.locker_id
    return Scene(session, fact, locker, kept if is_ours else None, ids, now)


def occurrence(scene: Scene, trigger: Trigger, actor_id: uuid.UUID | None) -> Occurrence:
    """The fact of the scene as something that happens to a parcel."""
    return Occurrence(
        trigger=trigger,
        party=Party.AGT,
        at=scene.fact.at,
        actor_id=actor_id,
        locker_id=scene.locker.id,
        seq=scene.fact.seq,
    )


async def end_stay(
    scene: Scene,
    change: Change,
    trigger: Trigger,
    *,
    opening: Opening | None = None,
    grade: int = 0,
) -> None:
    """Ends the stay of the scene; its parcels take what happened, or an incident is opened."""
    compartment = await lockers.change_allocation(scene.session, scene.fact, change)
    if compartment is not None and change is Change.DOUBT:
        cause = Cause(at=scene.fact.at, reason=str(trigger), fact=scene.fact)
        await quarantine_by_rule(scene.session, compartment.id, cause, ids=scene.ids, now=scene.now)
    stay = scene.stay
    if stay is None or stay.begun_at is None or stay.ended_at is not None:
        await report(scene, IncidentKind.FACT_WITHOUT_PARCEL, f"{trigger} out of nowhere")
        return
    stay.ended_at = scene.fact.at
    for parcel in await queries.lock_parcels_of_stay(scene.session, stay.id):
        happened = occurrence(scene, trigger, None if opening is None else opening.holder_id)
        vouched = Situation()
        if opening is not None:
            happened = replace(happened, assurance=opening.assurance(grade))
            vouched = replace(
                vouched, is_token_valid=opening.is_token_valid, removal=opening.removal
            )
        await _leave(scene, parcel, happened, vouched, is_silent=grade == SILENT_GRADE)
    await queries.take_out(scene.session, stay_id=stay.id, at=scene.fact.at)


async def parcels_in(session: Session, stay: Stay | None) -> Sequence[Parcel]:
    """The parcels of a running stay, kept from changing; none of no stay."""
    return [] if stay is None else await queries.lock_parcels_of_stay(session, stay.id)


async def try_move(
    scene: Scene, parcel: Parcel, happened: Occurrence, vouched: Situation
) -> Move | None:
    """Moves the parcel if a row of the table takes what happened; else nothing is lost by it."""
    situation = situation_of(parcel, happened.at, vouched)
    return await move(scene.session, parcel, happened, situation, ids=scene.ids, now=scene.now)


async def take(
    scene: Scene, parcel: Parcel, happened: Occurrence, vouched: Situation
) -> Move | None:
    """Moves the parcel by the fact, which wins over what was decided after it happened.

    None, and an incident, when no row takes it even in the state of its own time.
    """
    finding = conflicts.Finding(
        happened.trigger, happened.party, happened.at, situation_of(parcel, happened.at, vouched)
    )
    later = await list_later(scene, parcel)
    verdict = conflicts.judge(parcel.state, finding, later, lines=parcel.version)
    session, ids, now = scene.session, scene.ids, scene.now
    if verdict is None:
        detail = f"{happened.trigger} while {parcel.state}"
        await report(scene, IncidentKind.FACT_WITHOUT_ROW, detail, parcel)
        return None
    if isinstance(verdict, Move):
        await record(session, parcel, verdict, happened, ids=ids, now=now)
        return verdict
    detail = f"{happened.trigger} at {happened.at.isoformat()} while {parcel.state} since"
    await report(scene, IncidentKind.LATE_FACT, detail, parcel)
    await overrule(session, parcel, verdict, happened, ids=ids, now=now)
    return verdict.move


async def list_later(scene: Scene, parcel: Parcel) -> list[conflicts.Step]:
    """The lines of the parcel's history that happened after the fact.

    None where the locker's clock is only a floor: nobody knows then what came before what.
    """
    if scene.fact.clock_quality == 0:
        return []
    lines = await queries.list_later_events(scene.session, parcel.id, after=scene.fact.at)
    return [
        conflicts.Step(
            line.number,
            line.row,
            line.trigger,
            line.source,
            line.target,
            line.authority,
            line.at,
            line.locker_id,
        )
        for line in lines
    ]


async def report(
    scene: Scene, kind: IncidentKind, detail: str, parcel: Parcel | None = None
) -> None:
    """Opens an incident about the parcel, or else about the locker."""
    finding = Finding(
        kind=kind,
        subject_id=scene.locker.id if parcel is None else parcel.id,
        hub_id=scene.locker.hub_id,
        detail=detail,
        locker_id=scene.locker.id,
        seq=scene.fact.seq,
    )
    await lockers.open_incident(scene.session, finding, ids=scene.ids, now=scene.now)


async def _leave(
    scene: Scene, parcel: Parcel, happened: Occurrence, vouched: Situation, *, is_silent: bool
) -> None:
    """One parcel of an ending stay."""
    match happened.trigger:
        case Trigger.COLLECTED:
            settles_at = happened.at + timedelta(seconds=OBJECTION_S)
            if is_silent and settles_at > scene.now:
                await _settle_later(scene, parcel, happened, vouched, settles_at)
            else:
                await _collect(scene, parcel, happened, vouched)
        case Trigger.CLOSE_OVERDUE | Trigger.FOUND_EMPTY:
            evidence = await _evidence(scene, parcel)
            await report(scene, IncidentKind(happened.trigger.value), evidence, parcel)
            await try_move(scene, parcel, happened, vouched)
        case _:
            await take(scene, parcel, happened, vouched)
    parcel.stay_id = None
    scene.session.add(parcel)


async def _collect(scene: Scene, parcel: Parcel, happened: Occurrence, vouched: Situation) -> None:
    moved = await take(scene, parcel, happened, vouched)
    if moved is not None and moved.source in {ParcelState.LOST, ParcelState.ON_HOLD}:
        await report(scene, IncidentKind.LATE_FACT, f"collected while {moved.source}", parcel)


async def _settle_later(
    scene: Scene,
    parcel: Parcel,
    happened: Occurrence,
    vouched: Situation,
    settles_at: datetime,
) -> None:
    """No sensor saw it: it counts when nobody has objected for a minute (P16)."""
    parcel.settles_at = settles_at
    parcel.settling_assurance = happened.assurance
    await outbox.append(
        scene.session,
        id=scene.ids.new(),
        kind=SETTLING,
        subject=parcel.id,
        facts={
            "locker": str(scene.locker.id),
            "seq": scene.fact.seq,
            "holder": None if happened.actor_id is None else str(happened.actor_id),
            "token_valid": vouched.is_token_valid,
        },
        at=scene.now,
        not_before=settles_at,
    )


async def _evidence(scene: Scene, parcel: Parcel) -> str:
    """Who put it there, for whoever looks into the incident."""
    deposit = await queries.find_deposit(scene.session, parcel.id)
    if deposit is None:
        return "no deposit known"
    return f"deposited by {deposit.actor_id or 'unknown'} at {deposit.at.isoformat()}"
