"""Two digits shown at the locker, typed into the phone: proof that somebody stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.handshake import CODE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.clock import Cancellable, Scheduler

REDRAW_S = 60
"""A code lives for a minute, or until a proven holder has tried one (PROTOCOL 4)."""


class Presence:
    """The code of the moment, on show for as long as one is asked for.

    `show` is told of each new one, for the locker's display.
    """

    def __init__(
        self,
        take_random: Callable[[int], bytes],
        show: Callable[[int], None],
        *,
        scheduler: Scheduler,
        is_asked: Callable[[], bool],
    ) -> None:
        self._take_random = take_random
        self._show = show
        self._scheduler = scheduler
        self._is_asked = is_asked
        self._code: int | None = None
        self._timer: Cancellable | None = None

    def code(self) -> int | None:
        """The two digits that are shown now, 0..99; None where none are asked for."""
        if not self._is_asked():
            self.stop()
        elif self._code is None:
            self._draw()
        return self._code

    def redraw(self) -> None:
        """Show another code, if any; each of the hundred is equally likely."""
        if self.code() is not None:
            self._draw()

    def stop(self) -> None:
        """Show no more codes until one is asked for."""
        self._code = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _draw(self) -> None:
        self.stop()
        number = CODE_LIMIT * 2
        while number >= CODE_LIMIT * 2:  # 200 of 256 values: none of the hundred is favoured
            number = self._take_random(1)[0]
        self._code = number % CODE_LIMIT
        self._timer = self._scheduler.call_later(REDRAW_S, self.redraw)
        self._show(self._code)
