"""Callers of the API other than a recipient's phone: carriers' systems, and staff on phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.kit.errors import Refusal
from server.people.roles import CarrierRight, Role
from server.people.rules import read_contact
from server.people.service import api_keys
from server.people.service.accounts import add_operator, ensure_person
from server.people.tables import Membership
from tests.fakes.phone import Phone

if TYPE_CHECKING:
    import uuid

    import httpx

    from server.app import House
    from tests.fakes.town import Town


class CarrierSystem:
    """A carrier's computer with an API key."""

    def __init__(self, client: httpx.AsyncClient, secret: str) -> None:
        self.client = client
        self._secret = secret

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an operation that must not end in an error."""
        response = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self._secret}"},
        )
        answer: dict[str, Any] = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data


async def connect_carrier(house: House, client: httpx.AsyncClient, town: Town) -> CarrierSystem:
    """The system of the town's carrier, with every right that carriers may have."""
    async with house.database.write() as session:
        made = await api_keys.create_api_key(
            session,
            town.operator,
            wish=api_keys.KeyWish(town.carrier_id, "system", frozenset(CarrierRight)),
            ids=house.ids,
            randomness=house.randomness,
            now=house.clock.now(),
        )
    assert not isinstance(made, Refusal)
    return CarrierSystem(client, made.secret)


async def sign_in_staff(
    house: House,
    client: httpx.AsyncClient,
    role: Role,
    subject: uuid.UUID | None = None,
) -> Phone:
    """A phone signed in as somebody with this role at a hub, in a carrier or in the network."""
    address = f"{role}@example.org"
    contact = read_contact(address)
    assert contact is not None
    now = house.clock.now()
    async with house.database.write() as session:
        if role is Role.OPERATOR:
            await add_operator(session, contact, ids=house.ids, now=now)
        else:
            person_id = await ensure_person(session, contact, ids=house.ids, now=now)
            session.add(
                Membership(
                    id=house.ids.new(),
                    created_at=now,
                    person_id=person_id,
                    role=role,
                    subject=subject,
                )
            )
    phone = Phone(house, client, address)
    await phone.sign_in(address)
    return phone
