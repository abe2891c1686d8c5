"""How a parcel comes into the house: once for each tracking number of a carrier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.errors import BrokenPromise, Refusal
from server.parcels import queries
from server.parcels.drafts import CODE_BYTES, ParcelDraft, write_code
from server.parcels.rules import Situation, get_move
from server.parcels.service.moving import Occurrence, record
from server.parcels.tables import LocationKind, Parcel
from server.people.service.accounts import ensure_person

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness
    from server.parcels.states import Party, Trigger
    from server.people.rules import Contact

CODE_TRIES = 3
"""Codes tried until one is free; that even two collide is a matter of one in a trillion."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where new ids and random bytes come from."""

    ids: Ids
    randomness: Randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who brings a parcel, by which line of the table, and to whom it goes.

    Without `contact` it is for nobody with an account: it goes back to where it came from.
    """

    trigger: Trigger
    party: Party
    actor_id: uuid.UUID
    carrier_id: uuid.UUID
    contact: Contact | None
    sender_id: uuid.UUID | None = None
    returns_id: uuid.UUID | None = None
    dropoff_through: datetime | None = None


async def create_parcel(
    session: Session, draft: ParcelDraft, origin: Origin, *, sources: Sources, now: datetime
) -> Parcel | Refusal:
    """The parcel of this tracking number, new or brought before with the same content.

    CHANGED_MEANWHILE when something else has that number.
    """
    recipient_id = None
    if origin.contact is not None:
        recipient_id = await ensure_person(session, origin.contact, ids=sources.ids, now=now)
    for _ in range(CODE_TRIES):
        parcel = _make(draft, origin, sources=sources, now=now)
        parcel.recipient_id = recipient_id
        if await queries.insert_parcel(session, parcel):
            return await _begin(session, parcel.id, origin, ids=sources.ids, now=now)
        # Somebody was faster with this number, or else the code was taken.
        known = await queries.find_announced(
            session, carrier_id=origin.carrier_id, tracking_no=draft.tracking_no
        )
        if known is not None:
            return same_or_refused(known, draft)
    message = f"{CODE_TRIES} codes in a row were taken; is the randomness random?"
    raise BrokenPromise(message)


def same_or_refused(known: Parcel, draft: ParcelDraft) -> Parcel | Refusal:
    """The parcel that has the draft's number, if it is what the draft says."""
    if known.content_hash == draft.content_hash():
        return known
    sentence = "This tracking number was announced with other content."
    return Refusal(ProblemCode.CHANGED_MEANWHILE, sentence, "trackingNo")


async def _begin(
    session: Session, parcel_id: uuid.UUID, origin: Origin, *, ids: Ids, now: datetime
) -> Parcel:
    parcel = await queries.get_parcel(session, parcel_id)
    found = get_move(None, origin.trigger, origin.party, Situation())
    happened = Occurrence(
        trigger=origin.trigger, party=origin.party, at=now, actor_id=origin.actor_id
    )
    await record(session, parcel, found, happened, ids=ids, now=now)
    return parcel


def _make(draft: ParcelDraft, origin: Origin, *, sources: Sources, now: datetime) -> Parcel:
    return Parcel(
        id=sources.ids.new(),
        created_at=now,
        code=write_code(sources.randomness.take(CODE_BYTES)),
        carrier_id=origin.carrier_id,
        tracking_no=draft.tracking_no,
        content_hash=draft.content_hash(),
        recipient_contact=None if origin.contact is None else origin.contact.address,
        recipient_name=draft.recipient_name.strip() or None,
        sender_id=origin.sender_id,
        returns_id=origin.returns_id,
        dropoff_through=origin.dropoff_through,
        width_mm=draft.size.width,
        height_mm=draft.size.height,
        depth_mm=draft.size.depth,
        weight_g=draft.weight_g,
        climate_zone=draft.climate_zone,
        is_perishable=draft.is_perishable,
        is_age_restricted=draft.is_age_restricted,
        is_fragile=draft.is_fragile,
        cod_amount=draft.cod_amount,
        cod_currency=draft.cod_currency,
        state=get_move(None, origin.trigger, origin.party, Situation()).target,
        hub_id=draft.hub_id,
        planned_hub_id=draft.hub_id,
        location_kind=LocationKind.PLANNED,
    )
