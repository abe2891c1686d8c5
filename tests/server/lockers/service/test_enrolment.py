"""A locker joins: a code, its keys, a test of every door."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import pytest
from nacl.public import PrivateKey, SealedBox

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, Side, SizeMm
from schema.cose import SigningKey
from schema.ids import LockerId
from schema.keys import enrolment_message
from schema.noise import x25519_public
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.lockers.layout import Door, EnrolmentDraft
from server.lockers.rules import ClimateState, LockerState
from server.lockers.service import reading
from server.lockers.service.enrolment import (
    EnrolmentClaim,
    activate_locker,
    create_enrolment,
    enrol,
)
from server.lockers.service.replacement import IssuedEnrolment
from server.lockers.tables import Locker
from server.people.roles import Role
from tests.fakes.journals import seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness
    from tests.fakes.town import Town

KEY = SigningKey(seed("new locker"))
LID = LockerId(b"newlocke")
DOORS = [
    Door(
        label=f"{number}",
        side=Side.RIGHT,
        row=number,
        column=1,
        inner=SizeMm(380, 190, 640),
        sill_height_mm=300 * number,
        climate_zone=zone,
    )
    for number, zone in enumerate([ClimateZone.AMBIENT, ClimateZone.CHILLED], 1)
]

Issue: TypeAlias = "Callable[[Actor], Awaitable[IssuedEnrolment | Refusal]]"
Join: TypeAlias = "Callable[[EnrolmentClaim], Awaitable[Locker | Refusal]]"


def claim_with(code: str, key: SigningKey = KEY, lid: LockerId = LID) -> EnrolmentClaim:
    noise = x25519_public(seed("noise", key.public.hex()))
    message = enrolment_message(code, lid, noise, key.public)
    return EnrolmentClaim(code, lid, noise, key.public, b"p" * 32, key.sign(message))


@pytest.fixture
def issue(
    database: Database,
    town: Town,
    randomness: SeededRandomness,
    ids: CountedIds,
    clock: MovableClock,
) -> Issue:
    async def issue(actor: Actor) -> IssuedEnrolment | Refusal:
        async with database.write() as session:
            return await create_enrolment(
                session,
                actor,
                draft=EnrolmentDraft(town.hub_id, "SN-77", DOORS, has_keypad=True),
                randomness=randomness,
                ids=ids,
                now=clock.now(),
            )

    return issue


@pytest.fixture
def join(database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock) -> Join:
    async def join(claim: EnrolmentClaim) -> Locker | Refusal:
        async with database.write() as session:
            return await enrol(session, claim, keyring=keyring, ids=ids, now=clock.now())

    return join


async def code_of(issue: Issue, town: Town) -> str:
    issued = await issue(town.operator)
    assert isinstance(issued, IssuedEnrolment)
    return issued.code


def refused(outcome: object) -> tuple[ProblemCode, str | None]:
    assert isinstance(outcome, Refusal)
    return outcome.code, outcome.field


async def test_locker_joins_with_its_doors_and_its_secret_sealed(
    database: Database, town: Town, keyring: DerivedKeyring, issue: Issue, join: Join
) -> None:
    locker = await join(claim_with(await code_of(issue, town)))
    assert isinstance(locker, Locker)
    assert locker.has_keypad
    assert (locker.state, locker.hub_id) == (LockerState.PROVISIONING, town.hub_id)
    async with database.read() as session:
        doors = (await reading.list_compartments(session, [locker.id]))[locker.id]
    assert [(door.number, door.label, door.climate) for door in doors] == [
        (1, "1", ClimateState.NA),
        (2, "2", ClimateState.PREPARING),
    ]
    seal = keyring.list_keys(Purpose.SEAL)[0]
    assert locker.sealed_pin_secret[:2] == seal.kid
    box = SealedBox(PrivateKey(seal.seed))
    assert box.decrypt(locker.sealed_pin_secret[2:]) == b"p" * 32


async def test_lost_answer_is_asked_for_again_with_the_same_claim(
    town: Town, issue: Issue, join: Join, clock: MovableClock
) -> None:
    code = await code_of(issue, town)
    first = await join(claim_with(code))
    clock.move(days=3)
    again = await join(claim_with(code.lower()))
    assert isinstance(first, Locker)
    assert isinstance(again, Locker)
    assert again.id == first.id


async def test_used_code_lets_no_second_locker_in(town: Town, issue: Issue, join: Join) -> None:
    code = await code_of(issue, town)
    await join(claim_with(code))
    other = claim_with(code, SigningKey(seed("other")), LockerId(b"otherloc"))
    assert refused(await join(other)) == (ProblemCode.CODE_EXPIRED, "code")


async def test_code_is_good_for_a_day(
    town: Town, issue: Issue, join: Join, clock: MovableClock
) -> None:
    code = await code_of(issue, town)
    clock.move(hours=24)
    assert refused(await join(claim_with(code))) == (ProblemCode.CODE_EXPIRED, "code")


async def test_unknown_code_is_wrong(town: Town, join: Join) -> None:
    assert refused(await join(claim_with("0" * 20))) == (ProblemCode.CODE_WRONG, "code")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lid": LockerId(b"short")}, "lockerId"),
        ({"noise_public": b"n" * 31}, "noisePublic"),
        ({"sign_public": b"s" * 33}, "signPublic"),
        ({"pin_secret": b""}, "pinSecret"),
        ({"noise_public": b"n" * 32}, "proof"),
        ({"lid": LockerId(b"elsewher")}, "proof"),
        ({"proof": b""}, "proof"),
    ],
)
async def test_claim_that_its_own_key_did_not_sign_is_refused(
    town: Town, issue: Issue, join: Join, change: dict[str, bytes], field: str
) -> None:
    claim = replace(claim_with(await code_of(issue, town)), **change)  # type: ignore[arg-type] # bytes
    assert refused(await join(claim)) == (ProblemCode.INPUT_INVALID, field)


async def test_proof_for_another_code_is_refused(town: Town, issue: Issue, join: Join) -> None:
    claim = replace(claim_with("1" * 20), code=await code_of(issue, town))
    assert refused(await join(claim)) == (ProblemCode.INPUT_INVALID, "proof")


async def test_locker_that_is_enrolled_already_needs_no_second_code(
    town: Town, issue: Issue, join: Join
) -> None:
    await join(claim_with(await code_of(issue, town)))
    second = claim_with(await code_of(issue, town))
    assert refused(await join(second)) == (ProblemCode.INPUT_INVALID, "lockerId")


async def test_only_whoever_provisions_lockers_gets_a_code(town: Town, issue: Issue) -> None:
    assert refused(await issue(ANONYMOUS))[0] is ProblemCode.SIGNED_OUT
    for actor in (town.recipient, town.actor("clerk", Role.HUB_MANAGER)):
        assert refused(await issue(actor))[0] is ProblemCode.NOT_PERMITTED


@pytest.mark.parametrize(
    ("tested", "is_clock_synced", "quality", "state"),
    [
        ({1, 2}, True, None, LockerState.ONLINE),
        ({1, 2}, True, 2, LockerState.ONLINE),
        ({1}, True, None, LockerState.PROVISIONING),
        ({1, 2, 3}, True, None, LockerState.PROVISIONING),
        ({1, 2}, False, None, LockerState.PROVISIONING),
        ({1, 2}, True, 0, LockerState.PROVISIONING),
    ],
)
async def test_locker_goes_to_work_when_every_door_was_tested_and_the_clock_is_set(
    database: Database,
    town: Town,
    issue: Issue,
    join: Join,
    tested: set[int],
    is_clock_synced: bool,
    quality: int | None,
    state: LockerState,
) -> None:
    locker = await join(claim_with(await code_of(issue, town)))
    assert isinstance(locker, Locker)
    async with database.write() as session:
        found = await reading.lock_locker(session, locker.id)
        assert found is not None
        found.clock_quality = quality
    async with database.write() as session:
        outcome = await activate_locker(
            session,
            town.operator,
            locker_id=locker.id,
            tested=tested,
            is_clock_synced=is_clock_synced,
        )
    if state is LockerState.PROVISIONING:
        assert refused(outcome)[0] is ProblemCode.WRONG_STATE
    async with database.read() as session:
        kept = await reading.find_locker(session, locker.id)
    assert kept is not None
    assert kept.state is state


async def test_nobody_else_puts_a_locker_to_work(database: Database, town: Town) -> None:
    async with database.write() as session:
        outcomes = [
            await activate_locker(
                session, actor, locker_id=town.locker_id, tested={1}, is_clock_synced=True
            )
            for actor in (ANONYMOUS, town.courier)
        ]
    assert [refused(one)[0] for one in outcomes] == [
        ProblemCode.SIGNED_OUT,
        ProblemCode.NOT_PERMITTED,
    ]


async def test_one_locker_with_two_codes_at_once_joins_once(
    town: Town, issue: Issue, join: Join
) -> None:
    codes = [await code_of(issue, town) for _ in range(3)]
    outcomes = await asyncio.gather(*(join(claim_with(code)) for code in codes))
    assert len([one for one in outcomes if isinstance(one, Locker)]) == 1
    assert [refused(one) for one in outcomes if isinstance(one, Refusal)] == [
        (ProblemCode.INPUT_INVALID, "lockerId")
    ] * 2
