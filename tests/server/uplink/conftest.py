"""A town whose locker speaks: parcels are deposited and collected, and envelopes brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.tokens import parse_token
from server.access.service.bundles import Tools, UnlockBundle, make_unlock_bundle
from server.access.service.deposits import Deposit, Stop, make_courier_bundle
from server.access.tables import Grant
from server.kit.keyring import Purpose
from server.lockers.tables import Incident
from server.parcels.tables import Parcel
from server.uplink.deliver import Taken, deliver_envelope
from tests.fakes.town import Town, build_town, key_of, phone_key, publish_key_set

if TYPE_CHECKING:
    from schema.ids import StayId
    from schema.readings import Reading
    from server.kit.db import Database
    from server.kit.errors import Refusal
    from server.parcels.states import ParcelState
    from tests.fakes.journals import JournalingLocker
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness

assert Grant.__tablename__, "the tables of access must be known before the templates are made"


@dataclass
class Story:
    """What people and the locker do, and what the server then knows."""

    database: Database
    town: Town
    keyring: DerivedKeyring
    ids: CountedIds
    randomness: SeededRandomness
    clock: MovableClock

    @property
    def machine(self) -> JournalingLocker:
        """The locker."""
        return self.town.machine

    @property
    def tools(self) -> Tools:
        """What making tokens needs at this moment."""
        return Tools(self.keyring, self.ids, self.randomness, self.clock.now())

    def seal(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        machine: JournalingLocker | None = None,
        readings: tuple[Reading, ...] = (),
    ) -> bytes:
        """An envelope of the locker's entries."""
        key = self.keyring.list_keys(Purpose.SEAL)[0]
        speaker = machine or self.machine
        return speaker.envelope(first, last, kid=key.kid, to=key.public, readings=readings)

    async def bring(self, envelope: bytes) -> Taken | Refusal:
        """Somebody brings these bytes."""
        return await deliver_envelope(
            self.database, envelope, keyring=self.keyring, ids=self.ids, now=self.clock.now()
        )

    async def bring_all(self) -> Taken:
        """Somebody brings the whole journal."""
        taken = await self.bring(self.seal())
        assert isinstance(taken, Taken)
        return taken

    async def offer(self, number: int = 3, *, name: str = "parcel") -> Deposit:
        """A parcel for which the courier holds a deposit token at this compartment."""
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session, name, at=self.clock.now())
            await self.town.reserve(session, parcel, number, now=self.clock.now())
        async with self.database.write() as session:
            stops = await make_courier_bundle(
                session,
                self.town.courier,
                parcel_ids=[parcel.id],
                is_route=False,
                tools=self.tools,
            )
        assert isinstance(stops, list)
        assert isinstance(stops[0], Stop)
        return stops[0].deposits[0]

    async def deposit(self, number: int = 3, *, name: str = "parcel") -> StayId:
        """The courier has put a parcel in; the locker wrote it down, nobody brought it yet."""
        offered = await self.offer(number, name=name)
        claims = parse_token(offered.token.raw).claims
        self.machine.admit(offered.token.raw, number, phone_key("courier"))
        self.machine.move_door(number, before=False, after=True)
        self.machine.write(12, number, claims.stay)
        return claims.stay

    async def unlock_bundle(self, name: str = "parcel") -> UnlockBundle:
        """The recipient's phone asks for what it needs."""
        async with self.database.write() as session:
            got = await make_unlock_bundle(
                session, self.town.recipient, parcel_id=key_of(name), tools=self.tools
            )
        assert isinstance(got, UnlockBundle)
        return got

    async def state(self, name: str = "parcel") -> ParcelState:
        """The parcel's state."""
        return (await self.parcel(name)).state

    async def parcel(self, name: str = "parcel") -> Parcel:
        """The parcel's row."""
        async with self.database.read() as session:
            row = await session.get(Parcel, key_of(name))
        assert row is not None
        return row

    async def incidents(self) -> list[str]:
        """The kinds of all incidents, in order."""
        async with self.database.read() as session:
            return sorted(row.kind for row in await session.exec(select(Incident)))

    async def grants(self) -> dict[str, str]:
        """Action and state of the newest grant of each action."""
        async with self.database.read() as session:
            rows = await session.exec(select(Grant).order_by(Grant.created_at))  # type: ignore[arg-type]  # a column here
            return {row.action.value: row.state.value for row in rows}


@pytest.fixture
async def story(
    database: Database,
    keyring: DerivedKeyring,
    ids: CountedIds,
    randomness: SeededRandomness,
    clock: MovableClock,
) -> Story:
    async with database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    return Story(database, town, keyring, ids, randomness, clock)
