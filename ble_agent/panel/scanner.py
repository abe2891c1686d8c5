"""A scanner that poses as a keyboard: tells its bursts of characters from fingers by their pace.

Keeps at most one burst, of bounded length. What a code says is not its business.
"""

from __future__ import annotations

from typing import Final

from ble_agent.panel.intents import Intent, Shown, intent_of_key

GAP_MS: Final = 60
"""Scanners type a character each 1 to 30 ms; hands, and a held key, seldom go below 80."""

LEAST: Final = 6
"""A burst is a scan from so many characters: our codes begin with five alone."""

MOST: Final = 2048
"""As much as the text of a shown token may have; what is longer is none."""

_END: Final = "Enter"
_SILENT: Final = frozenset({"Shift", "Control", "Alt", "AltGraph", "CapsLock", "Unidentified"})
"""Keys that scanners press along with others, which mean nothing alone."""


class Scanner:
    """Sorts keys into scans and presses, by milliseconds; a clock set back ends a burst."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._last_ms = 0.0
        self._is_overlong = False

    @property
    def is_undecided(self) -> bool:
        """Whether keys are held that may yet turn out to be pressed by hand."""
        return 0 < len(self._held) < LEAST

    def feed(self, key: str, at_ms: float) -> list[Intent]:
        """One more key; whatever is certain by now. A burst without an end key means nothing."""
        if key in _SILENT:
            return []
        decided: list[Intent] = []
        if not 0 <= at_ms - self._last_ms <= GAP_MS:
            decided = self.settle()
        self._last_ms = at_ms
        if key == _END:
            return [*decided, *self._end()]
        if len(key) == 1:
            self._hold(key)
            return decided
        return [*decided, *self.settle(), intent_of_key(key)]

    def settle(self) -> list[Intent]:
        """No more keys came: a few were pressed by hand, many are a torn scan and mean nothing."""
        held, self._held = self._held, []
        is_torn, self._is_overlong = self._is_overlong or len(held) >= LEAST, False
        return [] if is_torn else [intent_of_key(key) for key in held]

    def _hold(self, key: str) -> None:
        if len(self._held) >= MOST:
            self._is_overlong = True
        else:
            self._held.append(key)

    def _end(self) -> list[Intent]:
        if len(self._held) < LEAST or self._is_overlong:
            was_burst = self._is_overlong
            settled = self.settle()
            return settled if was_burst else [*settled, intent_of_key(_END)]
        text, self._held = "".join(self._held), []
        return [Shown(text)]
