"""Doors that do not do as they should, from the bolt to what people read: stuck, left open, forced.

The agent, the phones and the server are the real ones; the doors are simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlmodel import col, select

from ble_agent.codes import Codes
from ble_agent.hardware.simulated import Faults
from schema.codes import Code, DoorEvent
from schema.handshake import OpenRequest
from schema.journal import Kind
from schema.keys import Operation
from server.app import make_app
from server.kit.db import Database
from server.kit.graph import global_id, read_id
from server.lockers.service.pin_secrets import seal_secret
from server.lockers.tables import Compartment, Locker
from server.parcels.tables import Parcel
from server.people.roles import Role
from server.people.rules import ContactKind
from server.people.tables import ContactAddress, Device, Membership
from tests.ble_agent.standing import quick_folder
from tests.ble_agent.visitor import Visitor
from tests.fakes.phone import Phone
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import key_of, phone_key
from tests.faults.countryside import COURIERS, Countryside, Handset, settle_down
from tests.makers import make_house

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from server.kit.guard import GuardedSchema
    from tests.fakes.stores import SqliteTemplate

TROUBLES = """query ($id: ID!) { parcel(id: $id) { state assurance
  troubles { kind nextSteps } } }"""
INCIDENTS = "{ incidents { edges { node { kind detail nextSteps } } } }"
PASS = """mutation ($id: ID!) { requestPass(parcelId: $id) {
  ... on Pass { pin compartment { number } } } }"""


@dataclass
class Place:
    """One locker with one parcel in it, whoever waits for that, and whoever keeps the hub."""

    land: Countryside
    worker: HandWorker
    parcel_id: uuid.UUID
    comp: int
    handset: Handset
    recipient: Phone
    manager: Phone

    async def open(self) -> int:
        """The recipient asks at the door, and carries home what the locker wrote; the answer."""
        return await self.open_by(await self.get_token())

    async def open_by(self, token: bytes) -> int:
        """The same by a token that the phone has already."""
        outcome = await self.land.visit(self.handset, token, OpenRequest(Operation.OPEN))
        await self.land.reach_network(self.handset)
        return outcome.result.code

    async def open_and_leave(self) -> int:
        """The recipient is let in and walks off, whatever the door does; the answer."""
        token = await self.get_token()
        locker = self.land.locker
        visitor = Visitor(locker, await locker.radio.connect(517), phone_key(self.handset.name))
        report = await visitor.greet_and_ask(token, OpenRequest(Operation.OPEN))
        await locker.pass_time(1)
        await visitor.leave()
        return report.code

    async def get_token(self) -> bytes:
        """What the recipient's phone opens with."""
        async with self.land.database.read() as session:
            parcel = await session.get_one(Parcel, self.parcel_id)
        return (await self.land.ask_unlock(self.handset, parcel)).token.raw

    async def hear(self) -> None:
        """Somebody else comes by, and carries home what the locker wrote meanwhile."""
        await self.land.bring_parcel()
        for one in self.land.phones:
            await self.land.reach_network(one)
        await self.worker.handle_all()

    async def parcel(self) -> dict[str, Any]:
        """What the recipient reads of the parcel."""
        got = await self.recipient.ask(TROUBLES, id=global_id("Parcel", self.parcel_id))
        parcel: dict[str, Any] = got["parcel"]
        return parcel

    async def incidents(self) -> list[tuple[str, list[str]]]:
        """What whoever keeps the hub reads: what is wrong, and what can be done."""
        edges = (await self.manager.ask(INCIDENTS))["incidents"]["edges"]
        return [(edge["node"]["kind"], edge["node"]["nextSteps"]) for edge in edges]

    def letters(self) -> list[str]:
        """The titles of what the recipient was written since the parcel was ready."""
        return [one.subject for one in self.worker.letters.sent if "ready" not in one.subject]


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
            yield await _move_in(land, worker, client)
        await land.locker.stop()
        await database.close()


async def _move_in(land: Countryside, worker: HandWorker, client: httpx.AsyncClient) -> Place:
    house = worker.house
    await land.bring_parcel()
    for one in land.phones:
        await land.reach_network(one)
    async with land.database.write() as session:
        parcel = (await session.exec(select(Parcel).order_by(col(Parcel.code)))).one()
        door = (
            await session.exec(select(Compartment).where(Compartment.allocation == "OCCUPIED"))
        ).one()
        locker = await session.get_one(Locker, land.town.locker_id)
        locker.sealed_pin_secret = seal_secret(land.locker.locker.identity.pin_secret, land.keyring)
        handset = next(
            one for one in land.phones[COURIERS:] if one.actor.person_id == parcel.recipient_id
        )
        session.add(
            ContactAddress(
                id=land.ids.new(),
                created_at=START,
                person_id=key_of(handset.name),
                kind=ContactKind.EMAIL,
                address="recipient@example.org",
            )
        )
    recipient = Phone(house, client, f"phone/{handset.name}")
    await recipient.sign_in("recipient@example.org")
    manager = Phone(house, client, "manager")
    await manager.sign_in("manager@example.org")
    async with land.database.write() as session:
        device = await session.get_one(Device, read_id("Device", manager.device_id))
        session.add(
            Membership(
                id=land.ids.new(),
                created_at=START,
                person_id=device.person_id,
                role=Role.HUB_MANAGER,
                subject=land.town.hub_id,
            )
        )
    await worker.handle_all()
    return Place(land, worker, parcel.id, door.number, handset, recipient, manager)


