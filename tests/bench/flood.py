"""Strangers who are refused as fast as they can ask, and a phone that is let in meanwhile.

The locker is whole and on the disk, the radio is in memory: a real one would slow the strangers
down, and virtual controllers would be what is measured. What strangers compute is computed in a
process of its own, so that this one does the locker's work, and one phone's.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import secrets
import tempfile
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ble_agent.clock import measure_uptime_s
from ble_agent.hardware.simulated import SimulatedHardware
from ble_agent.phone.errand import Errand
from ble_agent.phone.link import PhoneLink
from ble_agent.radio.loopback import LoopbackRadio
from ble_agent.radio.port import RadioLost, Refused
from ble_agent.redemptions import restore_stays
from ble_agent.session.desk import MAX_PHONES, Desk
from ble_agent.session.locker import Surroundings, open_store, start_locker, stop_locker
from schema.codes import Code
from schema.cose import SigningKey
from schema.gatt import AttError, split
from schema.handshake import OpenRequest, PhoneVisit
from schema.ids import StayId
from schema.journal import Kind, parse_entry
from schema.keys import Operation, Role
from tests.fakes.agents import commission_locker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.connection import Connection

    from ble_agent.errors import StateError
    from ble_agent.phone.errand import LockerKeys
    from ble_agent.radio.loopback import LoopbackPhone
    from ble_agent.session.locker import Locker
    from tests.bench.report import Row
    from tests.fakes.agents import Authority

REFUSALS = 10_000
ENTRIES_LIMIT, DISK_LIMIT_KIB, SLOWER_LIMIT = 10, 64, 2.0

ROUNDS, OPENINGS = 15, 4
"""Quiet and crowded stretches take turns; so many unlocks in each of them."""

COMPARTMENTS = 2 * ROUNDS * OPENINGS
"""One for each unlock: a stay is collected once."""

PAUSE_S = 0.01
"""Between two unlocks: the door opens and shuts, and strangers fill the loop again."""


class Attempt(Enum):
    """What strangers try, in turn."""

    FORGED = "a token that the issuer did not sign"
    EXPIRED = "a token of last week"
    STOLEN = "a valid token without its device key"
    MALFORMED = "bytes that are no token"
    REPLAYED = "a request recorded at another hello"


@dataclass(frozen=True, slots=True)
class Tricks:
    """What strangers know: the locker's public keys, a device of their own, a token a trick."""

    keys: LockerKeys
    device: bytes = field(repr=False)
    tokens: dict[Attempt, bytes]

    def write_request(self, hello: bytes, attempt: Attempt) -> bytes:
        """The whole message for this hello."""
        visit = PhoneVisit(
            hello,
            lid=self.keys.lid,
            locker_static=self.keys.noise_public,
            ephemeral=secrets.token_bytes(32),
        )
        request = OpenRequest(Operation.OPEN)
        return visit.write_request((self.tokens[attempt],), request, SigningKey(self.device))


def write_requests(pipe: Connection, tricks: Tricks) -> None:
    """The strangers' process: a message for each hello, until nobody asks any more."""
    with suppress(EOFError, BrokenPipeError):
        while True:
            hello, attempt = pipe.recv()
            pipe.send_bytes(tricks.write_request(hello, attempt))


