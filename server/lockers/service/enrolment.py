"""How a locker joins: an operator's one-time code, the locker's own keys, the doors' test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, DoorState
from schema.cose import PUBLIC_KEY_SIZE, verify
from schema.ids import ID_SIZE, OWN_CHAIN, LockerId
from schema.keys import bare_code, enrolment_message
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.ledger.own.rules import locker_key
from server.ledger.own.service import note
from server.lockers import queries
from server.lockers.layout import (
    CODE_BYTES,
    CODE_LIFE,
    Door,
    EnrolmentDraft,
    check_layout,
    write_code,
)
from server.lockers.rules import (
    Allocation,
    ClimateState,
    LockerChange,
    LockerSituation,
    LockerState,
    ServiceState,
    find_locker_state,
    hash_code,
)
from server.lockers.service.pin_secrets import seal_secret
from server.lockers.service.replacement import IssuedEnrolment, take_over
from server.lockers.tables import Compartment, Enrolment, Locker

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids, Randomness
    from server.kit.keyring import Keyring

PIN_SECRET_SIZE = 32
"""Bytes of K (PROTOCOL 9)."""


@dataclass(frozen=True, slots=True)
class EnrolmentClaim:
    """What a locker says to join. `proof` is its signature over `schema.keys.enrolment_message`."""

    code: str = field(repr=False)
    lid: LockerId
    noise_public: bytes
    sign_public: bytes
    pin_secret: bytes = field(repr=False)
    proof: bytes


async def create_enrolment(
    session: Session,
    actor: Actor,
    *,
    draft: EnrolmentDraft,
    randomness: Randomness,
    ids: Ids,
    now: datetime,
) -> IssuedEnrolment | Refusal:
    """A one-time code for a locker of this layout, good for a day. Repeating it gives another."""
    if not actor.can(Permission.LOCKER_PROVISION, hub=draft.hub_id):
        return deny(actor)
    refusal = check_layout(draft)
    if refusal is not None:
        return refusal
    if await find_hub(session, draft.hub_id) is None or actor.person_id is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    code = write_code(randomness.take(CODE_BYTES))
    enrolment = Enrolment(
        id=ids.new(),
        created_at=now,
        created_by=actor.person_id,
        hub_id=draft.hub_id,
        serial=draft.serial,
        code_hash=hash_code(bare_code(code)),
        expires_at=now + CODE_LIFE,
        layout=[door.as_json() for door in draft.doors],
        has_keypad=draft.has_keypad,
    )
    session.add(enrolment)
    return IssuedEnrolment(enrolment, code)


async def enrol(
    session: Session, claim: EnrolmentClaim, *, keyring: Keyring, ids: Ids, now: datetime
) -> Locker | Refusal:
    """The locker, in PROVISIONING, with its compartments.

    Needs no account: the code is the right to join, the proof shows that the keys are the
    locker's own. The same claim again returns the same locker, so an answer may be lost.
    """
    refusal = _check_claim(claim)
    if refusal is not None:
        return refusal
    enrolment = await queries.lock_enrolment(session, hash_code(bare_code(claim.code)))
    if enrolment is None:
        return Refusal(ProblemCode.CODE_WRONG, field="code")
    is_replacement = enrolment.replaces is not None
    twin = await queries.find_twin(
        session,
        lid=claim.lid,
        noise_public=claim.noise_public,
        sign_public=claim.sign_public,
        # A replacement has the serial of the machine that it is put into.
        serial=None if is_replacement else enrolment.serial,
    )
    if enrolment.locker_id is not None or now >= enrolment.expires_at:
        return _answer_again(enrolment, twin, claim)
    if twin is not None:
        return _TAKEN
    locker = _make_locker(enrolment, claim, keyring=keyring, ids=ids, now=now)
    if enrolment.replaces is not None:
        return await take_over(session, enrolment, locker, now=now)
    if not await queries.insert_locker(session, locker):
        return _TAKEN
    note(session, locker_key(claim.lid, claim.sign_public, former=None), now=now)
    enrolment.locker_id = locker.id
    doors = [Door.from_json(kept) for kept in enrolment.layout]
    session.add_all(
        _make_compartment(locker.id, number, door, ids) for number, door in enumerate(doors, 1)
    )
    return await queries.get_locker(session, locker.id)


async def activate_locker(
    session: Session,
    actor: Actor,
    *,
    locker_id: uuid.UUID,
    tested: Collection[int],
    is_clock_synced: bool,
) -> Locker | Refusal:
    """Puts an enrolled locker to work, once whoever stands before it has tested every door.

    `is_clock_synced` is what they read there; a locker that last reported otherwise stays where it
    is. Activating one that works already changes nothing.
    """
    if not actor.can(Permission.LOCKER_PROVISION, hub=locker_id):
        return deny(actor)
    locker = await queries.lock_locker(session, locker_id)
    if locker is None:
        return Refusal(ProblemCode.NOT_FOUND, field="locker")
    if locker.state is LockerState.ONLINE:
        return locker
    doors = await queries.list_compartments(session, [locker_id])
    situation = LockerSituation(
        are_doors_proven={door.number for door in doors} == set(tested),
        is_clock_synced=is_clock_synced and locker.clock_quality in {None, 2},
    )
    state = find_locker_state(locker.state, LockerChange.ACTIVATE, situation)
    if state is None:
        sentence = "Every door must be tested, and the clock set, before a locker goes to work."
        return Refusal(ProblemCode.WRONG_STATE, sentence, "testedCompartments")
    locker.state, locker.version = state, locker.version + 1
    return locker


def _check_claim(claim: EnrolmentClaim) -> Refusal | None:
    sizes = {
        "lockerId": (claim.lid, ID_SIZE),
        "noisePublic": (claim.noise_public, PUBLIC_KEY_SIZE),
        "signPublic": (claim.sign_public, PUBLIC_KEY_SIZE),
        "pinSecret": (claim.pin_secret, PIN_SECRET_SIZE),
    }
    for name, (value, size) in sizes.items():
        if len(value) != size:
            return _wrong(name, f"must be {size} bytes")
    if claim.lid == OWN_CHAIN:
        return _TAKEN
    message = enrolment_message(claim.code, claim.lid, claim.noise_public, claim.sign_public)
    if not verify(claim.sign_public, message, claim.proof):
        return _wrong("proof", "is not the locker's signature over code, id and keys")
    return None


def _answer_again(
    enrolment: Enrolment, twin: Locker | None, claim: EnrolmentClaim
) -> Locker | Refusal:
    """The locker that used this code, if it is the one that asks; for all others it is over."""
    if twin is not None and twin.id == enrolment.locker_id and _is_of(twin, claim):
        return twin
    return Refusal(ProblemCode.CODE_EXPIRED, field="code")


def _is_of(locker: Locker, claim: EnrolmentClaim) -> bool:
    return (locker.lid, locker.noise_public, locker.sign_public) == (
        claim.lid,
        claim.noise_public,
        claim.sign_public,
    )


def _make_locker(
    enrolment: Enrolment, claim: EnrolmentClaim, *, keyring: Keyring, ids: Ids, now: datetime
) -> Locker:
    return Locker(
        id=ids.new(),
        created_at=now,
        hub_id=enrolment.hub_id,
        lid=claim.lid,
        serial=enrolment.serial,
        noise_public=claim.noise_public,
        sign_public=claim.sign_public,
        sealed_pin_secret=seal_secret(claim.pin_secret, keyring),
        has_keypad=enrolment.has_keypad,
        state=LockerState.PROVISIONING,
    )


def _make_compartment(locker_id: uuid.UUID, number: int, door: Door, ids: Ids) -> Compartment:
    is_cooled = door.climate_zone is not ClimateZone.AMBIENT
    return Compartment(
        id=ids.new(),
        locker_id=locker_id,
        number=number,
        label=door.label,
        side=door.side,
        row=door.row,
        column=door.column,
        width_mm=door.inner.width,
        height_mm=door.inner.height,
        depth_mm=door.inner.depth,
        sill_height_mm=door.sill_height_mm,
        climate_zone=door.climate_zone,
        allocation=Allocation.FREE,
        door=DoorState.CLOSED,
        service=ServiceState.IN_SERVICE,
        climate=ClimateState.PREPARING if is_cooled else ClimateState.NA,
    )


def _wrong(field_name: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, f"{field_name}: {rule}.", field_name)


_TAKEN = _wrong("lockerId", "this id, serial or key is enrolled already")
