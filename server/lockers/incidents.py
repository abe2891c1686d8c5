"""What can be wrong in the world, how urgent it is, and which facts are behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid


class Severity(StrEnum):
    """How soon somebody must look."""

    CRITICAL = "CRITICAL"
    """At once."""
    HIGH = "HIGH"
    """Within hours."""
    NORMAL = "NORMAL"
    """Within days."""


class IncidentKind(StrEnum):
    """What is wrong."""

    UNKNOWN_TOKEN = "UNKNOWN_TOKEN"
    """A locker accepted a token that we never issued: an issuer key is in other hands."""
    JOURNAL_FORK = "JOURNAL_FORK"
    """Two different entries of one number: the locker cannot be trusted until somebody looked."""
    UNEXPECTED_OPEN = "UNEXPECTED_OPEN"
    """A door opened that nobody was let at."""
    CLOSE_OVERDUE = "CLOSE_OVERDUE"
    """A door stood open for too long."""
    OPEN_NOT_DETECTED = "OPEN_NOT_DETECTED"
    """A door did not open when it should."""
    FOUND_EMPTY = "FOUND_EMPTY"
    """The compartment was empty before its holder opened it."""
    OBJECTION = "OBJECTION"
    """The holder says that the parcel was not there, not theirs, or damaged."""
    LATE_FACT = "LATE_FACT"
    """A fact came that overrides what people had decided."""
    FACT_WITHOUT_ROW = "FACT_WITHOUT_ROW"
    """A fact that fits no state of its parcel; nothing was moved."""
    FACT_WITHOUT_PARCEL = "FACT_WITHOUT_PARCEL"
    """A fact about a stay that we know nothing of."""


SEVERITIES = {
    IncidentKind.UNKNOWN_TOKEN: Severity.CRITICAL,
    IncidentKind.JOURNAL_FORK: Severity.CRITICAL,
    IncidentKind.UNEXPECTED_OPEN: Severity.HIGH,
    IncidentKind.CLOSE_OVERDUE: Severity.HIGH,
    IncidentKind.OPEN_NOT_DETECTED: Severity.HIGH,
    IncidentKind.FOUND_EMPTY: Severity.HIGH,
    IncidentKind.OBJECTION: Severity.HIGH,
    IncidentKind.LATE_FACT: Severity.NORMAL,
    IncidentKind.FACT_WITHOUT_ROW: Severity.NORMAL,
    IncidentKind.FACT_WITHOUT_PARCEL: Severity.HIGH,
}

ATTENTION = {
    IncidentKind.UNKNOWN_TOKEN: timedelta(0),
    IncidentKind.JOURNAL_FORK: timedelta(0),
    IncidentKind.UNEXPECTED_OPEN: timedelta(hours=1),
    IncidentKind.CLOSE_OVERDUE: timedelta(hours=1),
    IncidentKind.OPEN_NOT_DETECTED: timedelta(hours=4),
    IncidentKind.FOUND_EMPTY: timedelta(hours=4),
    IncidentKind.OBJECTION: timedelta(hours=4),
    IncidentKind.LATE_FACT: timedelta(days=2),
    IncidentKind.FACT_WITHOUT_ROW: timedelta(days=2),
    IncidentKind.FACT_WITHOUT_PARCEL: timedelta(hours=4),
}
"""Time until somebody must have looked (DOMAIN 5.1, incident SLA)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One journal entry as the verticals hear of it; (`locker_id`, `seq`) names it for ever.

    `at` is the locker's own time; at `clock_quality` 0 it is only a floor.
    """

    locker_id: uuid.UUID
    seq: int
    at: datetime
    clock_quality: int
    compartment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong: its kind, the parcel, compartment or locker it is about, and the reason.

    `locker_id` and `seq` name the journal entry behind it, if there is one.
    """

    kind: IncidentKind
    subject_id: uuid.UUID
    hub_id: uuid.UUID | None
    detail: str = ""
    locker_id: uuid.UUID | None = None
    seq: int | None = None