class Accomplice:
    """Has messages written in the strangers' process, in the order in which they are asked for."""

    def __init__(self, tricks: Tricks) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=write_requests, args=(theirs, tricks))
        self._process.start()
        theirs.close()
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._on_message)

    async def write_request(self, hello: bytes, attempt: Attempt) -> bytes:
        """The message for this hello."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._pipe.send((hello, attempt))
        message: bytes = await future
        return message

    def close(self) -> None:
        """Let the process end, and wait for it."""
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        self._pipe.close()
        self._process.join()

    def _on_message(self) -> None:
        message, future = self._pipe.recv_bytes(), self._waiting.popleft()
        if not future.done():
            future.set_result(message)


class Crowd:
    """As many strangers as the locker has places, with more patience than it has.

    One who is sent away is back at once, and nobody waits for an answer. They ask while `going`
    is set, until so many requests were refused as were wanted.
    """

    def __init__(self, radio: LoopbackRadio, accomplice: Accomplice) -> None:
        self.refused = self.unopened = 0
        self._radio = radio
        self._accomplice = accomplice
        self._attempts = itertools.cycle(Attempt)
        self._wanted = 0
        self._going = asyncio.Event()
        self._had_enough = asyncio.Event()

    async def provoke(self, refusals: int) -> None:
        """Have so many more requests refused."""
        self.begin(refusals)
        await self._had_enough.wait()

    def begin(self, refusals: int) -> None:
        """Let them come, until so many more requests were refused."""
        self._wanted = self.refused + self.unopened + refusals
        self._had_enough.clear()
        self._going.set()

    def pause(self) -> None:
        """Have them wait where they stand."""
        self._going.clear()

    async def crowd(self) -> None:
        """Come to the door, again and again, until cancelled."""
        async with asyncio.TaskGroup() as strangers:
            for _ in range(MAX_PHONES):
                strangers.create_task(self._come_again())

    async def _come_again(self) -> None:
        recorded = b""
        while True:
            await self._going.wait()
            with suppress(RadioLost, Refused):  # sent away: somebody else took the place
                phone = await self._radio.connect()
                while True:
                    recorded = await self._ask(phone, next(self._attempts), recorded)

    async def _ask(self, phone: LoopbackPhone, attempt: Attempt, recorded: bytes) -> bytes:
        """One attempt; returns a message that was refused, to be tried again."""
        await self._going.wait()
        message, hello = recorded, await phone.read_hello()
        if attempt is not Attempt.REPLAYED or not recorded:
            tried = Attempt.STOLEN if attempt is Attempt.REPLAYED else attempt
            message = await self._accomplice.write_request(hello, tried)
        try:
            for fragment in split(message, phone.fragment_size):
                await phone.write(fragment)
        except Refused as refused:
            self.unopened += refused.att_error is AttError.BAD_MESSAGE
        else:
            self.refused += 1
        if self.refused + self.unopened >= self._wanted:
            self._going.clear()
            self._had_enough.set()
        return message


@dataclass(frozen=True, slots=True)
class Scene:
    """A locker with a parcel behind each door, the recipient of all of them, and the crowd."""

    locker: Locker
    radio: LoopbackRadio
    authority: Authority
    recipient: SigningKey
    crowd: Crowd
    state: Path

    async def open_door(self, stay: bytes) -> float:
        """One parcel is fetched; the seconds from its phone's connection to the answer 0."""
        token = self.authority.token(Operation.OPEN, stay, self.recipient.public)
        began = time.perf_counter()
        phone = await self.radio.connect()
        errand = Errand(PhoneLink(phone), self.authority.keys, self.recipient)
        done = await errand.request((token,), OpenRequest(Operation.OPEN))
        taken_s = time.perf_counter() - began
        assert done.result.code == Code.OK, done.result
        await phone.leave()
        await asyncio.sleep(PAUSE_S)
        return taken_s

    def measure_disk(self) -> int:
        """Bytes of all files in the state folder."""
        return sum(file.stat().st_size for file in self.state.iterdir())

    def list_kinds(self) -> list[Kind]:
        """What the journal holds."""
        lines = self.locker.journal.list_after(0, limit=100_000)
        return [Kind(parse_entry(raw).kind) for _, raw in lines]


async def measure() -> list[Row]:
    """Three rows: lines and bytes that refusals leave, and how much longer an unlock takes."""
    stays = {comp: secrets.token_bytes(8) for comp in range(1, COMPARTMENTS + 1)}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        async with _scene(Path(folder) / "state", stays) as scene:
            traces = await _measure_traces(scene)
            return [*traces, await _measure_unlocks(scene, list(stays.values()))]


async def _measure_traces(scene: Scene) -> list[Row]:
    """Nobody but strangers comes; at the end their lines are written as at an orderly stop."""
    lines, size = scene.list_kinds(), scene.measure_disk()
    began = time.perf_counter()
    await scene.crowd.provoke(REFUSALS)
    taken_s = time.perf_counter() - began
    scene.locker.denials.flush()
    added = scene.list_kinds()[len(lines) :]
    assert set(added) == {Kind.DENIED}
    crowd = scene.crowd
    return [
        {
            "name": f"{REFUSALS} refused requests: journal entries",
            "value": float(len(added)),
            "limit": float(ENTRIES_LIMIT),
            "detail": f"{crowd.refused} by a code, {crowd.unopened} unopened, in {taken_s:.0f} s",
        },
        {
            "name": f"{REFUSALS} refused requests: KiB on disk",
            "value": (scene.measure_disk() - size) / 1024,
            "limit": float(DISK_LIMIT_KIB),
            "detail": "all files of the state folder",
        },
    ]


