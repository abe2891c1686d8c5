"""A small town for tests: one hub with one locker, a carrier, people with phones, parcels.

Rows are written as they are after the use-cases that make them; what a test is about, it calls.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone, DoorState, Side
from schema.cose import SigningKey
from schema.ids import KeyId
from schema.keys import Roots
from schema.statements import sign_statement
from server.hubs.rules import HubKind
from server.hubs.tables import Hub, Partner
from server.kit.auth import Actor
from server.kit.errors import Refusal
from server.kit.proofs import key_thumbprint
from server.lockers.choice import ReservationPurpose
from server.lockers.rules import Allocation, ClimateState, LockerState, ServiceState
from server.lockers.service.keysets import add_key_set, compose_key_set, next_key_set_seq
from server.lockers.tables import Compartment, Locker, Reservation, SignedKeySet
from server.parcels.states import ParcelState
from server.parcels.tables import LocationKind, Parcel
from server.people.roles import Role, grants_of
from server.people.rules import Confirmation
from server.people.tables import Carrier, Device, Person
from tests.fakes.journals import JournalingLocker, seed
from tests.fakes.sources import START

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring

ROOT_KID = KeyId(b"\xf0\x01")
ROOT_SEED = seed("root")
ROOT_KEY = ROOT_KID + SigningKey(ROOT_SEED).public
"""The root as settings name it."""
ROOTS = Roots(((ROOT_KID, SigningKey(ROOT_SEED).public),))

COMPARTMENTS = 4


def key_of(name: str) -> uuid.UUID:
    """The row id that a name always has."""
    return uuid.uuid5(uuid.NAMESPACE_OID, name)


def phone_key(name: str) -> SigningKey:
    """The device key of a phone."""
    return SigningKey(seed("phone", name))


class Town:
    """Ids of what is there, and what a test adds to it."""

    def __init__(self) -> None:
        self.machine = JournalingLocker()
        self.hub_id = key_of("hub")
        self.locker_id = key_of("locker")
        self.carrier_id = key_of("carrier")

    def actor(self, name: str, *roles: Role) -> Actor:
        """The person of this name on their phone, with roles at this hub, carrier or network."""
        subjects = {Role.COURIER: self.carrier_id, Role.CARRIER_ADMIN: self.carrier_id}
        at_hub = (Role.HUB_CLERK, Role.HUB_MANAGER, Role.HUB_OWNER, Role.TECHNICIAN)
        subjects |= dict.fromkeys(at_hub, self.hub_id)
        grants = frozenset(grants_of(Role.RECIPIENT)).union(
            *(grants_of(role, subjects.get(role)) for role in roles)
        )
        return Actor(person_id=key_of(name), device_id=key_of(f"{name} phone"), grants=grants)

    @property
    def recipient(self) -> Actor:
        """Whom parcels are for."""
        return self.actor("recipient")

    @property
    def courier(self) -> Actor:
        """Who brings them."""
        return self.actor("courier", Role.COURIER)

    @property
    def operator(self) -> Actor:
        """Who runs the network."""
        return self.actor("operator", Role.OPERATOR)

    @property
    def stranger(self) -> Actor:
        """Somebody else with an account."""
        return self.actor("stranger")

    async def add_phone(
        self, session: Session, name: str, *, at: datetime = START, is_confirmed: bool = True
    ) -> Device:
        """A phone named "NAME phone" for the person "NAME", or one more if there is one."""
        owner = name.split(" ", maxsplit=1)[0]
        device = Device(
            id=key_of(f"{name} phone"),
            person_id=key_of(owner),
            public_key=phone_key(name).public,
            thumbprint=key_thumbprint(phone_key(name).public),
            registered_at=at,
            confirmed_at=at if is_confirmed else None,
            confirmation=Confirmation.FIRST if is_confirmed else None,
            last_seen_at=at,
        )
        session.add(device)
        await session.flush()
        return device

    async def add_staff(self, session: Session, *names: str) -> None:
        """People of these names with a phone each."""
        for name in names:
            session.add(Person(id=key_of(name), created_at=START))
        await session.flush()
        for name in names:
            await self.add_phone(session, name)

    @property
    def manager(self) -> Actor:
        """Who runs the hub; one of `add_staff`."""
        return self.actor("manager", Role.HUB_MANAGER)

    @property
    def clerk(self) -> Actor:
        """Who stands at the hub's counter; one of `add_staff`."""
        return self.actor("clerk", Role.HUB_CLERK)

    @property
    def technician(self) -> Actor:
        """Who repairs the hub's locker; one of `add_staff`."""
        return self.actor("technician", Role.TECHNICIAN)

    async def add_parcel(
        self,
        session: Session,
        name: str = "parcel",
        *,
        state: ParcelState = ParcelState.OUT_FOR_DELIVERY,
        at: datetime = START,
    ) -> Parcel:
        """A parcel for the recipient, on its way to the hub."""
        parcel = Parcel(
            id=key_of(name),
            created_at=at,
            code=name[-16:],
            carrier_id=self.carrier_id,
            tracking_no=name,
            content_hash=seed(name),
            recipient_id=key_of("recipient"),
            width_mm=200,
            height_mm=100,
            depth_mm=300,
            climate_zone=ClimateZone.AMBIENT,
            state=state,
            hub_id=self.hub_id,
            planned_hub_id=self.hub_id,
            location_kind=LocationKind.PLANNED,
        )
        session.add(parcel)
        await session.flush()
        return parcel

    async def reserve(
        self, session: Session, parcel: Parcel, number: int, *, now: datetime = START
    ) -> None:
        """Keeps a compartment for the parcel for a quarter of an hour."""
        door = await session.get(Compartment, key_of(f"door {number}"))
        assert door is not None
        door.allocation = Allocation.RESERVED
        session.add(
            Reservation(
                id=key_of(f"reservation {parcel.tracking_no} {now}"),
                created_at=now,
                compartment_id=door.id,
                parcel_id=parcel.id,
                purpose=ReservationPurpose.STOP,
                expires_at=now + timedelta(minutes=15),
            )
        )
        await session.flush()


