"""The part of an erasure that is about the account: addresses, phones, roles, preferences.

What was meant for a person's parcels, habits and notices is erased by those who keep it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from server.kit import outbox
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.live import rights_topic, touch
from server.ledger.own import rules as own
from server.ledger.own.service import erase_subject, note
from server.people import queries
from server.people.rules import may_erase
from server.people.service.devices import DEVICE_REMOVED

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.errors import Refusal
    from server.people.tables import Device, Person


async def ask_erasure(
    session: Session, actor: Actor, *, person_id: uuid.UUID | None, now: datetime
) -> Person | Refusal:
    """The locked account of the actor, or of whoever asked an operator, that is to be erased.

    Repeating changes nothing. DEVICE_TOO_NEW from a phone that still waits: whoever reads
    somebody's mail must not be able to end their account.
    """
    wanted = person_id or actor.person_id
    if wanted is None or not actor.can(Permission.PERSON_ERASE):
        return deny(actor)
    if wanted != actor.person_id:
        if (Permission.PERSON_ERASE, Scope.NETWORK, None) not in actor.grants:
            return not_found(actor, "person")
    elif actor.device_id is not None:
        device = await queries.find_device(session, actor.device_id)
        refusal = None if device is None else may_erase(device.trust, now=now)
        if refusal is not None:
            return refusal
    person = await queries.get_locked_person(session, wanted)
    if person is None:
        return not_found(actor, "person")
    person.erasure_asked_at = person.erasure_asked_at or now
    session.add(person)
    return person


async def erase_account(session: Session, person: Person, *, now: datetime) -> None:
    """Deletes what the locked account says of a person. Its phones are removed, their keys spent;
    the row itself stays, for others to point to. A second time there is nothing to do.
    """
    for device in await queries.list_devices_ever(session, person.id):
        await _forget_device(session, device, now=now)
    for membership in await queries.list_memberships(session, person.id):
        await session.delete(membership)
    await queries.delete_account_rows(session, person.id)
    await erase_subject(session, person.id)
    person.erased_at = person.erased_at or now
    session.add(person)
    touch(session, rights_topic(person.id))


async def _forget_device(session: Session, device: Device, *, now: datetime) -> None:
    was_removed = device.revoked_at is not None
    device.name, device.public_key = "", b""
    device.push_kind = device.push_target = None
    device.revoked_at = device.revoked_at or now
    session.add(device)
    if not was_removed:
        removed = own.device_removed(device.thumbprint, device.person_id, is_kept=False)
        note(session, removed, now=now)
        # The rights of its tokens end as those of any phone that is removed.
        event = uuid.uuid5(device.id, DEVICE_REMOVED)
        await outbox.append(
            session, id=event, kind=DEVICE_REMOVED, subject=device.id, facts={}, at=now
        )
