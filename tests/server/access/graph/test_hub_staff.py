"""What hub staff ask of the API: strangers learn nothing by it, and staff what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.town import key_of
from tests.server.access.graph.conftest import LOCKER, PARCEL

if TYPE_CHECKING:
    from tests.server.access.graph.conftest import Square

DOOR = "$locker: ID!, $number: Int!, $reason: String!"
DOOR_ARGUMENTS = "locker: $locker, number: $number, reason: $reason"
PROBLEM = "__typename ... on Problem { code field }"
DOOR_MUTATIONS = (
    "quarantineCompartment",
    "returnToService",
    "takeOutOfService",
    "inspectionBundle",
    "requestEmergencyOpening",
)
PARCEL_MUTATIONS = {
    "recordArrivalAtCounter": "why: OVERSIZED",
    "requestCounterPass": "",
    "handOverAtCounter": "proof: PASSPORT",
    "recordAssistance": "",
    "resolveHold": 'outcome: AT_HUB, reason: "found"',
}


def at_door(name: str) -> str:
    return f"mutation ({DOOR}) {{ outcome: {name}({DOOR_ARGUMENTS}) {{ {PROBLEM} }} }}"


def at_parcel(name: str) -> str:
    arguments = f"parcel: $parcel, {PARCEL_MUTATIONS[name]}"
    return f"mutation ($parcel: ID!) {{ outcome: {name}({arguments}) {{ {PROBLEM} }} }}"


INSPECTED = f"""mutation ({DOOR}) {{
  outcome: recordInspection(locker: $locker, number: $number, found: EMPTY, note: $reason) {{
    {PROBLEM} }} }}"""
CONFIRM = f"""mutation ($id: ID!) {{
  outcome: confirmEmergencyOpening(id: $id) {{ {PROBLEM} }} }}"""
RESOLVE = f"""mutation ($id: ID!) {{
  outcome: resolveIncident(incident: $id, reason: "seen") {{ {PROBLEM} }} }}"""
HAND_OVER = """mutation ($parcel: ID!, $digits: String!) {
  outcome: handOverAtCounter(parcel: $parcel, proof: PASS, digits: $digits) {
    __typename ... on Problem { code } } }"""
HISTORY = """query ($locker: ID!) { compartmentHistory(locker: $locker, number: 2) {
  edges { node { row before after reason byPerson journalSeq } } } }"""
OPENINGS = """query ($locker: ID!) { emergencyOpenings(locker: $locker) {
  edges { node { id } } } }"""
NODE = """query ($id: ID!) { node(id: $id) { ... on EmergencyOpening { reason } } }"""

DOORS = [*map(at_door, DOOR_MUTATIONS), INSPECTED]
PARCELS = [at_parcel(name) for name in PARCEL_MUTATIONS]


def door(locker: str, number: int = 2) -> dict[str, Any]:
    return {"locker": locker, "number": number, "reason": "a smell"}


@pytest.mark.parametrize("query", DOORS)
async def test_a_locker_that_is_none_is_not_found(square: Square, query: str) -> None:
    operator = await square.phone("operator", Role.OPERATOR)
    for locker in ("nonsense", PARCEL, str(global_id("Locker", key_of("nowhere")))):
        outcome = (await operator.ask(query, **door(locker)))["outcome"]
        assert (outcome["code"], outcome["field"]) == ("NOT_FOUND", "locker")


@pytest.mark.parametrize("query", DOORS)
async def test_a_stranger_does_nothing_at_a_door(square: Square, query: str) -> None:
    stranger = await square.phone("stranger")
    assert (await stranger.ask(query, **door(LOCKER)))["outcome"]["code"] == "NOT_PERMITTED"
    outcome = (await square.ask_as_nobody(query, **door(LOCKER)))["outcome"]
    assert outcome["code"] == "SIGNED_OUT"


@pytest.mark.parametrize("query", PARCELS)
async def test_a_parcel_that_is_none_of_ones_business_is_not_found(
    square: Square, query: str
) -> None:
    owner, stranger = await square.phone("recipient"), await square.phone("stranger")
    await square.put_in(owner, ParcelState.READY_FOR_PICKUP)
    for parcel in ("nonsense", LOCKER, PARCEL):
        outcome = (await stranger.ask(query, parcel=parcel))["outcome"]
        assert outcome["code"] == "NOT_FOUND"
    assert (await square.ask_as_nobody(query, parcel=PARCEL))["outcome"]["code"] == "SIGNED_OUT"


@pytest.mark.parametrize(("query", "kind"), [(CONFIRM, "EmergencyOpening"), (RESOLVE, "Incident")])
async def test_what_nobody_asked_for_is_neither_confirmed_nor_ended(
    square: Square, query: str, kind: str
) -> None:
    operator = await square.phone("operator", Role.OPERATOR)
    for key in ("nonsense", LOCKER, str(global_id(kind, key_of("none")))):
        assert (await operator.ask(query, id=key))["outcome"]["code"] == "NOT_FOUND"


async def test_digits_are_not_tried_for_ever(square: Square) -> None:
    clerk, owner = await square.phone("clerk", Role.HUB_CLERK), await square.phone("recipient")
    await square.put_in(owner, ParcelState.AT_HUB)
    tried = [
        (await clerk.ask(HAND_OVER, parcel=PARCEL, digits=f"{number:08d}"))["outcome"]["code"]
        for number in range(11)
    ]
    assert tried == ["CODE_WRONG"] * 10 + ["SLOW_DOWN"]


async def test_the_history_of_a_compartment_is_for_those_who_may_inspect_it(
    square: Square,
) -> None:
    clerk, stranger = await square.phone("clerk", Role.HUB_CLERK), await square.phone("stranger")
    await clerk.ask(at_door("quarantineCompartment"), **door(LOCKER))
    told = (await clerk.ask(HISTORY, locker=LOCKER))["compartmentHistory"]["edges"]
    assert [edge["node"] for edge in told] == [
        {
            "row": "C14",
            "before": "IN_SERVICE",
            "after": "QUARANTINED",
            "reason": "a smell",
            "byPerson": True,
            "journalSeq": None,
        }
    ]
    for phone, locker in ((stranger, LOCKER), (clerk, "nonsense")):
        answer = await phone.ask(HISTORY, locker=locker)
        assert answer["compartmentHistory"]["edges"] == []


async def test_emergency_openings_are_for_those_who_may_ask_for_one(square: Square) -> None:
    technician = await square.phone("technician", Role.TECHNICIAN)
    manager = await square.phone("manager", Role.HUB_MANAGER)
    await technician.ask(at_door("requestEmergencyOpening"), **door(LOCKER))
    shown = {}
    for name, phone in (("technician", technician), ("manager", manager)):
        shown[name] = (await phone.ask(OPENINGS, locker=LOCKER))["emergencyOpenings"]["edges"]
    assert (len(shown["technician"]), shown["manager"]) == (1, [])
    [key] = [edge["node"]["id"] for edge in shown["technician"]]
    assert (await technician.ask(NODE, id=key))["node"] == {"reason": "a smell"}
    assert (await manager.ask(NODE, id=key))["node"] is None
    nowhere = await technician.ask(OPENINGS, locker="nonsense")
    assert nowhere["emergencyOpenings"]["edges"] == []
