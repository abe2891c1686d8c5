"""What the locker tells whoever stands at a door, by whatever lamp, screen or voice it has."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Prompt(StrEnum):
    """One thing that a person is asked to do."""

    PRESS = "press"
    """Push the door in: the seal may be frozen, and the bolt is pulsed again in a moment."""
    SHUT = "shut"
    """The door stands open; it is to be shut."""


class Prompts:
    """At most one prompt a door; `show` is told of changes only, with None when it is over."""

    def __init__(self, show: Callable[[int, Prompt | None], None]) -> None:
        self._show = show
        self._shown: dict[int, Prompt] = {}

    def ask(self, comp: int, prompt: Prompt) -> None:
        """Ask this at a door, in place of what was asked before."""
        if self._shown.get(comp) is not prompt:
            self._shown[comp] = prompt
            self._show(comp, prompt)

    def clear(self, comp: int) -> None:
        """There is nothing left to ask at this door."""
        if self._shown.pop(comp, None) is not None:
            self._show(comp, None)
