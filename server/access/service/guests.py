"""What the bearer of a guest's link may do: follow one parcel, and be given its PIN on request.

Whoever reads somebody's mail bears the link too (DOMAIN 5.5). So it gives a PIN only for a person
who never had a phone with an account, whom nothing but a letter reaches, and each time says so to
every address of that person (decision 37).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access import queries
from server.access.links import LinkName, read_link
from server.access.service.bundles import CLIMATE_HOLD, find_open_stay
from server.access.service.passes import make_pass
from server.climate.service import is_held_for_climate
from server.hubs.service import find_hub
from server.kit import outbox
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Purpose
from server.parcels import queries as parcels
from server.people import queries as people

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.access.service.bundles import Tools
    from server.access.service.passes import Pass
    from server.access.tables import GuestLink
    from server.hubs.tables import Hub
    from server.kit.db import Session
    from server.kit.keyring import Keyring
    from server.parcels.tables import Parcel, ParcelEvent

GUEST_PASS_ISSUED = "access.guest_pass_issued"
"""Outbox event: a link gave a PIN; its subject is the parcel, its fact `number` counts them."""

HISTORY_LINES = 50
"""Changes of state shown to a guest: the last ones, more than a parcel has in its usual life."""

DEAD_LINK = Refusal(
    ProblemCode.NOT_FOUND,
    "This link is wrong, or it is not good any more.",
    field="link",
    next="Open the newest message that you have about the parcel.",
)
"""The one answer to a link that is forged, cut, withdrawn, over or replaced."""

_HAS_PHONE = Refusal(
    ProblemCode.NOT_PERMITTED,
    "The recipient has an account with a phone, so this link shows the parcel only.",
    next="Sign in to open it, or ask at the hub.",
)
_LOCKED = Refusal(
    ProblemCode.WRONG_STATE,
    "This link has given its digits too often and gives none any more.",
    next="Ask at the hub, or ask support for a new link.",
)


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody with a living link, and what it is to."""

    link: GuestLink
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a guest sees; the history holds the last changes of state, oldest first."""

    guest: Guest
    hub: Hub
    history: Sequence[ParcelEvent]
    may_request_pass: bool


def read_name(text: str, keyring: Keyring) -> LinkName | None:
    """What the link is to, if we signed it; that it still counts is another question."""
    return read_link(text, keyring.list_keys(Purpose.LINKS))


async def find_guest(
    session: Session, name: LinkName, *, now: datetime, is_held: bool = False
) -> Guest | None:
    """The guest with a link of this name; None once it was withdrawn or replaced, or is over.

    `is_held` keeps the rows of the parcel and of its links, in this order.
    """
    parcel = await (parcels.lock_parcel if is_held else parcels.find_parcel)(
        session, name.parcel_id
    )
    link = await queries.find_guest_link(session, name.parcel_id, is_held=is_held)
    if parcel is None or link is None:
        return None
    is_over = link.revoked_at is not None or link.expires_at <= now
    return None if is_over or link.series != name.series else Guest(link, parcel)


async def track(session: Session, name: LinkName, *, now: datetime) -> Tracked | None:
    """What the link shows; None for one that does not count any more."""
    guest = await find_guest(session, name, now=now)
    if guest is None:
        return None
    hub = await find_hub(session, guest.parcel.hub_id)
    if hub is None:
        raise BrokenPromise(f"parcel {guest.parcel.id} is at no hub")
    stay = await find_open_stay(session, guest.parcel, now=now)
    is_refused = await _refuse_pass(session, guest) is not None
    history = await parcels.list_last_events(session, guest.parcel.id, limit=HISTORY_LINES)
    return Tracked(guest, hub, history, may_request_pass=stay is not None and not is_refused)


async def issue_guest_pass(session: Session, name: LinkName, *, tools: Tools) -> Pass | Refusal:
    """Today's PIN for the parcel of a link; it is good today and tomorrow (UTC), once.

    Refused with NOT_FOUND for a link that does not count, NOT_PERMITTED where the recipient ever
    had a phone, CLIMATE_HOLD for what may not be eaten, WRONG_STATE when there is nothing to open
    or the link has given enough. Each one given is counted and told to every address of the
    recipient.
    """
    guest = await find_guest(session, name, now=tools.now, is_held=True)
    if guest is None:
        return DEAD_LINK
    refusal = await _refuse_pass(session, guest)
    if refusal is not None:
        return refusal
    stay = await find_open_stay(session, guest.parcel, now=tools.now)
    if stay is None and await is_held_for_climate(session, guest.parcel):
        return replace(CLIMATE_HOLD, field=None)
    if stay is None:
        return Refusal(ProblemCode.WRONG_STATE, "There is nothing to open for this parcel now.")
    made = await make_pass(session, guest.parcel, stay, device_id=None, tools=tools)
    if isinstance(made, Refusal):
        return made
    guest.link.passes += 1
    session.add(guest.link)
    await outbox.append(
        session,
        id=made.issued.id,
        kind=GUEST_PASS_ISSUED,
        subject=guest.parcel.id,
        facts={"number": guest.link.passes, "personId": str(guest.parcel.recipient_id)},
        at=tools.now,
    )
    return made.given


async def is_reached_by_letter_alone(session: Session, parcel: Parcel) -> bool:
    """Whether the recipient never had a phone with an account, also none that was removed.

    An account that lost its phones is no guest: a letter must not do for it what a new phone may
    not do for a day.
    """
    if parcel.recipient_id is None:
        return False
    return await people.count_devices_ever(session, parcel.recipient_id) == 0


async def _refuse_pass(session: Session, guest: Guest) -> Refusal | None:
    if not await is_reached_by_letter_alone(session, guest.parcel):
        return _HAS_PHONE
    return _LOCKED if guest.link.passes >= guest.link.passes_allowed else None
