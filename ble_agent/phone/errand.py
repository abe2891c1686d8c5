"""One visit at the door, from the phone's side: prove, open, watch, and carry bytes both ways.

Knows the protocol and a link; knows no server and keeps nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ble_agent.errors import AgentError
from ble_agent.phone.link import Silent
from ble_agent.phone.luggage import newer_than, part_for_request, part_for_sync
from schema.codec import Malformed
from schema.codes import Code, DoorEvent
from schema.gatt import MAX_ATTRIBUTE
from schema.handshake import MAX_ENVELOPE, EnvelopeFrame, PhoneVisit, Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ble_agent.phone.link import PhoneLink
    from ble_agent.phone.luggage import Carried
    from schema.cose import SigningKey
    from schema.handshake import Hello, OpenRequest
    from schema.ids import LockerId

    TimeSource = Callable[[bytes], Awaitable[bytes | None]]

ANSWER_S = 10.0
"""How long a phone waits for an answer that the locker owes it."""

MAX_REQUESTS = 3
"""As often one wish is asked for: each time with statements for which there was no room before."""

MAX_SYNCS = 64
"""Envelopes fetched in one visit: a bound on our own patience, not the locker's."""

READABLE_ENVELOPE = MAX_ATTRIBUTE - 1 - 16 - 14
"""Longest envelope whose answer can also be read: header of the fragment, tag, and frame around it
leave so much of an attribute (PROTOCOL 7).
"""

CARRY_BYTES = 8 * 1024
"""What a phone carries for others in one visit, statements and envelopes together: next to
nothing of its memory or of anybody's patience, and a month of an ordinary locker in a few visits.
"""

T = TypeVar("T")

_CLOSED = frozenset({DoorEvent.CLOSED_EMPTY, DoorEvent.CLOSED_OCCUPIED, DoorEvent.CLOSED_UNKNOWN})
_FINAL = _CLOSED | {DoorEvent.OPEN_NOT_DETECTED}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a phone asks for, with all that it could bring along."""

    chain: tuple[bytes, ...]
    req: OpenRequest
    statements: tuple[Carried, ...]
    find_time: TimeSource | None
    record: Callable[[bytes], object] | None


class NotVouched(AgentError):
    """The answer opens, yet the locker's signing key does not stand behind it: not a receipt."""


@dataclass(frozen=True, slots=True)
class LockerKeys:
    """What a bundle says of a locker: its id, and the two keys that only it has."""

    lid: LockerId
    noise_public: bytes
    sign_public: bytes


@dataclass(slots=True)
class Outcome:
    """What a visit brought: the result, the door events so far, envelopes to carry home."""

    hello: Hello
    result: Report
    handshake_hash: bytes
    events: list[Report] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    left: tuple[Carried, ...] = ()
    """Statements that the locker lacks and the request had no room for."""
    pending: int = 0
    carried: int = 0
    """Bytes carried for others so far: statements brought, envelopes taken."""

    def take(self, answer: EnvelopeFrame) -> None:
        """Keep what one answer to a sync brought."""
        self.pending = answer.pending
        if answer.envelope is not None:
            self.envelopes.append(answer.envelope)
            self.carried += len(answer.envelope)


