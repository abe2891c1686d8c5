"""Two hubs with a locker each, a server over real HTTP, and people with wallets on their phones.

The server is there only while `online`; doors are real agents on the loopback radio, shut by hand.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlmodel import col, select

from ble_agent.backends.carrier import deliver
from ble_agent.hardware.port import Door
from ble_agent.phone import bundles, rounds
from ble_agent.phone.account import Account
from ble_agent.phone.bundles import read_pass
from ble_agent.phone.door import visit_door
from ble_agent.phone.link import PhoneLink
from ble_agent.phone.wallet import Wallet
from ble_agent.session.locker import open_store
from ble_agent.store.identity import commission
from schema.envelopes import parse_outer
from schema.ids import locker_text
from schema.statements import time_nonce
from server.app import make_app
from server.hubs.tables import Hub
from server.kit.graph import global_id, read_id
from server.lockers.tables import Compartment, Incident, Locker, Reservation
from server.parcels.jobs import expire_parcels
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import Party, Trigger
from server.parcels.tables import Parcel, ParcelEvent
from server.people.roles import Role
from server.people.service.codes import find_code_letter
from server.people.tables import ContactAddress, Device, Membership, SignInRequest
from tests.ble_agent.standing import Standing
from tests.fakes.journals import JournalingLocker
from tests.fakes.serving import serving
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START
from tests.fakes.town import COMPARTMENTS, ROOTS, Town, build_town, key_of, publish_key_set

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ble_agent.phone.errand import TimeSource
    from server.app import House
    from server.kit.guard import GuardedSchema
    from server.parcels.states import ParcelState

FOLLOW_S = 20.0
SIZES = {"locker": COMPARTMENTS, "mill locker": 8}
"""Compartments of each locker; those of the first are the town's."""

MEMBERS = {"courier": Role.COURIER, "admin": Role.CARRIER_ADMIN}
"""Who works for the carrier; everybody else only has an account."""


@dataclass
class Person:
    """Somebody with a phone: its wallet, and the account while the server is there."""

    name: str
    wallet: Wallet
    person_id: uuid.UUID | None = None

    @property
    def address(self) -> str:
        """Where codes are sent."""
        return f"{self.name}@example.org"


