"""How long cooled goods are safe, by what lockers told of their compartments (DOMAIN 5.1).

Knows no database. Worked out from the whole past each time, so that what comes late or twice ends
alike; this clock never pauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.compartments import BANDS, THAWING, WARM_BUDGET_S, ClimateZone
from schema.journal import CONFIRM_S, ExcursionPhase
from server.lockers.rules import ClimateState

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Sequence

BUDGET = timedelta(seconds=WARM_BUDGET_S)
CONFIRMATION = timedelta(seconds=CONFIRM_S)
"""A locker writes after the second reading; so much sooner the first one said the same."""


class Spoiling(StrEnum):
    """Why a parcel is held for its climate, as its history says it."""

    TOO_WARM = "It was out of its temperature for too long."
    NOT_COOLED = "The cooling of its compartment has failed."


SPOILINGS = frozenset(Spoiling)

STATES = {
    ExcursionPhase.LEFT: ClimateState.EXCURSION,
    ExcursionPhase.BACK: ClimateState.READY,
    ExcursionPhase.FAULT: ClimateState.FAULT,
}
"""C18: what the newest word of a locker makes of a compartment that has a cooling."""


@dataclass(frozen=True, slots=True)
class Word:
    """One EXCURSION entry: when it was written, what it says, and its name."""

    at: datetime
    phase: ExcursionPhase
    decidegrees: int
    locker_id: uuid.UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Lying:
    """From when until when goods lay in a compartment, and all words about it in their order."""

    start: datetime
    end: datetime | None
    words: Sequence[Word]


@dataclass(frozen=True, slots=True)
class Limit:
    """Until when goods are safe, and the word that says so."""

    at: datetime
    cause: Word


@dataclass(frozen=True, slots=True)
class _Span:
    """A time outside, as long as it touched the goods; without an end it goes on."""

    start: datetime
    end: datetime | None
    cause: Word


def find_limit(zone: ClimateZone, lyings: Iterable[Lying]) -> Limit | None:
    """Until when goods of this zone are safe; None while nothing speaks against them.

    Chilled goods bear four hours above their band, all spans together; frozen ones none above
    minus twelve. An instant that has passed stays; one ahead is gone once they are cold in time.
    """
    budget = BUDGET if zone is ClimateZone.CHILLED else timedelta(0)
    left = budget
    for lying in sorted(lyings, key=lambda one: one.start):
        for span in _spans(zone, lying):
            if span.end is None or span.end - span.start > left:
                return Limit(span.start + left, span.cause)
            left -= span.end - span.start
    return None


def _spans(zone: ClimateZone, lying: Lying) -> Iterator[_Span]:
    """When the goods were outside, one span after the other."""
    began: Word | None = None
    for word in lying.words:
        is_outside = _is_outside(zone, word)
        if began is None:
            began = word if is_outside else None
        elif not is_outside and not _goes_on(zone, began, word):
            yield from _touching(lying, began, word.at - CONFIRMATION)
            began = None
    if began is not None:
        yield from _touching(lying, began, lying.end)


def _touching(lying: Lying, began: Word, end: datetime | None) -> Iterator[_Span]:
    start = max(began.at - CONFIRMATION, lying.start)
    if lying.end is not None:
        end = lying.end if end is None else min(end, lying.end)
    if end is None or end > start:
        yield _Span(start, end, began)


def _is_outside(zone: ClimateZone, word: Word) -> bool:
    """Whether goods suffer from that word on."""
    if word.phase is ExcursionPhase.BACK:
        return False
    if zone is ClimateZone.FROZEN:
        return word.decidegrees > THAWING
    is_unmeasured = word.phase is ExcursionPhase.FAULT and BANDS[zone].holds(word.decidegrees)
    return is_unmeasured or word.decidegrees > BANDS[zone].highest


def _goes_on(zone: ClimateZone, began: Word, word: Word) -> bool:
    """A failing after an excursion ends nothing: only BACK, or the other side of the band, does."""
    is_cold_side = zone is ClimateZone.CHILLED and word.decidegrees < BANDS[zone].lowest
    return word.phase is not ExcursionPhase.BACK and not is_cold_side
