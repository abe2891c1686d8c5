"""One locker: its identity and parts, what it says of itself, and how it decides a request."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from ble_agent import __version__
from ble_agent import journal as journals
from ble_agent import redemptions as redeeming
from ble_agent import statements as stating
from ble_agent.climate import keeping
from ble_agent.climate.keeping import Climates
from ble_agent.clock import TrustedClock
from ble_agent.doors import Doors
from ble_agent.doors.reopening import judge_reopening
from ble_agent.errors import StoreFull
from ble_agent.journal import Journal, get_number, set_number
from ble_agent.journal import readings as measuring
from ble_agent.journal.denials import Denials
from ble_agent.journal.pruning import Pruning
from ble_agent.journal.readings import Readings
from ble_agent.policy import judge
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import World
from ble_agent.redemptions import Redemptions
from ble_agent.session.outlook import OpenDoors, Room, Sensed
from ble_agent.session.presence import Presence
from ble_agent.session.voucher import Voucher
from ble_agent.statements import Statements
from ble_agent.store import MAX_BYTES, Store
from ble_agent.store import identity as identities
from ble_agent.uplink import Outgoing
from ble_agent.uplink.sampling import Sampling
from schema.codes import Code
from schema.handshake import Hello, Report
from schema.ids import locker_text
from schema.journal import Accepted, Kind
from schema.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ble_agent.clock import Scheduler
    from ble_agent.doors import Follower
    from ble_agent.doors.prompts import Prompt
    from ble_agent.errors import StateError
    from ble_agent.hardware.port import Hardware, Thermometer
    from ble_agent.journal import Line, Record
    from ble_agent.store import Moment
    from ble_agent.store.identity import Identity
    from schema.handshake import Request
    from schema.ids import StayId
    from schema.statements import SignedStatement

logger = logging.getLogger(__name__)

TABLES: Final = (
    *identities.TABLES,
    *journals.TABLES,
    *redeeming.TABLES,
    *stating.TABLES,
)
_MIGRATIONS: Final = (redeeming.TABLES_OF_PASSES, measuring.TABLES, keeping.TABLES)
"""What each version after the first has added to the file."""


def open_store(
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    cut: Callable[[Moment, str], None] | None = None,
) -> Store:
    """The store of a locker in this folder, brought to the version that this agent knows."""
    return Store(folder, tables=TABLES, migrations=_MIGRATIONS, max_bytes=max_bytes, cut=cut)


class BootCause(IntEnum):
    """Why a process began, as its BOOT line says."""

    FIRST_OR_CLEAN = 0
    """The first start, or the former process ended in order."""
    INTERRUPTED = 1
    """The former process was killed, or the power went."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a request: a code, the compartment and the line that the result names."""

    code: Code
    line: Line
    comp: int | None = None
    comps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Locker:
    """The running locker, shared by all sessions; every call runs on the event loop's thread."""

    identity: Identity
    store: Store
    hardware: Hardware
    journal: Journal
    redemptions: Redemptions
    statements: Statements
    doors: Doors
    denials: Denials
    presence: Presence
    pruning: Pruning
    readings: Readings
    sampling: Sampling
    room: Room
    voucher: Voucher

    @property
    def outgoing(self) -> Outgoing:
        """What carriers take along."""
        identity = self.identity
        return Outgoing(identity.lid, identity.signing, self.journal, self.readings)

    def hello(self) -> Hello:
        """What is told to every phone in clear."""
        trust, clock = self.statements.trust(), self.journal.clock
        return Hello(
            lid=self.identity.lid,
            rev=trust.revoked.seq,
            keys=trust.key_seq,
            cfg=trust.cfg_seq,
            now=clock.now(),
            clockq=int(clock.quality),
            acked=self.journal.acknowledged(),
            seq=self.journal.tail().seq,
        )

    def report(self, code: int, comp: int | None, line: Line) -> Report:
        """A code with the journal line behind it, vouched for by this locker."""
        clock = self.journal.clock
        return Report(
            code=code,
            comp=comp,
            seq=line.seq,
            head=line.head,
            signature=self.voucher.sign(line),
            now=clock.now(),
            clockq=int(clock.quality),
        )

    def apply(
        self, statements: tuple[SignedStatement, ...], *, nonce: bytes | None
    ) -> Refusal | None:
        """Let statements take effect, with what follows from them at once."""
        if not statements:
            return None
        acked = self.journal.acknowledged()
        refused = self.statements.apply(statements, nonce=nonce)
        self.presence.code()
        if self.journal.acknowledged() > acked:
            self.pruning.run()
            self.room.forget()
        return refused

    def decide(self, request: Request, handshake_hash: bytes, nonce: bytes) -> Decision:
        """Apply what the request brings, judge it, make a permit durable; no bolt moves here."""
        refused = self.apply(request.statements, nonce=nonce)
        verdict = refused or judge(request, handshake_hash, self.world(*_counted(request)))
        is_proved = isinstance(verdict, Permit) or verdict.is_proved
        if request.req.code is not None and is_proved:
            self.presence.redraw()
        if isinstance(verdict, Refusal):
            return self.refuse(verdict.code)
        return self.let_in(_as_accepted(request, handshake_hash, verdict), verdict)

    def reopen(self, comp: int, accepted_seq: int, follower: Follower) -> Line | Refusal:
        """Open a closed door once more for the session that this acceptance began."""
        opening = self.redemptions.stored()[comp].opening
        if opening is None or opening.accepted_seq != accepted_seq:
            return Refusal(Code.COMPARTMENT_BUSY, "somebody else was let at the compartment")
        ctis = [] if opening.cti is None else [opening.cti]
        refused = judge_reopening(opening, self.world(ctis, opening.stay))
        if refused is not None:
            return refused
        try:
            return self.doors.reopen(opening, follower)
        except StoreFull:
            return Refusal(Code.STORAGE_FULL, "no room for the line of the pulse")

    def refuse(self, code: Code) -> Decision:
        """Count a refusal; it names the newest line."""
        self.denials.count(code)
        return Decision(code, self.journal.tail())

    def let_in(
        self,
        accepted: Accepted,
        permit: Permit,
        *,
        beside: Callable[[Record], None] | None = None,
    ) -> Decision:
        """Make a permit durable, with what `beside` adds to the same record; no bolt moves here.

        STORAGE_FULL, and nothing stored, where there is no room.
        """
        try:
            with self.journal.record("accept") as record:
                if permit.floor_iat is not None:
                    record.raise_floor(permit.floor_iat)
                line = record.append(Kind.ACCEPTED, accepted.as_body())
                self.doors.accept(record, permit, seq=line.seq)
                if beside is not None:
                    beside(record)
        except StoreFull:
            return self.refuse(Code.STORAGE_FULL)
        return Decision(Code.OK, line, permit.comp, permit.comps)

    def world(self, ctis: list[bytes], stay: StayId) -> World:
        """What is known at this moment, with the counts of these tokens and of this stay."""
        trust, clock = self.statements.trust(), self.journal.clock
        uptime_s, compartments = clock.uptime_s(), self.redemptions.stored()
        return World(
            audience=locker_text(self.identity.lid),
            now=clock.now(),
            clockq=int(clock.quality),
            uptime_s=uptime_s,
            keys=trust.keys,
            compartments=compartments,
            open_doors=OpenDoors(self.hardware, compartments, self.doors.owes_opening),
            occupied=Sensed(self.hardware, compartments),
            revoked=trust.revoked,
            used=self.redemptions.used(ctis),
            pulses=self.redemptions.pulses([*ctis, stay] if stay else ctis),
            presence_code=self.presence.code(),
            room=self.room.share(uptime_s),
        )


