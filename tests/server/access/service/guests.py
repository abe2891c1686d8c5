"""A parcel for somebody who never had a phone with an account, and the links to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.access.service import guests
from server.access.service.links import ensure_link
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.rules import ContactKind
from server.people.tables import ContactAddress, Person
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.server.access.service.test_bundles import put_in
from tests.server.access.service.test_passes import enrol_secret

if TYPE_CHECKING:
    from server.access.links import LinkName
    from server.access.service.bundles import Tools
    from server.access.service.passes import Pass
    from server.kit.db import Database
    from server.kit.errors import Refusal
    from server.kit.keyring import Keyring
    from tests.fakes.town import Town


_TAKEN = frozenset({ParcelState.COLLECTED, ParcelState.DISPUTED})


async def welcome(database: Database, town: Town, keyring: Keyring, state: ParcelState) -> None:
    """A parcel for the guest lies behind door 3 of a locker with a keypad."""
    await enrol_secret(database, town, keyring)
    await put_in(database, town)
    async with database.write() as session:
        session.add(Person(id=key_of("guest"), created_at=START))
        await session.flush()
        session.add(
            ContactAddress(
                id=key_of("guest address"),
                created_at=START,
                person_id=key_of("guest"),
                kind=ContactKind.EMAIL,
                address="guest@example.org",
            )
        )
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.recipient_id, parcel.state = key_of("guest"), state
        parcel.collected_at = START if state in _TAKEN else None


async def letter(database: Database, tools: Tools, parcel: str = "parcel") -> str | None:
    """The link as a letter about the parcel has it now."""
    async with database.write() as session:
        return await ensure_link(session, key_of(parcel), keyring=tools.keyring, now=tools.now)


async def name_in_letter(database: Database, tools: Tools) -> LinkName:
    """What that link is to."""
    link = await letter(database, tools)
    assert link is not None
    name = guests.read_name(link, tools.keyring)
    assert name is not None
    return name


async def ask_pass(database: Database, name: LinkName, tools: Tools) -> Pass | Refusal:
    """The bearer of a link asks for the digits."""
    async with database.write() as session:
        return await guests.issue_guest_pass(session, name, tools=tools)


async def look(database: Database, name: LinkName, tools: Tools) -> guests.Tracked | None:
    """The bearer of a link looks at the parcel."""
    async with database.read() as session:
        return await guests.track(session, name, now=tools.now)