class Errand:
    """A phone at one locker over one link.

    `request` reads a new hello each time; the other calls belong to the session that it began.
    """

    def __init__(
        self,
        link: PhoneLink,
        keys: LockerKeys,
        holder: SigningKey,
        *,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._link = link
        self._keys = keys
        self._holder = holder
        self._answer_s = answer_s
        self._visit: PhoneVisit | None = None

    async def request(
        self,
        chain: tuple[bytes, ...],
        req: OpenRequest,
        statements: tuple[Carried, ...] = (),
        *,
        find_time: TimeSource | None = None,
        record: Callable[[bytes], object] | None = None,
    ) -> Outcome:
        """Ask for `req`; what the locker lacks of `statements` travels along.

        A refusal while more waited than one message takes is no answer yet: the phone asks again
        with the rest. `find_time` turns a hello into a time statement, where a phone is online
        and the clock needs it; `record` is given each sealed request. Malformed for a hello of
        another locker; NotVouched for an unsigned answer.
        """
        wish = _Wish(chain, req, statements, find_time, record)
        outcome = await self._ask(wish)
        for _ in range(MAX_REQUESTS - 1):
            if outcome.result.code == Code.OK or not outcome.left:
                break
            again = await self._ask(wish)
            again.carried += outcome.carried
            outcome = again
        return outcome

    async def _ask(self, wish: _Wish) -> Outcome:
        hello = await self._link.read_hello()
        visit = self._visit = PhoneVisit(
            hello,
            lid=self._keys.lid,
            locker_static=self._keys.noise_public,
            ephemeral=secrets.token_bytes(32),
        )
        news = newer_than(visit.hello, wish.statements)
        signed_time = None
        if wish.find_time is not None and visit.hello.clockq < 2:
            signed_time = await wish.find_time(hello)
        brought, left = part_for_request(wish.chain, news, time=signed_time)
        message = visit.write_request(wish.chain, wish.req, self._holder, brought)
        if wish.record is not None:
            wish.record(message)
        await self._link.send(message)
        result = await self._next(visit.read_result)
        self._check(result)
        carried = sum(len(raw) for _, raw in brought)
        return Outcome(visit.hello, result, visit.handshake_hash, left=left, carried=carried)

    async def watch(self, outcome: Outcome, *, timeout_s: float) -> None:
        """Collect door events until the door has closed or did not open; Silent after the time."""
        async with asyncio.timeout(timeout_s):
            while not outcome.events or outcome.events[-1].code not in _FINAL:
                frame = await self._next(self._session().read_frame, timeout_s)
                if isinstance(frame, Report):
                    self._check(frame)
                    outcome.events.append(frame)

    async def reopen(self, comp: int) -> Report:
        """Ask for the session's closed door once more."""
        await self._link.send(self._session().write_reopen(comp))
        return await self._report()

    async def sync(self, outcome: Outcome, *, carry: int = CARRY_BYTES) -> Report | None:
        """Bring what the request had no room for, and take envelopes until none is left.

        The phone carries at most `carry` bytes in all. Returns the refusal, if the locker refused
        a statement. Door events that come meanwhile are kept in `outcome`. After an answer that
        was lost the phone asks for shorter ones, which it can read; what the lost one held is not
        acknowledged, so a later visit brings it.
        """
        longest, waiting = MAX_ENVELOPE, outcome.left
        for _ in range(MAX_SYNCS):
            brought, waiting = part_for_sync(waiting)
            outcome.carried += sum(len(raw) for _, raw in brought)
            room = max(0, min(longest, carry - outcome.carried))
            await self._link.send(self._session().write_sync(brought, room))
            try:
                answer = await self._envelope(outcome)
            except Silent:
                if longest == READABLE_ENVELOPE:
                    raise
                longest = READABLE_ENVELOPE
                continue
            if isinstance(answer, Report):
                return answer
            outcome.take(answer)
            if not waiting and (answer.envelope is None or answer.pending == 0):
                return None
        return None

    async def _envelope(self, outcome: Outcome) -> EnvelopeFrame | Report:
        while True:
            frame = await self._next(self._session().read_frame)
            if isinstance(frame, EnvelopeFrame):
                return frame
            self._check(frame)
            if frame.code < DoorEvent.DOOR_OPENED:
                return frame
            outcome.events.append(frame)

    async def _report(self) -> Report:
        while True:
            frame = await self._next(self._session().read_frame)
            if isinstance(frame, Report):
                self._check(frame)
                return frame

    def _session(self) -> PhoneVisit:
        assert self._visit is not None
        return self._visit

    async def _next(self, read: Callable[[bytes], T], timeout_s: float | None = None) -> T:
        """The next message that opens for us; what other phones were meant to read is skipped."""
        deadline_s = time.monotonic() + (self._answer_s if timeout_s is None else timeout_s)
        while True:
            message = await self._link.receive(max(0.1, deadline_s - time.monotonic()))
            try:
                return read(message)
            except Malformed as error:
                if time.monotonic() >= deadline_s:
                    raise Silent("no answer that opens came in time") from error

    def _check(self, report: Report) -> None:
        if not report.is_vouched_by(self._keys.sign_public, self._keys.lid):
            raise NotVouched("the locker does not vouch for its answer")