def _as_accepted(request: Request, handshake_hash: bytes, permit: Permit) -> Accepted:
    return Accepted(
        op=int(request.req.op),
        asked_comp=request.req.comp,
        code=request.req.code,
        comp=permit.comp,
        cti=permit.cti,
        h=handshake_hash,
        pop=request.pop,
        chain_hash=hashlib.sha256(b"".join(request.chain)).digest(),
        rest=request.chain[1:],
    )


def _counted(request: Request) -> tuple[list[bytes], StayId]:
    """The tokens and the stay whose uses and pulses a request can depend on."""
    claims = request.token.claims
    if request.req.op is Operation.OPEN and claims.stay:
        return [], claims.stay  # the stay's end is the only use there is
    second = [request.second_token.claims.cti] if request.second_token else []
    return [claims.cti, *second], claims.stay


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a running locker takes from outside itself.

    `machine_start` names this start of the machine, under which uptimes compare. `show_presence`
    is told of each new presence code, `show_prompt` of what a person at a door is asked to do
    (None: nothing any more); `on_failure` of a store that can serve no more.
    """

    hardware: Hardware
    scheduler: Scheduler
    take_random: Callable[[int], bytes]
    machine_start: str
    measure_uptime_s: Callable[[], float]
    show_presence: Callable[[int], None]
    on_failure: Callable[[StateError], None]
    show_prompt: Callable[[int, Prompt | None], None]
    thermometer: Thermometer | None = None


def apply_offline(
    store: Store,
    identity: Identity,
    statements: tuple[SignedStatement, ...],
    *,
    take_random: Callable[[int], bytes],
) -> Refusal | None:
    """Apply statements while no agent runs, as commissioning does; the first failure ends it."""
    with store.reading() as connection:
        floor, boot = get_number(connection, "floor"), get_number(connection, "boot")
    clock = TrustedClock(floor)
    journal = Journal(store, identity.lid, clock=clock, boot=boot, take_random=take_random)
    redemptions = Redemptions(store, machine_start="")
    applied = Statements(store, journal, redemptions, lid=identity.lid, roots=identity.roots)
    return applied.apply(statements, nonce=None)


def start_locker(store: Store, around: Surroundings) -> Locker:
    """Bring a commissioned locker up: one BOOT line, then doors as they were left.

    StateMissing where none was commissioned. Must run on the event loop.
    """
    identity = identities.get_identity(store)
    with store.reading() as connection:
        floor, boot = get_number(connection, "floor"), get_number(connection, "boot") + 1
        was_interrupted = bool(get_number(connection, "running"))
    clock = TrustedClock(floor, uptime=around.measure_uptime_s)
    journal = Journal(store, identity.lid, clock=clock, boot=boot, take_random=around.take_random)
    redemptions = Redemptions(store, machine_start=around.machine_start)
    statements = Statements(store, journal, redemptions, lid=identity.lid, roots=identity.roots)
    doors = Doors(
        around.hardware,
        journal,
        redemptions,
        scheduler=around.scheduler,
        overdue_s=lambda: statements.trust().close_overdue_s,
        on_failure=around.on_failure,
        show_prompt=around.show_prompt,
        thermometer=around.thermometer,
    )
    _record_boot(journal, boot, was_interrupted=was_interrupted)
    doors.start()
    readings = Readings(store)
    pruning = Pruning(store, journal, readings, around.scheduler, around.on_failure)
    pruning.start()
    sampling = Sampling(
        readings,
        store,
        thermometer=around.thermometer,
        compartments=around.hardware.compartments,
        climates=Climates(store, journal, zones=lambda: statements.trust().zones),
        clock=clock,
        scheduler=around.scheduler,
        on_failure=around.on_failure,
    )
    sampling.start()
    presence = Presence(
        around.take_random,
        around.show_presence,
        scheduler=around.scheduler,
        is_asked=lambda: statements.trust().asks_presence,
    )
    presence.code()
    return Locker(
        identity=identity,
        store=store,
        hardware=around.hardware,
        journal=journal,
        redemptions=redemptions,
        statements=statements,
        doors=doors,
        denials=Denials(journal, around.scheduler, around.on_failure),
        presence=presence,
        pruning=pruning,
        readings=readings,
        sampling=sampling,
        room=Room(store),
        voucher=Voucher(identity),
    )


async def stop_locker(locker: Locker) -> None:
    """End in order: what was counted is written, and the next start is no surprise."""
    await locker.doors.stop()
    locker.presence.stop()
    locker.pruning.stop()
    locker.sampling.stop()
    locker.denials.flush()
    try:
        with locker.journal.record("stop") as record:
            set_number(record.connection, "running", 0)
    except StoreFull as error:
        # Nothing is lost by it: the next start says that it was interrupted.
        logger.warning("no room to note this end: %s", error)


def _record_boot(journal: Journal, boot: int, *, was_interrupted: bool) -> None:
    cause = BootCause.INTERRUPTED if was_interrupted else BootCause.FIRST_OR_CLEAN
    try:
        with journal.record("boot") as record:
            set_number(record.connection, "boot", boot)
            set_number(record.connection, "running", 1)
            record.append(Kind.BOOT, [__version__, int(cause)])
    except StoreFull as error:
        # It must still start: only a phone that brings an acknowledgement makes room again.
        logger.warning("no room for the line of this start: %s", error)
