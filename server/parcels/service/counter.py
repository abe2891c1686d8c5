"""The counter of a hub: a parcel comes there (P11), and its recipient gets it there (P27)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.kit.keyring import Keyring, Purpose, current_key
from server.lockers.service import reservations
from server.parcels import queries
from server.parcels.identity import (
    DAY_S,
    KEPT_OUT,
    CounterReason,
    IdentityProof,
    counter_digits,
    is_pass_right,
)
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Assurance, Handover, Parcel
from server.parcels.visibility import visibility_of
from server.people import queries as people
from server.people.rules import may_receive

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What staff checked before they gave a parcel away. `digits` come with a pass only."""

    proof: IdentityProof
    digits: str | None = field(default=None, repr=False)
    is_age_checked: bool = False
    is_cod_paid: bool = False


@dataclass(frozen=True, slots=True)
class CounterPass:
    """What the recipient says at the counter."""

    parcel: Parcel
    digits: str = field(repr=False)
    expires_at: datetime


async def record_arrival(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    why: CounterReason,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """A courier left the parcel at the counter, or staff took it there (P11).

    What was kept for it in a locker is free again. Repeating changes nothing.
    """
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    party = _party_of(actor, seen.parcel)
    if party is None:
        return deny(actor)
    await reservations.lock_lockers(session, hub_id=seen.parcel.hub_id)
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or parcel.state is ParcelState.AT_HUB:
        return parcel or not_found(actor, "parcel")
    happened = Occurrence(
        trigger=Trigger.HAND_TO_HUB, party=party, at=now, actor_id=actor.person_id, reason=why
    )
    moved = await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    if moved is None:
        return _wrong_state(parcel)
    await reservations.release(session, parcel.id, now=now)
    return parcel


async def request_counter_pass(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, keyring: Keyring, now: datetime
) -> CounterPass | Refusal:
    """Digits by which staff know the recipient at the counter, good today and tomorrow (UTC).

    Asking again on the same day gives the same. DEVICE_TOO_NEW for a phone that has to wait.
    """
    device = None if actor.device_id is None else await people.find_device(session, actor.device_id)
    if device is None:
        return deny(actor)
    visible = visibility_of(actor, Permission.PARCEL_OPEN)
    seen = await queries.find_visible(session, parcel_id, visible)
    if seen is None:
        return not_found(actor, "parcel")
    parcel = seen.parcel
    too_new = may_receive(device.trust, exists_since=parcel.created_at, now=now)
    if too_new is not None:
        return too_new
    if parcel.state is not ParcelState.AT_HUB:
        return _wrong_state(parcel)
    day = int(now.timestamp()) // DAY_S
    digits = counter_digits(current_key(keyring, Purpose.CODES), parcel.id, day)
    return CounterPass(parcel, digits, instant_of((day + 2) * DAY_S))


async def hand_over(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    checked: Checked,
    keyring: Keyring,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """The parcel is with its recipient (P27), of assurance C, and how they were known is kept.

    CODE_WRONG for a pass that is not the parcel's, INPUT_INVALID where the age or the payment had
    to be checked and was not. Repeating it after it was done by the same person changes nothing.
    """
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    may = actor.can(Permission.PARCEL_COUNTER_HANDOVER, hub=seen.parcel.hub_id)
    if not may or actor.person_id is None:
        return deny(actor)
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or parcel.state is not ParcelState.AT_HUB:
        return await _answer_again(session, actor, parcel or seen.parcel)
    refusal = _judge(parcel, checked, keyring, now=now)
    if refusal is not None:
        return refusal
    happened = Occurrence(
        trigger=Trigger.HAND_OVER,
        party=Party.STA,
        at=now,
        actor_id=actor.person_id,
        reason=checked.proof,
        assurance=Assurance.C,
    )
    situation = situation_of(parcel, now, Situation(is_identity_checked=True))
    if await move(session, parcel, happened, situation, ids=ids, now=now) is None:
        return _wrong_state(parcel)
    session.add(
        Handover(
            id=ids.new(),
            parcel_id=parcel.id,
            hub_id=parcel.hub_id,
            at=now,
            staff_id=actor.person_id,
            proof=checked.proof,
            is_age_checked=checked.is_age_checked,
            is_cod_paid=checked.is_cod_paid,
        )
    )
    await session.flush()
    return parcel


async def is_kept_out(session: Session, parcel: Parcel) -> bool:
    """Whether a parcel at the counter may not go into a compartment (P11b): its recipient does not
    want it there, or has to be seen.
    """
    if parcel.state is not ParcelState.AT_HUB:
        return False
    arrival = await queries.find_last_of(session, parcel.id, Trigger.HAND_TO_HUB)
    return parcel.is_age_restricted or (arrival is not None and arrival.reason in KEPT_OUT)


def _party_of(actor: Actor, parcel: Parcel) -> Party | None:
    if parcel.carrier_id in actor.subjects(Permission.PARCEL_DEPOSIT, Scope.ROUTE):
        return Party.COU
    may = actor.can(Permission.PARCEL_COUNTER_HANDOVER, hub=parcel.hub_id)
    return Party.STA if may else None


def _judge(parcel: Parcel, checked: Checked, keyring: Keyring, *, now: datetime) -> Refusal | None:
    if (checked.digits is not None) is not (checked.proof is IdentityProof.PASS):
        return _unchecked("pass", "the digits belong to the proof PASS, and to no other")
    if checked.digits is not None:
        day = int(now.timestamp()) // DAY_S
        keys = keyring.list_keys(Purpose.CODES)
        if not is_pass_right(checked.digits, keys, parcel.id, day=day):
            return Refusal(ProblemCode.CODE_WRONG, "These are not this parcel's digits.", "pass")
    if parcel.is_age_restricted and not checked.is_age_checked:
        return _unchecked("ageChecked", "the recipient's age must be checked")
    if parcel.cod_amount is not None and not checked.is_cod_paid:
        return _unchecked("codPaid", "what is owed for the parcel must be paid")
    return None


async def _answer_again(session: Session, actor: Actor, parcel: Parcel) -> Parcel | Refusal:
    done = await queries.find_last_handover(session, parcel.id)
    is_own = done is not None and done.staff_id == actor.person_id
    if parcel.state is ParcelState.COLLECTED and is_own:
        return parcel
    return _wrong_state(parcel)


def _unchecked(field_name: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, f"{field_name}: {rule}.", field_name)


def _wrong_state(parcel: Parcel) -> Refusal:
    word = parcel.state.lower().replace("_", " ")
    return Refusal(
        ProblemCode.WRONG_STATE, f"This can't be done while the parcel is {word}.", "parcel"
    )
