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
    COMPARTMENT_REPORTED = "COMPARTMENT_REPORTED"
    """Somebody of the hub closed a compartment for a check."""
    COMPARTMENT_BROKEN = "COMPARTMENT_BROKEN"
    """Somebody took a compartment out of service."""
    CONTENTS_UNEXPLAINED = "CONTENTS_UNEXPLAINED"
    """Staff found something in a compartment that holds no stay."""
    EMERGENCY_OPENING = "EMERGENCY_OPENING"
    """Two persons had doors opened that only holders open."""
    OPENED_BY_STAFF = "OPENED_BY_STAFF"
    """A service key opened the door of a parcel, and no two persons had said so."""
    CONSENT_BROKEN = "CONSENT_BROKEN"
    """A parcel lies in a place that its recipient has ruled out."""
    DISPUTE = "DISPUTE"
    """Somebody says that a collection was not right."""
    EXCURSION = "EXCURSION"
    """A cooled compartment does not keep its temperature."""


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
    IncidentKind.COMPARTMENT_REPORTED: Severity.NORMAL,
    IncidentKind.COMPARTMENT_BROKEN: Severity.NORMAL,
    IncidentKind.CONTENTS_UNEXPLAINED: Severity.HIGH,
    IncidentKind.EMERGENCY_OPENING: Severity.HIGH,
    IncidentKind.OPENED_BY_STAFF: Severity.CRITICAL,
    IncidentKind.CONSENT_BROKEN: Severity.NORMAL,
    IncidentKind.DISPUTE: Severity.NORMAL,
    IncidentKind.EXCURSION: Severity.HIGH,
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
    IncidentKind.COMPARTMENT_REPORTED: timedelta(days=2),
    IncidentKind.COMPARTMENT_BROKEN: timedelta(days=2),
    IncidentKind.CONTENTS_UNEXPLAINED: timedelta(hours=4),
    IncidentKind.EMERGENCY_OPENING: timedelta(hours=1),
    IncidentKind.OPENED_BY_STAFF: timedelta(0),
    IncidentKind.CONSENT_BROKEN: timedelta(hours=4),
    IncidentKind.DISPUTE: timedelta(days=2),
    IncidentKind.EXCURSION: timedelta(hours=1),
}
"""Time until somebody must have looked (DOMAIN 5.1, incident SLA)."""


class NextStep(StrEnum):
    """A way on from something that is wrong, for whoever stands there or looks after the hub."""

    TRY_AGAIN = "TRY_AGAIN"
    """Push the door in and ask it to open once more; what failed has used nothing up."""
    ASK_AT_HUB = "ASK_AT_HUB"
    """Let somebody of the hub help at the door, with the holder's own phone or pass."""
    WAIT_FOR_REPAIR = "WAIT_FOR_REPAIR"
    """A technician has to open it."""
    WAIT_FOR_DECISION = "WAIT_FOR_DECISION"
    """Somebody looks into it, and decides what becomes of the parcel."""
    SHUT_DOOR = "SHUT_DOOR"
    """Go there and shut the door."""
    HELP_AT_DOOR = "HELP_AT_DOOR"
    """Stand by the holder: push the door in while they open it, or type their pass."""
    CALL_TECHNICIAN = "CALL_TECHNICIAN"
    """Have the door repaired; occupied, it is opened by two persons."""
    INSPECT = "INSPECT"
    """Look into the compartment, and say what is inside."""
    INSPECT_LOCKER = "INSPECT_LOCKER"
    """Look at the machine: is it ours, was it opened, is its board the one that was enrolled?"""
    REPLACE_CONTROLLER = "REPLACE_CONTROLLER"
    """Put in a new board with keys of its own."""
    REPLACE_KEYS = "REPLACE_KEYS"
    """Have a root sign a key set without the key that is in other hands."""
    FETCH_SOON = "FETCH_SOON"
    """Fetch what is cooled while it is good."""
    READ_JOURNAL = "READ_JOURNAL"
    """Compare what the locker wrote with what people say."""


