"""Where phones queue: three places, who keeps one and who must go, and messages in fragments.

It is the radio's listener. What a message means is `session`'s business.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ble_agent.errors import StateError
from ble_agent.radio.port import RadioLost, Refused
from ble_agent.session import Session
from schema.gatt import MAX_ATTRIBUTE, AttError, Reassembler, capacity, split

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from ble_agent.clock import Cancellable, Scheduler
    from ble_agent.radio.port import Link, Radio
    from ble_agent.session.locker import Locker

logger = logging.getLogger(__name__)

MAX_PHONES = 3
IDLE_S = 30
"""A connection without traffic and without an open door ends after this (PROTOCOL 7)."""

UNPROVEN_S = 20
"""A connection none of whose requests was answered 0 ends after this."""

MAX_WAITING = 520
"""Messages that wait for one phone: an opening and a close of each of 255 doors, and a few."""

STALL_S = 5
"""A phone whose messages the radio cannot get rid of for this long holds up the others."""


@dataclass(slots=True)
class _Place:
    """One connected phone."""

    session: Session
    since_s: float
    heard_s: float
    reassembler: Reassembler = field(default_factory=Reassembler)
    timer: Cancellable | None = None
    waiting: deque[bytes] = field(default_factory=deque)
    has_turn: bool = False
    give_up: Callable[[], None] | None = None
    """Ends the sending of a message to this phone, while there is one under way."""


class Desk:
    """Serves up to three phones at once and tells the radio when to be found.

    The newest connection takes the place of the oldest unproven one; when all three are proven
    the locker is not found, and whoever connects all the same is sent away.
    """

    def __init__(
        self,
        locker: Locker,
        radio: Radio,
        *,
        scheduler: Scheduler,
        take_random: Callable[[int], bytes],
        on_failure: Callable[[StateError], None],
    ) -> None:
        self._locker = locker
        self._radio = radio
        self._scheduler = scheduler
        self._take_random = take_random
        self._on_failure = on_failure
        self._places: dict[Link, _Place] = {}
        self._turns: asyncio.Queue[Link] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_found = True

    async def send_messages(self) -> None:
        """Send what sessions have to say until cancelled: one whole message a phone, in turn.

        However much one phone makes the locker say, another one waits for a single message of
        it; and a phone that takes none is sent away.
        """
        while True:
            link = await self._turns.get()
            place = self._places.get(link)
            if place is None:
                continue
            await self._send(link, place, place.waiting.popleft())
            place.has_turn = bool(place.waiting)
            if place.has_turn:
                self._turns.put_nowait(link)

    async def _send(self, link: Link, place: _Place, message: bytes) -> None:
        """Hand a whole message to the radio, at once where it takes it at once."""
        size = min(place.reassembler.longest, MAX_ATTRIBUTE)
        if len(message) > capacity(size):
            return  # too long for this phone's fragments: it can still read the result
        limit = asyncio.timeout(None)
        try:
            async with limit:
                place.give_up = partial(limit.reschedule, asyncio.get_running_loop().time())
                stall = self._scheduler.call_later(STALL_S, place.give_up)
                try:
                    for fragment in split(message, size):
                        await self._radio.reply(link, fragment)
                finally:
                    stall.cancel()
                    place.give_up = None
        except TimeoutError:
            if not limit.expired():
                raise
            if link in self._places:
                self._send_away(link)
        else:
            place.heard_s = self._scheduler.time()

    def connected(self, link: Link) -> None:
        """Give the phone a place, at the cost of an unproven one if need be."""
        if len(self._places) >= MAX_PHONES:
            victim = self._find_oldest_unproven()
            if victim is None:
                self._spawn(self._radio.drop(link))
                return
            self._send_away(victim)
        now_s = self._scheduler.time()
        session = Session(
            self._locker, take_random=self._take_random, send=partial(self._enqueue, link)
        )
        self._places[link] = _Place(session, since_s=now_s, heard_s=now_s)
        self._watch(link)
        self._update_advertising()

    def lost(self, link: Link) -> None:
        """The phone is gone; its doors are watched on."""
        place = self._places.pop(link, None)
        if place is None:
            return
        if place.timer is not None:
            place.timer.cancel()
        if place.give_up is not None:
            place.give_up()
        place.session.end()
        self._update_advertising()

    def read_hello(self, link: Link, offset: int) -> bytes:
        """See `Session.read_hello`; BUSY for a phone that has no place."""
        place = self._hear(link)
        with _reported_to(self._on_failure):
            return place.session.read_hello(offset)

    def read_result(self, link: Link, offset: int) -> bytes:
        """See `Session.read_result`; BUSY for a phone that has no place."""
        return self._hear(link).session.read_result(offset)

    async def write_command(self, link: Link, fragment: bytes) -> None:
        """Take one fragment, and with the last one the whole message."""
        place = self._hear(link)
        if not place.session.expects_message():
            place.reassembler.clear()
            raise Refused(AttError.NO_HELLO)
        taken = place.reassembler.take(fragment, now_s=self._scheduler.time())
        if isinstance(taken, AttError):
            raise Refused(taken)
        if taken is not None:
            with _reported_to(self._on_failure):
                place.session.take(taken)
            self._update_advertising()

    def _hear(self, link: Link) -> _Place:
        place = self._places.get(link)
        if place is None:
            raise Refused(AttError.BUSY)
        place.heard_s = self._scheduler.time()
        return place

    def _enqueue(self, link: Link, message: bytes) -> None:
        place = self._places.get(link)
        if place is None:
            return
        if len(place.waiting) >= MAX_WAITING:
            # It makes us talk and does not listen; what becomes of its doors the next phone hears.
            self._send_away(link)
            return
        place.waiting.append(message)
        if not place.has_turn:
            place.has_turn = True
            self._turns.put_nowait(link)

    def _find_oldest_unproven(self) -> Link | None:
        unproven = [
            (place.since_s, order, link)
            for order, (link, place) in enumerate(self._places.items())
            if not place.session.is_proven
        ]
        return min(unproven)[2] if unproven else None

    def _send_away(self, link: Link) -> None:
        self.lost(link)
        self._spawn(self._radio.drop(link))

    def _watch(self, link: Link) -> None:
        """Look at this place again when its time may be over."""
        place = self._places.get(link)
        if place is None:
            return
        now_s = self._scheduler.time()
        proven = place.session.is_proven
        left_s = place.heard_s + IDLE_S - now_s
        if not proven:
            left_s = min(left_s, place.since_s + UNPROVEN_S - now_s)
        if left_s <= 0 and not (proven and place.session.has_open_door()):
            self._send_away(link)
            return
        place.timer = self._scheduler.call_later(max(left_s, 1.0), partial(self._watch, link))

    def _update_advertising(self) -> None:
        proven = sum(place.session.is_proven for place in self._places.values())
        wanted = proven < MAX_PHONES
        if wanted is not self._is_found:
            self._is_found = wanted
            self._spawn(self._radio.advertise(wanted))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_unless_lost(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _unless_lost(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except RadioLost as error:
        # Whoever watches the radio learns of it and starts it again, found by everybody.
        logger.info("the radio went before it could be told: %s", error)


@contextmanager
def _reported_to(on_failure: Callable[[StateError], None]) -> Iterator[None]:
    """Hand a broken store to the agent, which ends, and answer the phone with BUSY."""
    try:
        yield
    except StateError as error:
        on_failure(error)
        raise Refused(AttError.BUSY) from error