async def test_stuck_door_is_told_with_a_way_on_and_staff_help_at_it(place: Place) -> None:
    hardware = place.land.locker.hardware
    hardware.set_faults(place.comp, Faults(stuck_pulses=3))
    assert await place.open() == Code.OK
    assert Kind.OPEN_NOT_DETECTED in place.land.locker.kinds()
    assert await place.parcel() == {
        "state": "READY_FOR_PICKUP",
        "assurance": None,
        "troubles": [{"kind": "OPEN_NOT_DETECTED", "nextSteps": ["TRY_AGAIN", "ASK_AT_HUB"]}],
    }
    assert await place.incidents() == [("OPEN_NOT_DETECTED", ["HELP_AT_DOOR", "CALL_TECHNICIAN"])]
    # Somebody of the hub pushes the door in while the recipient's pass is typed.
    got = await place.recipient.ask(PASS, id=global_id("Parcel", place.parcel_id))
    heard: list[DoorEvent] = []
    keypad = Codes(place.land.locker.locker, lambda event, _comp, _line: heard.append(event))
    assert keypad.enter_pin(place.comp, got["requestPass"]["pin"]).code == Code.OK
    await place.land.locker.pass_time(5)
    assert heard == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_EMPTY]
    await place.hear()
    assert await place.parcel() == {"state": "COLLECTED", "assurance": "C", "troubles": []}
    assert await place.incidents() == []


async def test_door_that_does_not_open_three_times_is_out_of_service_and_its_parcel_held(
    place: Place,
) -> None:
    hardware = place.land.locker.hardware
    hardware.set_faults(place.comp, Faults(stuck_pulses=100))
    token = await place.get_token()
    for _ in range(3):
        assert await place.open_by(token) == Code.OK
    await place.worker.handle_all()
    assert await place.parcel() == {
        "state": "ON_HOLD",
        "assurance": None,
        "troubles": [{"kind": "OPEN_NOT_DETECTED", "nextSteps": ["ASK_AT_HUB", "WAIT_FOR_REPAIR"]}],
    }
    assert place.letters() == ["Something is wrong with your parcel"]
    async with place.land.database.read() as session:
        door = (
            await session.exec(select(Compartment).where(Compartment.number == place.comp))
        ).one()
    assert door.service == "OUT_OF_SERVICE"
    # Thawed and repaired, it opens to the token that the recipient still has.
    hardware.set_faults(place.comp, Faults())
    assert await place.open_by(token) == Code.OK
    assert await place.parcel() == {"state": "COLLECTED", "assurance": "A", "troubles": []}


async def test_door_left_open_is_asked_to_be_shut_then_told_to_the_hub_then_over(
    place: Place,
) -> None:
    land, locker = place.land, place.land.locker
    locker.hardware.set_faults(place.comp, Faults(stays_open=True))
    assert await place.open_and_leave() == Code.OK
    await locker.pass_time(120)
    land.clock.move(seconds=120)
    assert locker.kinds()[-2:] == [Kind.CLOSE_OVERDUE, Kind.COLLECTED]
    await place.hear()
    assert sorted(place.letters()) == [
        "A locker door stands open",
        "Something is wrong with your parcel",
    ]
    parcel = await place.parcel()
    assert (parcel["state"], parcel["assurance"]) == ("ON_HOLD", None)
    about_the_parcel = ("CLOSE_OVERDUE", ["SHUT_DOOR", "INSPECT"])
    assert await place.incidents() == [about_the_parcel]
    await locker.pass_time(600)
    land.clock.move(seconds=600)
    await place.manager.refresh()
    assert await place.worker.handle_all() == ["locker.door_still_open"]
    assert await place.incidents() == [about_the_parcel, about_the_parcel]
    locker.hardware.swing_shut(place.comp, occupied=False)
    await locker.pass_time(5)
    await place.hear()
    # The door is no trouble any more; what became of the parcel, somebody has to say.
    assert await place.incidents() == [about_the_parcel]
    assert len(place.letters()) == 2


async def test_door_that_a_mechanical_key_opens_is_an_alarm_and_its_parcel_held(
    place: Place,
) -> None:
    """The lock's own key moves no bolt of ours: the door contact alone tells of it."""
    locker = place.land.locker
    stay = locker.stay(place.comp)
    locker.hardware.swing_open(place.comp)
    await locker.pass_time(5)
    assert (Kind.UNEXPECTED_OPEN, [place.comp]) in locker.journal()
    locker.hardware.swing_shut(place.comp)
    await locker.pass_time(1)
    assert locker.stay(place.comp) == stay
    await place.hear()
    assert await place.parcel() == {
        "state": "ON_HOLD",
        "assurance": None,
        "troubles": [{"kind": "UNEXPECTED_OPEN", "nextSteps": ["WAIT_FOR_DECISION", "ASK_AT_HUB"]}],
    }
    assert await place.incidents() == [
        ("UNEXPECTED_OPEN", ["SHUT_DOOR", "INSPECT", "CALL_TECHNICIAN"])
    ]
    assert place.letters() == ["Something is wrong with your parcel"]