STEPS = {
    IncidentKind.UNKNOWN_TOKEN: (NextStep.READ_JOURNAL, NextStep.REPLACE_KEYS),
    IncidentKind.JOURNAL_FORK: (NextStep.INSPECT_LOCKER, NextStep.REPLACE_CONTROLLER),
    IncidentKind.UNEXPECTED_OPEN: (
        NextStep.SHUT_DOOR,
        NextStep.INSPECT,
        NextStep.CALL_TECHNICIAN,
    ),
    IncidentKind.CLOSE_OVERDUE: (NextStep.SHUT_DOOR, NextStep.INSPECT),
    IncidentKind.OPEN_NOT_DETECTED: (NextStep.HELP_AT_DOOR, NextStep.CALL_TECHNICIAN),
    IncidentKind.FOUND_EMPTY: (NextStep.INSPECT, NextStep.READ_JOURNAL),
    IncidentKind.OBJECTION: (NextStep.INSPECT, NextStep.READ_JOURNAL),
    IncidentKind.LATE_FACT: (NextStep.READ_JOURNAL,),
    IncidentKind.FACT_WITHOUT_ROW: (NextStep.READ_JOURNAL,),
    IncidentKind.FACT_WITHOUT_PARCEL: (NextStep.READ_JOURNAL, NextStep.INSPECT),
    IncidentKind.COMPARTMENT_REPORTED: (NextStep.INSPECT,),
    IncidentKind.COMPARTMENT_BROKEN: (NextStep.CALL_TECHNICIAN,),
    IncidentKind.CONTENTS_UNEXPLAINED: (NextStep.INSPECT, NextStep.READ_JOURNAL),
    IncidentKind.EMERGENCY_OPENING: (NextStep.INSPECT, NextStep.READ_JOURNAL),
    IncidentKind.OPENED_BY_STAFF: (NextStep.READ_JOURNAL, NextStep.REPLACE_KEYS),
    IncidentKind.CONSENT_BROKEN: (NextStep.HELP_AT_DOOR,),
    IncidentKind.DISPUTE: (NextStep.INSPECT, NextStep.READ_JOURNAL),
    IncidentKind.EXCURSION: (NextStep.SHUT_DOOR, NextStep.CALL_TECHNICIAN),
}
"""What those can do who look after it, the nearest first."""

TELLING = frozenset(
    {
        IncidentKind.OPEN_NOT_DETECTED,
        IncidentKind.CLOSE_OVERDUE,
        IncidentKind.UNEXPECTED_OPEN,
        IncidentKind.FOUND_EMPTY,
        IncidentKind.OBJECTION,
        IncidentKind.COMPARTMENT_BROKEN,
        IncidentKind.DISPUTE,
        IncidentKind.EXCURSION,
    }
)
"""What the holder of the parcel is told too; the others are about records."""


def steps_for_holder(
    kind: IncidentKind, *, is_broken: bool, is_held: bool = False
) -> tuple[NextStep, ...]:
    """What whoever waits for the parcel can do; `is_broken`: its door is out of service, `is_held`:
    nobody may have it until somebody has decided.

    Another compartment is none of it: what lies behind a door is had through that door only.
    """
    match kind:
        case IncidentKind.OPEN_NOT_DETECTED | IncidentKind.COMPARTMENT_BROKEN if is_broken:
            return NextStep.ASK_AT_HUB, NextStep.WAIT_FOR_REPAIR
        case IncidentKind.OPEN_NOT_DETECTED:
            return NextStep.TRY_AGAIN, NextStep.ASK_AT_HUB
        case IncidentKind.EXCURSION if not is_held:
            return NextStep.FETCH_SOON, NextStep.ASK_AT_HUB
        case IncidentKind.CLOSE_OVERDUE:
            return NextStep.SHUT_DOOR, NextStep.WAIT_FOR_DECISION
        case _:
            return NextStep.WAIT_FOR_DECISION, NextStep.ASK_AT_HUB


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
    incident_id: uuid.UUID | None = None
    """The incident's id, where whoever found it names it elsewhere too."""
