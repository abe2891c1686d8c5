"""Which compartment a parcel gets: the smallest free one that fits, suits and can be reached."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, ReachBand, SizeClass, SizeMm, size_class
from server.kit.errors import Refusal
from server.lockers.rules import DisplayStatus

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

WALK_UP_PERCENT = 12
"""Share of each size that holds made before the courier is there must leave free (DOMAIN 5.1)."""


CALM = 1 - 2 * WALK_UP_PERCENT / 100
"""Share in use up to which a hub is calm: twice that reserve stays free by itself."""


class ReservationPurpose(StrEnum):
    """Why a compartment is kept, and with it for how long."""

    STOP = "STOP"
    """The courier stands before the locker."""
    LOADED = "LOADED"
    """The parcel was loaded onto a tour; leaves a share of each size for others."""


HOLDS = {
    ReservationPurpose.STOP: timedelta(minutes=15),
    ReservationPurpose.LOADED: timedelta(hours=4),
}
"""How long a reservation lasts (DOMAIN 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a parcel asks of a compartment."""

    size: SizeMm
    zone: ClimateZone = ClimateZone.AMBIENT
    is_upright: bool = False
    """It must not be laid on its side."""
    reach: ReachBand | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One compartment as the choice sees it."""

    id: uuid.UUID
    number: int
    inner: SizeMm
    sill_height_mm: int
    zone: ClimateZone
    status: DisplayStatus


def choose(
    compartments: Iterable[Candidate],
    need: Need,
    purpose: ReservationPurpose,
    *,
    is_calm: bool = False,
) -> Candidate | Refusal:
    """The smallest available compartment that meets the need, the lowest number among equals.

    Of a hub that will stay `is_calm` a hold leaves one of each size to walk-ups, else its share.
    NO_CLIMATE when none of the zone is available at all, else NO_COMPARTMENT.
    """
    everything = list(compartments)
    available = [one for one in everything if one.status is DisplayStatus.AVAILABLE]
    in_zone = [one for one in available if one.zone is need.zone]
    if not in_zone:
        none_built = all(one.zone is not need.zone for one in everything)
        is_cooled = need.zone is not ClimateZone.AMBIENT
        code = ProblemCode.NO_CLIMATE if none_built or is_cooled else ProblemCode.NO_COMPARTMENT
        return Refusal(code, field="locker")
    open_classes = _open_classes(everything, available, purpose, is_calm=is_calm)
    fitting = [
        one for one in in_zone if _meets(one, need) and size_class(one.inner) in open_classes
    ]
    if not fitting:
        return Refusal(ProblemCode.NO_COMPARTMENT, field="locker")
    return min(fitting, key=lambda one: (one.inner.volume, one.number))


def _meets(one: Candidate, need: Need) -> bool:
    is_reachable = need.reach is None or need.reach.holds(one.sill_height_mm)
    return is_reachable and need.size.fits(one.inner, upright=need.is_upright)


def _open_classes(
    everything: list[Candidate],
    available: list[Candidate],
    purpose: ReservationPurpose,
    *,
    is_calm: bool,
) -> set[SizeClass]:
    """The size classes of which one more may be taken for this purpose."""
    if purpose is ReservationPurpose.STOP:
        return set(SizeClass)
    total = Counter(size_class(one.inner) for one in everything)
    free = Counter(size_class(one.inner) for one in available)
    percent = 0 if is_calm else WALK_UP_PERCENT
    return {size for size in free if free[size] > max(1, math.ceil(total[size] * percent / 100))}
