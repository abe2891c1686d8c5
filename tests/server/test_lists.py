"""No list costs more SQL the longer it is; what a caller names one by one costs each the same."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType, get_named_type, get_nullable_type, is_list_type

from server.access.rules import Action
from server.access.service.grants import GrantTerms, issue_grant
from server.access.tables import EmergencyOpening, IssuedToken, PassedOn
from server.app import make_app
from server.graph import api_schema
from server.hubs.tables import Hub, HubClosure, HubOpening
from server.kit.graph import global_id, read_id
from server.kit.keyring import Purpose
from server.ledger.own.rules import device_added
from server.ledger.own.service import note
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service.facts import open_incident
from server.lockers.tables import Compartment, CompartmentEvent, Locker
from server.notices.rules import NoticeKind
from server.notices.tables import Notice
from server.parcels.tables import Parcel
from server.people.preferences import Channel
from server.people.roles import Role
from server.people.rules import ContactKind
from server.people.tables import ContactAddress, Device, Membership
from tests.fakes.counting import counted_statements
from tests.fakes.journals import stay_of
from tests.fakes.phone import Phone
from tests.fakes.socket import open_socket
from tests.fakes.sources import START
from tests.fakes.town import Town, build_town, key_of, publish_key_set

if TYPE_CHECKING:
    import uuid

    import httpx

    from server.app import House
    from server.kit.db import Session
    from server.kit.guard import GuardedSchema

LISTS = {
    "Query.hubs": "{ hubs(first: 100) { edges { node { openingHours { weekday } closures { reason }"
    " isOpen nextOpeningAt } } } }",
    "Query.lockers": "{ lockers(hub: $hub) { serial hub { name } compartments { number } } }",
    "Query.incidents": "{ incidents(first: 100) { edges { node { id kind detail nextSteps } } } }",
    "Query.parcels": "{ parcels(first: 100) { edges { node { code location { hub { name } locker "
    "{ serial } compartment { label } words } history { edges { node { row } } } troubles { kind "
    "nextSteps } pauses { cause evidence { subject } } disputes { reason } extensions { hours } "
    "reservation { compartment { number } locker { serial } } } } } }",
    "Query.unknownStatuses": "{ unknownStatuses { sourceCode reports } }",
    "Query.journal": "{ journal(lockerId: $locker, first: 100) { edges { node { kind } } } }",
    "Query.delegations": "{ delegations(parcelId: $parcel, first: 100) { edges { node { id state "
    "expiresAt } } } }",
    "Query.compartmentHistory": "{ compartmentHistory(locker: $locker, number: 1, first: 100) "
    "{ edges { node { at row reason } } } }",
    "Query.emergencyOpenings": "{ emergencyOpenings(locker: $locker, first: 100) "
    "{ edges { node { id reason askedAt } } } }",
    "HubFeed.lockers": "{ hubFeed(hub: $hub) { hub { name } lockers { serial compartments { number "
    "} } } }",
    "HubFeed.parcels": "{ hubFeed(hub: $hub) { parcels(first: 100) { edges { node { code location "
    "{ locker { serial } } } } } } }",
    "HubFeed.incidents": "{ hubFeed(hub: $hub) { incidents(first: 100) { edges { node { kind } } } "
    "} }",
    "Me.parcels": "{ me { parcels(first: 100) { edges { node { code location { hub { name } locker "
    "{ serial } } history { edges { node { row } } } } } } } }",
    "Me.sentParcels": "{ me { sentParcels(first: 100) { edges { node { code location { hub "
    "{ name } } } } } } }",
    "Me.devices": "{ me { devices { name } } }",
    "Query.serverJournal": "{ serverJournal(first: 100) { edges { node { kind head } } } }",
    "Me.keyHistory": "{ me { keyHistory(first: 100) { edges { node { kind thumbprint } } } } }",
    "Me.roles": "{ me { roles { role place } } }",
    "Me.addresses": "{ me { addresses } }",
    "Me.notices": "{ me { notices(first: 100) { edges { node { kind parcel state } } } } }",
    "Query.parcelNotices": "{ parcelNotices(parcel: $parcel, first: 100) "
    "{ edges { node { kind } } } }",
}
"""A query for each list that can be long. Those inside others are asked for there."""

INSIDE = {
    "Parcel.pauses",
    "Parcel.disputes",
    "Parcel.extensions",
    "Hub.openingHours",
    "Hub.closures",
    "Locker.compartments",
    "Parcel.history",
    "Parcel.troubles",
    "Trouble.nextSteps",
    "Incident.nextSteps",
}
"""Lists that belong to an entry of a list above."""

OF_ONE_THING = {
    "PublicLog.keys",
    "ParcelEvidence.disputes",
    "Subscription.noticesChanged",
    "GuestParcel.history",
    "HubOccupancy.forecast",
    "Query.pickupWindows",
    "Query.hubsNearby",
    "Query.redirectChoices",
    "Query.expectedPickups",
    "Preferences.channels",
    "Preferences.allowedHubs",
    "Preferences.favouriteHubs",
    "Preferences.usualWindows",
    "UsualWindow.weekdays",
    "ParcelProof.entries",
    "ParcelProof.formerSignPublic",
    "Query.lockerStatements",
    "UnlockBundle.statements",
    "InspectionBundle.statements",
    "EnrolLockerPayload.statements",
    "EnrolLockerPayload.stays",
    "CourierStop.statements",
    "RemovalStop.statements",
    "DropoffBundle.statements",
    "DropoffBundle.compartments",
    "EnvelopeTaken.statements",
    "Deposit.compartments",
    "Deposit.additions",
    "DepositAddition.compartments",
}
"""Lists read by one statement each, or none; the tests of their use-cases say how long they get."""

BY_NAME = {
    "CourierBundle.stops",
    "CourierStop.deposits",
    "RemovalBundle.stops",
    "RemovalStop.removals",
    "DeliverEnvelopesPayload.outcomes",
    "DeliverSignedHeadsPayload.outcomes",
}
"""Lists as long as what the caller named, entry by entry."""

SCAN = """mutation ($id: ID!, $code: String!) {
  reportScan(parcel: $id, sourceSystem: "other", sourceCode: $code) { __typename } }"""
COURIER = """mutation ($ids: [ID!]!) { outcome: courierBundle(parcelIds: $ids) { __typename
  ... on CourierBundle { stops { deposits { parcelId compartments } } } } }"""
DELIVER = """mutation ($envelopes: [Base64!]!) { outcome: deliverEnvelopes(envelopes: $envelopes) {
  ... on DeliverEnvelopesPayload { outcomes { ... on EnvelopeTaken { accepted } } } } }"""

DEPOSIT_STATEMENTS = 18
"""Most statements for each parcel of a courier's bundle: it is locked, its stay minted, its grant
and token written, and once more for the compartment that it may share.
"""


@dataclass
class Village:
    """The town, somebody who may see all of it, and their phone."""

    town: Town
    phone: Phone
    person_id: uuid.UUID
    house: House

    async def cost(self, query: str, **variables: Any) -> int:
        """Statements of one request."""
        return (await self.measure(query, **variables))[0]

    async def measure(self, query: str, **variables: Any) -> tuple[int, int]:
        """Statements of one request, and the length of its answer."""
        async with counted_statements(self.house.database) as statements:
            answer = await self.phone.ask(query, **variables)
        return len(statements), len(str(answer))

    async def watch(self, query: str, **variables: Any) -> tuple[int, int]:
        """Statements until a subscription has told its first state, and the length of that."""
        token, schema = self.phone.access_token, api_schema()
        async with (
            counted_statements(self.house.database) as statements,
            open_socket(make_app(self.house, schema)) as socket,
        ):
            proof = self.phone.proof(token=token, htm="GET")
            await socket.init(authorization=f"DPoP {token}", dpop=proof)
            payload = {"query": query, "variables": variables}
            await socket.send({"type": "subscribe", "id": "1", "payload": payload})
            message = await socket.receive()
        assert message["type"] == "next", message
        return len(statements), len(str(message))

    async def grow(self, size: int) -> None:
        """One more of everything, `size` times."""
        for _ in range(size):
            async with self.house.database.write() as session:
                parcel = await self._add_things(session)
            for word in ("ODD", "ODDER"):
                code = f"{word} {parcel}"
                await self.phone.ask(SCAN, id=global_id("Parcel", parcel), code=code)
        await self.bring(size)

    async def bring(self, entries: int) -> int:
        """The cost of an envelope with so many new journal entries."""
        machine, seal = self.town.machine, self.house.keyring.list_keys(Purpose.SEAL)[0]
        first = machine.boot()
        for _ in range(entries - 1):
            machine.boot()
        envelope = machine.envelope(first, kid=seal.kid, to=seal.public)
        return await self.cost(DELIVER, envelopes=[base64.b64encode(envelope).decode()])

    async def _add_things(self, session: Session) -> uuid.UUID:
        ids, town = self.house.ids, self.town
        new = ids.new()
        hub = await session.get_one(Hub, town.hub_id)
        session.add(Hub(**{**hub.model_dump(), "id": new}))
        await session.flush()
        for hub_id in (new, town.hub_id):
            weekday = new.int % 7
            session.add(
                HubOpening(
                    id=ids.new(), hub_id=hub_id, weekday=weekday, opens_minute=0, closes_minute=60
                )
            )
            day = date(2030, 1, 1) + timedelta(days=new.int % 1000)
            session.add(
                HubClosure(
                    id=ids.new(),
                    hub_id=hub_id,
                    first_day=day,
                    last_day=day,
                    reason="Closed",
                    is_planned=True,
                    shifts_deadlines=True,
                )
            )
        await self._add_locker(session, new)
        session.add(
            Membership(
                id=ids.new(),
                created_at=START,
                person_id=self.person_id,
                role=Role.HUB_CLERK,
                subject=new,
            )
        )
        session.add(
            ContactAddress(
                id=ids.new(),
                created_at=START,
                person_id=self.person_id,
                kind=ContactKind.EMAIL,
                address=f"{new}@example.org",
            )
        )
        phone = await town.add_phone(session, f"operator {new}")
        phone.person_id = self.person_id
        note(session, device_added(phone.thumbprint, self.person_id), now=START)
        finding = Finding(kind=IncidentKind.OBJECTION, subject_id=new, hub_id=town.hub_id)
        await open_incident(session, finding, ids=ids, now=START)
        parcel = await town.add_parcel(session, str(new))
        parcel.recipient_id = parcel.sender_id = self.person_id
        finding = Finding(kind=IncidentKind.OBJECTION, subject_id=parcel.id, hub_id=town.hub_id)
        await open_incident(session, finding, ids=ids, now=START)
        await self._share(session, new)
        self._decide(session, new)
        self._tell(session, new)
        return parcel.id

    def _decide(self, session: Session, new: uuid.UUID) -> None:
        """One more decision about a compartment, and one more emergency opening."""
        session.add(
            CompartmentEvent(
                id=new,
                compartment_id=key_of("door 1"),
                at=START,
                recorded_at=START,
                row="C14",
                before="IN_SERVICE",
                after="QUARANTINED",
            )
        )
        session.add(
            EmergencyOpening(
                id=new,
                locker_id=self.town.locker_id,
                reason="Fire",
                asked_at=START,
                asked_by=self.person_id,
                expires_at=START,
            )
        )

    def _tell(self, session: Session, new: uuid.UUID) -> None:
        """One more notice to the person, about the parcel that is shared."""
        notice = Notice(
            id=new,
            person_id=self.person_id,
            subject=key_of("shared parcel"),
            kind=NoticeKind.READY,
            version=new.int % 2**60,
            channel=Channel.EMAIL,
            created_at=START,
        )
        session.add(notice)

    async def _share(self, session: Session, new: uuid.UUID) -> None:
        """One more delegation of the one parcel that is shared."""
        if await session.get(Parcel, key_of("shared parcel")) is None:
            await self.town.add_parcel(session, "shared parcel")
        terms = GrantTerms(
            action=Action.OPEN,
            parcel_id=key_of("shared parcel"),
            locker_id=self.town.locker_id,
            stay=stay_of(1),
            compartment=None,
            holder_id=self.person_id,
        )
        grant = await issue_grant(session, terms, grant_id=new, now=START)
        token = IssuedToken(
            cti=new.bytes[-8:],
            grant_id=grant.id,
            device_id=new,
            lid=self.town.machine.lid,
            kid=b"\x00\x01",
            iat=0,
            exp=0,
            comps=[],
            raw=b"",
        )
        session.add(token)
        await session.flush()
        session.add(
            PassedOn(
                id=new,
                name=new.bytes[-8:],
                created_at=START,
                grant_id=grant.id,
                cti=token.cti,
                holder=new.bytes * 2,
                exp=0,
            )
        )

    async def _add_locker(self, session: Session, new: uuid.UUID) -> None:
        first = await session.get_one(Locker, self.town.locker_id)
        door = await session.get_one(Compartment, key_of("door 1"))
        unlike = {
            "id": new,
            "lid": new.bytes[-8:],
            "serial": str(new),
            "noise_public": new.bytes * 2,
            "sign_public": new.bytes[::-1] * 2,
        }
        session.add(Locker(**{**first.model_dump(), **unlike}))
        await session.flush()
        session.add(Compartment(**{**door.model_dump(), "id": new, "locker_id": new}))


@pytest.fixture
async def village(house: House, api: httpx.AsyncClient) -> Village:
    async with house.database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=house.keyring, ids=house.ids, now=START)
    phone = Phone(house, api)
    await phone.sign_in()
    key = read_id("Device", phone.device_id)
    async with house.database.write() as session:
        device = await session.get_one(Device, key)
        for role, subject in ((Role.OPERATOR, None), (Role.COURIER, town.carrier_id)):
            session.add(
                Membership(
                    id=house.ids.new(),
                    created_at=START,
                    person_id=device.person_id,
                    role=role,
                    subject=subject,
                )
            )
    return Village(town, phone, device.person_id, house)


def test_every_list_of_the_api_is_counted_here(schema: GuardedSchema) -> None:
    found = set()
    for name, kind in schema._schema.type_map.items():
        if not isinstance(kind, GraphQLObjectType) or name.startswith("__"):
            continue
        for field, definition in kind.fields.items():
            is_page = get_named_type(definition.type).name.endswith("Connection")
            is_list = is_list_type(get_nullable_type(definition.type)) and field != "edges"
            found |= {f"{name}.{field}"} if is_page or is_list else set()
    assert found == {*LISTS, *INSIDE, *OF_ONE_THING, *BY_NAME}


async def test_no_list_costs_more_the_longer_it_is(village: Village) -> None:
    variables = {
        "hub": global_id("Hub", village.town.hub_id),
        "locker": global_id("Locker", village.town.locker_id),
        "parcel": global_id("Parcel", key_of("shared parcel")),
    }

    async def measure_all() -> dict[str, tuple[int, int]]:
        spent = {}
        for name, query in LISTS.items():
            wanted = {key: value for key, value in variables.items() if f"${key}" in query}
            head = f"({', '.join(f'${key}: ID!' for key in wanted)}) " if wanted else ""
            if name.startswith("HubFeed."):
                spent[name] = await village.watch(f"subscription {head}{query}", **wanted)
            else:
                spent[name] = await village.measure(f"query {head}{query}", **wanted)
        return spent

    await village.grow(1)
    few = await measure_all()
    await village.grow(3)
    many = await measure_all()
    assert {name: cost for name, (cost, _) in many.items()} == {
        name: cost for name, (cost, _) in few.items()
    }
    assert [name for name in LISTS if many[name][1] <= few[name][1]] == []


async def test_a_couriers_bundle_costs_a_bounded_number_for_each_parcel(village: Village) -> None:
    names = [f"parcel {number}" for number in range(1, 5)]
    async with village.house.database.write() as session:
        for number, name in enumerate(names, 1):
            parcel = await village.town.add_parcel(session, name)
            await village.town.reserve(session, parcel, number)
    first, second, *others = [global_id("Parcel", key_of(name)) for name in names]
    await village.cost(COURIER, ids=[first])  # signs what the locker is told only once
    alone = await village.cost(COURIER, ids=[second])
    together = await village.cost(COURIER, ids=others)
    assert 0 < together - alone <= DEPOSIT_STATEMENTS


async def test_an_envelope_costs_the_same_however_many_entries_it_brings(village: Village) -> None:
    await village.bring(1)
    few = await village.bring(1)
    assert await village.bring(20) == few
