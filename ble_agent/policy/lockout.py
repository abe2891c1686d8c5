"""How long wrong tries at a keypad keep one compartment's PIN from being tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

TRIES = 5
"""Wrong tries until a compartment's PIN is locked, and again until the next, longer lock."""

FIRST_S = 15 * 60
LONGEST_S = 24 * 3600
"""Each further lock is twice as long, up to a day (PROTOCOL 9)."""

_DOUBLINGS = 7
"""15 minutes doubled seven times are more than a day: further ones change nothing."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """The wrong tries at one compartment since the last success or new stay.

    `last_at` is the locker's time, in Unix seconds, of the newest one.
    """

    wrong: int = 0
    last_at: int = 0

    @property
    def span_s(self) -> int:
        """How long the newest try locks the compartment; 0 when it did not fill a row of five."""
        rows, over = divmod(self.wrong, TRIES)
        if over or not rows:
            return 0
        return min(FIRST_S << min(rows - 1, _DOUBLINGS), LONGEST_S)

    def left_s(self, now: int) -> int:
        """Seconds until the PIN may be tried again; 0 when it may be tried.

        While the clock stands before the newest try, the whole span is left.
        """
        passed_s = max(0, now - self.last_at)
        return max(0, self.span_s - passed_s)

    def after_wrong(self, now: int) -> Lockout:
        """With one more wrong try, made when nothing was locked."""
        return Lockout(self.wrong + 1, now)

    def since(self, now: int) -> Lockout:
        """As it goes on once the clock was set back: the span runs from now, never longer."""
        return replace(self, last_at=min(self.last_at, now))
