"""A person's devices: signed in, named, confirmed, signed out, removed (DOMAIN 5.5)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit import outbox
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.kit.live import rights_topic, touch
from server.kit.proofs import DeviceProof, use_proof
from server.ledger.own import rules as own
from server.ledger.own.service import note
from server.people import queries
from server.people.rules import (
    IDLE_LIFE,
    MAX_DEVICES,
    Confirmation,
    Contact,
    PushKind,
    may_check_identity,
    may_remove,
    may_vouch,
)
from server.people.service.accounts import ensure_person
from server.people.tables import Device

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

DEVICE_REMOVED = "people.device_removed"
"""Outbox event: what the device holds for lockers is to be revoked; its subject is the device."""

DEVICE_ADDED = "people.device_added"
"""Outbox event: all older devices of the account are to be told; its subject is the device."""

DEVICE_CONFIRMED = "people.device_confirmed"
"""Outbox event: a device's waiting was ended; all older ones are to be told; its subject is the
device.
"""

REMOVED_KEY_TRIED = "people.removed_key_tried"
"""Outbox event: a phone that was removed wanted to sign in again; its subject is the device. Once
in a day for each, so that nobody fills mailboxes.
"""

REPLAYED = Refusal(ProblemCode.DEVICE_PROOF_INVALID, "This device proof was used before.")
KEY_SPENT = Refusal(
    ProblemCode.DEVICE_PROOF_INVALID,
    "This device key was removed or belongs to another account.",
    next="Make a new device key and sign in with it.",
)


@dataclass(frozen=True, slots=True)
class PushTarget:
    """Where push messages for a device go."""

    kind: PushKind
    target: str = field(repr=False)


async def sign_in(
    session: Session, *, contact: Contact, proof: DeviceProof, ids: Ids, now: datetime
) -> Device | Refusal:
    """The device of this key, signed in to the account of a proven address.

    A key never seen before becomes a device; only an account's first one does not wait. A key that
    was signed out comes back as what it was. A removed key, or another account's, is refused. The
    caller has used up the proof.
    """
    person_id = await ensure_person(session, contact, ids=ids, now=now)
    await queries.lock_person(session, person_id)
    await _mark_verified(session, contact, now)
    device = await queries.find_device_by_key(session, proof.thumbprint)
    if device is None:
        return await _add_device(session, person_id, proof, ids=ids, now=now)
    if device.revoked_at is not None:
        await _report_removed_key(session, device, now=now)
    if device.person_id != person_id or device.revoked_at is not None:
        return KEY_SPENT
    device.signed_out_at = None
    device.last_seen_at = now
    session.add(device)
    return device


async def refresh(session: Session, *, proof: DeviceProof, now: datetime) -> Device | Refusal:
    """The signed-in device of this key, to be given a new access token. Uses up the proof.

    SIGNED_OUT when the key is unknown, signed out, removed, or was unused for 90 days. A stranger's
    proof leaves no row behind.
    """
    if not await queries.is_known_key(session, proof.thumbprint):
        return Refusal(ProblemCode.SIGNED_OUT)
    if not await use_proof(session, proof, now=now):
        return REPLAYED
    device = await queries.find_device_by_key(session, proof.thumbprint)
    if device is None or device.revoked_at is not None or device.signed_out_at is not None:
        return Refusal(ProblemCode.SIGNED_OUT)
    if now - device.last_seen_at > IDLE_LIFE:
        return Refusal(ProblemCode.SIGNED_OUT)
    device.last_seen_at = now
    session.add(device)
    return device


async def register_device(
    session: Session, actor: Actor, *, name: str, push: PushTarget | None
) -> Device | Refusal:
    """Names the device that makes the request and tells where its push messages go.

    Repeating it replaces both. A push target moves with its phone: other devices lose it.
    """
    device = await _own_device(session, actor)
    if device is None:
        return Refusal(ProblemCode.SIGNED_OUT)
    device.name = name
    device.push_kind = push.kind if push else None
    device.push_target = push.target if push else None
    session.add(device)
    if push is not None:
        await queries.release_push_target(session, push.target, keeper=device.id)
    return device


async def forget_push_target(session: Session, target: str) -> None:
    """Takes away a push target that reaches nobody any more; repeating changes nothing."""
    await queries.release_push_target(session, target, keeper=None)


async def sign_out(session: Session, actor: Actor, *, now: datetime) -> Device | Refusal:
    """Ends the session of the device that asks, and its push; its key may sign in again."""
    device = await _own_device(session, actor)
    if device is None:
        return Refusal(ProblemCode.SIGNED_OUT)
    device.signed_out_at = now
    device.push_kind = device.push_target = None
    session.add(device)
    touch(session, rights_topic(device.person_id))
    return device


async def revoke_device(
    session: Session, actor: Actor, *, device_id: uuid.UUID, now: datetime
) -> Device | Refusal:
    """Removes a device of one's own account for good; repeating changes nothing.

    A device that still waits cannot remove older ones. Other people's devices are NOT_FOUND.
    """
    acting = await _enter(session, actor)
    if acting is None:
        return Refusal(ProblemCode.SIGNED_OUT)
    device = await queries.find_device(session, device_id)
    if device is None or device.person_id != acting.person_id:
        return Refusal(ProblemCode.NOT_FOUND)
    refusal = may_remove(acting.trust, device.trust, now=now)
    if refusal is not None:
        return refusal
    if device.revoked_at is None:
        device.revoked_at = now
        device.push_kind = device.push_target = None
        session.add(device)
        touch(session, rights_topic(device.person_id))
        note(session, own.device_removed(device.thumbprint, device.person_id), now=now)
        event = uuid.uuid5(device.id, DEVICE_REMOVED)
        await outbox.append(
            session, id=event, kind=DEVICE_REMOVED, subject=device.id, facts={}, at=now
        )
    return device


async def confirm_device(
    session: Session,
    actor: Actor,
    *,
    device_id: uuid.UUID,
    hub_id: uuid.UUID | None,
    now: datetime,
) -> Device | Refusal:
    """Ends a device's waiting; repeating changes nothing.

    Without a hub it is an older device of the same account that vouches; with one, a clerk there
    who checked the person's identity. To everybody else the device is NOT_FOUND.
    """
    acting = await _enter(session, actor)
    if acting is None:
        return Refusal(ProblemCode.SIGNED_OUT)
    device = await queries.find_device(session, device_id)
    if device is None or device.revoked_at is not None:
        return Refusal(ProblemCode.NOT_FOUND)
    if hub_id is not None:
        if not actor.can(Permission.DEVICE_CONFIRM, hub=hub_id):
            return deny(actor)
        is_own = device.person_id == acting.person_id
        refusal = may_check_identity(acting.trust, is_own=is_own, now=now)
        return refusal or await _confirm(
            session, device, Confirmation.CLERK, actor.person_id, now=now
        )
    if device.person_id != acting.person_id:
        return Refusal(ProblemCode.NOT_FOUND)
    refusal = may_vouch(acting.trust, device.trust, now=now)
    return refusal or await _confirm(session, device, Confirmation.OLDER_DEVICE, acting.id, now=now)


async def _confirm(
    session: Session,
    device: Device,
    how: Confirmation,
    by: uuid.UUID | None,
    *,
    now: datetime,
) -> Device:
    if device.confirmed_at is None:
        device.confirmed_at, device.confirmation, device.confirmed_by = now, how, by
        session.add(device)
        event = uuid.uuid5(device.id, DEVICE_CONFIRMED)
        await outbox.append(
            session, id=event, kind=DEVICE_CONFIRMED, subject=device.id, facts={}, at=now
        )
    return device


async def _enter(session: Session, actor: Actor) -> Device | None:
    """The device that asks, with its account kept from changing: of two that remove each other
    the second finds itself removed.
    """
    if actor.person_id is not None:
        await queries.lock_person(session, actor.person_id)
    return await _own_device(session, actor)


async def _own_device(session: Session, actor: Actor) -> Device | None:
    """The device that makes the request, unless it was removed since that came in."""
    device = await queries.find_device(session, actor.device_id) if actor.device_id else None
    if device is None or device.revoked_at is not None or device.signed_out_at is not None:
        return None
    return device


async def _add_device(
    session: Session, person_id: uuid.UUID, proof: DeviceProof, *, ids: Ids, now: datetime
) -> Device | Refusal:
    if len(await queries.list_devices(session, person_id)) >= MAX_DEVICES:
        return Refusal(
            ProblemCode.POLICY_INVALID,
            f"An account has at most {MAX_DEVICES} devices.",
            next="Remove a device that is no longer used.",
        )
    is_first = await queries.count_devices_ever(session, person_id) == 0
    device = Device(
        id=ids.new(),
        person_id=person_id,
        public_key=proof.public_key,
        thumbprint=proof.thumbprint,
        registered_at=now,
        confirmed_at=now if is_first else None,
        confirmation=Confirmation.FIRST if is_first else None,
        last_seen_at=now,
    )
    session.add(device)
    note(session, own.device_added(device.thumbprint, person_id), now=now)
    if not is_first:
        await outbox.append(
            session, id=ids.new(), kind=DEVICE_ADDED, subject=device.id, facts={}, at=now
        )
    return device


async def _mark_verified(session: Session, contact: Contact, now: datetime) -> None:
    row = await queries.find_contact(session, contact)
    if row is not None and row.verified_at is None:
        row.verified_at = now
        session.add(row)


async def _report_removed_key(session: Session, device: Device, *, now: datetime) -> None:
    """Whoever holds a phone that was lost has a code as well: its owner must hear of it."""
    event = uuid.uuid5(device.id, f"{REMOVED_KEY_TRIED} {now:%F}")
    await outbox.append(
        session, id=event, kind=REMOVED_KEY_TRIED, subject=device.id, facts={}, at=now
    )
