"""Announcing a parcel (P1): once for each tracking number of a carrier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, Scope, deny
from server.kit.errors import BrokenPromise, Refusal
from server.parcels import queries
from server.parcels.drafts import CODE_BYTES, ParcelDraft, check_draft, write_code
from server.parcels.rules import Situation, get_move
from server.parcels.service.moving import Occurrence, record
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import LocationKind, Parcel
from server.people.rules import Contact, read_contact
from server.people.service.accounts import ensure_person

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness

CODE_TRIES = 3
"""Codes tried until one is free; that even two collide is a matter of one in a trillion."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where new ids and random bytes come from."""

    ids: Ids
    randomness: Randomness


async def announce_parcel(
    session: Session, actor: Actor, *, draft: ParcelDraft, sources: Sources, now: datetime
) -> Parcel | Refusal:
    """The parcel of this tracking number, new or announced before with the same content.

    CHANGED_MEANWHILE when the carrier announced something else under the number. The recipient's
    address gets an account, if it has none yet, that its owner can sign in to.
    """
    carrier_id = _carrier_of(actor)
    if carrier_id is None:
        return deny(actor)
    contact = read_contact(draft.recipient)
    refusal = check_draft(draft)
    if contact is None:
        sentence = "recipient: must be an e-mail address or a phone number like +48123456789."
        refusal = Refusal(ProblemCode.INPUT_INVALID, sentence, "recipient")
    if refusal is not None or contact is None:
        return refusal or Refusal(ProblemCode.INPUT_INVALID)
    known = await queries.find_announced(
        session, carrier_id=carrier_id, tracking_no=draft.tracking_no
    )
    if known is not None:
        return _same(known, draft)
    if await find_hub(session, draft.hub_id) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    return await _announce(session, carrier_id, draft, contact, sources=sources, now=now)


def _carrier_of(actor: Actor) -> uuid.UUID | None:
    """The carrier that the actor speaks for: its system, or its one administrator's."""
    if actor.carrier_id is not None:
        may = actor.can(Permission.PARCEL_ANNOUNCE, carrier=actor.carrier_id)
        return actor.carrier_id if may else None
    carriers = actor.subjects(Permission.PARCEL_ANNOUNCE, Scope.CARRIER)
    return next(iter(carriers)) if len(carriers) == 1 else None


def _same(known: Parcel, draft: ParcelDraft) -> Parcel | Refusal:
    if known.content_hash == draft.content_hash():
        return known
    sentence = "This tracking number was announced with other content."
    return Refusal(ProblemCode.CHANGED_MEANWHILE, sentence, "trackingNo")


async def _announce(
    session: Session,
    carrier_id: uuid.UUID,
    draft: ParcelDraft,
    contact: Contact,
    *,
    sources: Sources,
    now: datetime,
) -> Parcel | Refusal:
    recipient_id = await ensure_person(session, contact, ids=sources.ids, now=now)
    for _ in range(CODE_TRIES):
        parcel = _make(carrier_id, draft, contact, sources=sources, now=now)
        parcel.recipient_id = recipient_id
        if await queries.insert_parcel(session, parcel):
            return await _begin(session, parcel.id, carrier_id, ids=sources.ids, now=now)
        # Somebody was faster with this number, or else the code was taken.
        known = await queries.find_announced(
            session, carrier_id=carrier_id, tracking_no=draft.tracking_no
        )
        if known is not None:
            return _same(known, draft)
    message = f"{CODE_TRIES} codes in a row were taken; is the randomness random?"
    raise BrokenPromise(message)


async def _begin(
    session: Session, parcel_id: uuid.UUID, carrier_id: uuid.UUID, *, ids: Ids, now: datetime
) -> Parcel:
    parcel = await queries.get_parcel(session, parcel_id)
    found = get_move(None, Trigger.ANNOUNCE, Party.CAR, Situation())
    happened = Occurrence(trigger=Trigger.ANNOUNCE, party=Party.CAR, at=now, actor_id=carrier_id)
    await record(session, parcel, found, happened, ids=ids, now=now)
    return parcel


def _make(
    carrier_id: uuid.UUID, draft: ParcelDraft, contact: Contact, *, sources: Sources, now: datetime
) -> Parcel:
    return Parcel(
        id=sources.ids.new(),
        created_at=now,
        code=write_code(sources.randomness.take(CODE_BYTES)),
        carrier_id=carrier_id,
        tracking_no=draft.tracking_no,
        content_hash=draft.content_hash(),
        recipient_contact=contact.address,
        recipient_name=draft.recipient_name.strip(),
        width_mm=draft.size.width,
        height_mm=draft.size.height,
        depth_mm=draft.size.depth,
        weight_g=draft.weight_g,
        climate_zone=draft.climate_zone,
        is_perishable=draft.is_perishable,
        is_age_restricted=draft.is_age_restricted,
        is_fragile=draft.is_fragile,
        state=ParcelState.ANNOUNCED,
        hub_id=draft.hub_id,
        planned_hub_id=draft.hub_id,
        location_kind=LocationKind.PLANNED,
    )
