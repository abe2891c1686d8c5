"""Before the story: processes, a network with one hub and one locker, people with their phones.

What an operator, a technician and everybody's mail program would do, in the order they would.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schema.cose import SEED_SIZE, Aad, SigningKey, sign_object
from schema.ids import KeyId, LockerId
from server.demo.asking import CarrierSystem, pick
from server.demo.evidence import LockerFacts
from server.demo.phones import Phone

if TYPE_CHECKING:
    from pathlib import Path

    from server.demo.supervisor import Supervisor
    from server.demo.transcript import Transcript

    Json = dict[str, Any]

OPERATOR = "operator@example.org"
COURIER = "courier@example.org"
RECIPIENT = "recipient@example.org"
STRANGER = "stranger@example.org"

CARRIER_NAME = "Demo Parcels"
HUB_NAME = "Corner Shop"
PUSH_TOKEN = "recipient-phone-push-token"
SERIAL = "DEMO-1"
DOOR_S = 0.5
"""How long a visitor of the simulated locker keeps a door open."""

CONTROLLERS = 8
"""One for the locker, one for each phone, and some for whoever goes on by hand."""

ROOT_KID = KeyId(b"\xd0\x01")

CARRIER_RIGHTS = ("PARCEL_ANNOUNCE", "PARCEL_TRACK", "RESERVATION_CREATE", "RECEIPT_READ")

PROBLEM = "... on Problem { code message }"

DRAFT = f"query {{ keySetDraft {{ __typename ... on KeySetDraft {{ payload }} {PROBLEM} }} }}"

FOUND = f"""
mutation($statement: Base64!, $partner: String!, $carrier: String!) {{
  addKeySet(statement: $statement) {{ __typename {PROBLEM} }}
  createPartner(legalName: $partner) {{ __typename
    ... on CreatePartnerPayload {{ partner }} {PROBLEM} }}
  createCarrier(name: $carrier) {{ __typename
    ... on CreateCarrierPayload {{ carrier {{ id }} }} {PROBLEM} }} }}"""

STAFF = f"""
mutation($hub: HubInput!, $carrier: ID!, $rights: [CarrierRight!]!, $courier: String!) {{
  createHub(hub: $hub) {{ __typename ... on HubPayload {{ hub {{ id }} }} {PROBLEM} }}
  createApiKey(carrierId: $carrier, name: "parcel system", permissions: $rights) {{ __typename
    ... on CreateApiKeyPayload {{ secret }} {PROBLEM} }}
  inviteMember(address: $courier, role: COURIER, place: $carrier) {{ __typename {PROBLEM} }} }}"""

ENROL = f"""
mutation($hub: ID!, $serial: String!, $compartments: [CompartmentInput!]!) {{
  createEnrolment(hub: $hub, serial: $serial, compartments: $compartments) {{ __typename
    ... on CreateEnrolmentPayload {{ enrolmentCode }} {PROBLEM} }} }}"""

LOCKERS = "query($hub: ID!) { lockers(hub: $hub) { id lockerId } }"

ACTIVATE = f"""
mutation($locker: ID!, $tested: [Int!]!) {{
  activateLocker(locker: $locker, testedCompartments: $tested, clockIsSet: true) {{ __typename
    {PROBLEM} }} }}"""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who has a phone."""

    operator: Phone
    courier: Phone
    recipient: Phone
    stranger: Phone


@dataclass(frozen=True, slots=True)
class Network:
    """What the operator has built, and the carrier that uses it."""

    hub: str
    locker: str
    facts: LockerFacts
    carrier: CarrierSystem


@dataclass(frozen=True, slots=True)
class Founded:
    """Global ids that later acts of the set-up name."""

    hub: str
    api_key: str


class OfflineRoot:
    """The root key of the demo. It signs key sets and never meets the server."""

    def __init__(self) -> None:
        self._key = SigningKey(secrets.token_bytes(SEED_SIZE))

    @property
    def public_hex(self) -> str:
        """Key id and public key, as lockers and the server's settings take them."""
        return (ROOT_KID + self._key.public).hex()

    def sign_key_set(self, payload: bytes) -> bytes:
        """The statement about a drafted key set."""
        return sign_object(self._key, Aad.KEY_SET, payload, ROOT_KID)


