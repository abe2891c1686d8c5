"""A way in without a phone: the PIN of a stay, worked out when its holder asks and never kept.

It is worth what it is: whoever reads it opens the door. A collection by it is of assurance C.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import StayId
from schema.tokens.passes import PIN_WINDOW_S, pin
from server.access import queries, signing
from server.access.rules import pass_end
from server.access.service.bundles import ensure_recipient_grant, find_place, find_to_open
from server.access.tables import IssuedPass
from server.kit import outbox
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.lockers.service.pin_secrets import open_secret

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.access.service.bundles import Place, Tools
    from server.kit.auth import Actor
    from server.kit.db import Session
    from server.parcels.tables import Parcel, Stay

PASS_ISSUED = "access.pass_issued"
"""Outbox event: a PIN left the house; its subject is the parcel."""

_NO_SECRET = Refusal(
    ProblemCode.WRONG_STATE,
    "No code can be made for this locker now.",
    next="Use your phone, or ask at the hub.",
)


@dataclass(frozen=True, slots=True)
class Pass:
    """What is typed at the keypad: the digits, after the number of the compartment."""

    parcel_id: uuid.UUID
    digits: str = field(repr=False)
    place: Place
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MadePass:
    """A PIN with the row about it; `is_new` unless that phone had it on this day before."""

    given: Pass
    issued: IssuedPass
    is_new: bool


async def issue_pass(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, tools: Tools
) -> Pass | Refusal:
    """Today's PIN for the caller's parcel; it is good today and tomorrow (UTC), once.

    Asking again on the same day gives the same. Refused like an unlock bundle: NOT_FOUND,
    DEVICE_TOO_NEW, WRONG_STATE. The digits are worked out anew each time; what is written down is
    that this phone asked.
    """
    found = await find_to_open(session, actor, parcel_id=parcel_id, tools=tools)
    if isinstance(found, Refusal):
        return found
    device, parcel, stay = found
    made = await make_pass(session, parcel, stay, device_id=device.id, tools=tools)
    if isinstance(made, Refusal):
        return made
    if made.is_new:
        await outbox.append(
            session,
            id=made.issued.id,
            kind=PASS_ISSUED,
            subject=parcel.id,
            facts={"grantId": str(made.issued.grant_id), "deviceId": str(device.id)},
            at=tools.now,
        )
    return made.given


async def make_pass(
    session: Session, parcel: Parcel, stay: Stay, *, device_id: uuid.UUID | None, tools: Tools
) -> MadePass | Refusal:
    """Today's PIN of the running stay, and the row that says who was given it; the caller holds the
    parcel's row and has seen that they may have it. WRONG_STATE where the right was withdrawn or
    the locker's secret cannot be read.
    """
    grant = await ensure_recipient_grant(session, parcel, stay, tools=tools)
    if grant is None:
        return Refusal(ProblemCode.WRONG_STATE, "The right to open this was withdrawn.")
    place = await find_place(session, stay)
    secret = open_secret(place.locker, tools.keyring)
    if secret is None:
        return _NO_SECRET
    window = signing.unix_s(tools.now) // PIN_WINDOW_S
    issued = IssuedPass(
        id=tools.ids.new(),
        issued_at=tools.now,
        grant_id=grant.id,
        device_id=device_id,
        day=window,
    )
    is_new = await queries.insert_pass(session, issued)
    digits = pin(secret, StayId(stay.name), window)
    expires_at = instant_of(pass_end(window))
    return MadePass(Pass(parcel.id, digits, place, expires_at), issued, is_new)
