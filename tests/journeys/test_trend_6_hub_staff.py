"""A day of the people who look after a hub: at its doors, at its counter, and with two persons.

The server is the whole application over HTTP, the lockers are whole agents; only radio waves and
parcels are simulated.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.phone import bundles
from ble_agent.phone.staff import fetch_inspection
from schema.keys import Operation
from server.kit.ceremony.keyfiles import KeyKind, OfflineKey, make_key
from server.kit.ceremony.signing import StaffTerms, amend, issue_staff_token, sign_key_set
from server.lockers.service import keysets
from server.parcels.states import ParcelState
from server.parcels.tables import Assurance
from server.people.roles import Role
from server.people.tables import Membership
from tests.fakes.district import District, open_district
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import ROOT_KID, ROOT_SEED, ROOTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.app import House
    from server.kit.guard import GuardedSchema

S = ParcelState
AT = "locker"
NOW = int(START.timestamp())
SERVICE = make_key(KeyKind.SERVICE, SeededRandomness("service"), nbf=NOW, exp=NOW + 86_400)
STAFF = {
    "clerk": Role.HUB_CLERK,
    "manager": Role.HUB_MANAGER,
    "technician": Role.TECHNICIAN,
    "operator": Role.OPERATOR,
}
WHY = "something rattles"

_DOOR = """... on CompartmentPayload { compartment { number status } }
  ... on Problem { code message }"""
_ANSWER = "... on ParcelPayload { parcel { id state assurance } } ... on Problem { code field }"
DOORS = {
    name: f"""mutation ($locker: ID!, $number: Int!, $reason: String!) {{
      {name}(locker: $locker, number: $number, reason: $reason) {{ {_DOOR} }} }}"""
    for name in ("quarantineCompartment", "takeOutOfService", "returnToService")
}
ARRIVE = f"""mutation ($parcel: ID!, $why: CounterReason!) {{
  recordArrivalAtCounter(parcel: $parcel, why: $why) {{ {_ANSWER} }} }}"""
PASS = """mutation ($parcel: ID!) { requestCounterPass(parcel: $parcel) {
  ... on CounterPass { digits } ... on Problem { code } } }"""
HAND_OVER = f"""mutation ($parcel: ID!, $proof: IdentityProof!, $digits: String, $age: Boolean!) {{
  handOverAtCounter(parcel: $parcel, proof: $proof, digits: $digits, ageChecked: $age) {{
    {_ANSWER} }} }}"""
ASSIST = f"mutation ($parcel: ID!) {{ recordAssistance(parcel: $parcel) {{ {_ANSWER} }} }}"
RESOLVE = f"""mutation ($parcel: ID!, $outcome: HoldOutcome!, $reason: String!) {{
  resolveHold(parcel: $parcel, outcome: $outcome, reason: $reason) {{ {_ANSWER} }} }}"""
INSPECT = """mutation ($locker: ID!, $number: Int!, $reason: String!) {
  inspectionBundle(locker: $locker, number: $number, reason: $reason) {
    ... on InspectionBundle { words } ... on Problem { code } } }"""
REGISTER = """mutation ($token: Base64!) { registerToken(token: $token) {
  ... on RegisterTokenPayload { expiresAt } ... on Problem { code } } }"""
EMERGENCY = """mutation ($locker: ID!, $number: Int, $reason: String!) {
  requestEmergencyOpening(locker: $locker, number: $number, reason: $reason) {
    ... on EmergencyOpeningPayload { emergencyOpening { id confirmedAt } }
    ... on Problem { code } } }"""
CONFIRM = """mutation ($id: ID!) { confirmEmergencyOpening(id: $id) {
  ... on EmergencyOpeningPayload { emergencyOpening { id confirmedAt } }
  ... on Problem { code } } }"""
OPENINGS = """query ($locker: ID!) { emergencyOpenings(locker: $locker) { edges { node {
  compartment reason confirmedAt usedAt journalSeq } } } }"""
HISTORY = """query ($locker: ID!, $number: Int!) { compartmentHistory(
  locker: $locker, number: $number) { edges { node { row after reason byPerson } } } }"""


@pytest.fixture
async def district(house: House, schema: GuardedSchema, tmp_path: Path) -> AsyncIterator[District]:
    async with open_district(house, schema, tmp_path) as made:
        async with house.database.write() as session:
            draft = await keysets.draft_key_set(session, keyring=house.keyring, now=START)
            body = amend(draft, include=[SERVICE.half.as_entry()], without=[])
            raw = sign_key_set(OfflineKey(KeyKind.ROOT, ROOT_KID, ROOT_SEED, 0, 0), body)
            await keysets.add_key_set(session, raw, roots=ROOTS, ids=house.ids, now=START)
        yield made


async def employ(district: District, *names: str) -> None:
    """These people get their posts at the hub, or in the network."""
    async with district.house.database.write() as session:
        for name in names:
            person_id = district.people[name].person_id
            assert person_id is not None
            session.add(
                Membership(
                    id=district.house.ids.new(),
                    created_at=START,
                    person_id=person_id,
                    role=STAFF[name],
                    subject=None if name == "operator" else district.town.hub_id,
                )
            )


async def ask_door(district: District, name: str, what: str, number: int) -> str:
    """The status of the compartment after a mutation, or the code of the refusal."""
    payload = await district.ask(
        name, DOORS[what], locker=district.gid("Locker", AT), number=number, reason=WHY
    )
    status: str = payload.get("code") or payload["compartment"]["status"]
    return status


async def put_in(district: District, parcel: str, comp: int) -> None:
    """The courier deposits, and what the locker says becomes known."""
    account, wallet = district.account("courier"), district.people["courier"].wallet
    found = await bundles.fetch_deposits(account, [parcel], is_route=True)
    wallet.put_bundle(parcel, found[parcel])
    told = await district.door("courier", "deposit", AT, parcel, leaves=True, comp=comp)
    assert told["isDeposited"], told
    await district.deliver("courier")
    await district.work()


async def look(district: District, name: str, number: int) -> dict[str, Any]:
    """Somebody of the staff looks into a compartment, and the journal comes home."""
    locker, wallet = district.gid("Locker", AT), district.people[name].wallet
    bundle = await fetch_inspection(district.account(name), locker, number, reason=WHY)
    wallet.put_bundle("inspection", bundle)
    told = await district.door(name, "collect", AT, "inspection", leaves=False)
    await district.deliver(name)
    return told


def service_token(district: District, number: int) -> bytes:
    """What `./restante keys issue` makes for the technician's phone."""
    terms = StaffTerms(
        lid=district.lockers[AT].lid,
        operation=Operation.SERVICE,
        holder=district.people["technician"].wallet.key.public,
        start=int(district.house.clock.now().timestamp()),
        life_s=3600,
        comps=(number,),
    )
    return issue_staff_token(SERVICE, terms, SeededRandomness(f"token {number}"))


