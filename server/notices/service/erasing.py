"""Erasing a person: all that says who they were, in one commit (DOMAIN 5.4).

Kept is what happened, under an id that leads to nobody. What is not settled keeps its names, and
the account with them, until it is; then the rest follows by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access.service.erasing import erase_phones, erase_traces
from server.access.service.links import end_links
from server.kit import outbox
from server.kit.errors import Refusal
from server.notices import queries
from server.notices.service.evidence import erase_evidence
from server.parcels.service.erasing import (
    AT_ONCE,
    MOST_NAMED,
    forget_old_names,
    forget_recipient,
    has_recent,
    list_unsettled,
)
from server.people import queries as people
from server.people.service.erasing import ask_erasure
from server.people.service.erasing import erase_account as forget_account
from server.pickups.service import learning, windows

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.auth import Actor
    from server.kit.db import Session
    from server.parcels.tables import Parcel
    from server.people.tables import Person

SWEEP = 20
"""People looked at in one transaction: whether their erasure can be finished now."""


async def erase_account(
    session: Session, actor: Actor, *, person_id: uuid.UUID | None, now: datetime
) -> uuid.UUID | Refusal:
    """Erases whoever asks, or for an operator the person named; whose account it was.

    ERASURE_PARTIAL names the parcels that keep it from being whole: what is over has lost its
    names, habits and chosen windows are gone, and the rest follows once they are settled.
    Repeating it changes nothing.
    """
    person = await ask_erasure(session, actor, person_id=person_id, now=now)
    if isinstance(person, Refusal):
        return person
    unsettled = await _erase(session, person, now=now)
    return _partial(unsettled) if unsettled else person.id


async def finish_erasures(
    session: Session, *, after: uuid.UUID | None, now: datetime
) -> uuid.UUID | None:
    """Goes on with the next twenty erasures that wait; where to go on, None after the last.

    If we crash between two of them, the rest wait for the next look.
    """
    waiting = await people.list_erasing(session, after=after, limit=SWEEP)
    for person_id in waiting:
        person = await people.get_locked_person(session, person_id)
        if person is not None:
            await _erase(session, person, now=now)
    return waiting[-1] if len(waiting) == SWEEP else None


async def forget_past(session: Session, *, now: datetime) -> int:
    """Forgets for whom the next hundred old parcels were, where nobody keeps that; how many were
    looked at. Somebody without an account is forgotten with the last parcel of theirs.
    """
    looked = await forget_old_names(session, now=now)
    for person_id in sorted(looked.guests):
        person = await people.get_locked_person(session, person_id)
        is_over = not await has_recent(session, person_id, now=now)
        if person is not None and person.erased_at is None and is_over:
            await _erase(session, person, now=now)
    return looked.looked_at


async def _erase(session: Session, person: Person, *, now: datetime) -> Sequence[Parcel]:
    """Erases what can be; the parcels that keep it from being all."""
    await learning.erase(session, person.id)
    await windows.forget_windows_of(session, person.id)
    settled = await forget_recipient(session, person.id)
    for start in range(0, len(settled), AT_ONCE):
        part = settled[start : start + AT_ONCE]
        await end_links(session, part, now=now)
        await erase_traces(session, person.id, part)
        await erase_evidence(session, part)
        await outbox.forget_reasons(session, part)
    unsettled = await list_unsettled(session, person.id)
    if not unsettled:
        phones = await people.list_devices_ever(session, person.id)
        await outbox.forget_reasons(session, [person.id, *(phone.id for phone in phones)])
        await queries.delete_of_person(session, person.id)
        keys = [phone.public_key for phone in phones if phone.public_key]
        await erase_phones(session, [phone.id for phone in phones], keys)
        await forget_account(session, person, now=now)
    return unsettled


def _partial(unsettled: Sequence[Parcel]) -> Refusal:
    named = ", ".join(one.code for one in unsettled)
    more = " and more" if len(unsettled) == MOST_NAMED else ""
    sentence = f"Erased, except for parcel {named}{more}, which is not settled yet."
    return Refusal(
        ProblemCode.ERASURE_PARTIAL, sentence, next="The rest follows by itself when it is."
    )
