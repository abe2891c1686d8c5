"""Fires bolts and watches doors to the end, whatever becomes of the phone that asked.

Every observation is durable before anybody is told of it. After a start it takes up each opening
that had not come to an end.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ble_agent.doors.flapping import Flapping
from ble_agent.doors.prompts import Prompt, Prompts
from ble_agent.doors.pulses import FIRST_PULSE, Pulses, Reactions
from ble_agent.doors.timers import Timers
from ble_agent.errors import StateError, StoreFull
from ble_agent.hardware.port import Door
from ble_agent.policy.evidence import Conclusion, conclude_close, conclude_overdue
from ble_agent.policy.world import Opening, Phase
from schema.codes import DoorEvent
from schema.journal import FAULT_FLAPPING, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Scheduler
    from ble_agent.hardware.port import Hardware, Thermometer
    from ble_agent.journal import Journal, Line, Record
    from ble_agent.policy.verdicts import Permit
    from ble_agent.redemptions import Redemptions
    from schema.codec import Value

    Follower = Callable[[DoorEvent, int, Line], None]

logger = logging.getLogger(__name__)

RETRY_S = 60
"""An observation for which the store had no room is looked at again after this."""

NAG_S = 30
"""An open door asks to be shut after this, unless it is overdue by then (DOMAIN 5.1)."""


class Doors:
    """Every door of the locker.

    At most one opening per compartment is followed; the newest acceptance takes its place. Call
    `start` once before the first phone. Loses nothing when its process dies at any moment.
    """

    def __init__(
        self,
        hardware: Hardware,
        journal: Journal,
        redemptions: Redemptions,
        *,
        scheduler: Scheduler,
        overdue_s: Callable[[], int],
        on_failure: Callable[[StateError], None],
        show_prompt: Callable[[int, Prompt | None], None],
        thermometer: Thermometer | None = None,
    ) -> None:
        self._hardware = hardware
        self._journal = journal
        self._redemptions = redemptions
        self._scheduler = scheduler
        self._overdue_s = overdue_s
        self._on_failure = on_failure
        self._followers: dict[int, Follower] = {}
        self._unnoted: set[int] = set()
        self._timers = Timers(scheduler)
        self._prompts = Prompts(show_prompt)
        self._flapping = Flapping()
        self._pulses = Pulses(
            hardware,
            journal,
            redemptions,
            thermometer=thermometer,
            timers=self._timers,
            prompts=self._prompts,
            reactions=Reactions(
                guarded=self._guarded,
                on_open=partial(self._on_door, door=Door.OPEN),
                on_spent=self._give_back,
            ),
        )
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> None:
        """Watch all doors, and bring openings that a stop interrupted to their end or onwards."""
        self._unwatch = self._hardware.watch(self._on_door)
        for comp, compartment in self._redemptions.stored().items():
            opening, door = compartment.opening, self._hardware.door(comp)
            if opening is not None and opening.is_pending:
                self._guarded(self._take_up, comp)
            elif door is Door.OPEN:
                self._guarded(self._note_unexpected, comp)

    async def stop(self) -> None:
        """Stop watching; pulses under way end by themselves."""
        if self._unwatch is not None:
            self._unwatch()
        self._timers.cancel_all()
        await self._pulses.finish()
        self._timers.cancel_all()

    def accept(self, record: Record, permit: Permit, *, seq: int) -> None:
        """Make the permit's openings durable, each with the line of its first pulse.

        If we crash after the commit, a line tells of a pulse that may not have happened: it
        proves nothing anyway, and the same bearer tries again.
        """
        for comp in permit.comps:
            occupied = self._hardware.occupied(comp)
            self._redemptions.accept(record, permit, comp, seq=seq, occupied=occupied)
            record.append(Kind.PULSED, [comp, FIRST_PULSE])

    def fire(self, comps: tuple[int, ...], follower: Follower) -> None:
        """Pulse what was accepted, in order, and tell `follower` of these doors from now on.

        A door that stays shut is pulsed again, as its `Plan` says.
        """
        for comp in comps:
            self._timers.cancel(comp)
            self._prompts.clear(comp)
            self._followers[comp] = follower
        self._pulses.begin(comps)

    def reopen(self, opening: Opening, follower: Follower) -> Line:
        """Open a closed door once more for its session; whether it may was judged before."""
        again = replace(
            opening,
            phase=Phase.ACCEPTED,
            occupied_before=self._hardware.occupied(opening.comp),
            is_overdue=False,
        )
        with self._journal.record("reopen") as record:
            self._redemptions.put(record, again)
            self._redemptions.count_pulse(record, again)
            line = record.append(Kind.PULSED, [again.comp, FIRST_PULSE])
        self.fire((again.comp,), follower)
        return line

    def owes_opening(self, comp: int) -> bool:
        """Whether this door was seen open and the store had no room to say so yet.

        Until it has, nobody may be let at the compartment: a use could happen twice.
        """
        return comp in self._unnoted

    def is_open_for(self, follower: Follower) -> bool:
        """Whether a door that this follower is told of stands open or is about to open."""
        return any(
            (opening := self._find_opening(comp)) is not None and opening.is_pending
            for comp, known in self._followers.items()
            if known == follower
        )

    def unfollow(self, follower: Follower) -> None:
        """Tell this follower no more; its doors are watched to the end all the same."""
        for comp in [comp for comp, known in self._followers.items() if known == follower]:
            del self._followers[comp]

    def _find_opening(self, comp: int) -> Opening | None:
        return self._redemptions.stored()[comp].opening

    def _take_up(self, comp: int) -> None:
        """Go on with an opening that a stop, or a full store, has interrupted."""
        if comp in self._unnoted:
            self._observe(comp, Door.OPEN)
        opening, door = self._find_opening(comp), self._hardware.door(comp)
        if opening is None or not opening.is_pending:
            return
        if opening.phase is Phase.ACCEPTED and door is not Door.OPEN:
            self._give_back(comp, opening.accepted_seq)
        elif opening.phase is Phase.OPENED and door is Door.CLOSED:
            self._on_closed(opening)
        else:
            # Open by now: whether it opened before or after the stop makes no difference. A
            # contact that says nothing does not prove a close: the time limit ends that one.
            self._take_up_open(opening)

    def _on_door(self, comp: int, door: Door) -> None:
        self._guarded(self._observe, comp, door)

    def _observe(self, comp: int, door: Door) -> None:
        opening = self._find_opening(comp)
        if door is Door.OPEN:
            # It stands until it is noted: the door may be shut by the time there is room.
            self._unnoted.add(comp)
            if opening is not None and opening.phase is Phase.ACCEPTED:
                self._take_up_open(opening)
            elif opening is None or not opening.is_pending:
                self._note_unexpected(comp)
            self._unnoted.discard(comp)
        elif door is Door.CLOSED:
            if opening is not None and opening.phase is Phase.OPENED:
                self._on_closed(opening)
            elif opening is None or not opening.is_pending:
                self._note_unexpected_close(comp)

    def _take_up_open(self, opening: Opening) -> None:
        """The door is open under an acceptance: consume the use, watch for the close."""
        if opening.phase is Phase.ACCEPTED:
            opened = replace(
                opening,
                phase=Phase.OPENED,
                first_opened_s=_first(opening.first_opened_s, self._journal.clock.uptime_s()),
            )
            body: list[Value] = [opening.comp, opening.occupied_before]
            with self._journal.record("opened") as record:
                # If we crash before this, the use is not consumed and the bearer may try again.
                self._redemptions.put(record, opened)
                self._redemptions.consume_opening(record, opened)
                line = record.append(Kind.DOOR_OPENED, body)
            self._tell(DoorEvent.DOOR_OPENED, opening.comp, line)
        self._prompts.clear(opening.comp)
        self._await_close(opening)

    def _await_close(self, opening: Opening) -> None:
        """Give the visitor time; then ask for the door to be shut; then it is overdue."""
        comp, seq, overdue_s = opening.comp, opening.accepted_seq, self._overdue_s()
        if opening.is_overdue:
            self._prompts.ask(comp, Prompt.SHUT)
        elif overdue_s <= NAG_S:
            overdue = partial(self._guarded, self._on_overdue, comp, seq)
            self._timers.set(comp, overdue_s, overdue)
        else:
            nag = partial(self._guarded, self._nag, comp, seq, overdue_s - NAG_S)
            self._timers.set(comp, NAG_S, nag)

    def _nag(self, comp: int, accepted_seq: int, left_s: int) -> None:
        self._prompts.ask(comp, Prompt.SHUT)
        overdue = partial(self._guarded, self._on_overdue, comp, accepted_seq)
        self._timers.set(comp, left_s, overdue)

    def _on_closed(self, opening: Opening) -> None:
        self._timers.cancel(opening.comp)
        self._prompts.clear(opening.comp)
        stored = self._redemptions.stored()[opening.comp].stay
        occupied = self._hardware.occupied(opening.comp)
        conclusion = conclude_close(opening, stored=stored, occupied=occupied)
        closed = replace(opening, phase=Phase.CLOSED)
        if conclusion.consumes_deposit:
            uptime_s = self._journal.clock.uptime_s()
            closed = replace(closed, first_closed_s=_first(opening.first_closed_s, uptime_s))
        self._conclude(closed, conclusion)

    def _on_overdue(self, comp: int, accepted_seq: int) -> None:
        opening = self._find_opening(comp)
        if opening is None or opening.accepted_seq != accepted_seq:
            return
        if opening.phase is Phase.OPENED and not opening.is_overdue:
            self._prompts.ask(comp, Prompt.SHUT)
            stored = self._redemptions.stored()[comp].stay
            conclusion = conclude_overdue(opening, stored=stored)
            self._conclude(replace(opening, is_overdue=True), conclusion)

    def _conclude(self, opening: Opening, conclusion: Conclusion) -> None:
        with self._journal.record("concluded") as record:
            self._redemptions.put(record, opening)
            if conclusion.stores is not None:
                self._redemptions.store_stay(record, opening.comp, conclusion.stores)
            if conclusion.ends is not None:
                self._redemptions.end_stay(record, opening.comp, conclusion.ends)
            if conclusion.consumes_deposit:
                self._redemptions.consume_deposit(record, opening)
            lines = [record.append(kind, body) for kind, body in conclusion.lines]
        self._tell(conclusion.event, opening.comp, lines[-1])

    def _give_back(self, comp: int, accepted_seq: int) -> None:
        """The door never opened: nothing was used, and the compartment is free again."""
        self._prompts.clear(comp)
        opening = self._find_opening(comp)
        if opening is None or opening.accepted_seq != accepted_seq:
            return
        if opening.phase is Phase.ACCEPTED:
            with self._journal.record("not detected") as record:
                self._redemptions.put(record, replace(opening, phase=Phase.NOT_DETECTED))
                line = record.append(Kind.OPEN_NOT_DETECTED, [comp])
            self._tell(DoorEvent.OPEN_NOT_DETECTED, comp, line)

    def _note_unexpected(self, comp: int) -> None:
        """An opening outside a session moves no stay; a flapping door fills no journal."""
        wanted = self._flapping.on_unexpected(comp, self._scheduler.time())
        if wanted is None:
            return
        with self._journal.record("unexpected") as record:
            record.append(Kind.UNEXPECTED_OPEN, [comp])
            if wanted is Kind.FAULT:
                record.append(Kind.FAULT, [comp, FAULT_FLAPPING])

    def _note_unexpected_close(self, comp: int) -> None:
        if not self._flapping.on_closed(comp):
            return
        with self._journal.record("closed") as record:
            record.append(Kind.DOOR_CLOSED, [comp, self._hardware.occupied(comp)])

    def _tell(self, event: DoorEvent, comp: int, line: Line) -> None:
        follower = self._followers.get(comp)
        if follower is not None:
            follower(event, comp, line)

    def _guarded(self, step: Callable[..., None], comp: int, *arguments: object) -> None:
        """Run a step that a timer or a door began; a broken store ends the agent, never a door.

        A full one does not: what is pending stays so, and is looked at again.
        """
        try:
            step(comp, *arguments)
        except StoreFull as error:
            logger.warning("no room to note what door %d does: %s", comp, error)
            self._timers.set(comp, RETRY_S, partial(self._guarded, self._take_up, comp))
        except StateError as error:
            self._on_failure(error)


def _first(known_s: float | None, now_s: float) -> float:
    """The instant already known, else the present; an uptime of zero is an instant too."""
    return now_s if known_s is None else known_s
