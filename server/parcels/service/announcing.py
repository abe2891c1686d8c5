"""Announcing a parcel (P1): once for each tracking number of a carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, Scope, deny
from server.kit.errors import Refusal
from server.parcels import queries
from server.parcels.drafts import ParcelDraft, check_draft
from server.parcels.service.creating import Origin, Sources, create_parcel, same_or_refused
from server.parcels.states import Party, Trigger
from server.people.rules import read_contact

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.parcels.tables import Parcel


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
        return same_or_refused(known, draft)
    if await find_hub(session, draft.hub_id) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    origin = Origin(
        trigger=Trigger.ANNOUNCE,
        party=Party.CAR,
        actor_id=carrier_id,
        carrier_id=carrier_id,
        contact=contact,
    )
    return await create_parcel(session, draft, origin, sources=sources, now=now)


def _carrier_of(actor: Actor) -> uuid.UUID | None:
    """The carrier that the actor speaks for: its system, or its one administrator's."""
    if actor.carrier_id is not None:
        may = actor.can(Permission.PARCEL_ANNOUNCE, carrier=actor.carrier_id)
        return actor.carrier_id if may else None
    carriers = actor.subjects(Permission.PARCEL_ANNOUNCE, Scope.CARRIER)
    return next(iter(carriers)) if len(carriers) == 1 else None
