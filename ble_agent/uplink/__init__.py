"""The way out: lines and readings in sealed envelopes, for the network or for the next phone.

No line is dropped here: only an acknowledgement, which comes as a statement, lets lines go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ble_agent.backends.carrier import ServiceError
from ble_agent.errors import StateError
from schema.envelopes import envelope_size, pack, seal_envelope
from schema.handshake import MAX_ENVELOPE
from schema.journal import FIRST_PREV_HEAD, entry_head
from schema.statements import SignedStatement

if TYPE_CHECKING:
    from ble_agent.journal import Journal
    from ble_agent.journal.readings import Readings
    from ble_agent.statements import Statements
    from schema.cose import SigningKey
    from schema.ids import LockerId
    from schema.keys import KeyEntry
    from schema.readings import Reading

logger = logging.getLogger(__name__)

MAX_LINES = 400
"""Lines looked at for one envelope; with `MAX_RAW_SIZE` it keeps inflating within bounds."""

MAX_RAW_SIZE = 200 * 1024
"""Bytes of lines in one envelope before compression; the server inflates at most 256 KiB."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What leaves a locker, and the key that signs it on the way."""

    lid: LockerId
    signing: SigningKey
    journal: Journal
    readings: Readings


class Reach(NamedTuple):
    """How far the envelopes of one carrier have come: the last line, the last reading."""

    line: int
    reading: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """An envelope, if one could be made, how far it reaches, and the lines left over.

    `readings` are the numbers of those in it.
    """

    envelope: bytes | None
    reach: Reach
    pending: int
    readings: tuple[int, ...] = ()


def take_for_phone(
    outgoing: Outgoing, seal_to: KeyEntry | None, *, after: Reach, max_bytes: int
) -> Load:
    """The oldest lines after `after` that fit what a phone will carry, at most 1300 bytes.

    Its readings count as given to one more carrier.
    """
    load = take_load(outgoing, seal_to, after=after, max_bytes=min(max_bytes, MAX_ENVELOPE))
    outgoing.readings.on_given(load.readings)
    return load


def take_load(
    outgoing: Outgoing, seal_to: KeyEntry | None, *, after: Reach, max_bytes: int
) -> Load:
    """An envelope of at most `max_bytes` with the oldest lines after `after`.

    Readings go where lines leave room, or alone when there are none. There is no envelope when
    nothing is left, when nothing fits, or when the key set names no key to seal to; `reach` is
    then `after` again.
    """
    journal = outgoing.journal
    pending = journal.count_after(after.line)
    if seal_to is None:
        return Load(None, after, pending)
    raws = [raw for _, raw in journal.list_after(after.line, limit=MAX_LINES)]
    middle = _Middle(after.line + 1, journal.find_head(after.line), max_bytes)
    count = middle.fit_lines(_within_raw_size(raws))
    # A line that waits for a carrier with more room is not to be overtaken by what proves nothing.
    waiting = outgoing.readings.list_after(after.reading) if count == pending else []
    taken = waiting[: middle.fit_readings([reading for _, reading in waiting])]
    if count == 0 and not taken:
        return Load(None, after, pending)
    envelope = seal_envelope(
        middle.packed,
        lid=outgoing.lid,
        first=after.line + 1,
        count=count,
        key=outgoing.signing,
        kid=seal_to.kid,
        to=seal_to.public,
    )
    numbers = tuple(number for number, _ in taken)
    reach = Reach(after.line + count, numbers[-1] if numbers else after.reading)
    return Load(envelope, reach, pending - count, numbers)


def _within_raw_size(raws: list[bytes]) -> list[bytes]:
    total = 0
    for at, raw in enumerate(raws):
        total += len(raw)
        if total > MAX_RAW_SIZE:
            return raws[:at]
    return raws


class _Middle:
    """The middle of an envelope as it fills up; `packed` is the fullest that fitted.

    `before` is the head after the line ahead of `first`; None once that line was dropped.
    """

    def __init__(self, first: int, before: bytes | None, max_bytes: int) -> None:
        self.packed = b""
        self._first = first
        self._head = before or (FIRST_PREV_HEAD if first == 1 else None)
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []

    def fit_lines(self, raws: list[bytes]) -> int:
        """Take as many of the lines as fit; how many."""
        count = self._fit(len(raws), lambda count: self._pack(raws[:count], []))
        self._lines = raws[:count]
        return count

    def fit_readings(self, readings: list[Reading]) -> int:
        """Take as many readings as fit beside the lines; how many."""
        return self._fit(len(readings), lambda count: self._pack(self._lines, readings[:count]))

    def _fit(self, most: int, pack_some: Callable[[int], bytes | None]) -> int:
        """The largest count that fits, up to `most`.

        Halving works because more of anything practically never packs smaller; where it did, the
        envelope would only be shorter than it could be.
        """
        best, low, high = 0, 1, most
        while low <= high:
            count = (low + high) // 2
            packed = pack_some(count)
            if packed is None:
                high = count - 1
            else:
                self.packed, best, low = packed, count, count + 1
        return best

    def _pack(self, lines: list[bytes], readings: list[Reading]) -> bytes | None:
        head = entry_head(lines[-1]) if lines else self._head
        if head is None:
            return None
        packed = pack(first=self._first, entries=tuple(lines), head=head, readings=tuple(readings))
        size = envelope_size(packed, first=self._first, count=len(lines))
        return packed if size <= self._max_bytes else None


LOOK_S = 2.0
"""How often the network's uplink looks for new lines; cheap, it is one indexed read."""

LONGEST_PAUSE_S = 300.0
"""After failures the pauses double up to this."""

NETWORK_ENVELOPE = 48 * 1024
"""Below the protocol's 64 KiB: base64 and GraphQL around it must fit the server's request too."""

Deliver = Callable[[bytes], Awaitable[tuple[SignedStatement, ...]]]


class NetworkUplink:
    """Delivers the journal to the server whenever there is a network, for as long as it runs.

    What the server answers is applied as if a phone had brought it; time is not among it, for
    time is bound to a hello. A failure of the network or the server costs a pause, never a line.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        statements: Statements,
        deliver: Deliver,
        on_failure: Callable[[StateError], None],
    ) -> None:
        self._outgoing = outgoing
        self._statements = statements
        self._deliver = deliver
        self._on_failure = on_failure

    async def run(self) -> None:
        """Deliver until cancelled."""
        pause_s = LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = LOOK_S if await self.look() else min(2 * pause_s, LONGEST_PAUSE_S)

    async def look(self) -> bool:
        """Deliver once what waits; False when it should be a while until the next attempt."""
        journal = self._outgoing.journal
        before = journal.acknowledged()
        seal_to = self._statements.trust().keys.find_sealing_key()
        load = take_load(self._outgoing, seal_to, after=Reach(before), max_bytes=NETWORK_ENVELOPE)
        if load.envelope is None:
            return True
        try:
            answered = await self._deliver(load.envelope)
        except ServiceError as error:
            logger.info("the journal waits: %s", error)
            return False
        refused = self._statements.apply(answered, nonce=None)
        if refused is not None:
            logger.warning("the server's answer was refused: %s", refused.detail)
        self._drop(load.readings)
        return load.reach.line == before or journal.acknowledged() > before

    def _drop(self, readings: Sequence[int]) -> None:
        try:
            self._outgoing.readings.drop(readings)
        except StateError as error:
            self._on_failure(error)
