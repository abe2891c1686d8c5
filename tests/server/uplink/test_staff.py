"""Doors that staff opened by tokens of offline keys: known ones alarm nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.keys import Operation
from schema.tokens import parse_token
from server.access.service import emergencies, staff
from server.access.tables import EmergencyOpening, RegisteredToken
from server.kit.ceremony.keyfiles import KeyKind, make_key
from server.kit.ceremony.signing import StaffTerms, amend, issue_staff_token, sign_key_set
from server.kit.errors import Refusal
from server.lockers.service import keysets
from server.lockers.tables import Incident
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import ROOT_KID, ROOT_SEED, ROOTS, phone_key

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story

NOW = int(START.timestamp())
KEYS = [
    make_key(KeyKind.SERVICE, SeededRandomness(name), nbf=NOW, exp=NOW + 86_400)
    for name in ("one", "two")
]


def tokens(story: Story, operation: Operation, *comps: int) -> list[bytes]:
    """One token of each key."""
    terms = StaffTerms(
        lid=story.machine.lid,
        operation=operation,
        holder=phone_key("operator").public,
        start=NOW,
        life_s=3600,
        comps=comps,
    )
    return [issue_staff_token(key, terms, SeededRandomness(key.kid.hex())) for key in KEYS]


async def publish(story: Story) -> None:
    """A root signed a key set with both keys."""
    root = type(KEYS[0])(KeyKind.ROOT, ROOT_KID, ROOT_SEED, 0, 0)
    async with story.database.write() as session:
        draft = await keysets.draft_key_set(session, keyring=story.keyring, now=START)
        body = amend(draft, include=[key.half.as_entry() for key in KEYS], without=[])
        raw = sign_key_set(root, body)
        await keysets.add_key_set(session, raw, roots=ROOTS, ids=story.ids, now=START)


async def agree_to_open_all(story: Story) -> None:
    """Two operators have agreed that every door may be opened."""
    colleague = story.town.actor("colleague", Role.OPERATOR)
    async with story.database.write() as session:
        await story.town.add_staff(session, "colleague")
        asked = await emergencies.request_opening(
            session,
            story.town.operator,
            locker_id=story.town.locker_id,
            compartment=None,
            reason="smoke",
            ids=story.ids,
            now=START,
        )
        assert isinstance(asked, EmergencyOpening)
        agreed = await emergencies.confirm_opening(
            session, colleague, emergency_id=asked.id, ids=story.ids, now=START
        )
    assert agreed == asked


async def register(story: Story, *raws: bytes) -> None:
    async with story.database.write() as session:
        for raw in raws:
            row = await staff.register_token(session, story.town.operator, raw, now=START)
            assert isinstance(row, RegisteredToken)


def accept_all(story: Story, pair: list[bytes]) -> None:
    """The locker let both in."""
    cti = parse_token(pair[0]).claims.cti
    story.machine.accept(Operation.OPEN_ALL, None, cti, chain=tuple(pair))


async def test_registered_service_token_opens_no_incident(story: Story) -> None:
    await publish(story)
    one, _ = tokens(story, Operation.SERVICE, 2)
    await register(story, one)
    story.machine.admit(one, 2, phone_key("operator"))
    await story.bring_all()
    assert await story.incidents() == []


async def test_unregistered_service_token_opens_one(story: Story) -> None:
    await publish(story)
    one, _ = tokens(story, Operation.SERVICE, 2)
    story.machine.admit(one, 2, phone_key("operator"))
    await story.bring_all()
    assert await story.incidents() == ["UNKNOWN_TOKEN"]


async def open_incidents(story: Story) -> list[str]:
    async with story.database.read() as session:
        query = select(Incident.kind).where(col(Incident.resolved_at).is_(None))
        return sorted((await session.exec(query)).all())


async def test_token_that_is_registered_late_ends_its_alarm_and_no_other(story: Story) -> None:
    await publish(story)
    one, other = tokens(story, Operation.SERVICE, 2)
    for raw in (one, other):
        story.machine.admit(raw, 2, phone_key("operator"))
    await story.bring_all()
    assert await open_incidents(story) == ["UNKNOWN_TOKEN"] * 2
    await register(story, one)
    assert await open_incidents(story) == ["UNKNOWN_TOKEN"]
    await register(story, other)
    assert await open_incidents(story) == []


async def test_alarm_of_a_pair_ends_with_the_second_of_them(story: Story) -> None:
    await publish(story)
    await agree_to_open_all(story)
    pair = tokens(story, Operation.OPEN_ALL)
    accept_all(story, pair)
    await story.bring_all()
    await register(story, pair[0])
    assert await open_incidents(story) == ["EMERGENCY_OPENING", "UNKNOWN_TOKEN"]
    await register(story, pair[1])
    assert await open_incidents(story) == ["EMERGENCY_OPENING"]


@pytest.mark.parametrize(
    ("known", "incidents"),
    [(2, ["EMERGENCY_OPENING"]), (1, ["EMERGENCY_OPENING", "UNKNOWN_TOKEN"])],
)
async def test_both_tokens_that_open_every_door_must_be_known(
    story: Story, known: int, incidents: list[str]
) -> None:
    await publish(story)
    await agree_to_open_all(story)
    pair = tokens(story, Operation.OPEN_ALL)
    await register(story, *pair[:known])
    accept_all(story, pair)
    await story.bring_all()
    assert await story.incidents() == incidents


async def test_second_token_that_is_none_is_reported(story: Story) -> None:
    await publish(story)
    await agree_to_open_all(story)
    pair = tokens(story, Operation.OPEN_ALL)
    await register(story, pair[0])
    accept_all(story, [pair[0], b"\x80"])
    await story.bring_all()
    assert await story.incidents() == ["EMERGENCY_OPENING", "UNKNOWN_TOKEN"]


async def test_opening_every_door_is_noted_and_what_may_be_gone_is_held(story: Story) -> None:
    await publish(story)
    await story.deposit(3)
    await story.deposit(4, name="other")
    await story.bring_all()
    await agree_to_open_all(story)
    pair = tokens(story, Operation.OPEN_ALL)
    await register(story, *pair)
    accept_all(story, pair)
    story.machine.move_door(3, before=True, after=True)
    story.machine.move_door(4, before=True, after=False)
    await story.bring_all()
    assert await story.state() is ParcelState.DEPOSITED
    assert await story.state("other") is ParcelState.ON_HOLD
    async with story.database.read() as session:
        kept = (await session.exec(select(EmergencyOpening))).one()
    assert kept.used_seq is not None


async def test_tokens_that_nobody_agreed_to_are_not_registered(story: Story) -> None:
    await publish(story)
    for raw in tokens(story, Operation.OPEN_ALL):
        async with story.database.write() as session:
            refused = await staff.register_token(session, story.town.operator, raw, now=START)
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.SECOND_PERSON_NEEDED