async def register(district: District, token: bytes) -> str | None:
    """The operator vouches for a token; the code of the refusal, if it is one."""
    payload = await district.ask("operator", REGISTER, token=base64.b64encode(token).decode())
    code: str | None = payload.get("code")
    return code


async def serve(district: District, token: bytes, *, like: str) -> dict[str, Any]:
    """The technician opens a door in service and shuts it, emptied; the journal comes home."""
    wallet = district.people["technician"].wallet
    number = {"test": 3, "emergency": 1}[like]
    site = {**district.people["clerk"].wallet.get_bundle("inspection"), "operation": "SERVICE"}
    site |= {
        "token": {"bytes": base64.b64encode(token).decode()},
        "compartment": {"number": number},
    }
    wallet.put_bundle(like, site)
    told = await district.door("technician", "collect", AT, like, leaves=False)
    await district.deliver("technician")
    return told


async def a_check(district: District) -> None:
    """Closed for a check, looked into, put back."""
    assert await ask_door(district, "clerk", "quarantineCompartment", 2) == "QUARANTINED"
    assert await ask_door(district, "manager", "returnToService", 2) == "WRONG_STATE"
    told = await look(district, "clerk", 2)
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    assert await ask_door(district, "clerk", "returnToService", 2) == "NOT_PERMITTED"
    assert await ask_door(district, "manager", "returnToService", 2) == "AVAILABLE"
    used = await district.door("clerk", "collect", AT, "inspection", leaves=False)
    assert used["name"] == "USED"


async def a_repair(district: District) -> None:
    """Broken, repaired, its door opened and shut in service, put back."""
    assert await ask_door(district, "technician", "takeOutOfService", 3) == "OUT_OF_SERVICE"
    await look(district, "clerk", 3)
    assert await ask_door(district, "technician", "returnToService", 3) == "WRONG_STATE"
    token = service_token(district, 3)
    assert await register(district, token) is None
    told = await serve(district, token, like="test")
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    assert await ask_door(district, "manager", "returnToService", 3) == "NOT_PERMITTED"
    assert await ask_door(district, "technician", "returnToService", 3) == "AVAILABLE"
    data = await district.account("manager").ask(
        HISTORY, {"locker": district.gid("Locker", AT), "number": 3}
    )
    lines = [edge["node"] for edge in data["compartmentHistory"]["edges"]]
    assert [(one["row"], one["reason"]) for one in lines] == [("C17", WHY), ("C16", WHY)]


