"""Tells when a door opens by itself so often that its lines would wear out the journal."""

from __future__ import annotations

from dataclasses import dataclass

from schema.journal import Kind

WINDOW_S = 3600
LIMIT = 10
"""Unexpected openings of a door within an hour; the tenth brings the FAULT (PROTOCOL 8)."""


@dataclass(slots=True)
class _Count:
    since_s: float
    seen: int = 0


class Flapping:
    """Counts per compartment, in memory: after a restart a door may speak ten times again."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def on_unexpected(self, comp: int, now_s: float) -> Kind | None:
        """What to write of this opening: a line, a line and the FAULT, or nothing (None)."""
        count = self._counts.get(comp)
        if count is None or now_s - count.since_s > WINDOW_S:
            count = self._counts[comp] = _Count(now_s)
        count.seen += 1
        if count.seen > LIMIT:
            return None
        return Kind.FAULT if count.seen == LIMIT else Kind.UNEXPECTED_OPEN

    def is_muted(self, comp: int, now_s: float) -> bool:
        """Whether the closings of this door go unwritten as well."""
        count = self._counts.get(comp)
        return count is not None and now_s - count.since_s <= WINDOW_S and count.seen >= LIMIT
