"""Tells when a door opens by itself so often that its lines would wear out the journal."""

from __future__ import annotations

from schema.journal import Kind

WINDOW_S = 3600
LIMIT = 10
"""Unexpected openings of a door within an hour; the tenth brings the FAULT (PROTOCOL 8)."""


class Flapping:
    """Counts per compartment, in memory: after a restart a door may speak ten times again."""

    def __init__(self) -> None:
        self._written: dict[int, list[float]] = {}
        self._muted_until_s: dict[int, float] = {}
        self._open: set[int] = set()

    def on_unexpected(self, comp: int, now_s: float) -> Kind | None:
        """What to write of this opening: a line, a line and the FAULT, or nothing (None)."""
        self._open.discard(comp)
        if now_s <= self._muted_until_s.get(comp, -1.0):
            return None
        recent = [at_s for at_s in self._written.get(comp, ()) if now_s - at_s <= WINDOW_S]
        recent.append(now_s)
        if len(recent) >= LIMIT:
            self._written.pop(comp, None)
            self._muted_until_s[comp] = now_s + WINDOW_S
            return Kind.FAULT
        self._written[comp] = recent
        self._open.add(comp)
        return Kind.UNEXPECTED_OPEN

    def on_closed(self, comp: int) -> bool:
        """Whether to write this close: once after each opening that has a line of its own.

        A contact that falls silent and comes back says "closed" as often as it likes.
        """
        is_awaited = comp in self._open
        self._open.discard(comp)
        return is_awaited
