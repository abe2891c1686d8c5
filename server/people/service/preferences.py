"""What a person has chosen, and changing it under the eyes of their other devices."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit import outbox
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.people import queries
from server.people.preferences import Preferences, check_preferences, restore, store
from server.people.tables import StoredPreferences

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from server.kit.db import Session

PREFERENCES_CHANGED = "preferences.changed"
"""Outbox event: a person has chosen anew. The subject is the person."""


async def get_preferences(session: Session, person_id: uuid.UUID | None) -> Preferences:
    """What the person has chosen; the defaults for one who chose nothing, and for nobody."""
    row = None if person_id is None else await queries.find_preferences(session, person_id)
    return Preferences() if row is None else restore(row.version, row.wishes)


async def list_preferences(
    session: Session, people: Collection[uuid.UUID]
) -> dict[uuid.UUID, Preferences]:
    """The same for many people at once; everyone asked for is in it."""
    rows = await queries.list_preferences(session, people)
    chosen = {row.person_id: restore(row.version, row.wishes) for row in rows}
    return {person: chosen.get(person, Preferences()) for person in people}


async def change_preferences(
    session: Session, actor: Actor, *, wanted: Preferences, now: datetime
) -> Preferences | Refusal:
    """Replaces all that the actor has chosen; `wanted.version` is the version they saw.

    Choosing the same again changes nothing. CHANGED_MEANWHILE when another device was faster,
    POLICY_INVALID with the field for what cannot be kept.
    """
    person_id = actor.person_id
    may = actor.can(Permission.PREFERENCE_WRITE) and actor.can(Permission.CONSENT_WRITE)
    if person_id is None or not may:
        return deny(actor)
    await queries.lock_person(session, person_id)
    row = await queries.find_preferences(session, person_id)
    known = Preferences() if row is None else restore(row.version, row.wishes)
    if replace(wanted, version=known.version) == known:
        return known
    if wanted.version != known.version:
        return Refusal(ProblemCode.CHANGED_MEANWHILE, field="version")
    refusal = check_preferences(wanted, today=now.date())
    if refusal is not None:
        return refusal
    row = row or StoredPreferences(person_id=person_id, version=0, changed_at=now, wishes={})
    row.version, row.changed_at, row.wishes = known.version + 1, now, store(wanted)
    session.add(row)
    await session.flush()
    await outbox.append(
        session,
        id=uuid.uuid5(person_id, f"{PREFERENCES_CHANGED} {row.version}"),
        kind=PREFERENCES_CHANGED,
        subject=person_id,
        facts={"version": row.version},
        at=now,
    )
    return replace(wanted, version=row.version)
