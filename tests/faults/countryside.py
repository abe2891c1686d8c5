"""A locker that no network reaches, a server it never meets, and the phones between them.

The server's services and the agent are the real ones; what phones do with what they carry is not
what they promised: they drop, keep, double and mix it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmodel import col, select

from ble_agent.phone.errand import Errand, LockerKeys
from ble_agent.phone.link import PhoneLink
from ble_agent.session.locker import open_store
from ble_agent.store.identity import commission
from schema.codes import Code
from schema.handshake import OpenRequest
from schema.keys import Operation
from schema.readings import Reading
from schema.statements import time_nonce
from server.access import signing
from server.access.service.bundles import Tools, UnlockBundle, make_unlock_bundle
from server.access.service.deposits import make_courier_bundle
from server.access.service.revocations import revoke_grant
from server.access.service.statements import find_familiar_signer
from server.kit.db import Database
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.ledger import service as ledger
from server.ledger.tables import LockerReading
from server.lockers.jobs import expire_reservations
from server.lockers.rules import Allocation
from server.lockers.tables import Compartment, Incident, Locker
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.roles import Role
from server.people.tables import Person
from server.uplink.deliver import Taken, deliver_envelope
from tests.ble_agent.standing import Standing, quick_folder
from tests.fakes.sources import START, CountedIds, DerivedKeyring, MovableClock, SeededRandomness
from tests.fakes.town import (
    COMPARTMENTS,
    ROOTS,
    Town,
    build_town,
    key_of,
    phone_key,
    publish_key_set,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ble_agent.phone.errand import Outcome
    from ble_agent.phone.luggage import Carried
    from server.kit.auth import Actor
    from tests.fakes.stores import SqliteTemplate

COURIERS = 10
PEOPLE = 60
CARRIED = 8 * 1024
"""Bytes that a phone carries for others in one visit, both ways together."""

LOSES_POWER_EACH = 25
"""Visits from one power cut to the next."""

MOST_MORE = 60
"""Visits without mishap in which everything must have come home."""


@dataclass
class Handset:
    """One phone: who owns it, what it carries for the locker and for the server."""

    name: str
    actor: Actor
    down: list[Carried] = field(default_factory=list)
    up: list[bytes] = field(default_factory=list)


@dataclass
class Countryside:
    """Everything, and a chance that is the same in every run of the same number."""

    database: Database
    town: Town
    locker: Standing
    phones: list[Handset]
    chance: random.Random
    clock: MovableClock
    keyring: DerivedKeyring
    ids: CountedIds = field(default_factory=CountedIds)
    randomness: SeededRandomness = field(default_factory=SeededRandomness)
    written: dict[int, bytes] = field(default_factory=dict)
    measured: set[Reading] = field(default_factory=set)
    visits: int = 0
    heaviest: int = 0
    accepted: int = 0
    parcels: int = 0
    is_kind: bool = False
    _signed: set[bytes] = field(default_factory=set)

    @property
    def tools(self) -> Tools:
        """What making tokens needs at this moment."""
        return Tools(self.keyring, self.ids, self.randomness, self.clock.now())

    def goes_well(self) -> bool:
        """Whether this goes as it should: three times out of four, and always in the end."""
        return self.is_kind or self.chance.random() < 0.75

    async def live_on(self, hours: float) -> None:
        """Time passes everywhere; the server renews its keys, a root signs them."""
        self.clock.move(hours=hours)
        self.locker.hardware.set_temperature(self.chance.uniform(-20, 35))
        await self.locker.pass_time(hours * 3600)
        self.measured |= {one for _, one in self.locker.locker.readings.list_after(0)}
        known: set[bytes] = {key.kid for key in self.keyring.list_keys(Purpose.ISSUER)}
        if known != self._signed:
            self._signed = known
            async with self.database.write() as session:
                await publish_key_set(
                    session, keyring=self.keyring, ids=self.ids, now=self.clock.now()
                )
        await expire_reservations(self.database, now=self.clock.now())

    async def bring_parcel(self) -> bool:
        """A courier puts a parcel into a free compartment; False where nothing is free."""
        phone = self.chance.choice(self.phones[:COURIERS])
        async with self.database.write() as session:
            free = await session.exec(
                select(Compartment.number).where(Compartment.allocation == Allocation.FREE)
            )
            numbers = sorted(free.all())
            if not numbers:
                return False
            self.parcels += 1
            owner = self.chance.choice(self.phones[COURIERS:])
            now = self.clock.now()
            parcel = await self.town.add_parcel(session, f"parcel {self.parcels:04}", at=now)
            parcel.recipient_id = owner.actor.person_id
            await self.town.reserve(session, parcel, self.chance.choice(numbers), now=now)
        async with self.database.write() as session:
            stops = await make_courier_bundle(
                session, phone.actor, parcel_ids=[parcel.id], is_route=False, tools=self.tools
            )
        assert not isinstance(stops, Refusal), stops
        self._take_along(phone, [(one.kind, one.raw) for one in stops[0].statements])
        [deposit] = stops[0].deposits
        request = OpenRequest(Operation.DEPOSIT, deposit.comps[0])
        await self.visit(phone, deposit.token.raw, request)
        return True

    async def fetch_parcel(self) -> bool:
        """A recipient opens the door of a parcel that the server knows to be there."""
        async with self.database.read() as session:
            waiting = await session.exec(
                select(Parcel)
                .where(Parcel.state == ParcelState.DEPOSITED)
                .order_by(col(Parcel.code))
            )
            rows = waiting.all()
        if not rows:
            return False
        parcel = self.chance.choice(rows)
        phone = next(one for one in self.phones if one.actor.person_id == parcel.recipient_id)
        bundle = await self.ask_unlock(phone, parcel)
        if self.chance.random() < 0.3:
            await self._withdraw(phone, bundle)
            bundle = await self.ask_unlock(phone, parcel)
        self._take_along(phone, [(one.kind, one.raw) for one in bundle.statements])
        await self.visit(phone, bundle.token.raw, OpenRequest(Operation.OPEN))
        return True

    async def ask_unlock(self, phone: Handset, parcel: Parcel) -> UnlockBundle:
        """What the phone gets for a parcel of its owner's."""
        async with self.database.write() as session:
            got = await make_unlock_bundle(
                session, phone.actor, parcel_id=parcel.id, tools=self.tools
            )
        assert isinstance(got, UnlockBundle), got
        return got

    async def come(self) -> None:
        """Somebody comes for one reason or the other, and some phone finds a network."""
        reasons = [self.bring_parcel, self.fetch_parcel]
        self.chance.shuffle(reasons)
        for reason in reasons:
            if await reason():
                break
        for phone in self.phones:
            if phone.up and self.chance.random() < 0.2 + self.is_kind:
                await self.reach_network(phone)
        await self.live_on(self.chance.uniform(0.5, 12))

    async def live_through(self, visits: int) -> bool:
        """So many visits with mishaps, power cuts among them, then some without.

        Whether the server has the whole journal in the end.
        """
        while self.visits < visits:
            await self.come()
            if self.visits % LOSES_POWER_EACH == 0:
                await self.locker.lose_power()
        self.is_kind = True
        for _ in range(MOST_MORE):
            if await self.settle():
                return True
            await self.come()
        return False

    async def visit(self, phone: Handset, token: bytes, request: OpenRequest) -> Outcome:
        """To the door with what the phone carries; away with what fits into it."""
        self.visits += 1
        identity = self.locker.locker.identity
        keys = LockerKeys(identity.lid, identity.noise_public, identity.signing.public)
        async with self._door() as link:
            errand = Errand(link, keys, phone_key(phone.name))
            online = self.goes_well()
            outcome = await errand.request(
                (token,), request, tuple(phone.down), find_time=self._time if online else None
            )
            if outcome.result.code == Code.OK:
                self.accepted += 1
                async with self._seconds_pass():
                    await errand.watch(outcome, timeout_s=30)
                refused = await errand.sync(outcome, carry=CARRIED)
                assert refused is None, refused
        self.heaviest = max(self.heaviest, outcome.carried)
        phone.up += outcome.envelopes
        self._note_lines()
        return outcome

    async def reach_network(self, phone: Handset) -> None:
        """The phone delivers what it has, as phones do, and hears what the locker should know."""
        self.chance.shuffle(phone.up)
        kept: list[bytes] = []
        for envelope in phone.up:
            if not self.goes_well():
                # Lost, or not sent yet.
                kept += [envelope] if self.chance.random() < 0.5 else []
                continue
            if not self.goes_well():
                await self._deliver(envelope)
            taken = await self._deliver(envelope)
            if self.chance.random() < 0.25:
                kept.append(envelope)
            self._take_along(phone, [(one.kind, one.raw) for one in taken.statements])
        phone.up = kept

    async def settle(self) -> bool:
        """Whether the server has every line that the locker ever wrote."""
        self._note_lines()
        async with self.database.read() as session:
            tip = await ledger.find_tip(session, self.locker.lid)
        return tip is not None and tip.seq == max(self.written)

    async def stored(self) -> list[bytes]:
        """The journal as the server has it."""
        async with self.database.read() as session:
            rows = await ledger.list_entries(session, self.locker.lid, after=0, limit=100_000)
        return [row.raw for row in rows if row.raw is not None]

    async def readings(self) -> set[Reading]:
        """The readings as the server has them."""
        async with self.database.read() as session:
            rows = await session.exec(select(LockerReading))
            return {Reading(row.t, row.channel, row.kind, row.value) for row in rows}

    async def incidents(self) -> set[str]:
        """The kinds of all incidents."""
        async with self.database.read() as session:
            return {row.kind for row in await session.exec(select(Incident))}

    async def told(self) -> Locker:
        """What the server believes of the locker."""
        async with self.database.read() as session:
            return await session.get_one(Locker, self.town.locker_id)

    async def _withdraw(self, phone: Handset, bundle: UnlockBundle) -> None:
        async with self.database.write() as session:
            done = await revoke_grant(
                session,
                phone.actor,
                grant_id=bundle.grant.id,
                keyring=self.keyring,
                now=self.clock.now(),
            )
        assert not isinstance(done, Refusal), done

    async def _deliver(self, envelope: bytes) -> Taken:
        taken = await deliver_envelope(
            self.database, envelope, keyring=self.keyring, ids=self.ids, now=self.clock.now()
        )
        assert isinstance(taken, Taken), taken
        return taken

    async def _time(self, hello: bytes) -> bytes:
        async with self.database.read() as session:
            row = await session.get_one(Locker, self.town.locker_id)
            signer = await find_familiar_signer(
                session, row, keyring=self.keyring, now=self.clock.now()
            )
        assert not isinstance(signer, Refusal)
        now = signing.unix_s(self.clock.now())
        return signing.make_time(signer.issuer, signer.lid, now=now, nonce=time_nonce(hello))

    def _take_along(self, phone: Handset, statements: list[Carried]) -> None:
        """The newest replace the former, unless the phone is one that mixes old and new."""
        phone.down = statements if self.goes_well() else [*statements, *phone.down][:6]

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[PhoneLink]:
        heard = await self.locker.radio.connect(self.chance.choice((185, 247, 517)))
        try:
            yield PhoneLink(heard)
        finally:
            await heard.leave()

    @asynccontextmanager
    async def _seconds_pass(self) -> AsyncIterator[None]:
        """Time goes on at the door, so that it opens and falls shut."""

        async def go_on() -> None:
            while True:
                await self.locker.pass_time(1.0)
                self.clock.move(seconds=1)

        going = asyncio.create_task(go_on())
        yield
        going.cancel()

    def _note_lines(self) -> None:
        """Keep what the locker may later forget."""
        after = max(self.written, default=0)
        for seq, raw in self.locker.locker.journal.list_after(after, limit=10_000):
            self.written[seq] = raw


