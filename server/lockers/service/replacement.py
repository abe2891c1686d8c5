"""A new controller for a locker that stands and holds parcels: its own keys, the old one's doors.

To the protocol it is another locker; to people it is the same. What lies inside is told by whoever
knows stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import LockerId, locker_text
from schema.keys import bare_code
from server.kit.auth import Actor, Permission, not_found
from server.kit.errors import Refusal
from server.ledger.own.rules import locker_key
from server.ledger.own.service import note
from server.lockers import queries
from server.lockers.layout import CODE_BYTES, CODE_LIFE, write_code
from server.lockers.rules import (
    LockerChange,
    LockerSituation,
    LockerState,
    find_locker_state,
    hash_code,
)
from server.lockers.tables import SERIAL_CHARACTERS, Enrolment, Locker

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness

MOST_CONTROLLERS = 50
"""Of one machine in its life; a bound, no expectation."""

_NOTHING_TO_REPLACE = Refusal(
    ProblemCode.WRONG_STATE, "Only a locker at work can be given a new controller.", "locker"
)


@dataclass(frozen=True, slots=True)
class IssuedEnrolment:
    """An enrolment with its code, which is shown once and kept nowhere."""

    enrolment: Enrolment
    code: str = field(repr=False)


async def create_replacement(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    randomness: Randomness,
    ids: Ids,
    now: datetime,
) -> IssuedEnrolment | Refusal:
    """A one-time code with which a new controller takes over this locker, good for a day.

    The old one is believed until the code is used. Repeating gives another code.
    """
    locker = await queries.find_locker(session, locker_id)
    if locker is None or not actor.can(Permission.LOCKER_PROVISION, hub=locker.hub_id):
        return not_found(actor, "locker")
    if _retired(locker) is None or actor.person_id is None:
        return _NOTHING_TO_REPLACE
    code = write_code(randomness.take(CODE_BYTES))
    enrolment = Enrolment(
        id=ids.new(),
        created_at=now,
        created_by=actor.person_id,
        hub_id=locker.hub_id,
        serial=locker.serial,
        code_hash=hash_code(bare_code(code)),
        expires_at=now + CODE_LIFE,
        layout=[],
        has_keypad=locker.has_keypad,
        replaces=locker.id,
    )
    session.add(enrolment)
    return IssuedEnrolment(enrolment, code)


async def take_over(
    session: Session, enrolment: Enrolment, new: Locker, *, now: datetime
) -> Locker | Refusal:
    """The new locker in the old one's place, with its compartments and whatever is kept in them.

    The old one is RETIRED, and nothing that it says from here on is taken. The caller holds the
    enrolment's row.
    """
    old = None
    if enrolment.replaces is not None:
        old = await queries.lock_locker(session, enrolment.replaces)
    state = None if old is None else _retired(old)
    if old is None or state is None:
        return _NOTHING_TO_REPLACE
    serial, former = old.serial, locker_text(LockerId(old.lid))
    old.serial = f"{serial[: SERIAL_CHARACTERS - len(former) - 1]} {former}"
    await session.flush()  # the serial is free for the other
    if not await queries.insert_locker(session, new):
        old.serial = serial
        sentence = "lockerId: this id or key is enrolled already."
        return Refusal(ProblemCode.INPUT_INVALID, sentence, "lockerId")
    new_key = locker_key(LockerId(new.lid), new.sign_public, former=LockerId(old.lid))
    note(session, new_key, now=now)
    old.state, old.version = state, old.version + 1
    old.replaced_by, enrolment.locker_id = new.id, new.id
    await session.flush()
    await queries.move_compartments(session, old=old.id, new=new.id)
    return await queries.get_locker(session, new.id)


async def list_controllers(session: Session, locker: Locker) -> list[Locker]:
    """The locker and those whose place it took, oldest first."""
    line = [locker]
    while len(line) < MOST_CONTROLLERS:
        former = await queries.find_predecessor(session, line[0].id)
        if former is None:
            break
        line.insert(0, former)
    return line


def _retired(locker: Locker) -> LockerState | None:
    """Its state once its compartments are another's; None where it has none to give."""
    if locker.replaced_by is not None:
        return None
    return find_locker_state(locker.state, LockerChange.RETIRE, LockerSituation(is_empty=True))
