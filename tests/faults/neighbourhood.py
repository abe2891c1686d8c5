"""A server, a locker and a few people with phones: all real, with the world around them by hand."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmodel import select

from ble_agent.phone.luggage import newer_than
from ble_agent.redemptions import restore_stays
from ble_agent.session.locker import apply_offline, open_store
from ble_agent.store.identity import commission
from ble_agent.uplink import Reach, take_load
from schema.codes import Code
from schema.handshake import MAX_STATEMENTS, OpenRequest
from schema.ids import LockerId, StayId, locker_text
from schema.keys import Operation
from schema.statements import StatementType, parse_statement, time_nonce
from schema.tokens import delegate
from server.kit.graph import global_id
from server.kit.settings import Settings
from server.ledger import service as ledger
from server.lockers.rules import LockerState
from server.lockers.tables import Incident, Locker
from server.parcels.tables import Parcel
from server.people.roles import Role
from tests.ble_agent.standing import Standing
from tests.fakes.callers import CarrierSystem, connect_carrier, sign_in_staff
from tests.fakes.phone import Phone
from tests.fakes.town import COMPARTMENTS, ROOT_KEY, ROOTS, Town, build_town, publish_key_set
from tests.faults.guillotine import Life, World
from tests.faults.serverstory import (
    ACTIVATE,
    ANNOUNCE,
    ENROL,
    REPORT,
    RESERVE,
    REVOKE,
    claim_of,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from pathlib import Path

    from ble_agent.phone.luggage import Carried
    from schema.handshake import Hello
    from server.kit.guard import GuardedSchema

COURIER = """
mutation ($ids: [ID!]!) { outcome: courierBundle(parcelIds: $ids, isRoute: false) {
  ... on CourierBundle { stops { statements { type bytes } deposits {
    token { bytes } compartment { number } } } }
  ... on Problem { code message } } }"""
FETCH = """
mutation ($id: ID!) { outcome: unlockBundle(parcelId: $id) {
  ... on UnlockBundle { grant { id } token { bytes } statements { type bytes } }
  ... on Problem { code message } } }"""
BRING = """
mutation ($envelopes: [Base64!]!) { outcome: deliverEnvelopes(envelopes: $envelopes) {
  ... on DeliverEnvelopesPayload { outcomes {
    ... on EnvelopeTaken { uptoSeq statements { type bytes } } ... on Problem { code message } } }
  ... on Problem { code message } } }"""
SIGN_TIME = """
mutation ($locker: ID!, $nonce: Base64!) { outcome: signTime(lockerId: $locker, nonce: $nonce) {
  ... on SignTimePayload { statement { type bytes } } ... on Problem { code message } } }"""
REPLACE = """
mutation ($locker: ID!) { outcome: replaceController(locker: $locker) {
  ... on CreateEnrolmentPayload { enrolmentCode } ... on Problem { code message } } }"""

SETTINGS = Settings(public_url="http://testserver", root_keys=(ROOT_KEY,))
STALE_S = 480
"""A phone asks for a new access token before the old one, of ten minutes, is over."""


@dataclass
class Hand:
    """Somebody's phone: its account, what it carries to the locker and from it."""

    name: str
    phone: Phone
    down: list[Carried] = field(default_factory=list)
    up: list[bytes] = field(default_factory=list)
    refreshed_s: float = 0.0


@dataclass(frozen=True)
class Ticket:
    """A token and what was delegated under it, in the hand that may use it."""

    op: Operation
    name: str
    chain: tuple[bytes, ...]
    hand: Hand
    comp: int | None = None
    grant: str = ""


