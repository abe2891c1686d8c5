"""A whole locker in one process for tests: simulated doors, time moved by hand, keys of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ble_agent.errors import HardwareFailed
from ble_agent.hardware.port import Door
from ble_agent.hardware.simulated import Faults, Sensing, SimulatedHardware
from ble_agent.panel.signs import Signs
from ble_agent.policy.world import OPEN_DETECT_S
from ble_agent.radio.loopback import LoopbackRadio
from ble_agent.session.desk import Desk
from ble_agent.session.locker import Surroundings, open_store, start_locker, stop_locker
from ble_agent.store.identity import commission
from schema.codes import Code
from schema.cose import SigningKey
from schema.envelopes import open_envelope, parse_outer, unseal
from schema.handshake import OpenRequest, Report
from schema.ids import KeyId, LockerId, StayId, TokenId, locker_text
from schema.journal import Kind, parse_entry
from schema.keys import KeyEntry, Operation, Role, Roots
from schema.noise import x25519_public
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    StatementType,
    Time,
    sign_statement,
    time_nonce,
)
from schema.tokens import Claims, issue_token
from tests.ble_agent.visitor import Randomness, Visitor
from tests.fakes.scheduler import ManualScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ble_agent.doors.prompts import Prompt
    from ble_agent.errors import StateError
    from ble_agent.hardware.port import Visitor as Person
    from ble_agent.session.locker import Locker
    from ble_agent.store import Moment, Store
    from schema.codec import Value
    from schema.envelopes import Contents
    from schema.statements import Statement

NOW = 1_760_000_000
DAY = 86_400
ROOT, ISSUER, SERVICE, OPERATOR, SEAL = (
    KeyId(bytes.fromhex(kid)) for kid in ("f001", "0001", "0002", "0004", "0101")
)


def key_of(name: str) -> SigningKey:
    """A signing key that is the same in every run."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


def bytes_of(name: str, size: int = 8) -> bytes:
    """Bytes that are the same in every run."""
    return hashlib.sha256(name.encode()).digest()[:size]


