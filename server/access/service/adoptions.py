"""A parcel that was announced to an address without a phone becomes that of an account.

Whoever signs in with the announced address has it anyhow; this is for people who bear its link and
have their account under another address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access import queries
from server.access.rules import Action, Turn
from server.access.service.bundles import ensure_recipient_grant, find_open_stay
from server.access.service.grants import end_grant
from server.access.service.guests import DEAD_LINK, find_guest, is_reached_by_letter_alone
from server.access.service.links import pin_end_of
from server.kit import outbox
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.parcels import queries as parcels
from server.parcels.states import TERMINAL, ParcelState
from server.people import queries as people

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.access.links import LinkName
    from server.access.service.bundles import Tools
    from server.access.service.guests import Guest
    from server.kit.db import Session
    from server.parcels.tables import Parcel

PARCEL_ADOPTED = "access.parcel_adopted"
"""Outbox event: the announced address is to be told; its subject is the parcel, its fact
`formerId` whose it was.
"""

_SETTLED = TERMINAL | {ParcelState.COLLECTING, ParcelState.DISPUTED}
"""States in which what happens, or has happened, is about the recipient that there was."""

_OWNED = Refusal(
    ProblemCode.NOT_PERMITTED,
    "The recipient of this parcel has an account with a phone.",
    next="Ask them to share it with you.",
)
_OVER = Refusal(ProblemCode.WRONG_STATE, "This parcel can't become yours in its present state.")
_SHARED = Refusal(
    ProblemCode.WRONG_STATE,
    "It lies in one compartment with another parcel, or one is on its way there.",
    next="Collect it with the digits of the link.",
)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The parcel is the caller's. A PIN that its link gave before opens until `pin_until`."""

    parcel: Parcel
    pin_until: datetime | None


async def adopt_parcel(
    session: Session, actor: Actor, *, name: LinkName, tools: Tools
) -> Adopted | Refusal:
    """Makes the parcel of a link the caller's; repeating changes nothing.

    From then on the link shows it and gives no PIN, since its recipient has a phone. The phone that
    asks opens it as it would any parcel that was there before (DOMAIN 5.5). NOT_FOUND for a link
    that does not count, NOT_PERMITTED while it is of somebody with a phone, WRONG_STATE when the
    parcel is over, being opened, or shares its compartment.
    """
    if actor.person_id is None or actor.device_id is None:
        return deny(actor)
    if not actor.can(Permission.PARCEL_OPEN):
        return deny(actor)
    guest = await find_guest(session, name, now=tools.now, is_held=True)
    if guest is None:
        return DEAD_LINK
    if guest.parcel.recipient_id != actor.person_id:
        refusal = await _refuse(session, guest)
        if refusal is not None:
            return refusal
        await _hand_over(session, guest, actor.person_id, tools=tools)
    pin_until = await pin_end_of(session, guest.parcel.id, now=tools.now)
    return Adopted(guest.parcel, pin_until)


async def _refuse(session: Session, guest: Guest) -> Refusal | None:
    parcel = guest.parcel
    if parcel.recipient_id is None:
        return _OVER
    # Their first phone may be signing in at this moment: then it is theirs, and stays so.
    await people.lock_person(session, parcel.recipient_id)
    if not await is_reached_by_letter_alone(session, parcel):
        return _OWNED
    if parcel.state in _SETTLED:
        return _OVER
    return _SHARED if await _is_shared(session, parcel) else None


async def _is_shared(session: Session, parcel: Parcel) -> bool:
    """Whether its stay opens, or may come to open, the door of somebody else's parcel as well."""
    if parcel.stay_id is None:
        return False
    inside = await parcels.list_parcels_of_stay(session, parcel.stay_id)
    if any(one.id != parcel.id for one in inside):
        return True
    stay = await parcels.get_stay(session, parcel.stay_id)
    living = await queries.list_living_grants(session, stay.name)
    return any(grant.action is Action.DEPOSIT for grant in living)


async def _hand_over(session: Session, guest: Guest, person_id: uuid.UUID, *, tools: Tools) -> None:
    parcel, former_id = guest.parcel, guest.parcel.recipient_id
    for grant in await queries.list_living_grants_of(session, parcel.id, Action.OPEN):
        await end_grant(session, grant, Turn.SUPERSEDE, now=tools.now, by=person_id)
    parcel.recipient_id = person_id
    guest.link.adopted_at, guest.link.adopted_by = tools.now, person_id
    session.add_all([parcel, guest.link])
    stay = await find_open_stay(session, parcel, now=tools.now)
    if stay is not None:
        await ensure_recipient_grant(session, parcel, stay, tools=tools)
    await outbox.append(
        session,
        id=tools.ids.new(),
        kind=PARCEL_ADOPTED,
        subject=parcel.id,
        facts={"formerId": str(former_id), "personId": str(person_id)},
        at=tools.now,
    )
