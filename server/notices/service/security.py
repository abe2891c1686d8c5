"""What the owner of an account must hear of it, so that nobody else uses it unseen (DOMAIN 5.5).

From an event of people or access to who is told: every address, and every phone older than the one
that did it, which may be in other hands.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.access.service.adoptions import PARCEL_ADOPTED
from server.access.service.delegations import DELEGATION_REGISTERED
from server.access.service.guests import GUEST_PASS_ISSUED
from server.access.service.passes import PASS_ISSUED
from server.notices.queries import Topic
from server.notices.rules import NoticeKind
from server.people import queries as people
from server.people.service.devices import (
    DEVICE_ADDED,
    DEVICE_CONFIRMED,
    DEVICE_REMOVED,
    REMOVED_KEY_TRIED,
)

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.outbox import Lease


@dataclass(frozen=True, slots=True)
class SecurityNews:
    """Something that the owner of an account is told; of their phones those older than
    `older_than`, if it names an instant.
    """

    topic: Topic
    person_id: uuid.UUID
    older_than: datetime | None = None


ABOUT_DEVICES = {
    DEVICE_ADDED: NoticeKind.NEW_DEVICE,
    DEVICE_CONFIRMED: NoticeKind.DEVICE_CONFIRMED,
    DEVICE_REMOVED: NoticeKind.DEVICE_REMOVED,
    REMOVED_KEY_TRIED: NoticeKind.REMOVED_KEY_TRIED,
}
"""Their subject is the device. A removed one is told nothing, whatever its age."""

BY_DEVICES = {
    PASS_ISSUED: NoticeKind.PIN_ISSUED,
    DELEGATION_REGISTERED: NoticeKind.PARCEL_SHARED,
}
"""Their subject is a parcel, and `deviceId` names the phone that did it."""

BY_GUESTS = {
    GUEST_PASS_ISSUED: (NoticeKind.GUEST_PASS, "personId"),
    PARCEL_ADOPTED: (NoticeKind.PARCEL_ADOPTED, "formerId"),
}
"""Their subject is a parcel, and a fact names whose it is, or was."""

SECURITY_EVENTS = frozenset({*ABOUT_DEVICES, *BY_DEVICES, *BY_GUESTS})
"""Kinds of events that `find_news` reads."""


async def find_news(session: Session, held: Lease) -> SecurityNews | None:
    """Who is to be told what about the event; None if it is about no device that there is."""
    if held.kind in BY_GUESTS:
        kind, fact = BY_GUESTS[held.kind]
        return SecurityNews(_about(held, kind), uuid.UUID(str(held.facts[fact])))
    is_own = held.kind in ABOUT_DEVICES
    device_id = held.subject if is_own else uuid.UUID(str(held.facts["deviceId"]))
    device = await people.find_device(session, device_id)
    if device is None:
        return None
    kind = ABOUT_DEVICES[held.kind] if is_own else BY_DEVICES[held.kind]
    older_than = device.registered_at if device.revoked_at is None else None
    return SecurityNews(_about(held, kind), device.person_id, older_than)


def _about(held: Lease, kind: NoticeKind) -> Topic:
    """Its version is the second of the event: what happens again is news again."""
    return Topic(held.subject, kind, int(held.created_at.timestamp()))
