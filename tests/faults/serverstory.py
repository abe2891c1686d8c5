"""A week of a server in steps that people and lockers repeat until they are answered."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Enum, func, select

from schema.cose import Aad, SigningKey, sign_object
from schema.ids import locker_text
from schema.journal import Kind
from schema.keys import Operation, enrolment_message
from schema.tokens import delegate, parse_token
from server.kit.db import metadata
from server.kit.graph import global_id
from server.kit.keyring import Purpose
from server.people.roles import Role
from tests.fakes.callers import CarrierSystem, connect_carrier, sign_in_staff
from tests.fakes.journals import JournalingLocker
from tests.fakes.phone import Phone
from tests.fakes.town import ROOT_KID, ROOT_SEED, build_town, phone_key
from tests.faults.guillotine import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from schema.ids import LockerId
    from tests.fakes.town import Town
    from tests.faults.guillotine import Life

ANNOUNCE = """
mutation ($parcel: ParcelInput!) { outcome: announceParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id } } ... on Problem { code message } } }"""
REPORT = """
mutation ($parcel: ID!, $code: String!) {
  outcome: reportScan(parcel: $parcel, sourceSystem: "restante", sourceCode: $code) {
    ... on ParcelPayload { parcel { state } } ... on Problem { code message } } }"""
RESERVE = """
mutation ($parcel: ID!) { outcome: reserveCompartment(parcel: $parcel) {
  ... on ReserveCompartmentPayload { reservation { compartment { number } } }
  ... on Problem { code message } } }"""
CANCEL = """
mutation ($parcel: ID!) { outcome: cancelReservation(parcel: $parcel) {
  ... on ParcelPayload { parcel { state } } ... on Problem { code message } } }"""
COURIER = """
mutation ($ids: [ID!]!) { outcome: courierBundle(parcelIds: $ids, isRoute: false) {
  ... on CourierBundle { stops { deposits { token { bytes } compartment { number } } } }
  ... on Problem { code message } } }"""
UNLOCK = """
mutation ($id: ID!) { outcome: unlockBundle(parcelId: $id) {
  ... on UnlockBundle { grant { id } token { bytes } } ... on Problem { code message } } }"""
SHARE = """
mutation ($chain: [Base64!]!) { outcome: registerDelegation(chain: $chain) {
  ... on RegisterDelegationPayload { delegation { id } } ... on Problem { code message } } }"""
UNSHARE = """
mutation ($id: ID!) { outcome: revokeDelegation(delegationId: $id) {
  ... on RevokeDelegationPayload { delegation { state } } ... on Problem { code message } } }"""
REVOKE = """
mutation ($id: ID!) { outcome: revokeGrant(grantId: $id) {
  ... on RevokeGrantPayload { grant { state } statement { type bytes } }
  ... on Problem { code message } } }"""
DRAFT = """
{ outcome: keySetDraft { ... on KeySetDraft { payload } ... on Problem { code message } } }"""
ADD = """
mutation ($statement: Base64!) { outcome: addKeySet(statement: $statement) {
  ... on AddKeySetPayload { seq } ... on Problem { code message } } }"""
DELIVER = """
mutation ($envelopes: [Base64!]!) { outcome: deliverEnvelopes(envelopes: $envelopes) {
  ... on DeliverEnvelopesPayload { outcomes {
    ... on EnvelopeTaken { uptoSeq } ... on Problem { code message } } }
  ... on Problem { code message } } }"""
ENROLMENT = """
mutation ($hub: ID!, $doors: [CompartmentInput!]!) {
  outcome: createEnrolment(hub: $hub, serial: "L-2", compartments: $doors) {
    ... on CreateEnrolmentPayload { enrolmentCode } ... on Problem { code message } } }"""
ENROL = """
mutation ($code: String!, $id: String!, $noise: Base64!, $sign: Base64!, $pin: Base64!,
    $proof: Base64!) {
  outcome: enrolLocker(code: $code, lockerId: $id, noisePublic: $noise, signPublic: $sign,
      pinSecret: $pin, proof: $proof) {
    ... on EnrolLockerPayload {
      locker { id } statements { type bytes } stays { compartment stay } }
    ... on Problem { code message } } }"""
ACTIVATE = """
mutation ($locker: ID!, $tested: [Int!]!) {
  outcome: activateLocker(locker: $locker, testedCompartments: $tested, clockIsSet: true) {
    ... on LockerPayload { locker { state } } ... on Problem { code message } } }"""
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

OFTEN = frozenset({"used_proofs", "sign_in_requests", "enrolments"})
"""Tables of which every asking leaves a row, so that asking again leaves one more."""

ASKED = "people.code_requested"

SETTLED_S = 61
"""A collection to which nobody objects for a minute is one (P16)."""


@dataclass
class Week:
    """What people and lockers do, each step of it once more after each end of a process."""

    life: Life
    keys: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, bytes] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    signed: bytes = b""
    locker: JournalingLocker = field(default_factory=lambda: JournalingLocker("second"))
    before_holidays: dict[str, Counter[str]] = field(default_factory=dict)
    after_holidays: dict[str, Counter[str]] = field(default_factory=dict)
    town: Town = field(init=False)
    recipient: Phone = field(init=False)
    operator: Phone = field(init=False)
    courier: Phone = field(init=False)
    carrier: CarrierSystem = field(init=False)

    async def live(self) -> None:
        """From the first key set to the last parcel."""
        await self._settle_in()
        await self._step(self._publish_keys)
        await self._step(self._ask_for_code)
        await self._step(self._enrol)
        await self._step(self._activate)
        await self._step(self._sign_in)
        await self._work()
        for name in ("collected", "withdrawn", "cancelled"):
            await self._step(self._announce, name)
            await self._step(self._report, name, "in_transit")
            await self._step(self._report, name, "out_for_delivery")
            await self._step(self._reserve, name)
        await self._step(self._cancel, "cancelled")
        for number, name in enumerate(("collected", "withdrawn"), start=1):
            await self._step(self._take_along, name)
            self._put_in(name, number)
            await self._step(self._deliver)
        await self._work()
        await self._step(self._unlock, "collected")
        await self._step(self._share)
        await self._step(self._unlock, "withdrawn")
        await self._step(self._withdraw)
        self._take_out("collected", 1)
        await self._step(self._deliver)
        self.life.world.clock.move(seconds=SETTLED_S)
        await self._work()
        self.life.house.keyring.rotate(Purpose.ISSUER)
        self.signed = b""
        await self._step(self._publish_keys)
        self.before_holidays = await census(self)
        self.life.world.clock.move(days=20)
        self.seen["timers"] += await self.life.survive(lambda: self.life.run_timers())
        await self._work()
        await self.life.run_timers()  # a silent locker falls by one state each time
        self.after_holidays = await census(self)

    async def use_next_token(self) -> None:
        """The parcel that was not brought is brought after all, once the locker is heard again."""
        self._let_time_be_known()
        self.town.machine.boot()
        await self._step(self._deliver)
        await self._step(self._reserve, "cancelled")
        await self._step(self._take_along, "cancelled")
        self._put_in("cancelled", 1)
        await self._step(self._deliver)

    async def _settle_in(self) -> None:
        """The town, its carrier's system, its staff: all there before anything ends."""
        house, client = self.life.house, self.life.client
        async with house.database.write() as session:
            self.town = await build_town(session)
        self.recipient = Phone(house, client, "recipient")
        self.operator = await sign_in_staff(house, client, Role.OPERATOR)
        self.courier = await sign_in_staff(house, client, Role.COURIER, self.town.carrier_id)
        self.carrier = await connect_carrier(house, client, self.town)

    async def _step(self, act: Callable[..., Awaitable[None]], *words: str) -> None:
        self._reach_server()
        for phone in (self.operator, self.courier, self.recipient):
            if phone.access_token:
                await phone.refresh()

        async def try_it() -> None:
            self._reach_server()
            await act(*words)

        self.seen[act.__name__] += await self.life.survive(try_it)

    async def _work(self) -> None:
        ends = await self.life.survive(lambda: self.life.handle_events(), pause_s=LEASE_S)
        self.seen["work"] += ends

    def _reach_server(self) -> None:
        """Everybody talks to whatever process is there now."""
        for phone in (self.operator, self.courier, self.recipient):
            phone.house, phone.client = self.life.house, self.life.client
        self.carrier.client = self.life.client

    async def _publish_keys(self) -> None:
        if not self.signed:
            draft = _outcome(await self.operator.ask(DRAFT))["payload"]
            payload = base64.b64decode(draft)
            self.signed = sign_object(SigningKey(ROOT_SEED), Aad.KEY_SET, payload, ROOT_KID)
        _outcome(await self.operator.ask(ADD, statement=_text(self.signed)))

    async def _ask_for_code(self) -> None:
        hub = str(global_id("Hub", self.town.hub_id))
        made = _outcome(await self.operator.ask(ENROLMENT, hub=hub, doors=[DOOR]))
        self.keys["code"] = made["enrolmentCode"]

    async def _enrol(self) -> None:
        machine = self.locker
        claim = claim_of(self.keys["code"], machine.lid, machine.noise_public, machine.key)
        self.keys["locker"] = (await self._ask_as_nobody(ENROL, **claim))["locker"]["id"]

    async def _activate(self) -> None:
        _outcome(await self.operator.ask(ACTIVATE, locker=self.keys["locker"], tested=[1]))

    async def _sign_in(self) -> None:
        await self.recipient.sign_in("recipient@example.org")

    async def _announce(self, name: str) -> None:
        parcel = {
            "trackingNo": name,
            "hub": str(global_id("Hub", self.town.hub_id)),
            "recipient": "recipient@example.org",
            "recipientName": "Anna Kowalska",
            "widthMm": 200,
            "heightMm": 100,
            "depthMm": 300,
        }
        made = _outcome(await self.carrier.ask(ANNOUNCE, parcel=parcel))
        self.keys[name] = made["parcel"]["id"]

    async def _report(self, name: str, code: str) -> None:
        _outcome(await self.courier.ask(REPORT, parcel=self.keys[name], code=code))

    async def _reserve(self, name: str) -> None:
        _outcome(await self.courier.ask(RESERVE, parcel=self.keys[name]))

    async def _cancel(self, name: str) -> None:
        _outcome(await self.courier.ask(CANCEL, parcel=self.keys[name]))

    async def _take_along(self, name: str) -> None:
        got = _outcome(await self.courier.ask(COURIER, ids=[self.keys[name]]))
        self.tokens[name] = base64.b64decode(got["stops"][0]["deposits"][0]["token"]["bytes"])

    def _put_in(self, name: str, number: int) -> None:
        machine, token = self.town.machine, self.tokens[name]
        machine.admit(token, number, self.courier.key)
        machine.move_door(number, before=False, after=True)
        machine.write(Kind.DEPOSITED, number, parse_token(token).claims.stay)

    def _take_out(self, name: str, number: int) -> None:
        machine, token = self.town.machine, self.tokens[name]
        machine.admit(token, number, self.recipient.key)
        machine.move_door(number, before=True, after=False)
        machine.write(Kind.COLLECTED, number, parse_token(token).claims.stay, 1)

    async def _deliver(self) -> None:
        """Somebody brings the whole journal."""
        self._let_time_be_known()
        machine = self.town.machine
        key = self.life.house.keyring.list_keys(Purpose.SEAL)[0]
        envelope = machine.envelope(kid=key.kid, to=key.public)
        [taken] = (await self._ask_as_nobody(DELIVER, envelopes=[_text(envelope)]))["outcomes"]
        assert int(taken["uptoSeq"]) == len(machine.entries)

    def _let_time_be_known(self) -> None:
        self.town.machine.now = int(self.life.world.clock.now().timestamp())

    async def _unlock(self, name: str) -> None:
        got = _outcome(await self.recipient.ask(UNLOCK, id=self.keys[name]))
        self.tokens[name], self.keys["grant"] = _bytes(got["token"]["bytes"]), got["grant"]["id"]

    async def _share(self) -> None:
        """With a neighbour, and not any more."""
        token = self.tokens["collected"]
        claims = parse_token(token).claims
        shared = delegate(
            self.recipient.key,
            token,
            exp=claims.exp,
            holder=phone_key("neighbour").public,
            actions=int(Operation.OPEN),
        )
        known = _outcome(await self.recipient.ask(SHARE, chain=[_text(token), _text(shared)]))
        gone = _outcome(await self.recipient.ask(UNSHARE, id=known["delegation"]["id"]))
        assert gone["delegation"]["state"] == "REVOKED"

    async def _withdraw(self) -> None:
        gone = _outcome(await self.recipient.ask(REVOKE, id=self.keys["grant"]))
        assert gone["grant"]["state"] == "REVOKED"

    async def _ask_as_nobody(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = (await self.life.client.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        return _outcome(answer["data"])


async def census(week: Week) -> dict[str, Counter[str]]:
    """How many rows of each state every table has, those that asking alone leaves left out."""
    found: dict[str, Counter[str]] = {}
    async with week.life.house.database.engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in OFTEN:
                continue
            kinds = [one for one in table.columns if isinstance(one.type, Enum)]
            kinds += [one for one in table.columns if one.name in {"kind", "seq"}]
            rows = await connection.execute(
                select(func.count(), *kinds).select_from(table).group_by(*kinds)
            )
            counted = Counter({" ".join(map(str, row[1:])): row[0] for row in rows})
            found[table.name] = Counter({k: n for k, n in counted.items() if ASKED not in k})
    return found


def claim_of(
    code: str,
    lid: LockerId,
    noise_public: bytes,
    signing: SigningKey,
    pin_secret: bytes = bytes(32),
) -> dict[str, str]:
    """How a locker joins with this code."""
    message = enrolment_message(code, lid, noise_public, signing.public)
    return {
        "code": code,
        "id": locker_text(lid),
        "noise": _text(noise_public),
        "sign": _text(signing.public),
        "pin": _text(pin_secret),
        "proof": _text(signing.sign(message)),
    }


def _outcome(data: dict[str, Any]) -> dict[str, Any]:
    outcome: dict[str, Any] = data["outcome"]
    assert "code" not in outcome, outcome
    return outcome


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
