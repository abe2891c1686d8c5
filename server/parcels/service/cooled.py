"""How much longer cooled goods may wait: the right to collect never goes beyond their safety."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone
from server.lockers.rules import ClimateState
from server.parcels import queries
from server.parcels.service.stops import find_wait

if TYPE_CHECKING:
    from server.kit.db import Session
    from server.parcels.tables import Parcel

NOT_MEASURED = "nothing measures for how long it keeps"
SPOILS = "it is not sure to be good for longer"

_MEASURED = frozenset({ClimateState.READY, ClimateState.EXCURSION})


async def is_measured(session: Session, parcel: Parcel) -> bool:
    """Whether somebody would notice if it spoiled: it needs no cooling, or its door tells of it."""
    if parcel.climate_zone is ClimateZone.AMBIENT:
        return True
    door = await queries.find_compartment_of(session, parcel)
    return door is not None and door.climate in _MEASURED


async def fit_hours(session: Session, parcel: Parcel, wanted: int) -> int:
    """So many of the wanted hours that its wait, made longer by them, ends while it is good."""
    if parcel.safe_until is None:
        return wanted
    wait = await find_wait(session, parcel)
    if wait is None:
        return 0
    for hours in range(wanted, 0, -1):
        longer = replace(wait, time=wait.time + timedelta(hours=hours))
        if longer.end() <= parcel.safe_until:
            return hours
    return 0
