"""The town behind the whole API: people on their phones, signed in by code and device proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id, read_id
from server.parcels.tables import Parcel, Stay, StayParcel
from server.people.tables import Device, Membership
from tests.fakes.journals import stay_of
from tests.fakes.phone import Phone
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    import uuid

    import httpx

    from server.app import House
    from server.parcels.states import ParcelState
    from server.people.roles import Role
    from tests.fakes.town import Town

PARCEL = str(global_id("Parcel", key_of("parcel")))
LOCKER = str(global_id("Locker", key_of("locker")))


@dataclass
class Square:
    """Where people of the town meet the API."""

    town: Town
    house: House
    client: httpx.AsyncClient

    async def phone(self, name: str, *roles: Role) -> Phone:
        """Somebody's phone, signed in; the roles are held at the town's carrier or hub."""
        phone = Phone(self.house, self.client, name)
        await phone.sign_in(f"{name}@example.org")
        person = await self.person_of(phone)
        async with self.house.database.write() as session:
            for role in roles:
                is_carriers = role in {"courier", "carrier_admin"}
                place = self.town.carrier_id if is_carriers else self.town.hub_id
                session.add(
                    Membership(
                        id=self.house.ids.new(),
                        created_at=START,
                        person_id=person,
                        role=role,
                        subject=None if role == "operator" else place,
                    )
                )
        return phone

    async def person_of(self, phone: Phone) -> uuid.UUID:
        """The account that the phone is signed in to."""
        key = read_id("Device", phone.device_id)
        assert key is not None
        async with self.house.database.read() as session:
            device = await session.get(Device, key)
        assert device is not None
        return device.person_id

    async def put_in(self, phone: Phone, state: ParcelState, number: int = 3) -> None:
        """A parcel for the phone's owner lies in this compartment."""
        owner = await self.person_of(phone)
        async with self.house.database.write() as session:
            parcel = await self.town.add_parcel(session, state=state)
            parcel.recipient_id = owner
            session.add(
                Stay(
                    id=key_of("stay"),
                    name=stay_of(1),
                    created_at=START,
                    locker_id=self.town.locker_id,
                    compartment_id=key_of(f"door {number}"),
                    begun_at=START,
                )
            )
            await session.flush()
            session.add(StayParcel(stay_id=key_of("stay"), parcel_id=parcel.id, put_in_at=START))
            parcel.stay_id = key_of("stay")

    async def reserve(self, number: int = 3) -> Parcel:
        """A parcel on its way, with this compartment kept for it."""
        async with self.house.database.write() as session:
            parcel = await self.town.add_parcel(session)
            await self.town.reserve(session, parcel, number)
        return parcel

    async def ask_as_nobody(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data for a caller without an account."""
        response = await self.client.post("/graphql", json={"query": query, "variables": variables})
        answer: dict[str, Any] = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data


@pytest.fixture
def square(town: Town, house: House, api: httpx.AsyncClient) -> Square:
    return Square(town, house, api)
