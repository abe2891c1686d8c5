"""Whom the recipient shared with: what the server learns when a locker's words arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.journal import Kind, parse_accepted, parse_entry
from schema.keys import Operation
from schema.tokens import delegate, delegation_id, parse_token
from server.access.service.delegations import (
    GRANT_DELEGATED,
    Delegated,
    register_delegation,
    revoke_delegation,
)
from server.access.service.facts import find_admission
from server.access.tables import PassedOn
from server.kit.outbox import Outbox
from server.parcels.states import ParcelState
from server.parcels.tables import Assurance, ParcelEvent
from server.people.tables import Person
from tests.fakes.sources import START
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story

REASON = "Opened by a delegate: somebody the recipient shared the parcel with."


@pytest.fixture
async def token(story: Story) -> bytes:
    """The recipient's token for a parcel that waits at door 3."""
    await story.deposit()
    await story.bring_all()
    return (await story.unlock_bundle()).token.raw


def share(parent: bytes, *, giver: str = "recipient", taker: str = "neighbour") -> bytes:
    return delegate(
        phone_key(giver),
        parent,
        exp=int(START.replace(hour=18).timestamp()),
        holder=phone_key(taker).public,
        actions=int(Operation.OPEN),
    )


async def register(story: Story, token: bytes, shared: bytes) -> Delegated:
    async with story.database.write() as session:
        known = await register_delegation(
            session,
            story.town.recipient,
            parts=(token, shared),
            ids=story.ids,
            now=story.clock.now(),
        )
    assert isinstance(known, Delegated)
    return known


async def rows(story: Story) -> list[PassedOn]:
    async with story.database.read() as session:
        return list(await session.exec(select(PassedOn)))


async def news(story: Story) -> list[Outbox]:
    async with story.database.read() as session:
        found = await session.exec(select(Outbox).where(Outbox.kind == GRANT_DELEGATED))
        return list(found)


async def last_line(story: Story) -> ParcelEvent:
    async with story.database.read() as session:
        lines = await session.exec(select(ParcelEvent))
        return max(lines, key=lambda line: line.number)


def collect(story: Story, token: bytes) -> None:
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.COLLECTED, 3, parse_token(token).claims.stay, 1)


async def test_owner_learns_of_a_delegate_whom_nobody_registered(
    story: Story, token: bytes
) -> None:
    shared = share(token)
    story.machine.admit(token, 3, phone_key("neighbour"), shared)
    await story.bring_all()
    await story.bring_all()
    (row,) = await rows(story)
    assert (row.name, row.registered_at) == (delegation_id(shared), None)
    assert row.first_used_at == START
    (event,) = await news(story)
    assert event.subject == key_of("parcel")
    assert event.facts == {"delegationId": str(row.id), "isRegistered": False}
    line = await last_line(story)
    assert (line.target, line.reason, line.actor_id) == (ParcelState.COLLECTING, REASON, None)


async def test_registered_delegation_is_marked_as_used(story: Story, token: bytes) -> None:
    shared = share(token)
    known = await register(story, token, shared)
    story.machine.admit(token, 3, phone_key("neighbour"), shared)
    await story.bring_all()
    (row,) = await rows(story)
    assert (row.id, row.registered_at, row.first_used_at) == (known.row.id, START, START)
    (event,) = await news(story)
    assert event.facts["isRegistered"] is True


async def test_delegation_used_again_is_no_news(story: Story, token: bytes) -> None:
    shared = share(token)
    for _ in range(2):
        story.machine.admit(token, 3, phone_key("neighbour"), shared)
        story.machine.move_door(3, before=True, after=True)
    await story.bring_all()
    assert len(await news(story)) == 1


async def test_delegate_of_a_delegate_is_known_with_whom_it_came_from(
    story: Story, token: bytes
) -> None:
    shared = share(token)
    further = share(shared, giver="neighbour", taker="child")
    story.machine.admit(token, 3, phone_key("child"), shared, further)
    await story.bring_all()
    used = {row.name: row.first_used_at for row in await rows(story)}
    assert used == {delegation_id(shared): None, delegation_id(further): START}


async def test_collection_by_a_delegate_is_as_sure_as_ones_own(story: Story, token: bytes) -> None:
    shared = share(token)
    story.machine.admit(token, 3, phone_key("neighbour"), shared)
    collect(story, token)
    await story.bring_all()
    parcel = await story.parcel()
    assert (parcel.state, parcel.assurance) == (ParcelState.COLLECTED, Assurance.A)
    assert await story.incidents() == []


async def test_delegate_with_an_account_stands_in_the_history(story: Story, token: bytes) -> None:
    async with story.database.write() as session:
        session.add(Person(id=key_of("neighbour"), created_at=START))
        await session.flush()
        await story.town.add_phone(session, "neighbour")
    story.machine.admit(token, 3, phone_key("neighbour"), share(token))
    await story.bring_all()
    assert (await last_line(story)).actor_id == key_of("neighbour")


async def test_owners_own_opening_is_nobody_elses(story: Story, token: bytes) -> None:
    story.machine.admit(token, 3, phone_key("recipient"))
    await story.bring_all()
    assert await rows(story) == []
    assert await news(story) == []
    assert (await last_line(story)).reason is None


async def test_delegation_that_its_giver_never_signed_is_not_believed(
    story: Story, token: bytes
) -> None:
    story.machine.admit(token, 3, phone_key("neighbour"), share(token, giver="thief"))
    collect(story, token)
    await story.bring_all()
    assert await rows(story) == []
    assert (await story.parcel()).assurance is Assurance.C


async def test_delegate_let_in_after_the_revocation_does_not_overrule_a_loss(
    story: Story, token: bytes
) -> None:
    shared = share(token)
    known = await register(story, token, shared)
    async with story.database.write() as session:
        await revoke_delegation(
            session,
            story.town.recipient,
            delegation_id=known.row.id,
            keyring=story.keyring,
            now=START,
        )
    story.machine.admit(token, 3, phone_key("neighbour"), shared)
    async with story.database.read() as session:
        accepted = parse_accepted(parse_entry(story.machine.entries[-1]).body)
        admission = await find_admission(
            session, story.machine.lid, accepted, at=START, is_time_trusted=True
        )
    assert admission is not None
    assert (admission.is_by_delegate, admission.is_token_valid) == (True, False)
