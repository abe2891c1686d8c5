"""Rights passed on: who may tell us of them, how they stand, and how they are taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.ids import StayId
from schema.keys import Operation
from schema.statements import Revocations, StatementType, parse_statement
from schema.tokens import delegate, delegation_id
from server.access.rules import MAX_DELEGATIONS_KNOWN, Action, GrantState
from server.access.service.delegations import (
    DELEGATION_REGISTERED,
    Delegated,
    TakenBack,
    find_delegation,
    list_delegations,
    register_delegation,
    revoke_delegation,
)
from server.access.service.grants import GrantTerms, Holder, Issued, issue_grant, issue_token
from server.access.service.revocations import Withdrawn, revoke_device, revoke_grant
from server.access.service.statements import Signer, find_signer
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.kit.graph import Page
from server.kit.outbox import Outbox
from server.parcels.tables import Parcel
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START, CountedIds, SeededRandomness
from tests.fakes.town import Town, key_of, phone_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring

OPEN = int(Operation.OPEN)
END = START.replace(hour=20)
SIX = START.replace(hour=18)


class Lender:
    """The recipient, who holds a token for a parcel and shares it."""

    def __init__(self, database: Database, town: Town, keyring: DerivedKeyring) -> None:
        self.database = database
        self.town = town
        self.keyring = keyring
        self.ids = CountedIds()
        self.token = b""

    async def hold(
        self, *, at: datetime = START, depth: int = 2, device: str = "recipient phone"
    ) -> bytes:
        """A token for the recipient's phone."""
        async with self.database.write() as session:
            if await session.get(Parcel, key_of("parcel")) is None:
                await self.town.add_parcel(session, "parcel")
            terms = GrantTerms(
                action=Action.OPEN if depth else Action.REMOVE,
                parcel_id=key_of("parcel"),
                locker_id=self.town.locker_id,
                stay=StayId(stay_of(1)),
                compartment=None,
                holder_id=key_of("recipient"),
            )
            grant = await issue_grant(session, terms, grant_id=key_of("grant"), now=START)
            signer = await find_signer(
                session, self.town.machine.lid, keyring=self.keyring, now=START
            )
            assert isinstance(signer, Signer)
            issued = await issue_token(
                session,
                grant,
                Holder(key_of(device), phone_key("recipient").public),
                signer=signer,
                end=END,
                comps=(),
                randomness=SeededRandomness(f"{device}{at}"),
                now=at,
            )
        assert isinstance(issued, Issued)
        self.token = issued.raw
        return issued.raw

    def share(
        self,
        *,
        with_whom: str = "neighbour",
        until: datetime = SIX,
        parent: bytes | None = None,
        giver: str = "recipient",
        actions: int = OPEN,
    ) -> bytes:
        """A delegation by somebody's phone."""
        return delegate(
            phone_key(giver),
            parent or self.token,
            exp=int(until.timestamp()),
            holder=phone_key(with_whom).public,
            actions=actions,
        )

    async def register(
        self, *parts: bytes, actor: Actor | None = None, now: datetime = START
    ) -> Delegated | Refusal:
        async with self.database.write() as session:
            return await register_delegation(
                session, actor or self.town.recipient, parts=parts, ids=self.ids, now=now
            )

    async def registered(self, *parts: bytes) -> Delegated:
        outcome = await self.register(*parts)
        assert isinstance(outcome, Delegated)
        return outcome

    async def listed(
        self, actor: Actor | None = None, *, now: datetime = START
    ) -> Sequence[Delegated]:
        async with self.database.read() as session:
            return await list_delegations(
                session,
                actor or self.town.recipient,
                parcel_id=key_of("parcel"),
                page=Page(first=50),
                now=now,
            )

    async def revoke(self, known: Delegated, actor: Actor | None = None) -> TakenBack | Refusal:
        async with self.database.write() as session:
            return await revoke_delegation(
                session,
                actor or self.town.recipient,
                delegation_id=known.row.id,
                keyring=self.keyring,
                now=START,
            )


@pytest.fixture
async def lender(database: Database, town: Town, keyring: DerivedKeyring) -> Lender:
    lender = Lender(database, town, keyring)
    await lender.hold()
    return lender


def entries_of(outcome: TakenBack | Withdrawn | Refusal) -> set[bytes]:
    assert not isinstance(outcome, Refusal)
    assert outcome.statement is not None
    body = parse_statement(StatementType.REVOCATIONS, outcome.statement.raw).body
    assert isinstance(body, Revocations)
    return {entry for entry, _ in body.entries}


