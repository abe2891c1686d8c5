"""A parcel announced to an address without a phone goes to the account that bears its link."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.ids import StayId
from server.access.links import LINK_LIFE
from server.access.rules import Action, GrantState
from server.access.service.adoptions import PARCEL_ADOPTED, Adopted, adopt_parcel
from server.access.service.bundles import UnlockBundle, make_unlock_bundle
from server.access.service.grants import GrantTerms, issue_grant
from server.access.service.guests import DEAD_LINK
from server.access.service.passes import Pass
from server.access.tables import Grant, GuestLink
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, StayParcel
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of
from tests.server.access.service.guests import ask_pass, look, name_in_letter, welcome
from tests.server.access.service.test_bundles import STAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.links import LinkName
    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock


@pytest.fixture
async def waiting(database: Database, town: Town, keyring: DerivedKeyring) -> Town:
    """The town, where a parcel waits for somebody without a phone."""
    await welcome(database, town, keyring, ParcelState.READY_FOR_PICKUP)
    return town


async def adopt(
    database: Database, actor: Actor, name: LinkName, tools: Tools
) -> Adopted | Refusal:
    async with database.write() as session:
        return await adopt_parcel(session, actor, name=name, tools=tools)


async def code_of(database: Database, actor: Actor, name: LinkName, tools: Tools) -> ProblemCode:
    got = await adopt(database, actor, name, tools)
    assert isinstance(got, Refusal)
    return got.code


async def owner(database: Database) -> object:
    async with database.read() as session:
        return (await session.get_one(Parcel, key_of("parcel"))).recipient_id


async def test_adopted_parcel_is_opened_by_the_phone_and_no_more_by_the_link(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    given = await ask_pass(database, name, tools())
    assert isinstance(given, Pass)
    got = await adopt(database, waiting.stranger, name, tools())
    assert isinstance(got, Adopted)
    assert got.pin_until == given.expires_at
    assert await owner(database) == key_of("stranger")
    async with database.write() as session:
        opened = await make_unlock_bundle(
            session, waiting.stranger, parcel_id=key_of("parcel"), tools=tools()
        )
    assert isinstance(opened, UnlockBundle)
    refused = await ask_pass(database, name, tools())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_PERMITTED
    assert await look(database, name, tools()) is not None


async def test_rights_of_the_former_recipient_end(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    await ask_pass(database, name, tools())
    await adopt(database, waiting.stranger, name, tools())
    async with database.read() as session:
        grants = (await session.exec(select(Grant).order_by(col(Grant.id)))).all()
    assert [(one.holder_id, one.state) for one in grants] == [
        (key_of("guest"), GrantState.SUPERSEDED),
        (key_of("stranger"), GrantState.ACTIVE),
    ]


async def test_announced_address_is_told_once_and_a_repeat_changes_nothing(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    name = await name_in_letter(database, tools())
    for _ in range(2):
        assert isinstance(await adopt(database, waiting.stranger, name, tools()), Adopted)
        clock.move(minutes=1)
    async with database.read() as session:
        asked = select(Outbox).where(Outbox.kind == PARCEL_ADOPTED)
        (event,) = (await session.exec(asked)).all()
        link = await session.get_one(GuestLink, key_of("parcel"))
    assert (event.subject, event.facts) == (
        key_of("parcel"),
        {"formerId": str(key_of("guest")), "personId": str(key_of("stranger"))},
    )
    assert (link.adopted_at, link.adopted_by) == (START, key_of("stranger"))


async def test_parcel_of_somebody_with_a_phone_is_not_adopted(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    """Also not once it was adopted: there is no way to snatch it from one another."""
    name = await name_in_letter(database, tools())
    await adopt(database, waiting.stranger, name, tools())
    assert await code_of(database, waiting.recipient, name, tools()) is ProblemCode.NOT_PERMITTED
    assert await owner(database) == key_of("stranger")


async def test_of_two_who_adopt_at_once_one_has_it(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    rivals = [waiting.stranger, waiting.recipient]
    got = await asyncio.gather(*(adopt(database, one, name, tools()) for one in rivals))
    won = [rival for rival, one in zip(rivals, got, strict=True) if isinstance(one, Adopted)]
    refused = [one.code for one in got if isinstance(one, Refusal)]
    assert refused == [ProblemCode.NOT_PERMITTED]
    assert [rival.person_id for rival in won] == [await owner(database)]


async def test_first_phone_of_the_recipient_keeps_the_parcel(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        phone = await waiting.add_phone(session, "guest")
        phone.revoked_at = START
    assert await code_of(database, waiting.stranger, name, tools()) is ProblemCode.NOT_PERMITTED
    assert await owner(database) == key_of("guest")


async def test_phone_that_waits_does_not_open_what_it_adopted(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    """Whoever reads the mail of the adopting account as well must wait like everywhere (5.5)."""
    clock.move(minutes=1)
    async with database.write() as session:
        await waiting.add_phone(session, "stranger new", at=clock.now(), is_confirmed=False)
    own = waiting.stranger
    actor = Actor(own.person_id, key_of("stranger new phone"), None, own.grants)
    got = await adopt(database, actor, await name_in_letter(database, tools()), tools())
    assert isinstance(got, Adopted)
    async with database.write() as session:
        refused = await make_unlock_bundle(
            session, actor, parcel_id=key_of("parcel"), tools=tools()
        )
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DEVICE_TOO_NEW


@pytest.mark.parametrize(
    "state", [ParcelState.COLLECTED, ParcelState.COLLECTING, ParcelState.DISPUTED]
)
async def test_what_is_over_or_being_opened_stays_whose_it_is(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    state: ParcelState,
) -> None:
    await welcome(database, town, keyring, state)
    name = await name_in_letter(database, tools())
    assert await code_of(database, town.stranger, name, tools()) is ProblemCode.WRONG_STATE


async def test_parcel_on_its_way_can_be_adopted(
    database: Database, town: Town, keyring: DerivedKeyring, tools: Callable[[], Tools]
) -> None:
    await welcome(database, town, keyring, ParcelState.IN_TRANSIT)
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).stay_id = None
    got = await adopt(database, town.stranger, await name_in_letter(database, tools()), tools())
    assert isinstance(got, Adopted)
    assert got.pin_until is None


async def test_parcel_beside_another_one_is_not_adopted(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    """Whoever opens the door has both."""
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        other = await waiting.add_parcel(session, "other", state=ParcelState.READY_FOR_PICKUP)
        other.recipient_id, other.stay_id = key_of("guest"), key_of("stay")
        session.add(StayParcel(stay_id=key_of("stay"), parcel_id=other.id, put_in_at=START))
    assert await code_of(database, waiting.stranger, name, tools()) is ProblemCode.WRONG_STATE


async def test_parcel_that_another_may_be_put_to_is_not_adopted(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    terms = GrantTerms(
        action=Action.DEPOSIT,
        locker_id=waiting.locker_id,
        compartment=3,
        holder_id=key_of("courier"),
        parcel_id=key_of("parcel"),
        stay=StayId(STAY),
    )
    async with database.write() as session:
        await issue_grant(session, terms, grant_id=key_of("addition"), now=START)
    assert await code_of(database, waiting.stranger, name, tools()) is ProblemCode.WRONG_STATE


async def test_parcel_for_nobody_is_not_adopted(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).recipient_id = None
    assert await code_of(database, waiting.stranger, name, tools()) is ProblemCode.WRONG_STATE


async def test_dead_link_gives_nothing_and_nobody_else_gets_in(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    name = await name_in_letter(database, tools())
    assert await code_of(database, ANONYMOUS, name, tools()) is ProblemCode.SIGNED_OUT
    carrier = Actor(carrier_id=waiting.carrier_id)
    assert await code_of(database, carrier, name, tools()) is ProblemCode.NOT_PERMITTED
    no_right = Actor(key_of("stranger"), key_of("stranger phone"))
    assert await code_of(database, no_right, name, tools()) is ProblemCode.NOT_PERMITTED
    clock.move(seconds=LINK_LIFE.total_seconds())
    assert await adopt(database, waiting.stranger, name, tools()) is DEAD_LINK
    assert await owner(database) == key_of("guest")