class Neighbourhood:
    """Everything that is real; whoever decides what happens to it keeps his own book."""

    def __init__(self, folder: Path, url: str, schema: GuardedSchema) -> None:
        self.folder = folder
        self.life = Life(World(url, folder, schema, SETTINGS))
        self.keys: dict[str, str] = {}
        self.written: dict[int, bytes] = {}
        self.boards = 1
        self.town: Town
        self.carrier: CarrierSystem
        self.operator: Hand
        self.courier: Hand
        self.people: list[Hand] = []
        self.locker = Standing(folder / "board 1", compartments=COMPARTMENTS, door_seconds=None)

    async def settle(self) -> None:
        """A town with its people; a locker that was enrolled and knows the key set, no more."""
        (self.folder / "board 1").mkdir(mode=0o700)
        store = open_store(self.locker.folder)
        identity = commission(
            store, compartments=COMPARTMENTS, roots=ROOTS, take_random=secrets.token_bytes
        )
        house, client = self.life.house, self.life.client
        async with house.database.write() as session:
            self.town = await build_town(session)
            row = await session.get_one(Locker, self.town.locker_id)
            row.lid, row.noise_public = identity.lid, identity.noise_public
            row.sign_public = identity.signing.public
            published = await publish_key_set(
                session, keyring=house.keyring, ids=house.ids, now=house.clock.now()
            )
        keys = parse_statement(StatementType.KEY_SET, published.statement)
        assert apply_offline(store, identity, (keys,), take_random=secrets.token_bytes) is None
        store.close()
        await self.locker.start()
        self.operator = Hand("operator", await sign_in_staff(house, client, Role.OPERATOR))
        carrier = self.town.carrier_id
        phone = await sign_in_staff(house, client, Role.COURIER, carrier)
        self.courier = Hand("courier", phone)
        self.carrier = await connect_carrier(house, client, self.town)
        for name in ("anna", "bert"):
            self.people.append(Hand(name, Phone(house, client, name)))
            await self.people[-1].phone.sign_in(f"{name}@example.org")

    @property
    def hands(self) -> list[Hand]:
        """Whoever passes the locker."""
        return [self.courier, *self.people]

    @property
    def lid(self) -> LockerId:
        """Of the board that is in the locker."""
        return self.locker.lid

    def hello(self) -> Hello:
        """What the locker says of itself at this moment."""
        return self.locker.locker.hello()

    def server_s(self) -> float:
        """The server's clock."""
        return self.life.world.clock.now().timestamp()

    async def ask(self, hand: Hand, query: str, **variables: Any) -> dict[str, Any]:
        """The outcome of a mutation, a refusal included."""
        phone = hand.phone
        phone.house, phone.client = self.life.house, self.life.client
        if abs(self.server_s() - hand.refreshed_s) > STALE_S:
            await phone.refresh()
            hand.refreshed_s = self.server_s()
        outcome: dict[str, Any] = (await phone.ask(query, **variables))["outcome"]
        return outcome

    async def order(self, name: str, owner: Hand) -> Ticket | None:
        """A parcel on its way, and the courier's token for it; None where the server has no room.

        What the courier cannot bring now stays with the carrier.
        """
        self.carrier.client = self.life.client
        parcel = {
            "trackingNo": name,
            "hub": str(global_id("Hub", self.town.hub_id)),
            "recipient": f"{owner.name}@example.org",
            "recipientName": owner.name,
            "widthMm": 200,
            "heightMm": 100,
            "depthMm": 300,
        }
        made = (await self.carrier.ask(ANNOUNCE, parcel=parcel))["outcome"]
        assert "code" not in made, made
        key = self.keys[name] = made["parcel"]["id"]
        for code in ("in_transit", "out_for_delivery"):
            await self.ask(self.courier, REPORT, parcel=key, code=code)
        if "code" in await self.ask(self.courier, RESERVE, parcel=key):
            return None
        got = await self.ask(self.courier, COURIER, ids=[key])
        (stop,) = got["stops"]
        (deposit,) = stop["deposits"]
        self.courier.down = read_statements(stop["statements"])
        token = base64.b64decode(deposit["token"]["bytes"])
        number = int(deposit["compartment"]["number"])
        return Ticket(Operation.DEPOSIT, name, (token,), self.courier, number)

    async def fetch(self, name: str, owner: Hand) -> Ticket | None:
        """What the recipient gets for the door; None while the server knows of nothing there."""
        got = await self.ask(owner, FETCH, id=self.keys[name])
        if "code" in got:
            return None
        owner.down = read_statements(got["statements"])
        token = base64.b64decode(got["token"]["bytes"])
        return Ticket(Operation.OPEN, name, (token,), owner, grant=got["grant"]["id"])

    def share(self, ticket: Ticket, with_whom: Hand, exp: int) -> Ticket:
        """What the holder's phone signs for somebody else, with no server."""
        shared = delegate(
            ticket.hand.phone.key,
            ticket.chain[-1],
            exp=exp,
            holder=with_whom.phone.key.public,
            actions=int(Operation.OPEN),
        )
        return Ticket(Operation.OPEN, ticket.name, (*ticket.chain, shared), with_whom)

    async def withdraw(self, ticket: Ticket, *, is_told: bool) -> bool:
        """The recipient withdraws a right, and everybody may hear of it; False for none."""
        got = await self.ask(ticket.hand, REVOKE, id=ticket.grant)
        if is_told and got.get("statement"):
            news = read_statements([got["statement"]])
            for hand in self.hands:
                hand.down = [*news, *hand.down]
        return "code" not in got

    async def knock(
        self, ticket: Ticket, *, is_online: bool, is_orderly: bool, syncs: int
    ) -> tuple[int, tuple[Carried, ...]]:
        """The ticket's holder comes to the door: the code, and the statements that were brought.

        An orderly phone brings what the locker lacks, another one what it happens to have.
        """
        hand = ticket.hand
        visitor = await self.locker.visit(holder="phone")
        visitor.holder = hand.phone.key
        raw_hello = await visitor.greet()
        brought = newer_than(self.hello(), tuple(hand.down)) if is_orderly else tuple(hand.down)
        if is_online:
            variables = {"locker": locker_text(self.lid), "nonce": _text(time_nonce(raw_hello))}
            signed = await self.ask(hand, SIGN_TIME, **variables)
            brought = (*read_statements([signed["statement"]]), *brought)
        brought = brought[:MAX_STATEMENTS]
        report = await visitor.ask(ticket.chain, OpenRequest(ticket.op, ticket.comp), *brought)
        await self.locker.pass_time()
        if report.code == Code.OK:
            await visitor.events()
            for _ in range(syncs):
                frame = await visitor.sync()
                hand.up += [frame.envelope] if frame.envelope else []
        await visitor.leave()
        await self.locker.pass_time()
        return report.code, brought

    async def bring(self, hand: Hand, envelopes: Sequence[bytes]) -> None:
        """The phone hands these in and takes along what comes back."""
        for envelope in envelopes:
            answer = await self.ask_as_nobody(BRING, envelopes=[_text(envelope)])
            (taken,) = answer["outcomes"]
            if "code" not in taken:
                hand.down = read_statements(taken["statements"])

    async def ask_as_nobody(self, query: str, **variables: Any) -> dict[str, Any]:
        """The outcome for a caller without an account."""
        body = {"query": query, "variables": variables}
        answer = (await self.life.client.post("/graphql", json=body)).json()
        outcome: dict[str, Any] = answer["data"]["outcome"]
        return outcome

    async def wait(self, seconds: float) -> None:
        """Time passes everywhere."""
        self.life.world.clock.move(seconds=seconds)
        await self.locker.pass_time(seconds)

    async def restart_server(self) -> None:
        """Another process takes over."""
        await self.life.end()
        self.life.begin()

    def note_lines(self) -> list[bytes]:
        """The lines that the locker has written since; kept, for it may forget them."""
        after = max(self.written, default=0)
        new = self.locker.locker.journal.list_after(after, limit=10_000)
        self.written |= dict(new)
        return [raw for _, raw in new]

    async def deliver_all(self) -> None:
        """The locker has a network for once: everything goes to the server and is acknowledged."""
        locker = self.locker.locker
        while True:
            seal_to = locker.statements.trust().keys.find_sealing_key()
            after = locker.journal.acknowledged()
            load = take_load(locker.outgoing, seal_to, after=Reach(after), max_bytes=48 * 1024)
            if load.envelope is None:
                return
            answer = await self.ask_as_nobody(BRING, envelopes=[_text(load.envelope)])
            (taken,) = answer["outcomes"]
            carried = read_statements(taken["statements"])
            signed = tuple(parse_statement(kind, raw) for kind, raw in carried)
            assert locker.apply(signed, nonce=None) is None
            if locker.journal.acknowledged() == after:
                return

    async def swap(self) -> None:
        """A new board takes over what the server knows to be inside."""
        old = self.locker
        inside = old.stays_in_now()
        await old.stop()
        self.boards += 1
        folder = self.folder / f"board {self.boards}"
        folder.mkdir(mode=0o700)
        store = open_store(folder)
        identity = commission(
            store, compartments=COMPARTMENTS, roots=ROOTS, take_random=secrets.token_bytes
        )
        key = str(global_id("Locker", self.town.locker_id))
        code = (await self.ask(self.operator, REPLACE, locker=key))["enrolmentCode"]
        claim = claim_of(
            code, identity.lid, identity.noise_public, identity.signing, identity.pin_secret
        )
        joined = await self.ask_as_nobody(ENROL, **claim)
        restore_stays(
            store,
            {one["compartment"]: StayId(_bytes(one["stay"])) for one in joined["stays"]},
        )
        signed = tuple(
            parse_statement(kind, raw) for kind, raw in read_statements(joined["statements"])
        )
        refused = apply_offline(store, identity, signed, take_random=secrets.token_bytes)
        assert refused is None, refused
        store.close()
        self.locker = await Standing(
            folder, compartments=COMPARTMENTS, door_seconds=None, occupied=inside
        ).start()
        self.written.clear()
        self.town.locker_id = await self._find_locker()
        new = str(global_id("Locker", self.town.locker_id))
        done = await self.ask(
            self.operator, ACTIVATE, locker=new, tested=[*range(1, COMPARTMENTS + 1)]
        )
        assert "code" not in done, done

    async def _find_locker(self) -> uuid.UUID:
        async with self.life.house.database.read() as session:
            rows = await session.exec(select(Locker).where(Locker.state != LockerState.RETIRED))
            return rows.one().id

    async def stored(self) -> list[bytes]:
        """The journal as the server has it."""
        async with self.life.house.database.read() as session:
            rows = await ledger.list_entries(session, self.lid, after=0, limit=100_000)
        return [row.raw for row in rows if row.raw is not None]

    async def parcel(self, name: str) -> Parcel:
        """What the server says of a parcel."""
        async with self.life.house.database.read() as session:
            return (await session.exec(select(Parcel).where(Parcel.tracking_no == name))).one()

    async def incidents(self) -> set[str]:
        """The kinds of all incidents."""
        async with self.life.house.database.read() as session:
            return {row.kind for row in await session.exec(select(Incident))}

    async def end(self) -> None:
        """All of it ends."""
        if self.locker.is_up:
            await self.locker.stop()
        await self.life.end()


def read_statements(rows: Sequence[dict[str, str]]) -> list[Carried]:
    """Statements as the API gives them."""
    return [(StatementType[row["type"]], _bytes(row["bytes"])) for row in rows]


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