def set_up(supervisor: Supervisor, transcript: Transcript) -> tuple[Cast, Network]:
    """Start everything and build the network, until a parcel can be announced."""
    root, state = OfflineRoot(), supervisor.folder / "locker"
    with transcript.step("processes", "machine", "starts every process") as step:
        supervisor.add_settings({"RESTANTE_ROOT_KEYS": root.public_hex, "RESTANTE_LOG_WAIT_S": "1"})
        supervisor.launch_services()
        facts = init_locker(supervisor, state, root)
        supervisor.start_ether(CONTROLLERS)
        supervisor.await_services()
        step.detail = f"the API answers at {supervisor.endpoints.api}/graphql"
    own, *others = supervisor.controllers
    people = zip((OPERATOR, COURIER, RECIPIENT, STRANGER), others, strict=False)
    cast = Cast(*(Phone(supervisor, address, port) for address, port in people))
    with transcript.step("sign_in", "operator", "is added on the server machine, signs in") as step:
        supervisor.run("-m", "server.cli", "operator", "add", OPERATOR)
        supervisor.await_worker()
        cast.operator.sign_in()
        step.detail = "by a one-time code out of the mailbox"
    with transcript.step("network", "operator", "builds the network") as step:
        founded = found_network(cast.operator, root)
        step.detail = "key set signed by the offline root; a hub, a carrier and its API key"
    with transcript.step("locker", "operator", "enrols the locker and puts it to work") as step:
        locker = enrol_locker(supervisor, cast.operator, founded.hub, state)
        radio = f"bumble:tcp-client:127.0.0.1:{own}"
        words = ("--state", str(state), "--radio", radio, "--hardware", "simulated")
        supervisor.start_agent(*words, "--sim-door-seconds", str(DOOR_S))
        step.detail = f"{len(doors())} doors; it has a radio and no network"
    with transcript.step(
        "people", "people", "courier and recipient sign in on their phones"
    ) as step:
        cast.courier.sign_in()
        cast.recipient.sign_in(push=PUSH_TOKEN)
        step.detail = "each device key is bound to an account"
    carrier = CarrierSystem(supervisor.endpoints.api, founded.api_key)
    return cast, Network(founded.hub, locker, facts, carrier)


def init_locker(supervisor: Supervisor, state: Path, root: OfflineRoot) -> LockerFacts:
    """Commission the locker: its keys are made where it stands, the root is put in."""
    words = ("--compartments", str(len(doors())), "--root", root.public_hex, "--json")
    printed = supervisor.run("-m", "ble_agent", "locker", "init", "--state", str(state), *words)
    shown = {name: bytes.fromhex(value) for name, value in json.loads(printed).items()}
    return LockerFacts(LockerId(shown["lid"]), shown["sign_public"])


def found_network(operator: Phone, root: OfflineRoot) -> Founded:
    """Key set, partner, hub, carrier, its API key, and the courier's invitation."""
    draft = pick(operator.ask(DRAFT), "keySetDraft", "KeySetDraft")["payload"]
    statement = base64.b64encode(root.sign_key_set(base64.b64decode(draft))).decode()
    data = operator.ask(FOUND, statement=statement, partner="Corner Shop Ltd", carrier=CARRIER_NAME)
    pick(data, "addKeySet", "AddKeySetPayload")
    partner = pick(data, "createPartner", "CreatePartnerPayload")["partner"]
    carrier = pick(data, "createCarrier", "CreateCarrierPayload")["carrier"]["id"]
    data = operator.ask(
        STAFF, hub=hub_input(partner), carrier=carrier, rights=CARRIER_RIGHTS, courier=COURIER
    )
    pick(data, "inviteMember", "InviteMemberPayload")
    hub = pick(data, "createHub", "HubPayload")["hub"]["id"]
    return Founded(hub, pick(data, "createApiKey", "CreateApiKeyPayload")["secret"])


def enrol_locker(supervisor: Supervisor, operator: Phone, hub: str, state: Path) -> str:
    """Join the commissioned locker to the hub; its global id. Its doors count as tested."""
    data = operator.ask(ENROL, hub=hub, serial=SERIAL, compartments=doors())
    code = pick(data, "createEnrolment", "CreateEnrolmentPayload")["enrolmentCode"]
    words = ("--state", str(state), "--code", code, "--url", supervisor.endpoints.api)
    supervisor.run("-m", "ble_agent", "locker", "enrol", *words)
    [locker] = operator.ask(LOCKERS, hub=hub)["lockers"]
    tested = list(range(1, len(doors()) + 1))
    data = operator.ask(ACTIVATE, locker=locker["id"], tested=tested)
    pick(data, "activateLocker", "LockerPayload")
    return str(locker["id"])


def hub_input(partner: str) -> Json:
    """A hub on a street that can be anywhere."""
    return {
        "partner": partner,
        "name": HUB_NAME,
        "kind": "LOCKER",
        "timeZone": "Europe/Tallinn",
        "street": "Long Street 1",
        "postalCode": "10133",
        "city": "Tallinn",
        "country": "EE",
        "position": {"latitude": 59.44, "longitude": 24.75},
        "wheelchairAccess": True,
    }


def doors() -> list[Json]:
    """The compartments as built: two columns of three, small, medium and large."""
    heights = (120, 200, 420)
    return [
        {
            "label": f"{side[0]}{row}",
            "side": side,
            "row": row,
            "column": column,
            "widthMm": 400,
            "heightMm": height,
            "depthMm": 650,
            "sillHeightMm": 1_300 - 300 * row,
        }
        for column, side in enumerate(("LEFT", "RIGHT"), 1)
        for row, height in enumerate(heights, 1)
    ]