async def build_town(session: Session) -> Town:
    """The hub, its locker of four compartments, the carrier, and four people with a phone each."""
    town = Town()
    session.add(Partner(id=key_of("partner"), created_at=START, legal_name="Corner Shop Ltd"))
    session.add(Carrier(id=town.carrier_id, created_at=START, name="Swift Parcels"))
    await session.flush()
    session.add(_hub(town))
    await session.flush()
    session.add(_locker(town))
    await session.flush()
    for number in range(1, COMPARTMENTS + 1):
        session.add(_door(town, number))
    for name in ("recipient", "courier", "operator", "stranger"):
        session.add(Person(id=key_of(name), created_at=START))
    await session.flush()
    for name in ("recipient", "courier", "operator", "stranger"):
        await town.add_phone(session, name)
    return town


async def publish_key_set(
    session: Session, *, keyring: Keyring, ids: Ids, now: datetime
) -> SignedKeySet:
    """Has the root sign the server's keys of this moment, and hands the key set in."""
    seq = await next_key_set_seq(session)
    body = compose_key_set(keyring, seq=seq, now=now)
    signed = sign_statement(SigningKey(ROOT_SEED), ROOT_KID, body)
    row = await add_key_set(session, signed, roots=ROOTS, ids=ids, now=now)
    assert not isinstance(row, Refusal)
    await session.flush()
    return row


def _hub(town: Town) -> Hub:
    return Hub(
        id=town.hub_id,
        created_at=START,
        partner_id=key_of("partner"),
        name="Corner Shop",
        kind=HubKind.LOCKER,
        time_zone="Europe/Tallinn",
        street="Long Street 1",
        postal_code="10133",
        city="Tallinn",
        country="EE",
        latitude=59.44,
        longitude=24.75,
    )


def _locker(town: Town) -> Locker:
    return Locker(
        id=town.locker_id,
        created_at=START,
        hub_id=town.hub_id,
        lid=town.machine.lid,
        serial="L-1",
        noise_public=town.machine.noise_public,
        sign_public=town.machine.key.public,
        sealed_pin_secret=bytes(82),
        state=LockerState.ONLINE,
    )


def _door(town: Town, number: int) -> Compartment:
    return Compartment(
        id=key_of(f"door {number}"),
        locker_id=town.locker_id,
        number=number,
        label=f"A{number}",
        side=Side.LEFT,
        row=number,
        column=1,
        width_mm=400,
        height_mm=200,
        depth_mm=640,
        sill_height_mm=200 * number,
        climate_zone=ClimateZone.AMBIENT,
        allocation=Allocation.FREE,
        door=DoorState.CLOSED,
        service=ServiceState.IN_SERVICE,
        climate=ClimateState.NA,
    )
