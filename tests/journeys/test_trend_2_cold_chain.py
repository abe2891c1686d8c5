"""Food in a locker whose cooling fails, from the thermometer at the door to the phone's notice.

Agent, phones and server are the real ones, over radio in memory and over HTTP; the cold is
simulated, and whoever passes carries the journal home.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from ble_agent.backends.carrier import Declined
from ble_agent.phone import bundles
from schema.compartments import ClimateZone
from schema.journal import Kind
from server.climate.jobs import hold_spoiled
from server.climate.rules import BUDGET
from server.lockers.rules import ClimateState
from server.lockers.tables import Compartment
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.people.rules import PushKind
from server.people.tables import Device
from tests.fakes.district import District, open_district
from tests.fakes.shops import HandWorker
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.app import House
    from server.kit.guard import GuardedSchema

NEAR = "locker"
FRIDGE, SHELF = 1, 2
PARCEL = """query ($id: ID!) { parcel(id: $id) { state availableThrough safeUntil pauseCause
  troubles { kind nextSteps } } }"""


@pytest.fixture
async def district(house: House, schema: GuardedSchema, tmp_path: Path) -> AsyncIterator[District]:
    async with open_district(house, schema, tmp_path) as made:
        yield made


class Shop:
    """The district's near locker with one cooled compartment, and the worker that tells people."""

    def __init__(self, district: District) -> None:
        self.district = district
        self.worker = HandWorker(district.house)

    async def open(self) -> None:
        """Everybody has a phone; the recipient's can be pushed to. The cooled door is warm yet."""
        async with self.district.house.database.write() as session:
            door = await session.get_one(Compartment, key_of(f"door {FRIDGE}"))
            door.climate_zone, door.climate = ClimateZone.CHILLED, ClimateState.PREPARING
        await self.district.meet("recipient", "courier")
        async with self.district.house.database.write() as session:
            public = self.district.people["recipient"].wallet.key.public
            query = select(Device).where(Device.public_key == public)
            device = (await session.exec(query)).one()
            device.push_kind, device.push_target = PushKind.FCM_TOKEN, "the-phone"

    async def be(self, celsius: float, *, hours: float) -> None:
        """It is so cold at every door for so long."""
        self.district.lockers[NEAR].hardware.set_temperature(celsius)
        for _ in range(int(hours * 4)):
            await self.district.pass_hours(0.25)

    async def put_in(self, name: str, comp: int, zone: ClimateZone) -> str:
        """The courier brings a parcel, and what the locker has written since the last visit."""
        parcel = await self.district.announce(name, "recipient")
        async with self.district.house.database.write() as session:
            (await session.get_one(Parcel, key_of(name))).climate_zone = zone
        courier = self.district.people["courier"]
        account = self.district.account("courier")
        found = await bundles.fetch_deposits(account, [parcel], is_route=True)
        courier.wallet.put_bundle(parcel, found[parcel])
        told = await self.district.door("courier", "deposit", NEAR, parcel, leaves=True, comp=comp)
        assert told["isDeposited"], told
        await self.hear("courier")
        return parcel

    async def fetch(self, parcel: str) -> None:
        """The recipient takes a parcel out, and the journal along."""
        await self.take_along(parcel)
        await self.district.door("recipient", "collect", NEAR, parcel, leaves=False)
        await self.hear("recipient")

    async def take_along(self, parcel: str) -> None:
        bundle = await bundles.fetch_unlock(self.district.account("recipient"), parcel)
        self.district.people["recipient"].wallet.put_bundle(parcel, bundle)

    async def hear(self, name: str) -> None:
        await self.district.deliver(name)
        await self.worker.handle_all()

    async def climate(self) -> ClimateState:
        async with self.district.house.database.read() as session:
            return (await session.get_one(Compartment, key_of(f"door {FRIDGE}"))).climate

    def titles(self) -> list[str]:
        """What the phone has shown."""
        return [one.title for one in self.worker.push.sent]


@pytest.mark.both_databases_in_ci
async def test_food_is_kept_cold_told_of_in_time_and_held_when_it_is_not_safe(
    district: District,
) -> None:
    shop = Shop(district)
    async with district.online():
        await shop.open()
        # The first courier brings the locker its configuration; from then on it watches the door.
        book = await shop.put_in("book", SHELF, ClimateZone.AMBIENT)
        assert await shop.climate() is ClimateState.PREPARING
        await shop.be(4.0, hours=0.5)
        await shop.put_in("lamp", 3, ClimateZone.AMBIENT)
        assert await shop.climate() is ClimateState.READY
        food = await shop.put_in("food", FRIDGE, ClimateZone.CHILLED)
        assert await district.state(food) is ParcelState.READY_FOR_PICKUP
        await shop.take_along(food)
        # The compressor stops at lunchtime; who comes for the book carries the news home.
        shop.worker.push.sent.clear()
        warm_since = district.house.clock.now() + timedelta(minutes=15)
        await shop.be(9.0, hours=0.5)
        assert (Kind.EXCURSION, [FRIDGE, 1, 90]) in district.lockers[NEAR].journal()
        await shop.fetch(book)
        assert "Please fetch your cooled parcel soon" in shop.titles()
        row = await district.parcel(food)
        assert row.safe_until is not None
        assert abs(row.safe_until - (warm_since + BUDGET)) < timedelta(minutes=1)
        told = (await district.account("recipient").ask(PARCEL, {"id": food}))["parcel"]
        assert told["safeUntil"] < told["availableThrough"]
        assert told["troubles"] == [
            {"kind": "EXCURSION", "nextSteps": ["FETCH_SOON", "ASK_AT_HUB"]}
        ]
        # Nobody came in time.
        await shop.be(9.0, hours=4)
        house = district.house
        assert await hold_spoiled(house.database, ids=house.ids, now=house.clock.now()) == 1
        await shop.worker.handle_all()
        assert shop.titles()[-1] == "Your cooled parcel may not be safe any more"
        told = (await district.account("recipient").ask(PARCEL, {"id": food}))["parcel"]
        assert (told["state"], told["pauseCause"]) == ("ON_HOLD", "LOCKER_FAULT")
        with pytest.raises(Declined, match="CLIMATE_HOLD"):
            await shop.take_along(food)
        count = len(shop.titles())
        await shop.be(9.0, hours=24)
        await shop.worker.handle_all()
        assert len(shop.titles()) == count
