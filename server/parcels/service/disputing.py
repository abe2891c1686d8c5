"""After a collection: somebody says that it was not right (P29), and an operator decides (P30).

A dispute is a record of its own, so that what is found out can be attached to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.closing import DoorVisit, is_since, read_reason
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.queries import end_incidents, find_last_check
from server.lockers.service import facts as lockers
from server.lockers.service.closing import NO_REASON, quarantine_by_rule
from server.lockers.service.history import Cause
from server.lockers.service.reading import lock_locker
from server.parcels import queries
from server.parcels.deadlines import DISPUTE_WINDOW
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Dispute, Parcel, Stay
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

_OVER = Refusal(
    ProblemCode.DISPUTE_WINDOW_OVER,
    f"Reports are possible for {DISPUTE_WINDOW.days} days after the collection.",
    "parcel",
    next="Ask at the hub, or the carrier.",
)
_DECIDED = Refusal(
    ProblemCode.WRONG_STATE,
    "What you reported was decided already.",
    "parcel",
    next="Ask at the hub, or the carrier.",
)
_LOOKED = frozenset(DoorVisit)
_AT_COUNTER = "P27"


async def dispute_collection(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    reason: DisputeReason,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """Opens a dispute for the recipient, the sender or the courier, within two weeks (P29).

    The compartment is closed for a check unless something newer lies, or lay, in it. Each of the
    three says so once: repeating changes nothing while it is open, and is WRONG_STATE once it was
    decided. DISPUTE_WINDOW_OVER when it is too late, WRONG_STATE for what was not collected.
    """
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    party = _party_of(actor, seen.parcel)
    if party is None or actor.person_id is None:
        return deny(actor)
    stay = await queries.find_last_stay(session, parcel_id)
    if stay is not None:
        await lock_locker(session, stay.locker_id)
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None:
        return not_found(actor, "parcel")
    former = await queries.find_dispute(session, parcel_id, party)
    if former is not None:
        return _DECIDED if former.resolved_at is not None else parcel
    refusal = _judge(parcel, now=now)
    if refusal is not None:
        return refusal
    incident_id = await _report(session, parcel, reason, ids=ids, now=now)
    place = None if stay is None else await _find_place(session, parcel, stay)
    dispute = Dispute(
        id=ids.new(),
        parcel_id=parcel.id,
        party=party,
        opened_by=actor.person_id,
        opened_at=now,
        reason=reason,
        compartment_id=place,
        incident_id=incident_id,
    )
    session.add(dispute)
    if parcel.state is not ParcelState.DISPUTED:
        await _move(session, parcel, Trigger.DISPUTE, party, actor, str(reason), ids=ids, now=now)
    if place is not None:
        cause = Cause(at=now, actor_id=actor.person_id, reason=reason, incident_id=incident_id)
        await quarantine_by_rule(session, place, cause, ids=ids, now=now)
    await session.flush()
    return parcel


async def resolve_dispute(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    outcome: DisputeOutcome,
    reason: str,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """An operator says what became of a disputed parcel (P30); all its open disputes end with it.

    READY_FOR_PICKUP only once somebody of staff has looked into the compartment since, and found
    it there. The same decision again changes nothing; another is WRONG_STATE.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    visible = visibility_of(actor, Permission.DISPUTE_RESOLVE)
    seen = None if visible.is_empty else await queries.find_visible(session, parcel_id, visible)
    parcel = seen and await queries.lock_parcel(session, parcel_id)
    if parcel is None:
        return not_found(actor, "parcel")
    disputes = await queries.list_disputes(session, [parcel_id])
    pending = [one for one in disputes if one.resolved_at is None]
    if not pending:
        is_same = any((one.outcome, one.resolution) == (outcome, why) for one in disputes)
        return parcel if is_same else _wrong_state("Nobody disputes its collection.")
    is_found = await _is_found_inside(session, pending)
    if outcome is DisputeOutcome.READY_FOR_PICKUP and not is_found:
        return _wrong_state("Nobody of staff has found it in its compartment since.")
    vouched = Situation(wanted=outcome.state, is_found_inside=is_found)
    await _move(
        session,
        parcel,
        Trigger.RESOLVE_DISPUTE,
        Party.OPR,
        actor,
        why,
        vouched=vouched,
        ids=ids,
        now=now,
    )
    for dispute in pending:
        dispute.resolved_at, dispute.resolved_by = now, actor.person_id
        dispute.outcome, dispute.resolution = outcome, why
        session.add(dispute)
    await end_incidents(session, IncidentKind.DISPUTE, parcel.id, resolution=why, now=now)
    await session.flush()
    return parcel


def _party_of(actor: Actor, parcel: Parcel) -> Party | None:
    """As whom the actor may dispute this collection; None if not at all."""
    is_own = actor.person_id is not None and actor.can(Permission.DISPUTE_OPEN)
    if is_own and actor.person_id == parcel.recipient_id:
        return Party.REC
    if is_own and actor.person_id == parcel.sender_id:
        return Party.SND
    is_courier = parcel.carrier_id in actor.subjects(Permission.DISPUTE_OPEN, Scope.ROUTE)
    return Party.COU if is_courier else None


def _judge(parcel: Parcel, *, now: datetime) -> Refusal | None:
    if parcel.state not in {ParcelState.COLLECTED, ParcelState.DISPUTED}:
        word = parcel.state.lower().replace("_", " ")
        return _wrong_state(f"This can't be done while the parcel is {word}.")
    collected_at = parcel.collected_at
    return _OVER if collected_at is None or now > collected_at + DISPUTE_WINDOW else None


async def _move(
    session: Session,
    parcel: Parcel,
    trigger: Trigger,
    party: Party,
    actor: Actor,
    reason: str,
    *,
    vouched: Situation | None = None,
    ids: Ids,
    now: datetime,
) -> None:
    happened = Occurrence(
        trigger=trigger, party=party, at=now, actor_id=actor.person_id, reason=reason
    )
    situation = situation_of(parcel, now, vouched)
    if await move(session, parcel, happened, situation, ids=ids, now=now) is None:
        raise BrokenPromise(f"no row takes {trigger} of parcel {parcel.id} in {parcel.state}")


async def _report(
    session: Session, parcel: Parcel, reason: DisputeReason, *, ids: Ids, now: datetime
) -> uuid.UUID:
    finding = Finding(
        kind=IncidentKind.DISPUTE,
        subject_id=parcel.id,
        hub_id=parcel.hub_id,
        detail=reason,
        incident_id=ids.new(),
    )
    await lockers.open_incident(session, finding, ids=ids, now=now)
    await session.flush()
    assert finding.incident_id is not None
    return finding.incident_id


async def _find_place(session: Session, parcel: Parcel, stay: Stay) -> uuid.UUID | None:
    """The compartment that it was collected from, while that still shows something of it."""
    line = await queries.find_last_into(session, parcel.id, ParcelState.COLLECTED)
    if stay.compartment_id is None or (line is not None and line.row == _AT_COUNTER):
        return None
    is_newer = await queries.has_later_stay(session, stay)
    return None if is_newer else stay.compartment_id


async def _is_found_inside(session: Session, pending: list[Dispute]) -> bool:
    """Whether staff has had the door open since, and no sensor says that nothing was inside."""
    for dispute in pending:
        if dispute.compartment_id is None:
            continue
        check = await find_last_check(session, dispute.compartment_id, _LOOKED)
        if check is not None and is_since(check.granted_at, dispute.opened_at):
            return check.occupied_before is not False
    return False


def _wrong_state(sentence: str) -> Refusal:
    return Refusal(ProblemCode.WRONG_STATE, sentence, "parcel")
