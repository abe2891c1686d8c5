"""Somebody at the panel of a whole locker: fingers, a keypad, a scanner, and what is to be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ble_agent.panel import Panel
from ble_agent.panel.intents import Choice, Choose, Confirm, Digit
from schema.ids import StayId
from schema.tokens.passes import PIN_WINDOW_S, pin, show_token
from tests.ble_agent.standing import Standing, key_of

if TYPE_CHECKING:
    from ble_agent.panel.view import View

STAY = StayId(b"stay0001")
SCAN_MS = 5.0


@dataclass
class Kiosk:
    """The panel of a locker, with somebody before it."""

    standing: Standing
    panel: Panel = field(init=False)
    _at_ms: float = 0.0

    def __post_init__(self) -> None:
        self.panel = Panel(
            self.standing.locker,
            self.standing.signs,
            scheduler=self.standing.scheduler,
            on_failure=self.standing.failures.append,
        )

    @property
    def view(self) -> View:
        """What is to be seen now."""
        return self.panel.view()

    @property
    def say(self) -> str:
        """What the panel says now."""
        return str(self.view["say"])

    def pin(self, stay: StayId = STAY) -> str:
        """What the server would print for this stay today."""
        locker = self.standing.locker
        window = locker.journal.clock.now() // PIN_WINDOW_S
        return pin(locker.identity.pin_secret, stay, window)

    def code(self, raw: bytes, at: int | None = None) -> str:
        """What the app would show for this token."""
        now = self.standing.locker.journal.clock.now() if at is None else at
        return show_token(raw, key_of("phone"), now)

    def touch_in(self, comp: int, digits: str) -> None:
        """Number and PIN by the buttons of the screen."""
        self.panel.act(Choose(Choice.PIN))
        self.touch(f"{comp}")
        self.touch(digits)

    def touch(self, digits: str) -> None:
        """Digits, and the button that says that they are whole."""
        for digit in digits:
            self.panel.act(Digit(digit))
        self.panel.act(Confirm())

    def scan(self, text: str) -> None:
        """The scanner types what it has read."""
        self._at_ms += 1000
        self.panel.press([*self._burst(text), ("Enter", self._at_ms + len(text) * SCAN_MS)])
        self._at_ms += len(text) * SCAN_MS

    def _burst(self, text: str) -> list[tuple[str, float]]:
        return [(key, self._at_ms + at * SCAN_MS) for at, key in enumerate(text)]
