"""How often and when the bolt of an opening is pulsed; each pulse is durable before it happens.

A pulse is not an opening: whether the door moved only its contact tells, and that is `doors`'.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ble_agent.doors.prompts import Prompt
from ble_agent.errors import HardwareFailed, StoreFull
from ble_agent.hardware.port import Door, Visitor
from ble_agent.policy.world import MAX_PULSES, OPEN_DETECT_S, Opening, Phase
from schema.journal import Kind
from schema.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.doors.prompts import Prompts
    from ble_agent.doors.timers import Timers
    from ble_agent.hardware.port import Hardware, Thermometer
    from ble_agent.journal import Journal
    from ble_agent.redemptions import Redemptions

logger = logging.getLogger(__name__)

FIRST_PULSE = 1
"""Pulses are counted anew for each opening and each reopening, as the given journal has it."""

FROST_C = -5.0
"""Below this a seal may be frozen to its frame (DOMAIN 5.1)."""

_VISITORS = {Operation.OPEN: Visitor.TAKES, Operation.DEPOSIT: Visitor.PUTS}


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds after the first pulse at which the bolt moves, until the door is seen open."""

    at_s: tuple[float, ...]
    asks_press: bool = False

    def find_next_s(self, n: int) -> float | None:
        """When the pulse after the `n`-th is due; None when that was the last."""
        return self.at_s[n] if n < len(self.at_s) else None


USUAL: Final = Plan((0, 1, 3))
FROZEN: Final = Plan((0, 2, 4, 6, 8), asks_press=True)
"""The number is DOMAIN's; two seconds are what a person needs to read and to push."""


def choose_plan(temp_c: float | None) -> Plan:
    """The plan at this temperature; the usual one where nothing measures it."""
    return FROZEN if temp_c is not None and temp_c < FROST_C else USUAL


@dataclass(slots=True)
class _Course:
    """Where the plan of one door stands."""

    plan: Plan
    began_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reactions:
    """What `doors` does about pulses.

    `guarded` runs a step of a timer; `on_open` takes a door that is open by now; `on_spent` an
    opening, named by compartment and line, whose last pulse has had its time.
    """

    guarded: Callable[..., None]
    on_open: Callable[[int], None]
    on_spent: Callable[[int, int], None]


class Pulses:
    """Carries out one plan a door; a newer acceptance there takes its place.

    Bolts move one at a time. A plan does not outlive its process: the next start finds the door
    open or gives the use back.
    """

    def __init__(
        self,
        hardware: Hardware,
        journal: Journal,
        redemptions: Redemptions,
        *,
        thermometer: Thermometer | None,
        timers: Timers,
        prompts: Prompts,
        reactions: Reactions,
    ) -> None:
        self._hardware = hardware
        self._journal = journal
        self._redemptions = redemptions
        self._thermometer = thermometer
        self._timers = timers
        self._prompts = prompts
        self._reactions = reactions
        self._courses: dict[int, _Course] = {}
        self._bolts = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, comps: tuple[int, ...]) -> None:
        """Pulse these doors in order, whose acceptance and first pulse are durable by now."""
        for comp in comps:
            measured = self._thermometer.temperature_c(comp) if self._thermometer else None
            self._courses[comp] = _Course(choose_plan(measured))
        if comps:
            self._spawn(comps, FIRST_PULSE)

    async def finish(self) -> None:
        """Wait until no bolt is under current."""
        await asyncio.gather(*self._tasks)

    def _spawn(self, comps: tuple[int, ...], n: int) -> None:
        task = asyncio.get_running_loop().create_task(self._pulse(comps, n))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pulse(self, comps: tuple[int, ...], n: int) -> None:
        for comp in comps:
            opening = self._find_awaited(comp)
            if opening is None:
                continue
            await self._drive(opening)
            if self._hardware.door(comp) is Door.OPEN:
                self._reactions.on_open(comp)
            else:
                self._go_on(opening, n)

    async def _drive(self, opening: Opening) -> None:
        course = self._courses[opening.comp]
        try:
            async with self._bolts:
                if course.began_s is None:
                    course.began_s = self._timers.now_s()
                await self._hardware.pulse(opening.comp, self._visitor(opening))
        except HardwareFailed:
            # This pulse opens nothing, and that is what the journal is about to say.
            logger.exception("bolt %d could not be driven", opening.comp)

    def _visitor(self, opening: Opening) -> Visitor:
        stored = self._redemptions.stored()[opening.comp].stay
        is_again = opening.first_closed_s is not None and stored == opening.stay
        if opening.op is Operation.DEPOSIT and is_again:
            return Visitor.TAKES_BACK
        return _VISITORS.get(opening.op, Visitor.LOOKS)

    def _go_on(self, opening: Opening, n: int) -> None:
        """Wait for the next pulse, or for the last word where none is left."""
        comp, seq = opening.comp, opening.accepted_seq
        if self._find_awaited(comp, seq) is None:
            return
        course = self._courses[comp]
        next_s = course.plan.find_next_s(n)
        if next_s is None or self._is_spent(opening):
            self._await_word(opening)
            return
        if course.plan.asks_press:
            self._prompts.ask(comp, Prompt.PRESS)
        began_s = self._timers.now_s() if course.began_s is None else course.began_s
        delay_s = max(0.0, began_s + next_s - self._timers.now_s())
        repeat = partial(self._reactions.guarded, self._repeat, comp, seq, n + 1)
        self._timers.set(comp, delay_s, repeat)

    def _repeat(self, comp: int, accepted_seq: int, n: int) -> None:
        opening = self._find_awaited(comp, accepted_seq)
        if opening is None:
            return
        if self._hardware.door(comp) is Door.OPEN:
            self._reactions.on_open(comp)
            return
        try:
            with self._journal.record("pulse") as record:
                # If we crash after this, a line tells of a pulse that may not have happened.
                self._redemptions.count_pulse(record, opening)
                record.append(Kind.PULSED, [comp, n])
        except StoreFull as error:
            logger.warning("no room for another pulse of door %d: %s", comp, error)
            self._await_word(opening)
            return
        self._spawn((comp,), n)

    def _await_word(self, opening: Opening) -> None:
        """The last pulse has this long to show: then the door has not opened."""
        comp, seq = opening.comp, opening.accepted_seq
        spent = partial(self._reactions.guarded, self._reactions.on_spent, comp, seq)
        self._timers.set(comp, OPEN_DETECT_S, spent)

    def _is_spent(self, opening: Opening) -> bool:
        counted = opening.count_subject
        subject = counted[0] if isinstance(counted, tuple) else counted
        return self._redemptions.pulses([subject]).get(counted, 0) >= MAX_PULSES

    def _find_awaited(self, comp: int, accepted_seq: int | None = None) -> Opening | None:
        """The opening at this door, or that very one, if its door has yet to open."""
        opening = self._redemptions.stored()[comp].opening
        if opening is None or opening.phase is not Phase.ACCEPTED:
            return None
        return opening if accepted_seq in {None, opening.accepted_seq} else None
