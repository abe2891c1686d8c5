"""The way out: journal lines into sealed envelopes, handed to the network or to the next phone.

Nothing is dropped here: only an acknowledgement, which comes as a statement, lets lines go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ble_agent.backends.carrier import ServiceError
from schema.envelopes import envelope_size, pack, seal_envelope
from schema.handshake import MAX_ENVELOPE
from schema.journal import entry_head
from schema.statements import SignedStatement

if TYPE_CHECKING:
    from ble_agent.journal import Journal
    from ble_agent.statements import Statements
    from schema.cose import SigningKey
    from schema.ids import LockerId
    from schema.keys import KeyEntry

logger = logging.getLogger(__name__)

MAX_LINES = 400
"""Lines looked at for one envelope; with `MAX_RAW_SIZE` it keeps inflating within bounds."""

MAX_RAW_SIZE = 200 * 1024
"""Bytes of lines in one envelope before compression; the server inflates at most 256 KiB."""


@dataclass(frozen=True, slots=True)
class Load:
    """An envelope, if one could be made, the last line it reaches to, and the lines left over."""

    envelope: bytes | None
    carried: int
    pending: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signs envelopes: the locker and its key."""

    lid: LockerId
    signing: SigningKey


def take_for_phone(
    journal: Journal, sender: Sender, seal_to: KeyEntry | None, *, after: int, max_bytes: int
) -> Load:
    """The oldest lines after `after` that fit what a phone will carry, at most 1300 bytes."""
    return take_load(journal, sender, seal_to, after=after, max_bytes=min(max_bytes, MAX_ENVELOPE))


def take_load(
    journal: Journal, sender: Sender, seal_to: KeyEntry | None, *, after: int, max_bytes: int
) -> Load:
    """An envelope of at most `max_bytes` with the oldest lines after `after`.

    There is none when nothing is left, when no line fits, or when the key set names no key to
    seal to; `carried` is then `after` again.
    """
    pending = journal.count_after(after)
    raws = _within_raw_size([raw for _, raw in journal.list_after(after, limit=MAX_LINES)])
    first = after + 1
    packed, count = _fit(raws, first=first, max_bytes=max_bytes)
    if seal_to is None or count == 0:
        return Load(None, after, pending)
    envelope = seal_envelope(
        packed,
        lid=sender.lid,
        first=first,
        count=count,
        key=sender.signing,
        kid=seal_to.kid,
        to=seal_to.public,
    )
    return Load(envelope, after + count, pending - count)


def _within_raw_size(raws: list[bytes]) -> list[bytes]:
    total = 0
    for at, raw in enumerate(raws):
        total += len(raw)
        if total > MAX_RAW_SIZE:
            return raws[:at]
    return raws


def _fit(raws: list[bytes], *, first: int, max_bytes: int) -> tuple[bytes, int]:
    """The most lines whose envelope stays within `max_bytes`, packed; (b"", 0) if none does.

    Halving works because a longer run of lines practically never packs smaller; where it did,
    the envelope would only be shorter than it could be.
    """
    best, low, high = (b"", 0), 1, len(raws)
    while low <= high:
        count = (low + high) // 2
        packed = pack(first=first, entries=tuple(raws[:count]), head=entry_head(raws[count - 1]))
        if envelope_size(packed, first=first, count=count) <= max_bytes:
            best, low = (packed, count), count + 1
        else:
            high = count - 1
    return best


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
        self, journal: Journal, statements: Statements, sender: Sender, deliver: Deliver
    ) -> None:
        self._journal = journal
        self._statements = statements
        self._sender = sender
        self._deliver = deliver

    async def run(self) -> None:
        """Deliver until cancelled."""
        pause_s = LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = LOOK_S if await self._try() else min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self) -> bool:
        """One attempt; False when it should be a while until the next one."""
        before = self._journal.acknowledged()
        seal_to = self._statements.trust().keys.find_sealing_key()
        load = take_load(
            self._journal, self._sender, seal_to, after=before, max_bytes=NETWORK_ENVELOPE
        )
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
        return self._journal.acknowledged() > before
