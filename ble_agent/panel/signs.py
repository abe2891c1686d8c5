"""What the locker shows to everybody before it: the presence code, doors that wait for a hand.

Holds the present only, and never whose door it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ble_agent.doors.prompts import Prompt


class Signs:
    """The newest of each sign; `listen` takes the one who is told of every change."""

    def __init__(self) -> None:
        self._presence: int | None = None
        self._prompts: dict[int, Prompt] = {}
        self._tell: Callable[[int | None], None] = _hear_nothing

    @property
    def presence(self) -> int | None:
        """The last code that was shown; whether one is asked for, the locker knows."""
        return self._presence

    @property
    def prompts(self) -> Mapping[int, Prompt]:
        """What is asked at which door."""
        return self._prompts

    def listen(self, tell: Callable[[int | None], None]) -> None:
        """Have changes told from now on, with the door whose prompt changed (None: the code)."""
        self._tell = tell

    def show_presence(self, code: int) -> None:
        """Show this code in place of the last one."""
        self._presence = code
        self._tell(None)

    def show_prompt(self, comp: int, prompt: Prompt | None) -> None:
        """Ask this at a door; None takes the question away."""
        if prompt is None:
            self._prompts.pop(comp, None)
        else:
            self._prompts[comp] = prompt
        self._tell(comp)


def _hear_nothing(_comp: int | None) -> None:
    pass