async def _measure_unlocks(scene: Scene, stays: list[bytes]) -> Row:
    quiet: list[float] = []
    crowded: list[float] = []
    before = scene.crowd.refused + scene.crowd.unopened
    for _ in range(ROUNDS):
        quiet += [await scene.open_door(stays.pop()) for _ in range(OPENINGS)]
        scene.crowd.begin(REFUSALS)
        crowded += [await scene.open_door(stays.pop()) for _ in range(OPENINGS)]
        scene.crowd.pause()
    asked = scene.crowd.refused + scene.crowd.unopened - before
    return {
        "name": "unlock among strangers / undisturbed",
        "value": round(median(crowded) / median(quiet), 2),
        "limit": SLOWER_LIMIT,
        "detail": f"{median(crowded) * 1e3:.1f} ms / {median(quiet) * 1e3:.1f} ms,"
        f" {len(crowded)} unlocks of each, {asked} refusals meanwhile",
    }


@asynccontextmanager
async def _scene(state: Path, stays: dict[int, bytes]) -> AsyncIterator[Scene]:
    authority = commission_locker(state, compartments=len(stays))
    store = open_store(state)
    restore_stays(store, {comp: StayId(stay) for comp, stay in stays.items()})
    loop = asyncio.get_running_loop()
    failures: list[StateError] = []
    hardware = SimulatedHardware(len(stays), scheduler=loop, occupied=stays, door_seconds=0)
    around = Surroundings(
        hardware=hardware,
        scheduler=loop,
        take_random=secrets.token_bytes,
        machine_start="one",
        measure_uptime_s=measure_uptime_s,
        show_presence=lambda code: None,
        on_failure=failures.append,
        show_prompt=lambda comp, prompt: None,
    )
    locker, radio = start_locker(store, around), LoopbackRadio()
    desk = Desk(
        locker,
        radio,
        scheduler=loop,
        take_random=secrets.token_bytes,
        on_failure=failures.append,
    )
    await radio.start(authority.keys.lid, desk)
    recipient, stay = SigningKey(secrets.token_bytes(32)), next(iter(stays.values()))
    accomplice = Accomplice(_make_tricks(authority, recipient, stay))
    crowd = Crowd(radio, accomplice)
    work = [loop.create_task(desk.send_messages()), loop.create_task(crowd.crowd())]
    scene = Scene(locker, radio, authority, recipient, crowd, state)
    await _bring_keys_and_time(scene)
    yield scene
    assert not any(task.done() for task in work)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    accomplice.close()
    await radio.stop()
    await stop_locker(locker)
    await hardware.close()
    store.close()
    assert not failures


async def _bring_keys_and_time(scene: Scene) -> None:
    phone = await scene.radio.connect()
    token = scene.authority.token(Operation.SYNC, b"", scene.recipient.public, role=Role.COURIER)
    done = await Errand(PhoneLink(phone), scene.authority.keys, scene.recipient).request(
        (token,),
        OpenRequest(Operation.SYNC),
        (scene.authority.key_set(),),
        find_time=scene.authority.find_time,
    )
    assert done.result.code == Code.OK
    await phone.leave()


def _make_tricks(authority: Authority, recipient: SigningKey, stay: bytes) -> Tricks:
    """All aim at one parcel; the thief holds its token, and no other stranger has any of worth."""
    device = secrets.token_bytes(32)
    own, week_ago = SigningKey(device).public, int(time.time()) - 7 * 86_400
    forger = replace(authority, issuer=SigningKey(secrets.token_bytes(32)))
    life = {"iat": week_ago, "nbf": week_ago, "exp": week_ago + 3600}
    tokens = {
        Attempt.FORGED: forger.token(Operation.OPEN, stay, own),
        Attempt.EXPIRED: authority.token(Operation.OPEN, stay, own, **life),
        Attempt.STOLEN: authority.token(Operation.OPEN, stay, recipient.public),
        Attempt.MALFORMED: secrets.token_bytes(200),
    }
    return Tricks(authority.keys, device, tokens)