@dataclass
class District:
    """Everything, and what people do in it."""

    house: House
    schema: GuardedSchema
    town: Town
    folder: Path
    lockers: dict[str, Standing] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    url: str | None = None
    running: asyncio.Event = field(default_factory=asyncio.Event)
    """Time goes on at the doors; not while a phone asks the server, which takes none of it."""

    @asynccontextmanager
    async def online(self, at: str | None = None) -> AsyncIterator[None]:
        """The server answers, as long as this lasts: at the address of a former time, if named."""
        app: list[ASGIApp] = []

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await app[0](scope, receive, send)

        port = (urlsplit(at).port if at else None) or 0
        async with serving(serve, port) as url:
            settings = replace(self.house.settings, public_url=url)
            app.append(make_app(replace(self.house, settings=settings), self.schema))
            self.url = url
            yield
        self.url = None

    async def work(self) -> None:
        """The worker handles what is due."""
        await HandWorker(self.house).handle_all()

    async def pass_hours(self, hours: float) -> None:
        """Time passes everywhere."""
        self.house.clock.move(hours=hours)  # type: ignore[attr-defined]  # a clock that tests move
        for locker in self.lockers.values():
            await locker.pass_time(hours * 3600)

    def account(self, name: str) -> Account:
        """This person's account, while the server is there."""
        assert self.url is not None
        clock = self.house.clock
        return Account(self.url, self.people[name].wallet.key, now=lambda: clock.now().timestamp())

    async def meet(self, *names: str) -> None:
        """These people sign in on their phones for the first time."""
        for name in names:
            person = self.people[name] = Person(name, Wallet(self.folder / name))
            account = self.account(name)
            request_id = await account.request_code(person.address)
            key = read_id("SignInRequest", request_id)
            assert key is not None
            async with self.house.database.read() as session:
                letter = await find_code_letter(
                    session, self.house.keyring, request_id=key, now=self.house.clock.now()
                )
            assert letter is not None, name
            await account.sign_in(request_id, letter.code)
            await account.register(f"{name}'s phone", None)
            person.person_id = await self._owner_of(person.wallet)
            if name in MEMBERS:
                await self._employ(person)

    async def find_person(self, name: str) -> Person:
        """Somebody who has signed in on another phone than a wallet of ours."""
        async with self.house.database.read() as session:
            query = select(ContactAddress.person_id).where(
                ContactAddress.address == f"{name}@example.org"
            )
            person_id = (await session.exec(query)).one()
        return Person(name, Wallet(self.folder / name), person_id)

    async def code_for(self, address: str) -> str:
        """The code that was sent to this address last."""
        house = self.house
        async with house.database.read() as session:
            query = select(SignInRequest.id).where(SignInRequest.address == address)
            order = col(SignInRequest.created_at).desc(), col(SignInRequest.id).desc()
            key = (await session.exec(query.order_by(*order).limit(1))).one()
            letter = await find_code_letter(
                session, house.keyring, request_id=key, now=house.clock.now()
            )
        assert letter is not None
        return letter.code

    async def ask(self, name: str, document: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation in somebody's name; its only field."""
        data = await self.account(name).ask(document, variables)
        [payload] = data.values()
        return dict(payload)

    async def door(
        self, name: str, task: str, at: str, parcel: str, *, leaves: bool, **options: Any
    ) -> dict[str, Any]:
        """Somebody at a door with no server: opens, and shuts it with something inside or not."""
        person = self.people[name]
        async with self._at(at, leaves=leaves) as link:
            visit = rounds.Visit(link, person.wallet, self._time_source(name, at), FOLLOW_S)
            if task == "collect":
                return await visit_door(
                    link,
                    read_pass(person.wallet.get_bundle(parcel)),
                    person.wallet,
                    comp=None,
                    find_time=visit.find_time,
                    follow_s=FOLLOW_S,
                )
            act = {"deposit": rounds.deposit, "undo": rounds.undo, "remove": rounds.remove}[task]
            return await act(visit, parcel, **options)

    async def deliver(self, *names: str, of: str | None = None) -> None:
        """These phones hand over what they carry, or that of one locker: mixed, and one twice."""
        for name in names:
            assert self.url is not None
            wallet = self.people[name].wallet
            lid = None if of is None else self.lockers[of].lid
            envelopes = [
                one for one in wallet.list_envelopes() if lid in {None, parse_outer(one).lid}
            ]
            for outcome in await deliver(self.url, [*envelopes[::-1], *envelopes[:1]]):
                assert outcome.problem is None, outcome
            for envelope in envelopes:
                wallet.drop_envelope(envelope)

    def gid(self, kind: str, name: str) -> str:
        """The global id of a row with a name."""
        return global_id(kind, key_of(name))

    async def announce(self, name: str, recipient: str, *, hub: str = "hub") -> str:
        """A parcel that the courier has on board; its global id."""
        async with self.house.database.write() as session:
            parcel = await self.town.add_parcel(session, name, at=self.house.clock.now())
            parcel.recipient_id = self.people[recipient].person_id
            parcel.hub_id = parcel.planned_hub_id = key_of(hub)
        return self.gid("Parcel", name)

    async def parcel(self, parcel: str) -> Parcel:
        """The row of a parcel."""
        async with self.house.database.read() as session:
            return await session.get_one(Parcel, read_id("Parcel", parcel))

    async def state(self, parcel: str) -> ParcelState:
        """Where a parcel stands."""
        return (await self.parcel(parcel)).state

    async def rows(self, parcel: str) -> list[str]:
        """The rules that a parcel's history went by."""
        key = read_id("Parcel", parcel)
        async with self.house.database.read() as session:
            lines = await session.exec(select(ParcelEvent).where(ParcelEvent.parcel_id == key))
            return [line.row for line in sorted(lines, key=lambda line: line.number)]

    async def incidents(self) -> list[str]:
        """The kinds of all incidents, in order."""
        async with self.house.database.read() as session:
            return sorted(row.kind.value for row in await session.exec(select(Incident)))

    async def expire(self) -> None:
        """The worker's sweep of parcels whose time is over."""
        house = self.house
        await expire_parcels(house.database, ids=house.ids, now=house.clock.now())

    async def revive(self, parcel: str) -> None:
        """The operator lets an expired parcel be collected after all (P23)."""
        house, now = self.house, self.house.clock.now()
        async with house.database.write() as session:
            row = await session.get_one(Parcel, read_id("Parcel", parcel))
            happened = Occurrence(trigger=Trigger.REVIVE, party=Party.OPR, at=now)
            moved = await move(
                session, row, happened, situation_of(row, now), ids=house.ids, now=now
            )
        assert moved is not None

    async def reservations(self) -> dict[str, int]:
        """What is kept now: the number of the compartment by global id of the parcel."""
        async with self.house.database.read() as session:
            query = select(Reservation, Compartment).where(
                Reservation.compartment_id == Compartment.id,
                Reservation.ended_at == None,  # noqa: E711 - SQL, not Python
            )
            found = await session.exec(query)
            return {global_id("Parcel", one.parcel_id): door.number for one, door in found}

    def _time_source(self, name: str, at: str) -> TimeSource | None:
        if self.url is None:
            return None
        account, lid = self.account(name), self.lockers[at].lid

        async def find_time(hello: bytes) -> bytes | None:
            self.running.clear()
            signed = await bundles.fetch_time(account, locker_text(lid), time_nonce(hello))
            self.running.set()
            return signed

        return find_time

    @asynccontextmanager
    async def _at(self, at: str, *, leaves: bool) -> AsyncIterator[PhoneLink]:
        standing = self.lockers[at]
        phone = await standing.radio.connect()

        async def go_on() -> None:
            while await self.running.wait():
                await standing.pass_time(0.5)
                for comp in standing.hardware.compartments:
                    if standing.hardware.door(comp) is Door.OPEN:
                        standing.hardware.swing_shut(comp, occupied=leaves)

        self.running.set()
        going = asyncio.create_task(go_on())
        try:
            yield PhoneLink(phone)
        finally:
            going.cancel()
            await phone.leave()

    async def _owner_of(self, wallet: Wallet) -> uuid.UUID:
        async with self.house.database.read() as session:
            query = select(Device.person_id).where(Device.public_key == wallet.key.public)
            return (await session.exec(query)).one()

    async def _employ(self, person: Person) -> None:
        async with self.house.database.write() as session:
            session.add(
                Membership(
                    id=self.house.ids.new(),
                    created_at=START,
                    person_id=await self._owner_of(person.wallet),
                    role=MEMBERS[person.name],
                    subject=self.town.carrier_id,
                )
            )


@asynccontextmanager
async def open_district(
    house: House, schema: GuardedSchema, folder: Path
) -> AsyncIterator[District]:
    """The hubs "hub" and "mill" with the lockers "locker" and "mill locker", each at work."""
    async with house.database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=house.keyring, ids=house.ids, now=house.clock.now())
        await _add_mill(session, town)
    district = District(house, schema, town, folder)
    for name in ("locker", "mill locker"):
        await _put_up(district, name)
    yield district
    for locker in district.lockers.values():
        await locker.stop()


