"""Which windows are offered: the likely delays, less what is impossible, and the reason in counts.

A slot is a part of the hub's local day. What a mask forbids is never offered; what remains is
renormalised, so that the probabilities of all possible slots add up to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.hubs.dayslots import DaySlot, slot_after
from server.pickups.habits import DELAYS, SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from server.hubs.rules import Timetable
    from server.people.preferences import DailySpan, Span, UsualWindow

OFFERED = 3
"""At most so many windows are offered."""

LEAST = timedelta(minutes=30)
"""A shorter piece of a slot is no window."""

REMEMBERED = 9
"""So many of a person's last collections give the reason."""


class Origin(StrEnum):
    """Where a window comes from."""

    CHOSEN = "CHOSEN"
    """The person chose it."""
    LEARNED = "LEARNED"
    """From when the person fetched before."""
    DEFAULT = "DEFAULT"
    """From when people fetch at this hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What a window must keep to.

    Within the hub's hours, from `not_before` until `not_after` (the earliest of all deadlines),
    outside of quiet hours, and inside the person's own spans where there are any.
    """

    hours: Timetable
    not_before: datetime
    not_after: datetime
    zone: ZoneInfo
    quiet: DailySpan | None = None
    wanted: tuple[UsualWindow, ...] = ()

    def pieces(self, span: Span) -> list[Span]:
        """What is left of a span, in order."""
        start, end = max(span[0], self.not_before), min(span[1], self.not_after)
        if start >= end:
            return []
        pieces = self.hours.open_spans(start, end)
        if self.wanted:
            pieces = _intersect(pieces, self._wanted_between(start, end))
        if self.quiet is not None:
            pieces = _subtract(pieces, self.quiet.spans_between(start, end, self.zone))
        return pieces

    def _wanted_between(self, start: datetime, end: datetime) -> list[Span]:
        """The usual windows that may touch a span, whole: they belong to the day they begin on."""
        around = timedelta(days=2)
        return [
            piece
            for one in self.wanted
            for piece in one.span.spans_between(start - around, end + around, self.zone)
            if piece[0].astimezone(self.zone).weekday() in one.weekdays
        ]


@dataclass(frozen=True, slots=True)
class Reason:
    """How often of the last collections the person came in this part of the day."""

    slot: DaySlot
    times: int
    of: int


@dataclass(frozen=True, slots=True)
class Window:
    """A time to fetch, how likely the person takes it among all that are possible, and why."""

    start: datetime
    end: datetime
    probability: float
    origin: Origin
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """The parts of the day in which a person last fetched, the latest last."""

    slots: tuple[DaySlot, ...] = field(default=())

    def reason_for(self, slot: DaySlot) -> Reason | None:
        """The counts behind an offer; None where the past says nothing for it."""
        last = self.slots[-REMEMBERED:]
        times = last.count(slot)
        return Reason(slot, times, len(last)) if times else None


def delay_between(arrival: tuple[date, DaySlot], collection: tuple[date, DaySlot]) -> int:
    """Slots from arrival to collection, 0 to 14; what took longer counts as 14, what is late as 0.

    A collection that was reported with an earlier time than its arrival (a clock ran behind)
    counts as at once.
    """
    days = (collection[0] - arrival[0]).days
    return min(max(0, days * SLOTS + collection[1] - arrival[1]), DELAYS - 1)


def propose(
    probabilities: Sequence[float],
    arrival: tuple[date, DaySlot],
    *,
    mask: Mask,
    past: Past,
) -> list[Window]:
    """At most three windows, the likeliest first; none when the mask leaves nothing.

    `probabilities` are those of the delays 0 to 14 after `arrival`. A slot of which the mask leaves
    a part keeps that share of its probability; its longest piece is the window.
    """
    kept = _possible(probabilities, arrival, mask)
    whole = sum(one.weight for one in kept)
    if not whole:
        return []
    ranked = sorted(kept, key=lambda one: -one.weight)[:OFFERED]
    return [
        _window(one.weight / whole, one.slot, max(one.pieces, key=_length), past)
        for one in ranked
        if one.weight > 0
    ]


def chance_of(
    span: Span, probabilities: Sequence[float], arrival: tuple[date, DaySlot], *, mask: Mask
) -> float:
    """How likely the person comes within a span, among all times that are possible.

    0 where the mask leaves nothing of it: whoever chooses against their own rules is not foreseen.
    """
    kept = _possible(probabilities, arrival, mask)
    whole = sum(one.weight for one in kept)
    inside = sum(
        one.weight * (_total(_intersect(one.pieces, [span])) / _total(one.pieces)) for one in kept
    )
    return inside / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class _Possible:
    """A slot of which the mask leaves something."""

    weight: float
    slot: DaySlot
    pieces: list[Span]


def _possible(
    probabilities: Sequence[float], arrival: tuple[date, DaySlot], mask: Mask
) -> list[_Possible]:
    kept = []
    for delay, probability in enumerate(probabilities):
        _, slot, span = slot_after(arrival, delay, mask.hours.zone)
        pieces = [piece for piece in mask.pieces(span) if _length(piece) >= LEAST]
        if pieces:
            kept.append(_Possible(probability * (_total(pieces) / _length(span)), slot, pieces))
    return kept


def _total(pieces: Iterable[Span]) -> timedelta:
    return sum(map(_length, pieces), timedelta())


def _window(probability: float, slot: DaySlot, piece: Span, past: Past) -> Window:
    reason = past.reason_for(slot)
    origin = Origin.DEFAULT if reason is None else Origin.LEARNED
    return Window(*piece, probability, origin, reason)


def _length(span: Span) -> timedelta:
    return span[1] - span[0]


def _intersect(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in both; the spans of `others` may overlap."""
    return _merge(
        (max(start, begins), min(end, ends))
        for start, end in spans
        for begins, ends in others
        if max(start, begins) < min(end, ends)
    )


def _subtract(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What lies in `spans` and in none of `others`."""
    left = list(spans)
    for begins, ends in others:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, begins)), (max(start, ends), end))
            if piece[0] < piece[1]
        ]
    return left


def _merge(spans: Iterable[Span]) -> list[Span]:
    """The same instants as spans that do not touch, in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