async def help_at_the_door(district: District) -> None:
    """A parcel is nobody's to look at; its holder is helped with her own phone."""
    parcel = await district.announce("helped", "anna")
    locker = district.gid("Locker", AT)
    late = await fetch_inspection(district.account("clerk"), locker, 4, reason=WHY)
    district.people["clerk"].wallet.put_bundle("late", late)
    await put_in(district, parcel, 4)
    refused = await district.ask("clerk", INSPECT, locker=locker, number=4, reason=WHY)
    assert refused["code"] == "WRONG_STATE"
    told = await district.door("clerk", "collect", AT, "late", leaves=False)
    assert told["name"] == "OUT_OF_SCOPE"
    await district.ask("clerk", ASSIST, parcel=parcel)
    bundle = await bundles.fetch_unlock(district.account("anna"), parcel)
    district.people["anna"].wallet.put_bundle(parcel, bundle)
    told = await district.door("anna", "collect", AT, parcel, leaves=False)
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    await district.deliver("anna")
    row = await district.parcel(parcel)
    assert (row.state, row.assurance) == (S.COLLECTED, Assurance.C)


async def over_the_counter(district: District) -> None:
    """What needs an age check never sees a locker; digits and a look at a document do."""
    parcel = await district.announce("wine", "anna")
    payload = await district.ask("courier", ARRIVE, parcel=parcel, why="AGE_CHECK")
    assert payload["parcel"]["state"] == "AT_HUB"
    digits = (await district.ask("anna", PASS, parcel=parcel))["digits"]
    wrong = {"parcel": parcel, "proof": "PASS", "digits": digits[::-1] + "0", "age": True}
    assert (await district.ask("clerk", HAND_OVER, **wrong))["code"] == "CODE_WRONG"
    given = await district.ask("clerk", HAND_OVER, **{**wrong, "digits": digits})
    assert given["parcel"] == {"id": parcel, "state": "COLLECTED", "assurance": "C"}
    assert await district.rows(parcel) == ["P11", "P27"]


async def two_persons(district: District) -> None:
    """A door in front of a parcel opens to a service key by the word of two, and what was inside
    goes to the counter.
    """
    parcel = await district.announce("stuck", "anna")
    await put_in(district, parcel, 1)
    assert await ask_door(district, "technician", "takeOutOfService", 1) == "OUT_OF_SERVICE"
    assert await district.state(parcel) is S.ON_HOLD
    token, locker = service_token(district, 1), district.gid("Locker", AT)
    assert await register(district, token) == "SECOND_PERSON_NEEDED"
    asked = await district.ask("technician", EMERGENCY, locker=locker, number=1, reason=WHY)
    opening = asked["emergencyOpening"]["id"]
    alone = await district.ask("technician", CONFIRM, id=opening)
    assert alone["code"] == "SECOND_PERSON_NEEDED"
    agreed = await district.ask("operator", CONFIRM, id=opening)
    assert agreed["emergencyOpening"]["confirmedAt"]
    assert await register(district, token) is None
    told = await serve(district, token, like="emergency")
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    data = await district.account("operator").ask(OPENINGS, {"locker": locker})
    [node] = [edge["node"] for edge in data["emergencyOpenings"]["edges"]]
    assert (node["compartment"], node["reason"]) == (1, WHY)
    assert node["journalSeq"]
    resolved = await district.ask(
        "manager", RESOLVE, parcel=parcel, outcome="AT_HUB", reason="carried over by hand"
    )
    assert resolved["parcel"]["state"] == "AT_HUB"
    told = await look(district, "clerk", 1)
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    told = await look(district, "clerk", 1)
    assert told["name"] == "OK"
    assert await ask_door(district, "technician", "returnToService", 1) == "AVAILABLE"
    payload = {"parcel": parcel, "proof": "PASSPORT", "digits": None, "age": False}
    given = await district.ask("clerk", HAND_OVER, **payload)
    assert given["parcel"]["state"] == "COLLECTED"


@pytest.mark.both_databases_in_ci
async def test_staff_keep_a_hub_going_and_open_no_parcels_door_alone(district: District) -> None:
    async with district.online():
        await district.meet("courier", "anna", *STAFF)
        await employ(district, *STAFF)
        await a_check(district)
        await a_repair(district)
        await help_at_the_door(district)
        await over_the_counter(district)
        await two_persons(district)
    assert await district.incidents() == [
        "COMPARTMENT_BROKEN",
        "COMPARTMENT_BROKEN",
        "COMPARTMENT_REPORTED",
        "EMERGENCY_OPENING",
    ]
