"""A second parcel of the same recipient into the same compartment: a token for a stay that runs,
or that another parcel of the same bundle will begin (C6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.compartments import SizeMm
from schema.tokens import MAX_COMPARTMENTS
from server.access import queries
from server.access.signing import unix_s
from server.lockers.rules import ServiceState
from server.lockers.service.reservations import inner_of
from server.parcels import queries as parcels
from server.parcels.states import ParcelState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.lockers.tables import Compartment, Locker
    from server.parcels.consent import Limits
    from server.parcels.tables import Parcel, Stay

MAX_ADDITIONS = 3
"""Compartments that one parcel may be added to: more choice helps nobody at the door."""

_OPEN_TO_MORE = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP})
"""States in which a parcel's compartment may still be filled up."""


@dataclass(frozen=True, slots=True)
class Room:
    """A stay that one more parcel may join, the parcels that it has or will have, and its doors."""

    stay: Stay
    inside: tuple[Parcel, ...]
    comps: tuple[int, ...]


async def find_rooms(
    session: Session,
    parcel: Parcel,
    locker: Locker,
    doors: Sequence[Compartment],
    *,
    now: datetime,
) -> list[Room]:
    """Where other parcels of this recipient lie in the locker with room left for this one.

    Only those of its own carrier, all of them still waiting: whoever may add a parcel may also
    take everything out again within two minutes. None that its recipient shares: what opens one of
    them opens the compartment.
    """
    if parcel.recipient_id is None:
        return []
    rooms: list[Room] = []
    for stay in await parcels.list_stays_of_recipient(
        session, locker.id, parcel.recipient_id, limit=MAX_ADDITIONS
    ):
        inside = tuple(await parcels.list_parcels_of_stay(session, stay.id))
        here = tuple(door for door in doors if door.id == stay.compartment_id)
        comps = fitting((*inside, parcel), here)
        if not comps or not all(_goes_with(one, parcel) for one in inside):
            continue
        if not await queries.is_passed_on(session, stay.name, now_s=unix_s(now)):
            rooms.append(Room(stay, inside, comps))
    return rooms


def may_share(parcel: Parcel, other: Parcel) -> bool:
    """Whether both may lie together: one recipient, one carrier, one temperature, nothing owed."""
    return (
        parcel.recipient_id is not None
        and parcel.recipient_id == other.recipient_id
        and parcel.carrier_id == other.carrier_id
        and parcel.climate_zone is other.climate_zone
        and (parcel.cod_amount, other.cod_amount) == (None, None)
    )


def fitting(together: Sequence[Parcel], doors: Sequence[Compartment]) -> tuple[int, ...]:
    """Numbers of the compartments into which all of these go, the smallest first.

    Each must go in, and their volumes together: that they can be stacked is seen at the door.
    """
    volume = sum(_size(parcel).volume for parcel in together)
    usable = [
        door
        for door in doors
        if door.service not in {ServiceState.OUT_OF_SERVICE, ServiceState.QUARANTINED}
        and volume <= inner_of(door).volume
        and all(_goes_into(parcel, door) for parcel in together)
    ]
    usable.sort(key=lambda door: (inner_of(door).volume, door.number))
    return tuple(door.number for door in usable)[:MAX_COMPARTMENTS]


def within_reach(doors: Sequence[Compartment], limits: Limits) -> list[Compartment]:
    """Those of the doors that the recipient can reach."""
    return [door for door in doors if limits.allows_sill(door.sill_height_mm)]


def _goes_with(inside: Parcel, parcel: Parcel) -> bool:
    return inside.state in _OPEN_TO_MORE and may_share(inside, parcel)


def _goes_into(parcel: Parcel, door: Compartment) -> bool:
    is_climate_right = door.climate_zone is parcel.climate_zone
    return is_climate_right and _size(parcel).fits(inner_of(door), upright=parcel.is_fragile)


def _size(parcel: Parcel) -> SizeMm:
    return SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm)