async def test_registered_delegation_is_listed_to_its_giver(lender: Lender) -> None:
    shared = lender.share()
    known = await lender.registered(lender.token, shared)
    (listed,) = await lender.listed()
    assert (listed.row, listed.state) == (known.row, GrantState.ACTIVE)
    assert listed.row.name == delegation_id(shared)
    assert listed.row.holder == phone_key("neighbour").public
    assert listed.row.exp == int(SIX.timestamp())
    assert (listed.row.registered_at, listed.row.first_used_at) == (START, None)


async def test_registering_again_changes_nothing(lender: Lender) -> None:
    shared = lender.share()
    first = await lender.registered(lender.token, shared)
    again = await lender.register(lender.token, shared, now=START + timedelta(minutes=1))
    assert isinstance(again, Delegated)
    assert again.row == first.row
    assert len(await lender.listed()) == 1


async def test_that_a_phone_shared_is_told_once(lender: Lender) -> None:
    known = await lender.registered(lender.token, lender.share())
    assert (await lender.registered(lender.token, lender.share())).row == known.row
    async with lender.database.read() as session:
        asked = select(Outbox).where(Outbox.kind == DELEGATION_REGISTERED)
        (event,) = (await session.exec(asked)).all()
    assert (event.subject, event.facts) == (
        key_of("parcel"),
        {"delegationId": str(known.row.id), "deviceId": str(key_of("recipient phone"))},
    )


async def test_what_the_neighbour_passes_on_is_known_with_its_parent(lender: Lender) -> None:
    shared = lender.share()
    further = lender.share(with_whom="child", parent=shared, giver="neighbour")
    await lender.registered(lender.token, shared, further)
    child, parent = await lender.listed()
    assert (child.row.parent, parent.row.parent) == (delegation_id(shared), None)


@pytest.mark.parametrize(
    ("until", "actions"),
    [(END + timedelta(seconds=1), OPEN), (SIX, OPEN | int(Operation.DEPOSIT))],
)
async def test_nobody_shares_more_than_they_hold(
    lender: Lender, until: datetime, actions: int
) -> None:
    refused = await lender.register(lender.token, lender.share(until=until, actions=actions))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DELEGATION_TOO_WIDE
    assert "no longer than 2026-05-04 20:30 UTC" in refused.message
    assert await lender.listed() == []


