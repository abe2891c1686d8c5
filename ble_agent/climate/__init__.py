"""Whether cooled compartments keep their temperature: decided reading by reading, told once.

Pure: knows neither store nor clock nor thermometer; `keeping` makes durable what is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from schema.compartments import BANDS, THAWING, WARM_BUDGET_S, ClimateZone
from schema.journal import ExcursionPhase

HYSTERESIS = 5
"""Tenths of a degree beyond its band at which a compartment counts as out of it: the noise of a
probe, and less than what a door that is opened for a parcel lets in for some minutes.
"""

FAULT_AFTER_S = WARM_BUDGET_S
"""Out of the band for so long in one piece, or unmeasured, the cooling has failed: by then chilled
goods are safe no longer, and nothing says that others are.
"""


class Verdict(Enum):
    """What one reading says of a compartment."""

    KEPT = auto()
    """It is at the temperature of its zone."""
    COLD = auto()
    """Below it."""
    WARM = auto()
    """Above it."""
    THAWED = auto()
    """So far above that frozen goods thaw."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be written of one compartment."""

    phase: ExcursionPhase
    decidegrees: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the journal says of one compartment, and what speaks against it.

    `told` is None for one that has never been at its temperature: it is being prepared. `out_s`
    are the seconds since the first reading of those that did not find it there; None if the last
    one did. `doubt` is a verdict that a second reading in a row confirms; it does not survive a
    restart.
    """

    told: Line | None = None
    out_s: int | None = None
    doubt: Verdict | None = None


def observe(
    zone: ClimateZone, standing: Standing, decidegrees: int | None, *, passed_s: int
) -> tuple[Standing, list[Line]]:
    """How a compartment stands after a reading, `passed_s` after the one before, and what to write.

    None is a thermometer that says nothing. Each change needs two readings in a row, so that an
    open door is none; the same state is never told twice.
    """
    told, believed = standing.told, _believed(zone, standing.told)
    verdict = None if decidegrees is None else _judge(zone, decidegrees, believed)
    if told is None and verdict is not Verdict.KEPT:
        return Standing(), []
    is_kept = verdict is Verdict.KEPT
    standing = replace(standing, out_s=_count(standing, passed_s, is_kept=is_kept))
    if told is not None and not is_kept and _has_failed(told, standing.out_s):
        value = told.decidegrees if decidegrees is None else decidegrees
        return _tell(standing, [Line(ExcursionPhase.FAULT, value)])
    if decidegrees is None or verdict is None or verdict is believed:
        return replace(standing, doubt=None), []
    if verdict is not standing.doubt:
        return replace(standing, doubt=verdict), []
    return _tell(standing, _lines(verdict, told, decidegrees))


def _count(standing: Standing, passed_s: int, *, is_kept: bool) -> int | None:
    told = standing.told
    if told is None or (is_kept and told.phase is ExcursionPhase.BACK):
        return None
    return 0 if standing.out_s is None else standing.out_s + passed_s


def _has_failed(told: Line, out_s: int | None) -> bool:
    return told.phase is not ExcursionPhase.FAULT and (out_s or 0) >= FAULT_AFTER_S


def _tell(standing: Standing, lines: list[Line]) -> tuple[Standing, list[Line]]:
    if not lines:
        return standing, []
    is_back = lines[-1].phase is ExcursionPhase.BACK
    return Standing(lines[-1], None if is_back else standing.out_s), lines


def _lines(verdict: Verdict, told: Line | None, decidegrees: int) -> list[Line]:
    """What a confirmed verdict adds to what was told."""
    phase = None if told is None else told.phase
    match verdict:
        case Verdict.KEPT:
            return [Line(ExcursionPhase.BACK, decidegrees)]
        case Verdict.THAWED:
            return [Line(ExcursionPhase.FAULT, decidegrees)]
        case _ if phase is ExcursionPhase.BACK:
            return [Line(ExcursionPhase.LEFT, decidegrees)]
        case _ if phase is ExcursionPhase.LEFT:
            # From one side to the other: one excursion ended between two readings.
            return [Line(ExcursionPhase.BACK, decidegrees), Line(ExcursionPhase.LEFT, decidegrees)]
        case _:
            return []


def _believed(zone: ClimateZone, told: Line | None) -> Verdict | None:
    """The verdict behind what was told; None while nothing was."""
    if told is None:
        return None
    return Verdict.KEPT if told.phase is ExcursionPhase.BACK else _side(zone, told.decidegrees)


def _judge(zone: ClimateZone, decidegrees: int, believed: Verdict | None) -> Verdict:
    """A compartment inside is out only beyond the hysteresis, one outside is back only inside."""
    band = BANDS[zone]
    nearer = min(max(decidegrees, band.lowest), band.highest)
    if nearer == decidegrees:
        return Verdict.KEPT
    if believed is Verdict.KEPT and abs(decidegrees - nearer) <= HYSTERESIS:
        return Verdict.KEPT
    return _side(zone, decidegrees)


def _side(zone: ClimateZone, decidegrees: int) -> Verdict:
    band = BANDS[zone]
    if decidegrees < band.lowest:
        return Verdict.COLD
    is_thawed = zone is ClimateZone.FROZEN and decidegrees > THAWING
    return Verdict.THAWED if is_thawed else Verdict.WARM
