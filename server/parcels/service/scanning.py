"""What carriers and couriers report: foreign words kept as they came, and rows P7 to P9, P11, P28.

A word moves a parcel only where the table has a row for it. A word about what only a locker can
know moves nothing, whoever says it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.errors import BrokenPromise, Refusal
from server.lockers.choice import ReservationPurpose
from server.lockers.service import reservations
from server.parcels import queries
from server.parcels.external import find_stop_reason, map_status
from server.parcels.rules import Move, Situation, find_move, get_move
from server.parcels.service.consenting import Agreed, agree
from server.parcels.service.moving import Occurrence, Report, record, situation_of
from server.parcels.service.reserving import wish_of
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import CODE_CHARACTERS, Parcel
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Locker

MAX_REPORTS = 500
"""Lines of a parcel's history beyond which no more reports are written down."""

_TRIGGERS: dict[tuple[ParcelState, ParcelState], Trigger] = {
    (ParcelState.ANNOUNCED, ParcelState.IN_TRANSIT): Trigger.SCAN,
    (ParcelState.IN_TRANSIT, ParcelState.OUT_FOR_DELIVERY): Trigger.LOAD,
    (ParcelState.OUT_FOR_DELIVERY, ParcelState.IN_TRANSIT): Trigger.FAIL_STOP,
    (ParcelState.OUT_FOR_DELIVERY, ParcelState.AT_HUB): Trigger.HAND_TO_HUB,
    (ParcelState.RETURNING, ParcelState.RETURNED): Trigger.SCAN_RETURN,
}
"""What a report of the second state means while a parcel is in the first."""


async def report_scan(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    said: Report,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """The parcel after a report, whose words stand in its history whether or not they moved it.

    The same report again while nothing else has happened adds nothing. Loading onto a tour keeps
    the parcel a place at its hub for four hours, if there is one.
    """
    refusal = _check(said)
    if refusal is not None:
        return refusal
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    party = _party_of(actor, seen.parcel)
    if party is None:
        return deny(actor)
    lockers: list[Locker] = []
    if _read(seen.parcel, said, party, actor, now=now).trigger is Trigger.LOAD:
        lockers = await reservations.lock_lockers(session, hub_id=seen.parcel.hub_id)
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None:
        message = f"parcel {parcel_id} vanished"
        raise BrokenPromise(message)
    happened = _read(parcel, said, party, actor, now=now)
    if await _is_repeated(session, parcel, happened):
        return parcel
    if parcel.version >= MAX_REPORTS:
        return Refusal(ProblemCode.TOO_COSTLY, "This parcel's history is full.", "parcel")
    moved = await _take(session, parcel, happened, ids=ids, now=now)
    if moved.row.name == "P8":
        # No room now is no reason to leave the parcel behind: the stop itself asks again.
        agreed = await agree(session, parcel, lockers, now=now)
        if isinstance(agreed, Agreed):
            wish = wish_of(parcel, ReservationPurpose.LOADED, actor.person_id, reach=agreed.reach)
            await reservations.reserve(session, agreed.lockers, wish, ids=ids, now=now)
    return parcel


def _party_of(actor: Actor, parcel: Parcel) -> Party | None:
    """In which role the actor may report; couriers, carriers and hub staff may."""
    if actor.carrier_id == parcel.carrier_id:
        return Party.CAR
    if parcel.carrier_id in actor.subjects(Permission.PARCEL_DEPOSIT, Scope.ROUTE):
        return Party.COU
    if parcel.carrier_id in actor.subjects(Permission.PARCEL_ANNOUNCE, Scope.CARRIER):
        return Party.CAR
    if parcel.hub_id in actor.subjects(Permission.PARCEL_DEPOSIT, Scope.HUB):
        return Party.STA
    return None


def _read(parcel: Parcel, said: Report, party: Party, actor: Actor, *, now: datetime) -> Occurrence:
    mapped = map_status(said.source_system, said.source_code, parcel.state)
    reason = find_stop_reason(said.source_system, said.source_code)
    trigger = Trigger.REPORT_STATUS
    if mapped is not None:
        trigger = _TRIGGERS.get((parcel.state, mapped), Trigger.REPORT_STATUS)
    return Occurrence(
        trigger=trigger,
        party=party,
        at=now,
        actor_id=actor.person_id or actor.carrier_id,
        reason=reason,
        report=Report(said.source_system, said.source_code, said.source_text, mapped),
    )


async def _take(
    session: Session, parcel: Parcel, happened: Occurrence, *, ids: Ids, now: datetime
) -> Move:
    """Moves the parcel if a row takes the report, else writes the report down as P33."""
    vouched = Situation(has_reason=happened.reason is not None)
    situation = situation_of(parcel, now, vouched)
    found = find_move(parcel.state, happened.trigger, happened.party, situation)
    if found is None:
        happened = replace(happened, trigger=Trigger.REPORT_STATUS)
        found = get_move(parcel.state, Trigger.REPORT_STATUS, Party.SRV, situation)
    await record(session, parcel, found, happened, ids=ids, now=now)
    return found


async def _is_repeated(session: Session, parcel: Parcel, happened: Occurrence) -> bool:
    last = await queries.find_last_event(session, parcel.id)
    said = happened.report
    if last is None or said is None or last.source_code is None:
        return False
    return (last.source_system, last.source_code, last.source_text, last.actor_id) == (
        said.source_system,
        said.source_code,
        said.source_text,
        happened.actor_id,
    )


def _check(said: Report) -> Refusal | None:
    if "\x00" in (said.source_text or ""):
        return Refusal(ProblemCode.INPUT_INVALID, "sourceText: must be text.", "sourceText")
    for field, text in (("sourceSystem", said.source_system), ("sourceCode", said.source_code)):
        if not 1 <= len(text) <= CODE_CHARACTERS or not text.isprintable():
            sentence = f"{field}: must be 1 to {CODE_CHARACTERS} characters on one line."
            return Refusal(ProblemCode.INPUT_INVALID, sentence, field)
    return None