async def test_right_that_cannot_be_shared_is_too_wide_to_share(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    lender = Lender(database, town, keyring)
    await lender.hold(depth=0)
    refused = await lender.register(lender.token, lender.share())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DELEGATION_TOO_WIDE


async def test_what_is_no_chain_of_ours_is_refused(lender: Lender) -> None:
    stolen = lender.share(giver="stranger")
    beside = lender.share(parent=lender.share(), giver="neighbour")
    for parts in [(), (lender.token,), (b"x", b"y"), (lender.token, stolen)]:
        refused = await lender.register(*parts)
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.INPUT_INVALID
    refused = await lender.register(lender.token, beside)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == (ProblemCode.INPUT_INVALID, "chain")


async def test_only_the_holder_of_the_grant_registers(lender: Lender) -> None:
    shared = lender.share()
    for actor, code in (
        (lender.town.stranger, ProblemCode.NOT_FOUND),
        (lender.town.operator, ProblemCode.NOT_FOUND),
        (ANONYMOUS, ProblemCode.SIGNED_OUT),
    ):
        refused = await lender.register(lender.token, shared, actor=actor)
        assert isinstance(refused, Refusal)
        assert refused.code is code


async def test_token_that_we_never_issued_is_not_found(lender: Lender) -> None:
    forged = bytearray(lender.token)
    forged[-1] ^= 1
    token = bytes(forged)
    refused = await lender.register(token, lender.share(parent=token))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_FOUND


async def test_phone_that_waits_shares_nothing(lender: Lender) -> None:
    async with lender.database.write() as session:
        await lender.town.add_phone(
            session, "recipient new", at=START + timedelta(minutes=1), is_confirmed=False
        )
    own = lender.town.recipient
    actor = Actor(own.person_id, key_of("recipient new phone"), None, own.grants)
    later = START + timedelta(minutes=2)
    refused = await lender.register(lender.token, lender.share(), actor=actor, now=later)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DEVICE_TOO_NEW


async def test_what_is_over_is_not_registered(lender: Lender) -> None:
    refused = await lender.register(lender.token, lender.share(), now=SIX + timedelta(seconds=1))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE
    async with lender.database.write() as session:
        await revoke_device(session, key_of("recipient phone"), keyring=lender.keyring, now=START)
    refused = await lender.register(lender.token, lender.share())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE


async def test_a_parcel_is_shared_so_many_times_only(lender: Lender) -> None:
    for number in range(MAX_DELEGATIONS_KNOWN):
        await lender.registered(lender.token, lender.share(with_whom=f"friend {number}"))
    refused = await lender.register(lender.token, lender.share())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.POLICY_INVALID
    again = await lender.register(lender.token, lender.share(with_whom="friend 0"))
    assert isinstance(again, Delegated)


async def test_one_is_taken_back_and_the_others_go_on(lender: Lender) -> None:
    shared, other = lender.share(), lender.share(with_whom="friend")
    known = await lender.registered(lender.token, shared)
    kept = await lender.registered(lender.token, other)
    outcome = await lender.revoke(known)
    assert entries_of(outcome) == {delegation_id(shared)}
    assert isinstance(outcome, TakenBack)
    assert outcome.delegation.state is GrantState.REVOKED
    assert {one.row.id: one.state for one in await lender.listed()} == {
        known.row.id: GrantState.REVOKED,
        kept.row.id: GrantState.ACTIVE,
    }
    assert entries_of(await lender.revoke(known)) == {delegation_id(shared)}


async def test_what_was_made_from_it_falls_with_it(lender: Lender) -> None:
    shared = lender.share()
    parent = await lender.registered(lender.token, shared)
    further = lender.share(with_whom="child", parent=shared, giver="neighbour")
    await lender.registered(lender.token, shared, further)
    assert entries_of(await lender.revoke(parent)) == {
        delegation_id(shared),
        delegation_id(further),
    }
    late = lender.share(with_whom="cousin", parent=shared, giver="neighbour")
    born = await lender.register(lender.token, shared, late)
    assert isinstance(born, Delegated)
    assert born.state is GrantState.REVOKED


async def test_all_of_a_grant_fall_with_its_tokens(lender: Lender) -> None:
    await lender.registered(lender.token, lender.share())
    async with lender.database.write() as session:
        outcome = await revoke_grant(
            session,
            lender.town.recipient,
            grant_id=key_of("grant"),
            keyring=lender.keyring,
            now=START,
        )
    assert len(entries_of(outcome)) == 1
    assert [one.state for one in await lender.listed()] == [GrantState.REVOKED]


async def test_it_ends_by_itself(lender: Lender) -> None:
    await lender.registered(lender.token, lender.share())
    after = SIX + timedelta(seconds=1)
    assert [one.state for one in await lender.listed(now=SIX)] == [GrantState.ACTIVE]
    assert [one.state for one in await lender.listed(now=after)] == [GrantState.EXPIRED]


@pytest.mark.parametrize(
    ("who", "role", "may"),
    [
        ("recipient", None, True),
        ("operator", Role.OPERATOR, True),
        ("stranger", None, False),
        ("courier", Role.COURIER, False),
        ("operator", Role.HUB_MANAGER, False),
    ],
)
async def test_only_its_giver_and_operators_see_it_and_take_it_back(
    lender: Lender, who: str, role: Role | None, may: bool
) -> None:
    known = await lender.registered(lender.token, lender.share())
    actor = lender.town.actor(who, *([] if role is None else [role]))
    assert len(await lender.listed(actor)) == int(may)
    async with lender.database.read() as session:
        found = await find_delegation(session, actor, known.row.id, now=START)
    assert (found is not None) is may
    outcome = await lender.revoke(known, actor)
    assert isinstance(outcome, TakenBack) is may


async def test_nobody_sees_anything_without_an_account(lender: Lender) -> None:
    known = await lender.registered(lender.token, lender.share())
    assert await lender.listed(ANONYMOUS) == []
    refused = await lender.revoke(known, ANONYMOUS)
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.SIGNED_OUT


async def test_overflow_at_the_locker_outdates_what_was_shared_before(lender: Lender) -> None:
    known = await lender.registered(lender.token, lender.share())
    later = START + timedelta(minutes=1)
    for number in range(41):
        await lender.hold(at=START, device=f"phone {number}")
        async with lender.database.write() as session:
            await revoke_device(
                session, key_of(f"phone {number}"), keyring=lender.keyring, now=later
            )
    assert [one.state for one in await lender.listed(now=later)] == [GrantState.SUPERSEDED]
    assert known.row.revoked_at is None
