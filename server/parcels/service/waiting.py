"""From the deposit to the collection, as far as people and time decide: P12, P16, P18, P22."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service import facts as lockers
from server.lockers.service.closing import quarantine_by_rule
from server.lockers.service.history import Cause
from server.lockers.service.reading import lock_locker
from server.parcels import queries
from server.parcels.deadlines import GRACE, MOST_PAUSED
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, begin_waiting, move, situation_of
from server.parcels.service.timing import Because, set_anew
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Parcel, PauseCause
from server.parcels.visibility import Visibility

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

SWEEP = 100
"""Parcels that expire in one transaction."""

_WAITING = (ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB)


class Objection(StrEnum):
    """What the holder says is wrong with what they found."""

    EMPTY = "EMPTY"
    """Nothing was inside."""
    NOT_MINE = "NOT_MINE"
    """Something else was inside."""
    DAMAGED = "DAMAGED"
    """It was broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """What the event of an unsensed collection says: the fact, and who opened."""

    locker_id: uuid.UUID
    seq: int
    holder_id: uuid.UUID | None
    is_token_valid: bool


async def on_ready_accepted(
    session: Session, *, parcel_id: uuid.UUID, at: datetime, ids: Ids, now: datetime
) -> Parcel | None:
    """A provider has taken the READY notice: the parcel is ready, its time to collect runs (P12).

    If it became ready before that without a notice, the time starts anew from now (P19). Else
    nothing changes: a second provider, or a recipient who was faster. None for an unknown parcel.
    """
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None:
        return None
    if parcel.state is ParcelState.DEPOSITED:
        await _make_ready(session, parcel, at, ids=ids, now=now)
    elif parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED:
        parcel.pause_cause = await _find_cause_of_hold(session, parcel)
        await begin_waiting(session, parcel, at)
        happened = Occurrence(trigger=Trigger.CHANGE_DEADLINE, party=Party.SRV, at=at)
        await move(session, parcel, happened, situation_of(parcel, at), ids=ids, now=now)
    return parcel


async def on_ready_undeliverable(
    session: Session, *, parcel_id: uuid.UUID, at: datetime, ids: Ids, now: datetime
) -> Parcel | None:
    """No channel took the READY notice: the parcel is ready, but its time does not run (P12)."""
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is not None and parcel.state is ParcelState.DEPOSITED:
        await _make_ready(session, parcel, at, ids=ids, now=now)
        parcel.pause_cause = PauseCause.NOTICE_UNDELIVERED
    return parcel


async def object_to_collection(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    objection: Objection,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """The recipient says that what they found is not right: the parcel is held (P18).

    WRONG_STATE once the collection counts; from then on it is a dispute.
    """
    if actor.person_id is None or not actor.can(Permission.INCIDENT_REPORT):
        return deny(actor)
    own = Visibility(recipient=actor.person_id)
    seen = await queries.find_visible(session, parcel_id, own)
    stay = await queries.find_last_stay(session, parcel_id)
    if seen is None or stay is None:
        code = ProblemCode.NOT_FOUND if seen is None else ProblemCode.WRONG_STATE
        return Refusal(code, field="parcel")
    await lock_locker(session, stay.locker_id)
    parcel = await queries.lock_visible(session, parcel_id, own)
    happened = Occurrence(
        trigger=Trigger.OBJECT,
        party=Party.REC,
        at=now,
        actor_id=actor.person_id,
        reason=objection,
    )
    moved = parcel and await move(
        session, parcel, happened, situation_of(parcel, now), ids=ids, now=now
    )
    if parcel is None or moved is None:
        return Refusal(ProblemCode.WRONG_STATE, field="parcel")
    if stay.compartment_id is not None:
        cause = Cause(at=now, actor_id=actor.person_id, reason=objection)
        await quarantine_by_rule(session, stay.compartment_id, cause, ids=ids, now=now)
    finding = Finding(
        kind=IncidentKind.OBJECTION,
        subject_id=parcel.id,
        hub_id=parcel.hub_id,
        detail=objection,
        locker_id=stay.locker_id,
        incident_id=ids.new(),
    )
    await lockers.open_incident(session, finding, ids=ids, now=now)
    await queries.rest_pauses(session, parcel.id, finding.incident_id)
    return parcel


async def settle_collection(
    session: Session, *, parcel_id: uuid.UUID, settling: Settling, ids: Ids, now: datetime
) -> Parcel | None:
    """Nobody has objected to a collection that no sensor saw: it counts (P16, F1).

    None if it was settled before, or somebody did object.
    """
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or parcel.settles_at is None or now < parcel.settles_at:
        return None
    happened = Occurrence(
        trigger=Trigger.COLLECTED,
        party=Party.SRV,
        at=parcel.settles_at,
        actor_id=settling.holder_id,
        locker_id=settling.locker_id,
        seq=settling.seq,
        assurance=parcel.settling_assurance,
    )
    vouched = Situation(is_token_valid=settling.is_token_valid)
    situation = situation_of(parcel, happened.at, vouched)
    moved = await move(session, parcel, happened, situation, ids=ids, now=now)
    if moved is None:
        parcel.settles_at = None
        finding = Finding(
            kind=IncidentKind.FACT_WITHOUT_ROW,
            subject_id=parcel.id,
            hub_id=parcel.hub_id,
            detail=f"collected while {parcel.state}",
            locker_id=settling.locker_id,
            seq=settling.seq,
        )
        await lockers.open_incident(session, finding, ids=ids, now=now)
    return parcel


async def expire_parcels(session: Session, *, ids: Ids, now: datetime) -> int:
    """Moves at most 100 parcels whose deadline and grace are over (P22), and says how many.

    Also those whose recipient could not be told, thirty days later: nobody keeps a compartment for
    ever.
    """
    due = await queries.lock_due(session, before=now - GRACE, states=_WAITING, limit=SWEEP)
    untold = await queries.lock_due(
        session,
        before=now - GRACE - MOST_PAUSED,
        states=_WAITING,
        limit=SWEEP - len(due),
        pause=PauseCause.NOTICE_UNDELIVERED,
    )
    happened = Occurrence(trigger=Trigger.EXPIRE, party=Party.SRV, at=now)
    for parcel in due:
        # What was our fault may not have been counted yet.
        if await set_anew(session, parcel, Because(), ids=ids, now=now):
            continue
        await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    for parcel in untold:
        parcel.pause_cause = None
        await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    return len(due) + len(untold)


async def _find_cause_of_hold(session: Session, parcel: Parcel) -> PauseCause | None:
    """Why the time of a parcel that is held stands still, whatever its recipient knows."""
    stored = await queries.list_pauses(session, [parcel.id])
    running = [one.cause for one in stored if one.ended_at is None]
    return running[-1] if running and parcel.state is ParcelState.ON_HOLD else None


async def _make_ready(
    session: Session, parcel: Parcel, at: datetime, *, ids: Ids, now: datetime
) -> None:
    happened = Occurrence(trigger=Trigger.SETTLE_NOTICE, party=Party.SRV, at=at)
    await move(session, parcel, happened, situation_of(parcel, at), ids=ids, now=now)
