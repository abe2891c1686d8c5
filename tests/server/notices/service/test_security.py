"""Whatever is done to an account is told to its older phones and to every address."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.access.service.adoptions import PARCEL_ADOPTED
from server.access.service.delegations import DELEGATION_REGISTERED
from server.access.service.guests import GUEST_PASS_ISSUED
from server.access.service.passes import PASS_ISSUED
from server.kit.outbox import Dead, Done
from server.notices.rules import SECURITY, TO_EVERY_ADDRESS, NoticeKind
from server.notices.service.security import SECURITY_EVENTS
from server.people.preferences import Channel
from server.people.service.devices import (
    DEVICE_ADDED,
    DEVICE_CONFIRMED,
    DEVICE_REMOVED,
    REMOVED_KEY_TRIED,
)
from server.people.tables import Device
from tests.fakes.town import build_town, key_of
from tests.server.notices.test_jobs import Office

if TYPE_CHECKING:
    from server.kit.db import Database
    from server.kit.outbox import Facts, Lease
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

OLD, MIDDLE, NEW = "fcm-old", "fcm-middle", "fcm-new"
ADDRESSES = {"recipient@example.org", "other@example.org"}
NEW_PHONE: Facts = {"deviceId": str(key_of("recipient middle phone"))}


@pytest.fixture
async def office(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> Office:
    """A recipient with three phones, each a minute older than the next, and two addresses."""
    async with database.write() as session:
        town = await build_town(session)
    office = Office(database, town, keyring=keyring, ids=ids, clock=clock)
    async with database.write() as session:
        for name in ("recipient middle", "recipient new"):
            clock.move(minutes=1)
            await town.add_phone(session, name, at=clock.now())
    names = ("recipient", "recipient middle", "recipient new")
    for name, target in zip(names, (OLD, MIDDLE, NEW), strict=True):
        await office.add_push(name, target)
    for address in sorted(ADDRESSES):
        await office.add_contact(address)
    return office


def lease(office: Office, kind: str, subject: str, facts: Facts) -> Lease:
    return replace(office.lease(kind, key_of(subject)), facts=facts)


async def remove(office: Office, name: str) -> None:
    async with office.database.write() as session:
        device = await session.get_one(Device, key_of(f"{name} phone"))
        device.revoked_at = office.clock.now()
        device.push_kind = device.push_target = None


@pytest.mark.parametrize(
    ("event", "kind", "facts"),
    [
        (DEVICE_ADDED, NoticeKind.NEW_DEVICE, {}),
        (DEVICE_CONFIRMED, NoticeKind.DEVICE_CONFIRMED, {}),
        (PASS_ISSUED, NoticeKind.PIN_ISSUED, NEW_PHONE),
        (DELEGATION_REGISTERED, NoticeKind.PARCEL_SHARED, NEW_PHONE),
    ],
)
async def test_what_a_phone_did_is_told_to_older_ones_and_every_address(
    office: Office, event: str, kind: NoticeKind, facts: Facts
) -> None:
    subject = "parcel" if facts else "recipient middle phone"
    held = lease(office, event, subject, facts)
    assert await office.jobs.on_security_event(held) == Done()
    assert [message.address.value for message in office.push.sent] == [OLD]
    assert office.push.sent[0].data == {"kind": kind.value, "subject": str(key_of(subject))}
    assert {letter.address for letter in office.letters.sent} == ADDRESSES


@pytest.mark.parametrize("event", [DEVICE_REMOVED, REMOVED_KEY_TRIED])
async def test_what_happens_to_a_removed_phone_is_told_to_all_that_are_left(
    office: Office, event: str
) -> None:
    await remove(office, "recipient middle")
    held = lease(office, event, "recipient middle phone", {})
    assert await office.jobs.on_security_event(held) == Done()
    assert {message.address.value for message in office.push.sent} == {OLD, NEW}
    assert {letter.address for letter in office.letters.sent} == ADDRESSES


@pytest.mark.parametrize(
    ("event", "fact"), [(GUEST_PASS_ISSUED, "personId"), (PARCEL_ADOPTED, "formerId")]
)
async def test_what_a_link_did_is_told_to_every_address_of_whose_parcel_it_was(
    office: Office, event: str, fact: str
) -> None:
    facts = {"personId": str(key_of("stranger")), fact: str(key_of("recipient"))}
    held = lease(office, event, "parcel", facts)
    assert await office.jobs.on_security_event(held) == Done()
    assert {letter.address for letter in office.letters.sent} == ADDRESSES


async def test_each_pin_by_a_link_is_news_and_a_repeat_of_its_event_is_not(office: Office) -> None:
    facts: Facts = {"number": 1, "personId": str(key_of("recipient"))}
    first = lease(office, GUEST_PASS_ISSUED, "parcel", facts)
    for _ in range(2):
        assert await office.jobs.on_security_event(first) == Done()
    assert len(office.letters.sent) == len(ADDRESSES)
    office.clock.move(seconds=1)
    second = lease(office, GUEST_PASS_ISSUED, "parcel", {**facts, "number": 2})
    assert await office.jobs.on_security_event(second) == Done()
    assert len(office.letters.sent) == 2 * len(ADDRESSES)


async def test_event_of_an_unknown_phone_is_dead(office: Office) -> None:
    facts: Facts = {"deviceId": str(key_of("nobody's phone"))}
    for held in (
        lease(office, DEVICE_REMOVED, "nobody's phone", {}),
        lease(office, PASS_ISSUED, "parcel", facts),
    ):
        assert isinstance(await office.jobs.on_security_event(held), Dead)


async def test_nothing_that_opens_is_in_a_notice(office: Office) -> None:
    held = lease(office, PASS_ISSUED, "parcel", NEW_PHONE)
    await office.jobs.on_security_event(held)
    told = [(one.subject, one.body) for one in office.letters.sent]
    assert not [text for pair in told for text in pair if any(map(str.isdigit, text))]
    assert set(await office.read_notices()) == {Channel.PUSH, Channel.EMAIL}


def test_every_security_notice_goes_everywhere() -> None:
    assert SECURITY <= TO_EVERY_ADDRESS
    assert len(SECURITY_EVENTS) == len(SECURITY)
