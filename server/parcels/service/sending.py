"""What people send, or send back, and calling it off (P2, P3, P5).

The drop-off itself is a fact of a locker; the right to it is granted by `access`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import SizeMm
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers.service import reservations
from server.lockers.service.reading import list_compartments_by_ids, lock_locker
from server.parcels import queries
from server.parcels.deadlines import DROPOFF_LIFE, RETURN_WINDOW
from server.parcels.drafts import KEY_CHARACTERS, ParcelDraft, check_draft
from server.parcels.service.creating import Origin, Sources, create_parcel
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.visibility import Visibility, visibility_of
from server.people.queries import find_carrier
from server.people.rules import read_contact

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.parcels.tables import Parcel

SWEEP = 100
"""Drop-offs that lapse in one transaction."""


async def send_parcel(
    session: Session,
    actor: Actor,
    *,
    draft: ParcelDraft,
    carrier_id: uuid.UUID,
    sources: Sources,
    now: datetime,
) -> Parcel | Refusal:
    """A parcel that the actor will bring to a locker within five days (P2).

    `draft.tracking_no` is the sender's own key: the same again gives the same parcel, with other
    content it is CHANGED_MEANWHILE.
    """
    if actor.person_id is None or not actor.can(Permission.PARCEL_ANNOUNCE):
        return deny(actor)
    if not 1 <= len(draft.tracking_no) <= KEY_CHARACTERS or not draft.tracking_no.isprintable():
        rule = f"key: must be 1 to {KEY_CHARACTERS} characters on one line."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "key")
    draft = replace(draft, tracking_no=_number("S", str(actor.person_id), draft.tracking_no))
    contact, refusal = read_contact(draft.recipient), check_draft(draft)
    if contact is None:
        sentence = "recipient: must be an e-mail address or a phone number like +48123456789."
        refusal = Refusal(ProblemCode.INPUT_INVALID, sentence, "recipient")
    if contact is None or refusal is not None:
        return refusal or deny(actor)
    if await find_carrier(session, carrier_id) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="carrier")
    if await find_hub(session, draft.hub_id) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    origin = Origin(
        trigger=Trigger.OFFER_DROPOFF,
        party=Party.SND,
        actor_id=actor.person_id,
        carrier_id=carrier_id,
        contact=contact,
        sender_id=actor.person_id,
        dropoff_through=now + DROPOFF_LIFE,
    )
    return await create_parcel(session, draft, origin, sources=sources, now=now)


async def return_parcel(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, sources: Sources, now: datetime
) -> Parcel | Refusal:
    """A parcel in which the recipient sends a collected one back, with the same carrier (P2).

    Asking again gives the same, until it was called off or nobody brought it. WRONG_STATE for what
    was not collected, or longer ago than thirty days.
    """
    if actor.person_id is None or not actor.can(Permission.PARCEL_ANNOUNCE):
        return deny(actor)
    own = Visibility(recipient=actor.person_id)
    parcel = await queries.lock_visible(session, parcel_id, own)
    if parcel is None:
        return not_found(actor, "parcel")
    collected_at = parcel.collected_at
    is_over = collected_at is None or now > collected_at + RETURN_WINDOW
    if parcel.state is not ParcelState.COLLECTED or is_over:
        return Refusal(ProblemCode.WRONG_STATE, field="parcel")
    lapsed = await queries.count_returns(session, parcel_id, states=(ParcelState.CANCELLED,))
    origin = Origin(
        trigger=Trigger.OFFER_DROPOFF,
        party=Party.REC,
        actor_id=actor.person_id,
        carrier_id=parcel.carrier_id,
        contact=None,
        sender_id=actor.person_id,
        returns_id=parcel.id,
        dropoff_through=now + DROPOFF_LIFE,
    )
    draft = ParcelDraft(
        tracking_no=_number("R", str(parcel.id), str(lapsed)),
        hub_id=parcel.planned_hub_id,
        recipient="",
        recipient_name="",
        size=SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm),
        weight_g=parcel.weight_g,
        climate_zone=parcel.climate_zone,
        is_perishable=parcel.is_perishable,
        is_age_restricted=parcel.is_age_restricted,
        is_fragile=parcel.is_fragile,
    )
    return await create_parcel(session, draft, origin, sources=sources, now=now)


async def cancel_parcel(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, ids: Ids, now: datetime
) -> Parcel | Refusal:
    """Calls off a parcel that nobody has in hand yet (P3); what is kept for it is free again.

    Repeating changes nothing. WRONG_STATE once a courier or a locker has it. A locker that has not
    heard of it may still take it in: then the fact wins.
    """
    visible = visibility_of(actor, Permission.PARCEL_CANCEL)
    if await queries.find_visible(session, parcel_id, visible) is None:
        return not_found(actor, "parcel")
    await _lock_keeper(session, parcel_id, now=now)
    parcel = await queries.lock_visible(session, parcel_id, visible)
    if parcel is None:
        return not_found(actor, "parcel")
    if parcel.state is ParcelState.CANCELLED:
        return parcel
    is_network = visible.everything and parcel.sender_id != actor.person_id
    happened = Occurrence(
        trigger=Trigger.CANCEL,
        party=Party.OPR if is_network else Party.SND,
        at=now,
        actor_id=actor.person_id or actor.carrier_id,
    )
    situation = situation_of(parcel, now)
    if await move(session, parcel, happened, situation, ids=ids, now=now) is None:
        return Refusal(ProblemCode.WRONG_STATE, field="parcel")
    await reservations.release(session, parcel.id, now=now)
    return parcel


async def lapse_dropoffs(session: Session, *, ids: Ids, now: datetime) -> int:
    """Calls off at most 100 parcels that nobody brought in time (P5), and says how many."""
    late = await queries.lock_lapsed(session, before=now, limit=SWEEP)
    happened = Occurrence(trigger=Trigger.LAPSE_DROPOFF, party=Party.SRV, at=now)
    for parcel in late:
        await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    return len(late)


async def _lock_keeper(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> None:
    """Locks the locker that keeps a compartment for the parcel: it comes before the parcel."""
    held = (await reservations.list_held(session, [parcel_id], now=now)).get(parcel_id)
    doors = await list_compartments_by_ids(session, [] if held is None else [held.compartment.id])
    for door in doors.values():
        await lock_locker(session, door.locker_id)


def _number(kind: str, *parts: str) -> str:
    """A tracking number that the same parts always give, and that no carrier writes."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{kind}-{base64.b32encode(digest)[:20].decode()}"
