"""Keeping a compartment for a parcel: the best fit, once, for a while.

Whether somebody may ask is decided by whoever knows the parcel. A locker's row is the queue of
those who want its compartments, so the choice is made on what is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import DoorState, SizeMm
from server.kit.errors import Refusal
from server.lockers import queries
from server.lockers.choice import HOLDS, Candidate, Need, ReservationPurpose, choose
from server.lockers.rules import (
    Allocation,
    Change,
    DisplayStatus,
    display_status,
    find_allocation,
    is_taking_deposits,
)
from server.lockers.service import occupancy
from server.lockers.tables import Compartment, Locker, Reservation

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

SWEEP = 255
"""Most reservations ended in one go: all that one locker can have."""

DOOR_OPEN = Refusal(ProblemCode.WRONG_STATE, "The door is open. Close it first.", "parcel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody wants a compartment for a parcel."""

    parcel_id: uuid.UUID
    need: Need
    purpose: ReservationPurpose
    created_by: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation with its compartment."""

    reservation: Reservation
    compartment: Compartment


async def lock_lockers(
    session: Session, *, hub_id: uuid.UUID, locker_id: uuid.UUID | None = None
) -> list[Locker]:
    """The named locker, or all of the hub, kept from changing; call it before a parcel is locked.

    Empty when the locker is not one of the hub.
    """
    if locker_id is None:
        return list(await queries.lock_lockers_of_hub(session, hub_id))
    locker = await queries.lock_locker(session, locker_id)
    return [locker] if locker is not None and locker.hub_id == hub_id else []


async def reserve(
    session: Session, lockers: Collection[Locker], wish: Wish, *, ids: Ids, now: datetime
) -> Held | Refusal:
    """A compartment for the parcel in the first of the locked lockers that has one.

    A parcel that is kept a place in one of them keeps it, with its time renewed where the new
    purpose gives more; a place elsewhere, out of reach, or one that ran out, is given up in the
    same commit.
    """
    standing = await _find_standing(session, wish.parcel_id)
    if standing is not None:
        renewed = _renew(standing, lockers, wish, now=now)
        if renewed is not None:
            return renewed
    refusal = Refusal(ProblemCode.NO_COMPARTMENT, field="locker")
    for locker in lockers:
        found = await _find_place(session, locker, wish, now=now)
        if isinstance(found, Compartment):
            if standing is not None:
                await _give_up(session, standing, now=now)
            return await _hold(session, found, wish, ids=ids, now=now)
        refusal = found
    return refusal


async def swap(
    session: Session, locker: Locker, wish: Wish, *, now: datetime, ids: Ids
) -> Held | Refusal:
    """A larger compartment of the locked locker for the parcel, in place of the one kept (C3).

    Refused, and nothing changed, while the kept one's door stands open, or where nothing larger is
    available. RESERVATION_EXPIRED with nothing kept in this locker.
    """
    standing = await _find_standing(session, wish.parcel_id)
    if standing is None or standing.compartment.locker_id != locker.id:
        return Refusal(ProblemCode.RESERVATION_EXPIRED, field="parcel")
    if standing.compartment.door is DoorState.OPEN:
        return DOOR_OPEN
    room = inner_of(standing.compartment)
    larger = await _find_place(session, locker, wish, beyond=room, now=now)
    if isinstance(larger, Refusal):
        return larger
    await _give_up(session, standing, now=now)
    return await _hold(session, larger, wish, ids=ids, now=now)


async def release(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> bool:
    """Ends what is kept for the parcel, which lies elsewhere now; False if nothing was."""
    standing = await _find_standing(session, parcel_id)
    if standing is None:
        return False
    await _give_up(session, standing, now=now)
    return True


async def cancel(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> Refusal | None:
    """Gives up what is kept for the parcel; refused while its door stands open (C2)."""
    standing = await _find_standing(session, parcel_id)
    if standing is None:
        return None
    if standing.compartment.door is DoorState.OPEN:
        return DOOR_OPEN
    await _give_up(session, standing, now=now)
    return None


async def list_held(
    session: Session, parcel_ids: Collection[uuid.UUID], *, now: datetime
) -> dict[uuid.UUID, Held]:
    """What is kept for these parcels at this moment, by parcel."""
    rows = await queries.list_reservations(session, parcel_ids, now=now)
    return {row.parcel_id: Held(row, compartment) for row, compartment in rows}


async def expire_reservations(
    session: Session, *, now: datetime, locker_id: uuid.UUID | None = None
) -> int:
    """Ends reservations whose time is over, at most 255 of them, and says how many."""
    expired = await queries.list_expired_reservations(
        session, now=now, limit=SWEEP, locker_id=locker_id
    )
    for reservation, compartment in expired:
        _end(reservation, compartment, now=now)
    return len(expired)


def candidate(compartment: Compartment) -> Candidate:
    """The compartment as the choice sees it."""
    return Candidate(
        id=compartment.id,
        number=compartment.number,
        inner=inner_of(compartment),
        sill_height_mm=compartment.sill_height_mm,
        zone=compartment.climate_zone,
        status=status_of(compartment),
    )


def inner_of(compartment: Compartment) -> SizeMm:
    """The room behind the door."""
    return SizeMm(compartment.width_mm, compartment.height_mm, compartment.depth_mm)


def status_of(compartment: Compartment) -> DisplayStatus:
    """The compartment's four fields in one word."""
    return display_status(
        compartment.allocation, compartment.door, compartment.service, compartment.climate
    )


