"""Two digits shown at the locker, typed into the phone: proof that somebody stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.handshake import CODE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

REDRAW_S = 60
"""A code lives for a minute, or until a proven holder has tried one (PROTOCOL 4)."""


class Presence:
    """The code of the moment. `show` is told of each new one, for the locker's display."""

    def __init__(self, take_random: Callable[[int], bytes], show: Callable[[int], None]) -> None:
        self._take_random = take_random
        self._show = show
        self._code: int | None = None
        self._drawn_s = 0.0

    def code(self, now_s: float) -> int:
        """The two digits that are shown at `now_s` (monotonic), 0..99."""
        if self._code is None or now_s - self._drawn_s >= REDRAW_S:
            return self.redraw(now_s)
        return self._code

    def redraw(self, now_s: float) -> int:
        """Draw another code, each of the hundred equally likely."""
        number = CODE_LIMIT * 2
        while number >= CODE_LIMIT * 2:  # 200 of 256 values: none of the hundred is favoured
            number = self._take_random(1)[0]
        self._code, self._drawn_s = number % CODE_LIMIT, now_s
        self._show(self._code)
        return self._code
