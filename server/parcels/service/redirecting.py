"""Another hub for a parcel that is still on its way, by its recipient's wish (RQ5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.hubs.rules import HubKind, Position
from server.hubs.service import find_hub, list_nearby
from server.kit import outbox
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers.service import reservations
from server.parcels import queries
from server.parcels.rules import find_move
from server.parcels.service.consenting import find_objection, find_objections
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import Party, Trigger
from server.parcels.visibility import Visibility

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.hubs.service import HubChoice
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.parcels.tables import Parcel

REDIRECTED = "parcel.redirected"
"""Outbox event: a parcel goes to another hub than was planned."""

CHOICES = 10
"""Hubs offered at once."""

LOOKED_AT = 40
"""Hubs among which they are chosen: all favourites, and at least as many that are near."""

TOO_LATE = "Share it with somebody who can fetch it, or ask for more time."

OTHER_HUB = "Choose another hub, or change what you prefer."


async def redirect(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    hub_id: uuid.UUID,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """The parcel goes to that hub, and what was kept for it elsewhere is free again.

    For its recipient alone, until it is loaded onto the last tour: WRONG_STATE afterwards, with
    what can be done then. CONSENT_MISSING for a hub that they have ruled out themselves, or
    that has nothing but compartments which they have; NO_CLIMATE for one that can't cool it.
    Choosing the hub that is planned changes nothing.
    """
    if actor.person_id is None or not actor.can(Permission.PARCEL_REDIRECT):
        return deny(actor)
    own = Visibility(recipient=actor.person_id)
    seen = await queries.find_visible(session, parcel_id, own)
    if seen is None:
        return not_found(actor, "parcel")
    hub = await find_hub(session, hub_id)
    if hub is None or hub.kind is HubKind.DEPOT:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    await reservations.lock_lockers(session, hub_id=seen.parcel.hub_id)
    parcel = await queries.lock_visible(session, parcel_id, own)
    if parcel is None or parcel.planned_hub_id == hub_id:
        return parcel or not_found(actor, "parcel")
    objection = await find_objection(session, parcel, hub, now=now)
    if objection is not None:
        return _ruled_out(objection)
    happened = Occurrence(
        trigger=Trigger.REDIRECT,
        party=Party.REC,
        at=now,
        actor_id=actor.person_id,
        reason=f"to {hub.name}",
    )
    moved = await move(session, parcel, happened, situation_of(parcel, now), ids=ids, now=now)
    if moved is None:
        word = parcel.state.lower().replace("_", " ")
        sentence = f"This can't be done while the parcel is {word}."
        return Refusal(ProblemCode.WRONG_STATE, sentence, "parcel", next=TOO_LATE)
    await reservations.release(session, parcel.id, now=now)
    parcel.planned_hub_id = parcel.hub_id = hub_id
    session.add(parcel)
    await outbox.append(
        session,
        id=ids.new(),
        kind=REDIRECTED,
        subject=parcel.id,
        facts={"version": parcel.version},
        at=now,
    )
    return parcel


async def list_choices(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, now: datetime
) -> list[HubChoice]:
    """Hubs to which the recipient can redirect the parcel now, at most ten.

    Their favourites first, then the nearest to the planned one; none that their limits rule out,
    and none at all once it is too late, or for anybody else.
    """
    if actor.person_id is None or not actor.can(Permission.PARCEL_REDIRECT):
        return []
    own = Visibility(recipient=actor.person_id)
    seen = await queries.find_visible(session, parcel_id, own)
    planned = None if seen is None else await find_hub(session, seen.parcel.planned_hub_id)
    if seen is None or planned is None or not _can_redirect(seen.parcel, now):
        return []
    place = Position(planned.latitude, planned.longitude)
    looked_at = await list_nearby(session, actor, near=place, limit=LOOKED_AT)
    others = [one for one in looked_at if one.hub.id != planned.id]
    hubs = [one.hub for one in others]
    objections = await find_objections(session, seen.parcel, hubs, now=now)
    return [one for one in others if objections[one.hub.id] is None][:CHOICES]


def _can_redirect(parcel: Parcel, at: datetime) -> bool:
    situation = situation_of(parcel, at)
    return find_move(parcel.state, Trigger.REDIRECT, Party.REC, situation) is not None


def _ruled_out(objection: Refusal) -> Refusal:
    """The same, said to the recipient themselves."""
    if objection.code is ProblemCode.CONSENT_MISSING:
        sentence = "You have ruled out this hub, or all the compartments that it has."
        return replace(objection, message=sentence, field="hub", next=OTHER_HUB)
    return replace(objection, next=OTHER_HUB)