async def _find_place(
    session: Session, locker: Locker, wish: Wish, *, now: datetime, beyond: SizeMm | None = None
) -> Compartment | Refusal:
    """The best fit, among those that are larger than `beyond` in some direction."""
    if not is_taking_deposits(locker.state):
        return Refusal(ProblemCode.NO_COMPARTMENT, "This locker takes no parcels now.", "locker")
    await expire_reservations(session, now=now, locker_id=locker.id)
    compartments = await queries.list_compartments(session, [locker.id])
    if beyond is not None:
        compartments = [one for one in compartments if not inner_of(one).is_within(beyond)]
    if not compartments:
        return Refusal(ProblemCode.NO_COMPARTMENT, field="locker")
    is_calm = wish.purpose is ReservationPurpose.LOADED and await occupancy.is_calm(
        session, locker.hub_id, until=now + HOLDS[wish.purpose], now=now
    )
    doors = [candidate(one) for one in compartments]
    chosen = choose(doors, wish.need, wish.purpose, is_calm=is_calm)
    if isinstance(chosen, Refusal):
        return chosen
    return next(one for one in compartments if one.id == chosen.id)


async def _find_standing(session: Session, parcel_id: uuid.UUID) -> Held | None:
    found = await queries.lock_live_reservation(session, parcel_id)
    return None if found is None else Held(*found)


def _renew(
    standing: Held, lockers: Collection[Locker], wish: Wish, *, now: datetime
) -> Held | Refusal | None:
    """The same place for longer; None when another must be found, and this one can be left."""
    reservation, compartment = standing.reservation, standing.compartment
    is_here = compartment.locker_id in {one.id for one in lockers}
    reach = wish.need.reach
    is_reached = reach is None or reach.holds(compartment.sill_height_mm)
    if is_here and is_reached and reservation.expires_at > now:
        reservation.expires_at = max(reservation.expires_at, now + HOLDS[wish.purpose])
        return standing
    return DOOR_OPEN if compartment.door is DoorState.OPEN else None


async def _hold(
    session: Session, compartment: Compartment, wish: Wish, *, ids: Ids, now: datetime
) -> Held:
    compartment.allocation = Allocation.RESERVED
    compartment.version += 1
    reservation = Reservation(
        id=ids.new(),
        created_at=now,
        compartment_id=compartment.id,
        parcel_id=wish.parcel_id,
        purpose=wish.purpose,
        created_by=wish.created_by,
        expires_at=now + HOLDS[wish.purpose],
    )
    session.add(reservation)
    await session.flush()  # the index refuses a second one here, not at the commit
    return Held(reservation, compartment)


async def _give_up(session: Session, standing: Held, *, now: datetime) -> None:
    _end(standing.reservation, standing.compartment, now=now)
    await session.flush()  # before another is held for the same parcel


def _end(reservation: Reservation, compartment: Compartment, *, now: datetime) -> None:
    """A compartment that is no longer RESERVED has been used or has met with doubt: it stays so."""
    reservation.ended_at = now
    freed = find_allocation(compartment.allocation, Change.RELEASE)
    if freed is not None:
        compartment.allocation = freed
        compartment.version += 1
