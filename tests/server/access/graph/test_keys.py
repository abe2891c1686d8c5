"""A locker joins, and a root's key set reaches it, through the API alone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from schema.codec import decode
from schema.cose import Aad, SigningKey, sign_object
from schema.ids import locker_text
from schema.keys import Operation, enrolment_message
from schema.statements import KeySetStatement, StatementType, parse_statement, sign_statement
from server.kit.ceremony.keyfiles import KeyKind, make_key
from server.kit.ceremony.signing import StaffTerms, amend, issue_staff_token
from server.kit.graph import global_id
from server.kit.keyring import Purpose
from server.kit.settings import Settings
from server.lockers.service import keysets
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.journals import JournalingLocker, stay_of
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import ROOT_KEY, ROOT_KID, ROOT_SEED, ROOTS
from tests.makers import make_house
from tests.server.access.graph.conftest import LOCKER

if TYPE_CHECKING:
    from server.app import House
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock
    from tests.server.access.graph.conftest import Square

CREATE = """
mutation ($hub: ID!, $doors: [CompartmentInput!]!) {
  outcome: createEnrolment(hub: $hub, serial: "L-2", compartments: $doors) {
    ... on CreateEnrolmentPayload { enrolmentCode }
    ... on Problem { code message }
} }"""
ENROL = """
mutation ($code: String!, $id: String!, $noise: Base64!, $sign: Base64!, $pin: Base64!,
    $proof: Base64!) {
  outcome: enrolLocker(code: $code, lockerId: $id, noisePublic: $noise, signPublic: $sign,
      pinSecret: $pin, proof: $proof) {
    ... on EnrolLockerPayload {
      locker { id lockerId state } statements { type bytes } stays { compartment stay }
    }
    ... on Problem { code message field }
} }"""
DRAFT = """
query ($locker: String) { outcome: keySetDraft(lockerId: $locker) {
  ... on KeySetDraft { payload }
  ... on Problem { code }
} }"""
ADD = """
mutation ($statement: Base64!) { outcome: addKeySet(statement: $statement) {
  ... on AddKeySetPayload { seq }
  ... on Problem { code message field }
} }"""

DOOR = {
    "label": "1",
    "side": "LEFT",
    "row": 1,
    "column": 1,
    "widthMm": 400,
    "heightMm": 300,
    "depthMm": 600,
    "sillHeightMm": 500,
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def claim_of(machine: JournalingLocker, code: str) -> dict[str, Any]:
    message = enrolment_message(code, machine.lid, machine.noise_public, machine.key.public)
    return {
        "code": code,
        "id": locker_text(machine.lid),
        "noise": b64(machine.noise_public),
        "sign": b64(machine.key.public),
        "pin": b64(bytes(32)),
        "proof": b64(machine.key.sign(message)),
    }


@pytest.fixture
def house(
    database: Database,
    clock: MovableClock,
    ids: CountedIds,
    randomness: SeededRandomness,
    keyring: DerivedKeyring,
) -> House:
    """A web process whose settings name the root."""
    settings = Settings(public_url="http://testserver", root_keys=(ROOT_KEY,))
    return make_house(
        database, clock=clock, ids=ids, randomness=randomness, keyring=keyring, settings=settings
    )


@pytest.fixture
async def code(square: Square) -> str:
    operator = await square.phone("operator", Role.OPERATOR)
    hub = str(global_id("Hub", square.town.hub_id))
    made = (await operator.ask(CREATE, hub=hub, doors=[DOOR]))["outcome"]
    text: str = made["enrolmentCode"]
    return text


async def test_locker_joins_without_an_account_and_gets_its_first_statements(
    square: Square, code: str
) -> None:
    machine = JournalingLocker("second")
    claim = claim_of(machine, code)
    got = (await square.ask_as_nobody(ENROL, **claim))["outcome"]
    assert got["locker"]["lockerId"] == locker_text(machine.lid)
    assert got["locker"]["state"] == "PROVISIONING"
    assert [one["type"] for one in got["statements"]] == ["KEY_SET", "CONFIGURATION"]
    assert (await square.ask_as_nobody(ENROL, **claim))["outcome"] == got


async def test_code_alone_is_not_enough(square: Square, code: str) -> None:
    claim = claim_of(JournalingLocker("second"), code)
    claim["proof"] = b64(bytes(64))
    got = (await square.ask_as_nobody(ENROL, **claim))["outcome"]
    assert (got["code"], got["field"]) == ("INPUT_INVALID", "proof")
    claim["id"] = "not an id"
    got = (await square.ask_as_nobody(ENROL, **claim))["outcome"]
    assert (got["code"], got["field"]) == ("INPUT_INVALID", "lockerId")


async def test_wrong_code_joins_nothing(square: Square) -> None:
    claim = claim_of(JournalingLocker("second"), "ABCDE-ABCDE-ABCDE-ABCDE")
    got = (await square.ask_as_nobody(ENROL, **claim))["outcome"]
    assert got["code"] == "CODE_WRONG"


async def test_guessing_codes_is_slowed_down(square: Square) -> None:
    claim = claim_of(JournalingLocker("second"), "ABCDE-ABCDE-ABCDE-ABCDE")
    codes = [(await square.ask_as_nobody(ENROL, **claim))["outcome"]["code"] for _ in range(21)]
    assert codes == ["CODE_WRONG"] * 20 + ["SLOW_DOWN"]


REPLACE = """
mutation ($locker: ID!) { outcome: replaceController(locker: $locker) {
  ... on CreateEnrolmentPayload { enrolmentCode }
  ... on Problem { code }
} }"""


async def test_new_controller_is_told_what_lies_inside(square: Square) -> None:
    operator = await square.phone("operator", Role.OPERATOR)
    await square.put_in(operator, ParcelState.DEPOSITED)
    code = (await operator.ask(REPLACE, locker=LOCKER))["outcome"]["enrolmentCode"]
    claim = claim_of(JournalingLocker("second"), code)
    got = (await square.ask_as_nobody(ENROL, **claim))["outcome"]
    assert got["stays"] == [{"compartment": 3, "stay": b64(stay_of(1))}]
    assert (await square.ask_as_nobody(ENROL, **claim))["outcome"] == got


async def test_controllers_are_replaced_by_operators_alone(square: Square) -> None:
    manager = await square.phone("manager", Role.HUB_MANAGER)
    assert (await manager.ask(REPLACE, locker=LOCKER))["outcome"]["code"] == "NOT_FOUND"
    assert (await square.ask_as_nobody(REPLACE, locker=LOCKER))["outcome"]["code"] == "SIGNED_OUT"
    assert (await manager.ask(REPLACE, locker="nothing"))["outcome"]["code"] == "NOT_FOUND"


async def test_draft_holds_the_living_keys_and_a_root_signs_it(
    square: Square, keyring: DerivedKeyring
) -> None:
    operator = await square.phone("operator", Role.OPERATOR)
    keyring.rotate(Purpose.ISSUER)
    payload = base64.b64decode((await operator.ask(DRAFT))["outcome"]["payload"])
    signed = sign_object(SigningKey(ROOT_SEED), Aad.KEY_SET, payload, ROOT_KID)
    body = parse_statement(StatementType.KEY_SET, signed).body
    assert isinstance(body, KeySetStatement)
    assert body.seq == 2
    kids = [key.kid for key in keyring.list_keys(Purpose.ISSUER)]
    assert [key.kid for key in body.keys] == [*kids, keyring.list_keys(Purpose.SEAL)[0].kid]
    for _ in range(2):
        assert (await operator.ask(ADD, statement=b64(signed)))["outcome"] == {"seq": "2"}


async def test_draft_may_be_for_one_locker(square: Square) -> None:
    operator = await square.phone("operator", Role.OPERATOR)
    lid = square.town.machine.lid
    got = (await operator.ask(DRAFT, locker=locker_text(lid)))["outcome"]
    fields = decode(base64.b64decode(got["payload"]))
    assert isinstance(fields, list)
    assert fields[:2] == [lid, 2]
    assert (await operator.ask(DRAFT, locker="nowhere"))["outcome"]["code"] == "INPUT_INVALID"


async def test_draft_is_for_operators(square: Square) -> None:
    phone = await square.phone("somebody", Role.HUB_MANAGER)
    assert (await phone.ask(DRAFT))["outcome"]["code"] == "NOT_PERMITTED"
    assert (await square.ask_as_nobody(DRAFT))["outcome"]["code"] == "SIGNED_OUT"


REGISTER = """
mutation ($token: Base64!) { outcome: registerToken(token: $token) {
  ... on RegisterTokenPayload { expiresAt }
  ... on Problem { code field }
} }"""


async def test_staff_token_is_registered_by_operators(
    square: Square, database: Database, ids: CountedIds, keyring: DerivedKeyring
) -> None:
    now = int(START.timestamp())
    key = make_key(KeyKind.SERVICE, SeededRandomness("key"), nbf=now, exp=now + 86_400)
    async with database.write() as session:
        draft = await keysets.draft_key_set(session, keyring=keyring, now=START)
        body = amend(draft, include=[key.half.as_entry()], without=[])
        raw = sign_statement(SigningKey(ROOT_SEED), ROOT_KID, body)
        await keysets.add_key_set(session, raw, roots=ROOTS, ids=ids, now=START)
    terms = StaffTerms(
        lid=square.town.machine.lid,
        operation=Operation.SERVICE,
        holder=bytes(32),
        start=now,
        life_s=3600,
        comps=(1,),
    )
    token = b64(issue_staff_token(key, terms, SeededRandomness("token")))
    operator = await square.phone("operator", Role.OPERATOR)
    assert (await operator.ask(REGISTER, token=token))["outcome"] == {
        "expiresAt": "2026-05-04T10:30:00+00:00"
    }
    got = (await operator.ask(REGISTER, token=b64(b"no token")))["outcome"]
    assert got == {"code": "INPUT_INVALID", "field": "token"}
    assert (await square.ask_as_nobody(REGISTER, token=token))["outcome"]["code"] == "SIGNED_OUT"
