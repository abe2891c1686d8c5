"""What a door that opened and closed proves about a parcel. Pure: openings in, conclusions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import DoorEvent
from schema.journal import Kind
from schema.keys import Operation

if TYPE_CHECKING:
    from ble_agent.policy.world import Opening
    from schema.codec import Value
    from schema.ids import StayId

GRADE_SENSED, GRADE_SILENT, GRADE_OVERDUE = 1, 2, 3
"""Grades of a COLLECTED entry (PROTOCOL 6)."""

_CLOSED_EVENTS = {
    True: DoorEvent.CLOSED_OCCUPIED,
    False: DoorEvent.CLOSED_EMPTY,
    None: DoorEvent.CLOSED_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows: the event to tell, the lines to write in order, what becomes of the stay."""

    event: DoorEvent
    lines: tuple[tuple[Kind, list[Value]], ...]
    stores: StayId | None = None
    ends: StayId | None = None
    consumes_deposit: bool = False


def conclude_close(opening: Opening, *, stored: StayId | None, occupied: bool | None) -> Conclusion:
    """The door of `opening` has closed over `stored`, and the sensor says `occupied`."""
    event = _CLOSED_EVENTS[occupied]
    closed: tuple[Kind, list[Value]] = (Kind.DOOR_CLOSED, [opening.comp, occupied])
    if opening.op is Operation.DEPOSIT:
        return _conclude_deposit(opening, event, closed, stored=stored, occupied=occupied)
    if not _takes(opening, stored) or occupied:
        return Conclusion(event, (closed,))
    sensed = opening.occupied_before is True and occupied is False
    grade = GRADE_SENSED if sensed else GRADE_SILENT
    return Conclusion(event, (closed, _taken(opening, grade)), ends=opening.stay)


def conclude_overdue(opening: Opening, *, stored: StayId | None) -> Conclusion:
    """The door of `opening` stands open too long; a collection is over, whatever comes."""
    overdue: tuple[Kind, list[Value]] = (Kind.CLOSE_OVERDUE, [opening.comp])
    if not _takes(opening, stored):
        return Conclusion(DoorEvent.CLOSE_OVERDUE, (overdue,))
    taken = _taken(opening, GRADE_OVERDUE)
    return Conclusion(DoorEvent.CLOSE_OVERDUE, (overdue, taken), ends=opening.stay)


def _takes(opening: Opening, stored: StayId | None) -> bool:
    """Whether this opening can collect: OPEN, under the stay that is stored there."""
    return opening.op is Operation.OPEN and stored is not None and opening.stay == stored


def _taken(opening: Opening, grade: int) -> tuple[Kind, list[Value]]:
    if opening.occupied_before is False:
        return Kind.FOUND_EMPTY, [opening.comp, opening.stay]
    return Kind.COLLECTED, [opening.comp, opening.stay, grade]


def _conclude_deposit(
    opening: Opening,
    event: DoorEvent,
    closed: tuple[Kind, list[Value]],
    *,
    stored: StayId | None,
    occupied: bool | None,
) -> Conclusion:
    """First close: the stay is stored unless sensed empty. Again: only sensed empty counts."""
    body: list[Value] = [opening.comp, opening.stay]
    if stored == opening.stay:
        if occupied is False:
            withdrawn = (closed, (Kind.WITHDRAWN, body))
            return Conclusion(event, withdrawn, ends=opening.stay, consumes_deposit=True)
        return Conclusion(event, (closed,), consumes_deposit=True)
    if occupied is False or stored is not None:
        return Conclusion(event, (closed,))
    deposited = (closed, (Kind.DEPOSITED, body))
    return Conclusion(event, deposited, stores=opening.stay, consumes_deposit=True)