async def _add_mill(session: Any, town: Town) -> None:
    hub = await session.get_one(Hub, town.hub_id)
    session.add(Hub(**{**hub.model_dump(), "id": key_of("mill"), "name": "Old Mill"}))
    await session.flush()
    machine = JournalingLocker("mill")
    first = await session.get_one(Locker, town.locker_id)
    unlike = {
        "id": key_of("mill locker"),
        "hub_id": key_of("mill"),
        "lid": machine.lid,
        "serial": "L-2",
        "noise_public": machine.noise_public,
        "sign_public": machine.key.public,
    }
    session.add(Locker(**{**first.model_dump(), **unlike}))
    await session.flush()
    door = await session.get_one(Compartment, key_of("door 1"))
    for number in range(1, SIZES["mill locker"] + 1):
        other = {
            "id": key_of(f"mill door {number}"),
            "locker_id": key_of("mill locker"),
            "number": number,
            "label": f"B{number}",
        }
        session.add(Compartment(**{**door.model_dump(), **other}))


async def _put_up(district: District, name: str) -> None:
    """A new agent whose keys the server knows as those of this locker."""
    folder = district.folder / name
    folder.mkdir()
    store = open_store(folder)
    identity = commission(
        store, compartments=SIZES[name], roots=ROOTS, take_random=secrets.token_bytes
    )
    store.close()
    standing = Standing(folder, compartments=SIZES[name], door_seconds=None)
    district.lockers[name] = await standing.start()
    async with district.house.database.write() as session:
        row = await session.get_one(Locker, key_of(name))
        row.lid, row.noise_public = identity.lid, identity.noise_public
        row.sign_public = identity.signing.public
