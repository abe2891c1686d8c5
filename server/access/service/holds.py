"""The way out of a hold (P21): back to waiting behind its door, or to the counter of its hub."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from schema.ids import LockerId
from server.access import queries, signing
from server.access.rules import Action, Turn
from server.access.service.grants import end_grant
from server.access.service.revocations import tell
from server.kit.auth import Actor, Permission, Scope, not_found
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.closing import DoorVisit, is_since, read_reason
from server.lockers.queries import find_last_check, lock_compartment_by_id
from server.lockers.rules import Change, ClimateState, ServiceState
from server.lockers.service import checks
from server.lockers.service.closing import NO_REASON
from server.lockers.service.history import Cause
from server.lockers.service.reading import lock_locker
from server.parcels import queries as parcels
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.service.stays import find_stay_of
from server.parcels.service.timing import resume
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.access.service.bundles import Tools
    from server.kit.db import Session
    from server.parcels.tables import Parcel, Stay

_OPENED = frozenset({DoorVisit.SERVICE, DoorVisit.OPEN_ALL})


class HoldOutcome(StrEnum):
    """What becomes of a parcel that was held."""

    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    """It is behind its door, and waits for its holder again."""
    AT_HUB = "AT_HUB"
    """It is at the counter now."""


async def resolve_hold(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    outcome: HoldOutcome,
    reason: str,
    tools: Tools,
) -> Parcel | Refusal:
    """Ends the hold of a parcel, for those who may decide it at its hub; its time runs on from
    where it stood.

    Back to its door only while it lies behind one that works, and is good. To the counter only if
    it lies in no compartment, or staff has had its door open since: then no token for it opens
    anything any more.
    """
    why = read_reason(reason)
    if why is None:
        return NO_REASON
    visible = visibility_of(actor, Permission.PARCEL_RESOLVE_HOLD)
    seen = None if visible.is_empty else await parcels.find_visible(session, parcel_id, visible)
    if seen is None:
        return not_found(actor, "parcel")
    stay = await find_stay_of(session, seen.parcel)
    if stay is not None:
        await lock_locker(session, stay.locker_id)
    parcel = await parcels.lock_parcel(session, parcel_id)
    if parcel is None or parcel.state is not ParcelState.ON_HOLD:
        return Refusal(ProblemCode.WRONG_STATE, "This parcel is not held.", "parcel")
    held = await parcels.find_last_into(session, parcel.id, ParcelState.ON_HOLD)
    held_at = tools.now if held is None else held.at
    refusal = await _judge(session, parcel, stay, outcome, held_at=held_at, now=tools.now)
    if refusal is not None:
        return refusal
    cause = Cause(at=tools.now, actor_id=actor.person_id, reason=why)
    await _move_on(session, actor, parcel, outcome, cause, tools=tools)
    await resume(session, parcel, ids=tools.ids, now=tools.now)
    if stay is not None and outcome is HoldOutcome.AT_HUB:
        await _take_out(session, parcel, stay, tools=tools)
    elif stay is not None:
        await _put_right(session, stay, cause, tools=tools)
    await session.flush()
    return parcel


async def _judge(
    session: Session,
    parcel: Parcel,
    stay: Stay | None,
    outcome: HoldOutcome,
    *,
    held_at: datetime,
    now: datetime,
) -> Refusal | None:
    door = None
    if stay is not None and stay.compartment_id is not None:
        door = await lock_compartment_by_id(session, stay.compartment_id)
    if outcome is HoldOutcome.AT_HUB:
        if door is None:
            return None
        check = await find_last_check(session, door.id, _OPENED)
        if check is not None and not check.occupied_after and is_since(check.granted_at, held_at):
            return None
        return _wrong_state("The journal does not show that it was taken out of its compartment.")
    if door is None:
        return _wrong_state("It lies in no compartment.")
    if door.service is ServiceState.OUT_OF_SERVICE:
        return _wrong_state("The door that it lies behind is out of service.")
    is_cooled = parcel.climate_zone is not ClimateZone.AMBIENT
    if is_cooled and door.climate is ClimateState.FAULT:
        return _wrong_state("The cooling of the door that it lies behind has failed.")
    if parcel.safe_until is not None and parcel.safe_until <= now:
        return _wrong_state("It was out of its temperature for too long.")
    if parcel.settles_at is not None:
        return _wrong_state("Its collection is not settled yet.")
    return None


async def _move_on(
    session: Session,
    actor: Actor,
    parcel: Parcel,
    outcome: HoldOutcome,
    cause: Cause,
    *,
    tools: Tools,
) -> None:
    everywhere = (Permission.PARCEL_RESOLVE_HOLD, Scope.NETWORK, None) in actor.grants
    happened = Occurrence(
        trigger=Trigger.RESOLVE_HOLD,
        party=Party.OPR if everywhere else Party.STA,
        at=cause.at,
        actor_id=cause.actor_id,
        reason=cause.reason,
    )
    wanted = ParcelState(outcome)
    situation = situation_of(parcel, cause.at, Situation(has_reason=True, wanted=wanted))
    moved = await move(session, parcel, happened, situation, ids=tools.ids, now=tools.now)
    if moved is None:
        raise BrokenPromise(f"no row resolves the hold of parcel {parcel.id}")


async def _take_out(session: Session, parcel: Parcel, stay: Stay, *, tools: Tools) -> None:
    """It is not behind that door any more. The locker keeps the stay until it is found empty."""
    await parcels.take_out(session, stay_id=stay.id, parcel_id=parcel.id, at=tools.now)
    parcel.stay_id = None
    session.add(parcel)
    now_s = signing.unix_s(tools.now)
    for grant in await queries.list_living_grants_of(session, parcel.id, Action.OPEN):
        await end_grant(session, grant, Turn.REVOKE, now=tools.now)
        await queries.revoke_grant_tokens(session, grant.id, now=tools.now, now_s=now_s)
    locker = await lock_locker(session, stay.locker_id)
    if locker is not None:
        await tell(session, LockerId(locker.lid), keyring=tools.keyring, now=tools.now)


async def _put_right(session: Session, stay: Stay, cause: Cause, *, tools: Tools) -> None:
    """Somebody vouches that it is inside: nobody doubts the compartment any more (C9)."""
    if stay.compartment_id is None:
        return
    door = await lock_compartment_by_id(session, stay.compartment_id)
    if door is not None:
        await checks.settle(
            session, door, Change.INSPECT_OCCUPIED, cause, ids=tools.ids, now=tools.now
        )


def _wrong_state(sentence: str) -> Refusal:
    return Refusal(ProblemCode.WRONG_STATE, sentence, "outcome")
