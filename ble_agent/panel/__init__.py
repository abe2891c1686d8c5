"""The screen at the locker, for whoever has no phone: holds the moment it shows, and moves it.

What a person may do is judged by `codes` alone; how it looks is the page's business.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ble_agent.clock import Quality
from ble_agent.codes import Codes
from ble_agent.errors import StateError
from ble_agent.panel.intents import Language
from ble_agent.panel.scanner import GAP_MS, Scanner
from ble_agent.panel.screens import (
    Answered,
    Asked,
    CodeShown,
    DoorTold,
    Passed,
    PinTyped,
    State,
    step,
)
from ble_agent.panel.view import Scene, as_view
from schema.codes import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ble_agent.clock import Cancellable, Scheduler
    from ble_agent.journal import Line
    from ble_agent.panel.intents import Intent
    from ble_agent.panel.screens import Attempt, Happening
    from ble_agent.panel.signs import Signs
    from ble_agent.panel.view import View
    from ble_agent.session.locker import Locker
    from schema.codes import DoorEvent

logger = logging.getLogger(__name__)

SETTLE_S: Final = 3 * GAP_MS / 1000
"""Keys arrive in bundles: so long after the last one a burst has surely paused."""

MOST_WATCHERS: Final = 4
"""Pages that follow at once: one on the screen, and those that a restart has left behind."""


class Panel:
    """One screen before a running locker; every call runs on the event loop's thread.

    Pages that show it are told of each change by an event of their own, and ask for the view
    that is right by then: a slow page misses pictures, never the last one.
    """

    def __init__(
        self,
        locker: Locker,
        signs: Signs,
        *,
        scheduler: Scheduler,
        on_failure: Callable[[StateError], None],
        language: Language = Language.EN,
    ) -> None:
        self._locker = locker
        self._signs = signs
        self._scheduler = scheduler
        self._on_failure = on_failure
        self._codes = Codes(locker, self._on_door)
        self._start = State(language=language)
        self._state = self._start
        self._scanner = Scanner()
        self._idle: Cancellable | None = None
        self._settling: Cancellable | None = None
        self._watchers: list[asyncio.Event] = []
        self.is_over = False
        signs.listen(self._on_sign)

    def view(self) -> View:
        """What is to be seen now."""
        locker = self._locker
        asked = locker.presence.code() is not None
        scene = Scene(
            presence=self._signs.presence if asked else None,
            prompts=self._signs.prompts,
            knows_time=locker.journal.clock.quality is not Quality.FLOOR_ONLY,
        )
        return as_view(self._state, scene, self._scheduler.time())

    def act(self, intent: Intent) -> None:
        """Somebody means something."""
        self._take(intent)

    def press(self, keys: Iterable[tuple[str, float]]) -> None:
        """Keys with the milliseconds at which they came: a hand's, or a scanner's."""
        for key, at_ms in keys:
            for intent in self._scanner.feed(key, at_ms):
                self._take(intent)
        self._cancel(self._settling)
        if self._scanner.is_undecided:
            self._settling = self._scheduler.call_later(SETTLE_S, self._settle)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change, for as long as the block lasts.

        The oldest watcher is let go, with a set event, where there are too many: see `is_watched`.
        """
        changed = asyncio.Event()
        self._watchers.append(changed)
        if len(self._watchers) > MOST_WATCHERS:
            self._watchers.pop(0).set()
        try:
            yield changed
        finally:
            if changed in self._watchers:
                self._watchers.remove(changed)

    def is_watched(self, changed: asyncio.Event) -> bool:
        """Whether changes are still told by this event."""
        return not self.is_over and changed in self._watchers

    def stop(self) -> None:
        """No more timers, and every page is let go."""
        self.is_over = True
        self._cancel(self._idle)
        self._cancel(self._settling)
        self._tell()

    def _settle(self) -> None:
        for intent in self._scanner.settle():
            self._take(intent)

    def _on_door(self, event: DoorEvent, comp: int, _line: Line) -> None:
        self._take(DoorTold(event, comp))

    def _on_sign(self, comp: int | None) -> None:
        if comp is not None:
            self._take(Asked(comp, self._signs.prompts.get(comp)))
        self._tell()

    def _take(self, happening: Happening) -> None:
        if self.is_over:
            return
        taken = step(self._state, happening, self._scheduler.time(), self._start)
        self._show(taken.state)
        if taken.attempt is not None:
            self._take(self._judge(taken.attempt))

    def _show(self, state: State) -> None:
        if state == self._state:
            return
        self._state = state
        self._cancel(self._idle)
        if state.ends_at_s is not None:
            left_s = state.ends_at_s - self._scheduler.time()
            self._idle = self._scheduler.call_later(left_s, self._go_home)
        self._tell()

    def _go_home(self) -> None:
        self._take(Passed())

    def _judge(self, attempt: Attempt) -> Answered:
        """The answer of `codes`; a broken store ends the agent, and opens nothing."""
        try:
            if isinstance(attempt, CodeShown):
                decision = self._codes.show_qr(attempt.text)
                return Answered(attempt, decision.code, decision.comp)
            return self._judge_pin(attempt)
        except StateError as error:
            self._on_failure(error)
            return Answered(attempt, Code.COMPARTMENT_FAULT, None)

    def _judge_pin(self, attempt: PinTyped) -> Answered:
        decision = self._codes.enter_pin(attempt.comp, attempt.digits)
        is_wrong = decision.code in {Code.HOLDER_PROOF_FAILED, Code.RATE_LIMITED}
        wait_s = self._codes.wait_s(attempt.comp) if is_wrong else 0
        return Answered(attempt, decision.code, decision.comp, wait_s)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed.set()

    @staticmethod
    def _cancel(timer: Cancellable | None) -> None:
        if timer is not None:
            timer.cancel()