@asynccontextmanager
async def open_countryside(template: SqliteTemplate, *, seed: int) -> AsyncIterator[Countryside]:
    """A countryside in folders of its own, for as long as it is needed."""
    with quick_folder() as folder:
        (folder / "locker").mkdir()
        database = Database(template.copy(folder), durable=False)
        land = await settle_down(database, folder / "locker", seed=seed)
        yield land
        await land.locker.stop()
        await database.close()


async def settle_down(database: Database, folder: Path, *, seed: int) -> Countryside:
    """The town with its server, a new locker that was enrolled and taken away, sixty phones."""
    clock = MovableClock()
    keyring, ids = DerivedKeyring(f"countryside {seed}", clock), CountedIds()
    locker = Standing(folder, compartments=COMPARTMENTS)
    store = open_store(folder)
    identity = commission(
        store, compartments=COMPARTMENTS, roots=ROOTS, take_random=secrets.token_bytes
    )
    store.close()
    await locker.start()
    async with database.write() as session:
        town = await build_town(session)
        row = await session.get_one(Locker, town.locker_id)
        row.lid, row.noise_public = identity.lid, identity.noise_public
        row.sign_public = identity.signing.public
        phones = [_handset(town, number) for number in range(PEOPLE)]
        session.add_all(Person(id=key_of(one.name), created_at=START) for one in phones)
        await session.flush()
        for one in phones:
            await town.add_phone(session, one.name)
    chance = random.Random(seed)
    land = Countryside(database, town, locker, phones, chance, clock, keyring, ids)
    await land.live_on(1)
    return land


def _handset(town: Town, number: int) -> Handset:
    name = f"{'courier' if number < COURIERS else 'neighbour'}-{number}"
    roles = (Role.COURIER,) if number < COURIERS else ()
    return Handset(name, town.actor(name, *roles))
