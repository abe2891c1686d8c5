"""Somebody without an account or an app: a letter, a link, digits at the panel, and the parcel.

The agent, the couriers' phones, the server's API and its worker are the real ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlmodel import select

from server.app import make_app
from server.kit.db import Database
from server.kit.graph import global_id
from server.lockers.service.pin_secrets import seal_secret
from server.lockers.tables import Locker
from server.parcels.tables import Parcel
from server.people.rules import Contact, ContactKind
from server.people.service.accounts import ensure_person
from tests.ble_agent.panel.kiosk import Kiosk
from tests.ble_agent.standing import quick_folder
from tests.fakes.phone import Phone
from tests.fakes.shops import HandWorker
from tests.fakes.sources import SeededRandomness
from tests.faults.countryside import Countryside, settle_down
from tests.makers import make_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.kit.guard import GuardedSchema
    from tests.fakes.stores import SqliteTemplate

ADDRESS = "guest@example.org"
LOOK = """query ($link: String!) { found: guestParcel(link: $link) {
  state mayRequestPass hub { name isOpen } history { state } } }"""
ASK = """mutation ($link: String!) { found: requestGuestPass(link: $link) {
  ... on Pass { pin compartment { number } words } ... on Problem { code } } }"""
ADOPT = """mutation ($link: String!) { found: adoptParcel(link: $link) {
  ... on AdoptParcelPayload { parcel { id } pinUntil } ... on Problem { code } } }"""
OWN = "{ me { parcels { edges { node { id state assurance } } } } }"


@dataclass
class Place:
    """A locker with a panel and one parcel in it, for somebody who is known by an address."""

    land: Countryside
    worker: HandWorker
    client: httpx.AsyncClient
    kiosk: Kiosk

    async def ask(self, document: str, link: str) -> dict[str, Any]:
        """What the API answers to somebody who is not signed in."""
        asked = {"query": document, "variables": {"link": link}}
        answer = (await self.client.post("/graphql", json=asked)).json()
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]["found"]
        return found

    def letters(self) -> list[str]:
        """The titles of what the guest was written."""
        return [one.subject for one in self.worker.letters.sent if one.address == ADDRESS]

    def link(self) -> str:
        """What the guest finds in the newest letter that has a link."""
        found = [re.search(r"/g/#(\S+)", one.body) for one in self.worker.letters.sent]
        return [one[1] for one in found if one is not None][-1]

    def type_in(self, given: dict[str, Any], digits: str | None = None) -> str:
        """What the panel says to the number of the door and the digits."""
        self.kiosk.touch_in(given["compartment"]["number"], digits or given["pin"])
        return self.kiosk.say

    async def hear(self) -> None:
        """Somebody else comes by, and carries home what the locker wrote meanwhile."""
        await self.land.locker.pass_time(5)
        await self.land.bring_parcel()
        for one in self.land.phones:
            await self.land.reach_network(one)
        await self.worker.handle_all()


@pytest.fixture
async def place(sqlite_template: SqliteTemplate, schema: GuardedSchema) -> AsyncIterator[Place]:
    with quick_folder() as folder:
        (folder / "locker").mkdir()
        database = Database(sqlite_template.copy(folder), durable=False)
        land = await settle_down(database, folder / "locker", seed=5)
        land.is_kind = True
        house = make_house(
            database,
            clock=land.clock,
            ids=land.ids,
            randomness=SeededRandomness("house"),
            keyring=land.keyring,
        )
        transport = httpx.ASGITransport(make_app(house, schema))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            worker = HandWorker(house)
            await _bring_to_guest(land)
            await worker.handle_all()
            yield Place(land, worker, client, Kiosk(land.locker))
        await land.locker.stop()
        await database.close()


async def _bring_to_guest(land: Countryside) -> None:
    """A courier leaves a parcel that was announced to an address nobody has signed in with."""
    await land.bring_parcel()
    async with land.database.write() as session:
        parcel = (await session.exec(select(Parcel))).one()
        parcel.recipient_id = await ensure_person(
            session, Contact(ContactKind.EMAIL, ADDRESS), ids=land.ids, now=land.clock.now()
        )
        locker = await session.get_one(Locker, land.town.locker_id)
        locker.sealed_pin_secret = seal_secret(land.locker.locker.identity.pin_secret, land.keyring)
    for one in land.phones:
        await land.reach_network(one)


async def test_guest_follows_a_letter_to_the_parcel_and_takes_it_out(place: Place) -> None:
    assert place.letters() == ["A parcel is ready for you"]
    link = place.link()
    seen = await place.ask(LOOK, link)
    assert (seen["state"], seen["mayRequestPass"]) == ("READY_FOR_PICKUP", True)
    assert seen["hub"] == {"name": "Corner Shop", "isOpen": True}
    given = await place.ask(ASK, link)
    assert place.type_in(given, "00000000") == "wrong"
    assert place.type_in(given) == "opening"
    await place.hear()
    assert place.kiosk.say == "empty"
    seen = await place.ask(LOOK, link)
    assert (seen["state"], seen["mayRequestPass"]) == ("COLLECTED", False)
    assert [one["state"] for one in seen["history"]][-2:] == ["COLLECTING", "COLLECTED"]
    assert (await place.ask(ASK, link))["code"] == "WRONG_STATE"
    assert place.letters() == [
        "A parcel is ready for you",
        "Digits for your parcel were asked for",
        "Your parcel was collected",
    ]
    async with place.land.database.read() as session:
        [parcel] = [
            one
            for one in (await session.exec(select(Parcel))).all()
            if one.collected_at is not None
        ]
    assert parcel.assurance == "C"


async def test_guest_takes_the_parcel_into_an_account_of_another_address(place: Place) -> None:
    link = place.link()
    phone = Phone(place.worker.house, place.client, "work phone")
    await phone.sign_in("guest.at.work@example.org")
    got = (await phone.ask(ADOPT, link=link))["found"]
    assert got["pinUntil"] is None
    own = (await phone.ask(OWN))["me"]["parcels"]["edges"]
    assert [edge["node"]["id"] for edge in own] == [got["parcel"]["id"]]
    await place.worker.handle_all()
    assert place.letters()[-1] == "Your parcel was taken into another account"
    assert (await place.ask(ASK, link))["code"] == "NOT_PERMITTED"
    assert (await place.ask(LOOK, link))["mayRequestPass"] is False


async def test_whoever_signs_in_with_the_announced_address_has_the_parcel_and_links_give_no_digits(
    place: Place,
) -> None:
    phone = Phone(place.worker.house, place.client, "own phone")
    await phone.sign_in(ADDRESS)
    own = (await phone.ask(OWN))["me"]["parcels"]["edges"]
    assert [edge["node"]["state"] for edge in own] == ["READY_FOR_PICKUP"]
    async with place.land.database.read() as session:
        first = (await session.exec(select(Parcel))).one()
    assert own[0]["node"]["id"] == global_id("Parcel", first.id)
    assert (await place.ask(ASK, place.link()))["code"] == "NOT_PERMITTED"
