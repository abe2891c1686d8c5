"""Accounts by address, roles, operators, and who stands behind credentials."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS, Permission
from server.kit.errors import Refusal
from server.kit.graph import read_id
from server.people.roles import Role
from server.people.rules import Contact, ContactKind
from server.people.service.accounts import (
    Post,
    add_operator,
    ensure_person,
    find_person,
    invite_member,
)
from server.people.tables import Membership, Person
from tests.fakes.phone import Phone
from tests.makers import make_actor, make_carrier_actor

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from server.kit.auth import Actor

CONTACT = Contact(ContactKind.EMAIL, "courier@example.org")
HUB = uuid.UUID(int=77)


async def ensure(house: House, contact: Contact = CONTACT) -> uuid.UUID:
    async with house.database.write() as session:
        return await ensure_person(session, contact, ids=house.ids, now=house.clock.now())


async def invite(house: House, actor: Actor, post: Post) -> uuid.UUID | Refusal:
    async with house.database.write() as session:
        return await invite_member(
            session, actor, contact=CONTACT, post=post, ids=house.ids, now=house.clock.now()
        )


async def test_an_address_has_one_account(house: House) -> None:
    first = await ensure(house)
    assert await ensure(house) == first
    assert await ensure(house, Contact(ContactKind.PHONE, "+493012345678")) != first


async def test_racers_for_an_address_end_with_one_account(house: House) -> None:
    found = await asyncio.gather(*(ensure(house) for _ in range(6)))
    assert len(set(found)) == 1
    async with house.database.read() as session:
        assert len((await session.exec(select(Person))).all()) == 1


async def test_an_operator_is_added_once_and_runs_the_network(
    house: House, api: httpx.AsyncClient
) -> None:
    added = set()
    for _ in range(2):
        async with house.database.write() as session:
            person_id = await add_operator(session, CONTACT, ids=house.ids, now=house.clock.now())
        added.add(person_id)
    phone = Phone(house, api)
    await phone.sign_in(CONTACT.address)
    me = await phone.ask("{ me { roles { role place } } }")
    assert me["me"]["roles"] == [{"role": "OPERATOR", "place": None}]
    async with house.database.read() as session:
        roles = (await session.exec(select(Membership))).all()
    assert [row.person_id for row in roles] == list(added)


async def test_an_owner_is_made_by_owners_and_operators_only(house: House) -> None:
    post = Post(Role.HUB_OWNER, HUB)
    manager = make_actor(Role.HUB_MANAGER, subject=HUB)
    assert await invite(house, manager, post) == Refusal(ProblemCode.NOT_PERMITTED)
    for actor in (make_actor(Role.HUB_OWNER, subject=HUB), make_actor(Role.OPERATOR)):
        assert isinstance(await invite(house, actor, post), uuid.UUID)


@pytest.mark.parametrize("role", [Role.HUB_CLERK, Role.HUB_MANAGER])
async def test_a_manager_staffs_the_own_hub(house: House, role: Role) -> None:
    manager = make_actor(Role.HUB_MANAGER, subject=HUB)
    assert isinstance(await invite(house, manager, Post(role, HUB)), uuid.UUID)
    elsewhere = await invite(house, manager, Post(role, uuid.UUID(int=78)))
    assert elsewhere == Refusal(ProblemCode.NOT_PERMITTED)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.SUPPORT, Role.RECIPIENT])
async def test_nobody_invites_to_a_role_of_the_network(house: House, role: Role) -> None:
    operator = make_actor(Role.OPERATOR)
    assert await invite(house, operator, Post(role, HUB)) == Refusal(ProblemCode.NOT_PERMITTED)


async def test_a_carrier_that_is_not_there_has_no_couriers(house: House) -> None:
    system = make_carrier_actor(HUB, Permission.CARRIER_INVITE_MEMBER)
    missing = await invite(house, system, Post(Role.COURIER, HUB))
    assert missing == Refusal(ProblemCode.NOT_FOUND)


async def test_nobody_is_told_to_sign_in(house: House) -> None:
    told = await invite(house, ANONYMOUS, Post(Role.COURIER, HUB))
    assert told == Refusal(ProblemCode.SIGNED_OUT)


async def test_a_token_for_another_key_or_person_finds_nobody(phone: Phone, house: House) -> None:
    await phone.sign_in()
    person_id = await ensure(house, Contact(ContactKind.EMAIL, "recipient@example.org"))
    async with house.database.write() as session:
        for person, thumbprint in [(person_id, "x"), (uuid.UUID(int=1), phone.thumbprint)]:
            found = await find_person(
                session,
                person_id=person,
                device_id=_key(phone.device_id),
                thumbprint=thumbprint,
                now=house.clock.now(),
            )
            assert found is None


def _key(global_id: str) -> uuid.UUID:
    key = read_id("Device", global_id)
    assert key is not None
    return key