ROOTS = Roots(((ROOT, key_of("root").public),))
SEAL_PRIVATE = bytes_of("seal", 32)
KEYS = (
    KeyEntry(ISSUER, key_of("issuer").public, 23, 7 * DAY, NOW - DAY, NOW + 45 * DAY),
    KeyEntry(SERVICE, key_of("service").public, 72, 4 * 3600, NOW - DAY, NOW + 45 * DAY),
    KeyEntry(OPERATOR, key_of("operator").public, 64, 4 * 3600, NOW - DAY, NOW + 45 * DAY),
    KeyEntry(SEAL, x25519_public(SEAL_PRIVATE), 0, 0, 0, 0),
)
STATEMENT_TYPES: dict[type[Statement], StatementType] = {
    Revocations: StatementType.REVOCATIONS,
    Time: StatementType.TIME,
    KeySetStatement: StatementType.KEY_SET,
    Configuration: StatementType.CONFIGURATION,
    Acknowledgement: StatementType.ACKNOWLEDGEMENT,
}


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where the system has one: what a sync costs is no matter here."""
    memory = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="restante-", dir=place) as folder:
        yield Path(folder)


@dataclass
class Standing:
    """A locker at work. `restart` is a power cut and the next start on the same folder."""

    folder: Path
    compartments: int = 4
    occupied: set[int] = field(default_factory=set)
    door_seconds: float | None = 2.0
    cut: Callable[[Moment, str], None] | None = None
    max_bytes: int = 64 * 1024 * 1024
    scheduler: ManualScheduler = field(default_factory=ManualScheduler)
    failures: list[StateError] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    prompts: list[tuple[int, Prompt | None]] = field(default_factory=list)
    signs: Signs = field(default_factory=Signs)
    randomness: Randomness = field(default_factory=lambda: Randomness("locker"))
    machine_start: str = "start 1"
    is_up: bool = False
    broken_bolts: bool = False
    open_doors: set[int] = field(default_factory=set)
    silent_doors: set[int] = field(default_factory=set)
    locker: Locker = field(init=False)
    radio: LoopbackRadio = field(init=False)

    async def start(self) -> Standing:
        """Commission on the first start; bring locker, desk and radio up."""
        store = open_store(self.folder, cut=self.cut, max_bytes=self.max_bytes)
        try:
            self._start_locker(store)
        except BaseException:
            # As the end of the process would: the next start finds the folder free.
            store.close()
            self.scheduler = ManualScheduler(self.scheduler.time())
            raise
        self.radio = LoopbackRadio()
        self.desk = Desk(
            self.locker,
            self.radio,
            scheduler=self.scheduler,
            take_random=self.randomness.take,
            on_failure=self.failures.append,
        )
        self._sending = asyncio.get_running_loop().create_task(self.desk.send_messages())
        await self.radio.start(self.lid, self.desk)
        self.is_up = True
        return self

    def _start_locker(self, store: Store) -> None:
        if not _is_commissioned(store):
            commission(
                store,
                compartments=self.compartments,
                roots=ROOTS,
                take_random=self.randomness.take,
            )
        make = BrokenBolts if self.broken_bolts else SimulatedHardware
        self.hardware = make(
            self.compartments,
            scheduler=self.scheduler,
            occupied=self.occupied,
            door_seconds=self.door_seconds,
        )
        for comp in self.open_doors:
            self.hardware.swing_open(comp)
        for comp in self.silent_doors:
            self.hardware.set_faults(comp, Faults(door_sensor=Sensing.SILENT))
        self.locker = start_locker(
            store,
            Surroundings(
                hardware=self.hardware,
                scheduler=self.scheduler,
                take_random=self.randomness.take,
                machine_start=self.machine_start,
                measure_uptime_s=self.scheduler.time,
                show_presence=self._show_presence,
                on_failure=self.failures.append,
                show_prompt=self._show_prompt,
                thermometer=self.hardware,
            ),
        )

    def _show_presence(self, code: int) -> None:
        self.shown.append(code)
        self.signs.show_presence(code)

    def _show_prompt(self, comp: int, prompt: Prompt | None) -> None:
        self.prompts.append((comp, prompt))
        self.signs.show_prompt(comp, prompt)

    async def kill(self) -> None:
        """The power goes: nothing is written any more, links are gone."""
        self._sending.cancel()
        self.locker.store.close()
        await self.hardware.close()
        self.scheduler = ManualScheduler(self.scheduler.time())
        self.is_up = False

    async def restart(
        self,
        *,
        occupied: set[int] | None = None,
        open_doors: set[int] | None = None,
        silent_doors: set[int] | None = None,
    ) -> Standing:
        """A power cut and the next start; the sets are what the sensors then say."""
        await self.kill()
        self.occupied = self.stays_in() if occupied is None else occupied
        self.open_doors, self.silent_doors = open_doors or set(), silent_doors or set()
        return await self.start()

    async def lose_power(self) -> None:
        """A power cut that leaves doors and parcels where they are, and the next start."""
        numbers = range(1, self.compartments + 1)
        await self.restart(
            occupied=self._sensed(),
            open_doors={n for n in numbers if self.hardware.door(n) is Door.OPEN},
        )

    def _sensed(self) -> set[int]:
        return {n for n in range(1, self.compartments + 1) if self.hardware.occupied(n)}

    async def stop(self) -> None:
        """End in order."""
        await self.radio.stop()
        self._sending.cancel()
        await stop_locker(self.locker)
        self.open_doors, self.silent_doors, self.occupied = set(), set(), self._sensed()
        await self.hardware.close()
        self.locker.store.close()
        self.is_up = False

    def stays_in(self) -> set[int]:
        """The compartments in which a stay is durably stored."""
        store = open_store(self.folder)
        with store.reading() as connection:
            rows = connection.execute("SELECT number FROM compartments WHERE stay IS NOT NULL")
            numbers = {int(number) for (number,) in rows}
        store.close()
        return numbers

    def stays_in_now(self) -> set[int]:
        """The same while it runs."""
        return {n for n, known in self.locker.redemptions.stored().items() if known.stay}

    @property
    def lid(self) -> LockerId:
        return self.locker.identity.lid

    def stay(self, comp: int) -> StayId | None:
        """What is stored in a compartment."""
        return self.locker.redemptions.stored()[comp].stay

    async def shut(self, comp: int, *, occupied: bool | None = None) -> None:
        """Somebody shuts an open door; `occupied` says what is inside from then on."""
        await self.pass_time()
        self.hardware.swing_shut(comp, occupied=occupied)
        await self.pass_time()

    def sense(self, sensing: Sensing, *comps: int) -> None:
        """Make the occupancy sensors of these compartments, or of all, behave so."""
        for comp in comps or range(1, self.compartments + 1):
            self.hardware.set_faults(comp, Faults(occupancy_sensor=sensing))

    async def pass_time(self, seconds: float = 0.0) -> None:
        """Let timers come due and tasks run until nothing is left to do at this moment."""
        for _ in range(20):
            await asyncio.sleep(0)
        self.scheduler.advance(seconds)
        for _ in range(20):
            await asyncio.sleep(0)
            self.scheduler.advance(0)

    async def spend_pulses(self) -> None:
        """Let a whole plan pass at a door that stays shut, and the time after its last pulse."""
        for seconds in (1, 2, OPEN_DETECT_S):
            await self.pass_time(seconds)

    def journal(self) -> list[tuple[Kind, list[Value]]]:
        """Kind and body of every line."""
        lines = self.locker.journal.list_after(0, limit=100_000)
        entries = [parse_entry(raw) for _, raw in lines]
        return [(Kind(entry.kind), entry.body) for entry in entries]

    def kinds(self, after: int = 0) -> list[Kind]:
        """The kinds of all lines in order, or of those after a line."""
        return [kind for kind, _ in self.journal()[after:]]

    def open(self, envelope: bytes) -> Contents:
        """What the server reads in an envelope."""
        outer = parse_outer(envelope)
        public = self.locker.identity.signing.public
        return open_envelope(
            outer, unseal(outer.sealed, SEAL_PRIVATE), find_locker_key=lambda lid: public
        )

    def signed(
        self, body: Statement, *, signer: tuple[str, KeyId] = ("issuer", ISSUER)
    ) -> tuple[StatementType, bytes]:
        """Any statement, signed by any key."""
        name, kid = signer
        return STATEMENT_TYPES[type(body)], sign_statement(key_of(name), kid, body)

    def key_set(
        self, seq: int = 1, keys: tuple[KeyEntry, ...] = KEYS
    ) -> tuple[StatementType, bytes]:
        """A key set signed by the root."""
        body = KeySetStatement(self.lid, seq, NOW - 100, keys)
        return StatementType.KEY_SET, sign_statement(key_of("root"), ROOT, body)

    def revocations(
        self, seq: int, *ids: bytes, iat: int = NOW - 50, min_iat: int = 0
    ) -> tuple[StatementType, bytes]:
        """A revocation list signed by the issuer."""
        entries = tuple((revoked, NOW + DAY) for revoked in ids)
        return self.signed(Revocations(self.lid, seq, iat, min_iat, entries))

    def acknowledgement(
        self, upto_seq: int | None = None, *, iat: int = NOW
    ) -> tuple[StatementType, bytes]:
        """The server has everything up to here, or up to the newest line."""
        seq = self.locker.journal.tail().seq if upto_seq is None else upto_seq
        head = self.locker.journal.find_head(seq)
        assert head is not None
        return self.signed(Acknowledgement(self.lid, iat, seq, head))

    def configuration(self, values: dict[int, Value], seq: int = 1) -> tuple[StatementType, bytes]:
        """A configuration signed by the issuer."""
        body = Configuration(self.lid, seq, NOW - 50, values)
        return StatementType.CONFIGURATION, sign_statement(key_of("issuer"), ISSUER, body)

    def time(self, hello: bytes, at: int = NOW) -> tuple[StatementType, bytes]:
        """The server's time, bound to this hello."""
        body = Time(self.lid, at, time_nonce(hello))
        return StatementType.TIME, sign_statement(key_of("issuer"), ISSUER, body)

    def token(
        self, op: Operation, *, signer: tuple[str, KeyId] = ("issuer", ISSUER), **changes: Any
    ) -> bytes:
        """A token for device `phone`, valid now; any claim may be changed."""
        name, kid = signer
        claims = Claims(
            aud=locker_text(self.lid),
            exp=NOW + 3600,
            nbf=NOW - 60,
            iat=NOW - 60,
            cti=TokenId(self.randomness.take(8)),
            holder=key_of("phone").public,
            role=Role.COURIER if op is Operation.DEPOSIT else Role.RECIPIENT,
            actions=int(op),
            comps=(),
            stay=StayId(b""),
            depth=0,
            minrev=0,
        )
        return issue_token(key_of(name), kid, self.lid, replace(claims, **changes))

    async def visit(self, holder: str = "phone", mtu: int = 517) -> Visitor:
        """A phone comes to the door."""
        return Visitor(self, await self.radio.connect(mtu), key_of(holder))

    async def come(
        self,
        op: Operation,
        comp: int | None = None,
        *statements: tuple[StatementType, bytes],
        holder: str = "phone",
        token: bytes | None = None,
        code: int | None = None,
        **claims: Any,
    ) -> tuple[Visitor, Report]:
        """A phone comes, asks with this token or one of these claims, and stays."""
        visitor = await self.visit(holder)
        asked = token or self.token(op, holder=key_of(holder).public, **claims)
        return visitor, await visitor.greet_and_ask(asked, OpenRequest(op, comp, code), *statements)

    async def ask(
        self,
        op: Operation,
        comp: int | None = None,
        *statements: tuple[StatementType, bytes],
        **how: Any,
    ) -> Report:
        """As `come`, and the phone leaves with the result."""
        visitor, report = await self.come(op, comp, *statements, **how)
        await visitor.leave()
        return report

    def pair(self, **claims: Any) -> tuple[bytes, ...]:
        """The two tokens that open every door."""
        life = {"exp": NOW + 1800, "role": Role.OPERATOR} | claims
        return tuple(
            self.token(Operation.OPEN_ALL, signer=signer, **life)
            for signer in (("service", SERVICE), ("operator", OPERATOR))
        )

    async def open_all(self, *pair: bytes, **claims: Any) -> tuple[Visitor, Report]:
        """Two people of the staff, on one device, open every door."""
        staff, req = await self.visit(), OpenRequest(Operation.OPEN_ALL)
        return staff, await staff.greet_and_ask(pair or self.pair(**claims), req)

    async def set_time(self, at: int) -> None:
        """A phone brings the server's time."""
        visitor = await self.visit()
        hello = await visitor.greet()
        token = self.token(
            Operation.SYNC, role=Role.COURIER, exp=at + 600, nbf=at - 60, iat=at - 60
        )
        report = await visitor.ask(token, OpenRequest(Operation.SYNC), self.time(hello, at))
        assert report.code == Code.OK
        await visitor.leave()

    async def set_up(self) -> None:
        """Bring key set and time, as the first phone of every test would."""
        visitor = await self.visit()
        hello = await visitor.greet()
        token = self.token(Operation.SYNC, role=Role.COURIER)
        report = await visitor.ask(
            token, OpenRequest(Operation.SYNC), self.key_set(), self.time(hello)
        )
        assert report.code == 0
        await visitor.leave()

    async def deposit_by_hand(self, stay: bytes, comp: int | None = None) -> int:
        """As `deposit`, where the door waits to be shut."""
        report = await self.ask(Operation.DEPOSIT, comp, stay=StayId(stay))
        assert report.comp is not None
        await self.shut(report.comp, occupied=True)
        assert self.stay(report.comp) == stay
        return report.comp

    async def deposit(self, stay: bytes, comp: int | None = None) -> int:
        """A parcel goes in under `stay`; returns its compartment once the door has closed."""
        courier = await self.visit()
        await courier.greet()
        token = self.token(Operation.DEPOSIT, stay=StayId(stay))
        report = await courier.ask(token, OpenRequest(Operation.DEPOSIT, comp))
        assert report.code == 0
        assert report.comp is not None
        await self.pass_time(2.0)
        await courier.leave()
        return report.comp


class BrokenBolts(SimulatedHardware):
    """A locker whose bolts cannot be driven."""

    async def pulse(self, comp: int, visitor: Person) -> None:
        """As a board that does not answer."""
        raise HardwareFailed(f"bolt {comp} does not answer")


def _is_commissioned(store: Store) -> bool:
    with store.reading() as connection:
        return bool(connection.execute("SELECT count(*) FROM identity").fetchone()[0])
