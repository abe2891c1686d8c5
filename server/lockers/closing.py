"""Whether a compartment may be used: closed for a check, broken, and what brings it back.

Rows C14 to C17 of DOMAIN 2.2, and what counts as proof for the way back. Knows no database.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from server.lockers.rules import ServiceState

if TYPE_CHECKING:
    from datetime import datetime

REASON_CHARACTERS = 300
"""Longest reason that somebody may give."""


class DoorVisit(StrEnum):
    """By what right staff opened a door without a stay."""

    INSPECT = "INSPECT"
    """To look into a compartment that holds no stay."""
    SERVICE = "SERVICE"
    """To repair, by a token of a service key."""
    OPEN_ALL = "OPEN_ALL"
    """To open every door, by tokens of two keys."""


class Closing(StrEnum):
    """What happens to the use of a compartment."""

    QUARANTINE = "C14"
    """Something is to be looked at; no re-use."""
    PASS_INSPECTION = "C15"
    """Somebody looked, and it may be used again."""
    BREAK_DOWN = "C16"
    """It is broken."""
    PASS_TEST = "C17"
    """It was repaired, and its door opens and shuts."""


_MOVES = {
    Closing.QUARANTINE: (
        frozenset(ServiceState) - {ServiceState.OUT_OF_SERVICE, ServiceState.QUARANTINED},
        ServiceState.QUARANTINED,
    ),
    Closing.PASS_INSPECTION: (frozenset({ServiceState.QUARANTINED}), ServiceState.IN_SERVICE),
    Closing.BREAK_DOWN: (
        frozenset(ServiceState) - {ServiceState.OUT_OF_SERVICE},
        ServiceState.OUT_OF_SERVICE,
    ),
    Closing.PASS_TEST: (frozenset({ServiceState.OUT_OF_SERVICE}), ServiceState.IN_SERVICE),
}

PROOFS = {
    Closing.PASS_INSPECTION: frozenset({DoorVisit.INSPECT, DoorVisit.SERVICE}),
    Closing.PASS_TEST: frozenset({DoorVisit.SERVICE}),
}
"""Visits by which a door must have opened and shut before: an inspection, or a test cycle."""


def find_service(current: ServiceState, closing: Closing) -> ServiceState | None:
    """The state after it, or None when no row of the table takes it."""
    sources, target = _MOVES[closing]
    return target if current in sources else None


def find_return(current: ServiceState) -> Closing | None:
    """By which row a compartment comes back to service; None for one that is not closed."""
    match current:
        case ServiceState.QUARANTINED:
            return Closing.PASS_INSPECTION
        case ServiceState.OUT_OF_SERVICE:
            return Closing.PASS_TEST
        case _:
            return None


def is_since(granted_at: datetime, closed_at: datetime) -> bool:
    """Whether a visit is later than the closing of its compartment; journals know seconds only."""
    return granted_at >= closed_at.replace(microsecond=0)


def read_reason(text: str) -> str | None:
    """The reason as it is kept: 1 to 300 characters on one line; None for anything else."""
    reason = text.strip()
    return reason if 0 < len(reason) <= REASON_CHARACTERS and reason.isprintable() else None
