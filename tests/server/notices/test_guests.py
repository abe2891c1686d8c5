"""Letters to people without an account bear a link; no other letter does, and no title."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from server.access.service import guests, links
from server.access.service.links import LINK_RENEWED
from server.access.tables import GuestLink
from server.kit.keyring import Purpose
from server.kit.outbox import Again, Done
from server.notices.delivery import Later
from server.notices.queries import Topic
from server.notices.rules import ABOUT_PARCELS, SECURITY, NoticeKind, Over
from server.notices.service.telling import WITH_LINK, Errand
from server.notices.tables import Notice
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.rules import ContactKind
from server.people.tables import Person
from tests.fakes.sources import START
from tests.fakes.town import build_town, key_of
from tests.server.notices.test_jobs import PHONE, Office

if TYPE_CHECKING:
    from server.access.links import LinkName
    from server.kit.db import Database
    from server.kit.outbox import Lease
    from server.notices.letters import Letter
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

ADDRESS = re.compile(r"https://hubs\.example\.org/g/#([A-Za-z0-9_-]{48})\n")


@pytest.fixture
async def office(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> Office:
    async with database.write() as session:
        town = await build_town(session)
        session.add(Person(id=key_of("guest"), created_at=START))
    return Office(database, town, keyring=keyring, ids=ids, clock=clock)


async def ready(office: Office, kind: ContactKind = ContactKind.EMAIL) -> Lease:
    """A parcel for a person without a phone, and the event that it can be collected."""
    held = await office.add_parcel()
    async with office.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).recipient_id = key_of("guest")
    address = "guest@example.org" if kind is ContactKind.EMAIL else "+37255501234"
    await office.add_contact(address, kind, name="guest")
    return held


def link_in(letter: Letter) -> str:
    found = ADDRESS.search(letter.body)
    assert found is not None
    return found[1]


def name_in(office: Office, letter: Letter) -> LinkName:
    name = guests.read_name(link_in(letter), office.keyring)
    assert name is not None
    return name


@pytest.mark.parametrize("kind", list(ContactKind))
async def test_letter_to_somebody_without_a_phone_bears_a_living_link(
    office: Office, kind: ContactKind
) -> None:
    assert await office.jobs.on_grant_ready(await ready(office, kind)) == Done()
    [letter] = office.letters.sent
    async with office.database.read() as session:
        seen = await guests.track(session, name_in(office, letter), now=office.clock.now())
    assert seen is not None
    assert seen.guest.parcel.state is ParcelState.READY_FOR_PICKUP
    link = link_in(letter)
    assert link not in letter.subject
    assert link not in letter.body.partition("\n")[0]
    assert link not in repr(letter)


async def test_letter_about_the_counter_bears_it_too(office: Office) -> None:
    await ready(office)
    async with office.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = ParcelState.AT_HUB
    held = office.lease("parcel.at_hub", key_of("parcel"))
    assert await office.jobs.on_parcel_at_hub(held) == Done()
    assert name_in(office, office.letters.sent[0]).parcel_id == key_of("parcel")


@pytest.mark.parametrize("kind", sorted(ABOUT_PARCELS))
async def test_letters_bear_it_as_long_as_there_is_something_to_fetch(
    office: Office, kind: NoticeKind
) -> None:
    """At noon, in no quiet hours; whoever has no phone can do nothing by an app."""
    held = await ready(office)
    errand = Errand(
        topic=Topic(key_of("parcel"), kind, 1),
        person_id=key_of("guest"),
        parcel_id=key_of("parcel"),
    )
    assert await office.teller.tell(held, errand) == Over(reached=True)
    [letter] = office.letters.sent
    assert (ADDRESS.search(letter.body) is not None) is (kind in WITH_LINK)
    assert WITH_LINK <= ABOUT_PARCELS
    assert not WITH_LINK & SECURITY


async def test_letter_that_is_sent_again_bears_the_same_link(office: Office) -> None:
    office.letters.answers["guest@example.org"] = Later("the mail server is full")
    held = await ready(office)
    assert isinstance(await office.jobs.on_grant_ready(held), Again)
    office.letters.answers.clear()
    office.clock.move(minutes=1)
    assert await office.jobs.on_grant_ready(held) == Done()
    first, second = office.letters.sent
    assert link_in(first) == link_in(second)


async def test_link_is_neither_in_a_row_nor_in_another_letter(office: Office) -> None:
    await office.jobs.on_grant_ready(await ready(office))
    link = link_in(office.letters.sent[0])
    async with office.database.read() as session:
        rows = [*await session.exec(select(Notice)), *await session.exec(select(GuestLink))]
    assert rows
    assert link not in f"{[row.model_dump() for row in rows]}"
    seeds = [key.seed.hex() for key in office.keyring.list_keys(Purpose.LINKS)]
    assert not [seed for seed in seeds if seed in office.letters.sent[0].body]


async def test_letter_to_somebody_with_a_phone_bears_none(office: Office) -> None:
    """Also where the phone gets no push: whoever reads that mail must not get the parcel."""
    await office.add_contact("recipient@example.org")
    await office.jobs.on_grant_ready(await office.add_parcel())
    [letter] = office.letters.sent
    assert "/g/" not in letter.body


async def test_letter_after_a_withdrawal_bears_none(office: Office) -> None:
    held = await ready(office)
    async with office.database.write() as session:
        await links.revoke_link(
            session,
            office.town.actor("guest"),
            parcel_id=key_of("parcel"),
            now=office.clock.now(),
        )
    assert await office.jobs.on_grant_ready(held) == Done()
    assert "/g/" not in office.letters.sent[0].body


async def renew(office: Office) -> Lease:
    """Support has a new link written; the event of that."""
    async with office.database.write() as session:
        link = await links.renew_link(
            session,
            office.town.operator,
            parcel_id=key_of("parcel"),
            ids=office.ids,
            now=office.clock.now(),
        )
    assert isinstance(link, GuestLink)
    return replace(office.lease(LINK_RENEWED, key_of("parcel")), facts={"series": link.series})


async def test_new_link_comes_by_letter_and_the_old_one_is_dead(office: Office) -> None:
    await office.jobs.on_grant_ready(await ready(office))
    held = await renew(office)
    for _ in range(2):
        assert await office.jobs.on_link_renewed(held) == Done()
    old, new = (name_in(office, letter) for letter in office.letters.sent)
    async with office.database.read() as session:
        assert await guests.track(session, old, now=office.clock.now()) is None
        assert await guests.track(session, new, now=office.clock.now()) is not None


async def test_new_link_is_a_letter_also_to_somebody_with_a_phone(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    await office.add_parcel()
    assert await office.jobs.on_link_renewed(await renew(office)) == Done()
    assert not office.push.sent
    assert name_in(office, office.letters.sent[0]).series == 1


async def test_link_that_was_replaced_or_withdrawn_meanwhile_is_not_sent(office: Office) -> None:
    await ready(office)
    first = await renew(office)
    second = await renew(office)
    assert await office.jobs.on_link_renewed(first) == Done()
    async with office.database.write() as session:
        await links.revoke_link(
            session, office.town.operator, parcel_id=key_of("parcel"), now=office.clock.now()
        )
    assert await office.jobs.on_link_renewed(second) == Done()
    assert not office.letters.sent
