"""States of a locker and of a compartment, and what may change them (DOMAIN 2.2 and 2.5).

Knows no database. A change that the tables do not name has no result: the caller keeps the state,
and opens an incident where a fact was behind it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from schema.compartments import DoorState

HEARTBEAT = timedelta(minutes=15)
"""A locker whose last fact is older counts as offline (DOMAIN 5.1)."""

MAX_STALENESS = timedelta(days=7)
"""Beyond this age of the last fact a locker takes no new deposits (DOMAIN 5.1)."""


FAILED_OPENINGS = 3
"""A door that so often in a row did not open is out of service (C16); each time it was pulsed three
times or more, and at most twenty pulses are spent on a stay.
"""


class LockerState(StrEnum):
    """What a locker is good for."""

    PROVISIONING = "PROVISIONING"
    """Enrolled; its doors are being tested."""
    ONLINE = "ONLINE"
    """Heard of lately."""
    OFFLINE_OK = "OFFLINE_OK"
    """Not heard of for a while; everything works."""
    STALE = "STALE"
    """Not heard of for long: no new deposits, pickups go on."""
    DEGRADED = "DEGRADED"
    """Short of power, or too hot or cold."""
    LOCKED_DOWN = "LOCKED_DOWN"
    """Stopped by two operators: only inspection and service."""
    RETIRED = "RETIRED"
    """Taken out of the network."""


class Allocation(StrEnum):
    """Whom a compartment is kept for."""

    FREE = "FREE"
    """Nobody."""
    RESERVED = "RESERVED"
    """A parcel that is to come."""
    OCCUPIED = "OCCUPIED"
    """A stay."""
    UNKNOWN = "UNKNOWN"
    """Facts contradict each other; somebody must look."""


class ServiceState(StrEnum):
    """Whether a compartment may be used."""

    IN_SERVICE = "IN_SERVICE"
    """Yes."""
    CLEANING_DUE = "CLEANING_DUE"
    """After it was cleaned."""
    SANITISING = "SANITISING"
    """After the lamp went out."""
    QUARANTINED = "QUARANTINED"
    """Evidence is kept inside; after an inspection."""
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    """After a repair."""


class ClimateState(StrEnum):
    """Whether a compartment holds the temperature of its zone."""

    NA = "NA"
    """It has no cooling."""
    READY = "READY"
    """Yes."""
    PREPARING = "PREPARING"
    """Not yet."""
    EXCURSION = "EXCURSION"
    """Not now."""
    FAULT = "FAULT"
    """The cooling is broken."""


class DisplayStatus(StrEnum):
    """The four fields of a compartment in one word, for people."""

    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    """Broken."""
    QUARANTINED = "QUARANTINED"
    """Closed for a check."""
    DOOR_OPEN = "DOOR_OPEN"
    """The door stands open."""
    UNKNOWN = "UNKNOWN"
    """Nobody knows what is inside, or whether the door is shut."""
    SANITISING = "SANITISING"
    """Being disinfected."""
    CLIMATE_FAULT = "CLIMATE_FAULT"
    """Not at its temperature."""
    OCCUPIED = "OCCUPIED"
    """Holds a parcel."""
    RESERVED = "RESERVED"
    """Kept for a parcel."""
    CLEANING_DUE = "CLEANING_DUE"
    """To be cleaned first."""
    PREPARING = "PREPARING"
    """Cooling down."""
    AVAILABLE = "AVAILABLE"
    """Can be reserved; the only such status."""


def display_status(
    allocation: Allocation, door: DoorState, service: ServiceState, climate: ClimateState
) -> DisplayStatus:
    """The first status of the list that applies; defined for every combination (DOMAIN 2.2)."""
    applies = {
        DisplayStatus.OUT_OF_SERVICE: service is ServiceState.OUT_OF_SERVICE,
        DisplayStatus.QUARANTINED: service is ServiceState.QUARANTINED,
        DisplayStatus.DOOR_OPEN: door is DoorState.OPEN,
        DisplayStatus.UNKNOWN: allocation is Allocation.UNKNOWN or door is DoorState.UNKNOWN,
        DisplayStatus.SANITISING: service is ServiceState.SANITISING,
        DisplayStatus.CLIMATE_FAULT: climate in {ClimateState.EXCURSION, ClimateState.FAULT},
        DisplayStatus.OCCUPIED: allocation is Allocation.OCCUPIED,
        DisplayStatus.RESERVED: allocation is Allocation.RESERVED,
        DisplayStatus.CLEANING_DUE: service is ServiceState.CLEANING_DUE,
        DisplayStatus.PREPARING: climate is ClimateState.PREPARING,
        DisplayStatus.AVAILABLE: True,
    }
    return next(status for status, applied in applies.items() if applied)


class Change(StrEnum):
    """What happens to the allocation of a compartment."""

    RESERVE = "RESERVE"
    RELEASE = "RELEASE"
    STORE = "STORE"
    EMPTY = "EMPTY"
    DOUBT = "DOUBT"
    INSPECT_EMPTY = "INSPECT_EMPTY"
    INSPECT_OCCUPIED = "INSPECT_OCCUPIED"


_ALLOCATIONS = {
    ("C1", Change.RESERVE): ({Allocation.FREE}, Allocation.RESERVED),
    ("C2", Change.RELEASE): ({Allocation.RESERVED}, Allocation.FREE),
    ("C4", Change.STORE): ({Allocation.RESERVED, Allocation.FREE}, Allocation.OCCUPIED),
    ("C6", Change.STORE): ({Allocation.OCCUPIED}, Allocation.OCCUPIED),
    ("C7", Change.EMPTY): ({Allocation.OCCUPIED}, Allocation.FREE),
    ("C8", Change.DOUBT): (set(Allocation), Allocation.UNKNOWN),
    ("C9", Change.INSPECT_EMPTY): ({Allocation.UNKNOWN}, Allocation.FREE),
    ("C9", Change.INSPECT_OCCUPIED): ({Allocation.UNKNOWN}, Allocation.OCCUPIED),
}
"""C1 to C9 of DOMAIN 2.2; C3 is a release and a reservation in one transaction, C5 a release."""


def find_allocation(current: Allocation, change: Change) -> Allocation | None:
    """The allocation after the change, or None when no row of the table takes it."""
    for (_, named), (sources, target) in _ALLOCATIONS.items():
        if named is change and current in sources:
            return target
    return None


class LockerChange(StrEnum):
    """What happens to a locker."""

    ENROL = "ENROL"
    ACTIVATE = "ACTIVATE"
    HEAR = "HEAR"
    MISS = "MISS"
    LOSE_TOUCH = "LOSE_TOUCH"
    DEGRADE = "DEGRADE"
    RECOVER = "RECOVER"
    LOCK_DOWN = "LOCK_DOWN"
    RELEASE = "RELEASE"
    RETIRE = "RETIRE"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockerSituation:
    """What the guards of a locker's table ask; what nobody vouches for is False."""

    are_doors_proven: bool = False
    is_clock_synced: bool = False
    has_second_person: bool = False
    is_empty: bool = False
    previous: LockerState | None = None
    """The state before a lock-down."""


