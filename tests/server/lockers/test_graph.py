"""Lockers through the API."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from schema.cose import SigningKey
from schema.ids import EVERY_LOCKER, LockerId, locker_text
from schema.keys import enrolment_message
from schema.noise import x25519_public
from schema.statements import KeySetStatement, sign_statement
from server.kit.graph import global_id
from server.lockers.incidents import Finding, IncidentKind
from server.lockers.service import facts
from server.lockers.service.enrolment import EnrolmentClaim, enrol
from server.lockers.tables import Locker
from server.people.roles import Role
from tests.fakes.callers import connect_carrier, sign_in_staff
from tests.fakes.counting import counted_statements
from tests.fakes.journals import seed
from tests.fakes.sources import START
from tests.fakes.town import ROOT_KEY, ROOT_KID, ROOT_SEED
from tests.makers import SETTINGS, make_house

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from server.kit.db import Database
    from tests.fakes.phone import Phone
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness
    from tests.fakes.town import Town

CREATE_ENROLMENT = """
mutation ($hub: ID!, $serial: String!, $compartments: [CompartmentInput!]!) {
  createEnrolment(hub: $hub, serial: $serial, compartments: $compartments) {
    ... on CreateEnrolmentPayload { enrolmentCode expiresAt }
    ... on Problem { code message field } } }"""
ACTIVATE = """
mutation ($locker: ID!, $tested: [Int!]!, $clock: Boolean!) {
  activateLocker(locker: $locker, testedCompartments: $tested, clockIsSet: $clock) {
    ... on LockerPayload { locker { state } } ... on Problem { code field } } }"""
RESTORE = """
mutation ($locker: ID!, $reason: String!) {
  restoreLockerTrust(locker: $locker, reason: $reason) {
    ... on LockerPayload { locker { serial } } ... on Problem { code field } } }"""
ADD_KEY_SET = """
mutation ($statement: Base64!) { addKeySet(statement: $statement) {
  ... on AddKeySetPayload { seq } ... on Problem { code field } } }"""
LOCKER = """
query ($id: ID!) { locker(id: $id) {
  lockerId serial state timeQuality hub { name }
  compartments { number label side row column sizeClass climateZone status } } }"""
LOCKERS = """
query ($hub: ID!) { lockers(hub: $hub) { serial hub { name } compartments { number } } }"""
INCIDENT = "query ($id: ID!) { node(id: $id) { ... on Incident { detail } } }"
INCIDENTS = "{ incidents { edges { node { kind severity detail dueAt journalSeq } } } }"


def door(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "label": str(number),
        "side": "LEFT",
        "row": number,
        "column": 1,
        "widthMm": 380,
        "heightMm": 190,
        "depthMm": 640,
        "sillHeightMm": 900,
        **changes,
    }


async def ask(api: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    answer = await api.post("/graphql", json={"query": query, "variables": variables})
    return answer.json()["data"]


@pytest.fixture
def house(
    database: Database,
    clock: MovableClock,
    ids: CountedIds,
    randomness: SeededRandomness,
    keyring: DerivedKeyring,
) -> House:
    return make_house(
        database,
        clock=clock,
        ids=ids,
        randomness=randomness,
        keyring=keyring,
        settings=replace(SETTINGS, root_keys=(ROOT_KEY,)),
    )


@pytest.fixture
async def operator(house: House, api: httpx.AsyncClient) -> Phone:
    return await sign_in_staff(house, api, Role.OPERATOR)


async def test_locker_is_enrolled_with_the_operators_code_and_put_to_work(
    town: Town, operator: Phone, house: House
) -> None:
    answer = await operator.ask(
        CREATE_ENROLMENT,
        hub=global_id("Hub", town.hub_id),
        serial="SN-9",
        compartments=[door(1), door(2, climateZone="CHILLED")],
    )
    code = answer["createEnrolment"]["enrolmentCode"]
    key = SigningKey(seed("api locker"))
    lid, noise = LockerId(b"apilocke"), x25519_public(seed("api noise"))
    proof = key.sign(enrolment_message(code, lid, noise, key.public))
    async with house.database.write() as session:
        locker = await enrol(
            session,
            EnrolmentClaim(code, lid, noise, key.public, b"s" * 32, proof),
            keyring=house.keyring,
            ids=house.ids,
            now=house.clock.now(),
        )
    assert isinstance(locker, Locker)
    key_id = global_id("Locker", locker.id)
    early = await operator.ask(ACTIVATE, locker=key_id, tested=[1], clock=True)
    assert early["activateLocker"] == {"code": "WRONG_STATE", "field": "testedCompartments"}
    ready = await operator.ask(ACTIVATE, locker=key_id, tested=[2, 1], clock=True)
    assert ready["activateLocker"] == {"locker": {"state": "ONLINE"}}
    seen = (await operator.ask(LOCKER, id=key_id))["locker"]
    assert (seen["lockerId"], seen["serial"], seen["timeQuality"]) == (
        locker_text(lid),
        "SN-9",
        None,
    )
    assert [one["status"] for one in seen["compartments"]] == ["AVAILABLE", "PREPARING"]


async def test_the_largest_locker_fits_one_request(town: Town, operator: Phone) -> None:
    doors = [
        door(number, row=number % 85 + 1, column=number // 85 + 1, climateZone="AMBIENT")
        for number in range(255)
    ]
    answer = await operator.ask(
        CREATE_ENROLMENT, hub=global_id("Hub", town.hub_id), serial="SN-255", compartments=doors
    )
    assert "enrolmentCode" in answer["createEnrolment"]


async def test_refusals_of_enrolment_name_their_field(
    town: Town, operator: Phone, api: httpx.AsyncClient
) -> None:
    hub = global_id("Hub", town.hub_id)
    for variables, code, field in (
        ({"hub": "?", "serial": "S", "compartments": [door(1)]}, "NOT_FOUND", "hub"),
        ({"hub": hub, "serial": "", "compartments": [door(1)]}, "INPUT_INVALID", "serial"),
        (
            {"hub": hub, "serial": "S", "compartments": [door(1, widthMm=0)]},
            "INPUT_INVALID",
            "compartments",
        ),
        ({"hub": hub, "serial": "S", "compartments": []}, "INPUT_INVALID", "compartments"),
    ):
        outcome = (await operator.ask(CREATE_ENROLMENT, **variables))["createEnrolment"]
        assert (outcome["code"], outcome["field"]) == (code, field)
    anonymous = await ask(api, CREATE_ENROLMENT, hub=hub, serial="S", compartments=[door(1)])
    assert anonymous["createEnrolment"]["code"] == "SIGNED_OUT"
    unknown = await operator.ask(ACTIVATE, locker="?", tested=[], clock=True)
    assert unknown["activateLocker"]["code"] == "NOT_FOUND"


async def test_operator_says_that_a_locker_was_inspected(
    town: Town, operator: Phone, api: httpx.AsyncClient
) -> None:
    key = global_id("Locker", town.locker_id)
    for _ in range(2):
        done = await operator.ask(RESTORE, locker=key, reason="Seals whole.")
        assert done["restoreLockerTrust"] == {"locker": {"serial": "L-1"}}
    for locker, reason, code, field in (
        (key, "", "INPUT_INVALID", "reason"),
        ("nonsense", "Seals whole.", "NOT_FOUND", "locker"),
    ):
        outcome = (await operator.ask(RESTORE, locker=locker, reason=reason))["restoreLockerTrust"]
        assert outcome == {"code": code, "field": field}
    anonymous = await ask(api, RESTORE, locker=key, reason="Seals whole.")
    assert anonymous["restoreLockerTrust"]["code"] == "SIGNED_OUT"


async def test_locker_is_public_but_its_compartments_are_for_those_who_work_there(
    town: Town, house: House, api: httpx.AsyncClient
) -> None:
    key = global_id("Locker", town.locker_id)
    public = (await ask(api, LOCKER, id=key))["locker"]
    assert (public["hub"], public["compartments"]) == ({"name": "Corner Shop"}, None)
    carrier = await connect_carrier(house, api, town)
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    elsewhere = await sign_in_staff(house, api, Role.HUB_MANAGER, town.carrier_id)
    for caller, sees in ((carrier, True), (clerk, True), (elsewhere, False)):
        found = (await caller.ask(LOCKER, id=key))["locker"]["compartments"]
        assert (found is not None) == sees
    assert (await ask(api, LOCKER, id="nonsense"))["locker"] is None


async def test_key_set_is_handed_in_by_operators(
    town: Town, operator: Phone, house: House, api: httpx.AsyncClient
) -> None:
    body = KeySetStatement(EVERY_LOCKER, 1, int(START.timestamp()), ())
    signed = base64.b64encode(sign_statement(SigningKey(ROOT_SEED), ROOT_KID, body)).decode()
    for _ in range(2):
        assert (await operator.ask(ADD_KEY_SET, statement=signed))["addKeySet"] == {"seq": "1"}
    wrong = await operator.ask(ADD_KEY_SET, statement="AAAA")
    assert wrong["addKeySet"] == {"code": "INPUT_INVALID", "field": "statement"}
    manager = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    refused = await manager.ask(ADD_KEY_SET, statement=signed)
    assert refused["addKeySet"]["code"] == "NOT_PERMITTED"


async def test_incidents_are_shown_to_whoever_resolves_them_there(
    town: Town, operator: Phone, house: House, api: httpx.AsyncClient
) -> None:
    finding = Finding(
        kind=IncidentKind.JOURNAL_FORK,
        subject_id=town.locker_id,
        hub_id=town.hub_id,
        locker_id=town.locker_id,
        seq=2**40,
        detail="two entries",
    )
    async with house.database.write() as session:
        await facts.open_incident(session, finding, ids=house.ids, now=START)
    manager = await sign_in_staff(house, api, Role.HUB_MANAGER, town.hub_id)
    owner = await sign_in_staff(house, api, Role.HUB_OWNER, town.carrier_id)
    clerk = await sign_in_staff(house, api, Role.HUB_CLERK, town.hub_id)
    seen = {}
    for name, caller in {"op": operator, "hm": manager, "ho": owner, "hc": clerk}.items():
        edges = (await caller.ask(INCIDENTS))["incidents"]["edges"]
        seen[name] = [edge["node"] for edge in edges]
    assert (
        seen["op"]
        == seen["hm"]
        == [
            {
                "kind": "JOURNAL_FORK",
                "severity": "CRITICAL",
                "detail": "two entries",
                "dueAt": START.isoformat(),
                "journalSeq": str(2**40),
            }
        ]
    )
    assert seen["ho"] == seen["hc"] == []
    assert (await ask(api, INCIDENTS))["incidents"]["edges"] == []
    listed = await operator.ask("{ incidents { edges { node { id } } } }")
    key = listed["incidents"]["edges"][0]["node"]["id"]
    for caller, sees in ((operator, True), (manager, True), (owner, False), (clerk, False)):
        found = (await caller.ask(INCIDENT, id=key))["node"]
        assert found == ({"detail": "two entries"} if sees else None)


async def test_lockers_of_a_hub_cost_the_same_however_many(
    town: Town, operator: Phone, house: House
) -> None:
    costs, counts = [], []
    for extra in range(2):
        async with counted_statements(house.database) as statements:
            answer = await operator.ask(LOCKERS, hub=global_id("Hub", town.hub_id))
        costs.append(len(statements))
        counts.append(len(answer["lockers"]))
        async with house.database.write() as session:
            first = await session.get_one(Locker, town.locker_id)
            values = {
                "id": house.ids.new(),
                "lid": bytes([extra]) * 8,
                "serial": f"L-x{extra}",
                "noise_public": bytes([extra]) * 32,
                "sign_public": bytes([extra + 9]) * 32,
            }
            session.add(Locker(**{**first.model_dump(), **values}))
    assert counts == [1, 2]
    assert costs[0] == costs[1]
    nothing = await operator.ask(LOCKERS, hub="?")
    assert nothing["lockers"] == []