_WORKING = frozenset({LockerState.ONLINE, LockerState.OFFLINE_OK, LockerState.STALE})
_LOCKER_MOVES: dict[LockerChange, tuple[frozenset[LockerState | None], LockerState]] = {
    LockerChange.ENROL: (frozenset({None}), LockerState.PROVISIONING),
    LockerChange.ACTIVATE: (frozenset({LockerState.PROVISIONING}), LockerState.ONLINE),
    LockerChange.HEAR: (frozenset({LockerState.OFFLINE_OK, LockerState.STALE}), LockerState.ONLINE),
    LockerChange.MISS: (frozenset({LockerState.ONLINE}), LockerState.OFFLINE_OK),
    LockerChange.LOSE_TOUCH: (frozenset({LockerState.OFFLINE_OK}), LockerState.STALE),
    LockerChange.DEGRADE: (frozenset(_WORKING), LockerState.DEGRADED),
    LockerChange.RECOVER: (frozenset({LockerState.DEGRADED}), LockerState.ONLINE),
    LockerChange.LOCK_DOWN: (
        frozenset(LockerState) - {LockerState.LOCKED_DOWN, LockerState.RETIRED},
        LockerState.LOCKED_DOWN,
    ),
    LockerChange.RETIRE: (
        frozenset(LockerState) - {LockerState.PROVISIONING, LockerState.RETIRED},
        LockerState.RETIRED,
    ),
}
"""DOMAIN 2.5, but for the way out of a lock-down, which leads to the state before it."""


def find_locker_state(
    current: LockerState | None, change: LockerChange, situation: LockerSituation
) -> LockerState | None:
    """The state after the change, or None when the table or a guard does not allow it."""
    if not _is_allowed(change, situation):
        return None
    if change is LockerChange.RELEASE:
        return situation.previous if current is LockerState.LOCKED_DOWN else None
    sources, target = _LOCKER_MOVES[change]
    return target if current in sources else None


def _is_allowed(change: LockerChange, situation: LockerSituation) -> bool:
    match change:
        case LockerChange.ACTIVATE:
            return situation.are_doors_proven and situation.is_clock_synced
        case LockerChange.LOCK_DOWN | LockerChange.RELEASE:
            return situation.has_second_person
        case LockerChange.RETIRE:
            return situation.is_empty
        case _:
            return True


def is_taking_deposits(state: LockerState) -> bool:
    """Whether compartments of such a locker may be reserved."""
    return state in {LockerState.ONLINE, LockerState.OFFLINE_OK, LockerState.DEGRADED}


def hash_code(code: str) -> bytes:
    """What we keep of an enrolment code, whose 100 bits need no slower hash."""
    return hashlib.sha256(code.encode()).digest()
