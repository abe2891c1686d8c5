"""The words of a parcel's life: states, who causes what, what happened (DOMAIN 2 and 2.1)."""

from __future__ import annotations

from enum import StrEnum


class ParcelState(StrEnum):
    """Where a parcel stands. The place is a field of its own, not a state."""

    ANNOUNCED = "ANNOUNCED"
    """A carrier has told us of it."""
    AWAITING_DROPOFF = "AWAITING_DROPOFF"
    """A sender is to bring it to a locker."""
    DROPPED_OFF = "DROPPED_OFF"
    """The sender put it into a compartment."""
    IN_TRANSIT = "IN_TRANSIT"
    """A carrier has it."""
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    """A courier has it on board."""
    DEPOSITED = "DEPOSITED"
    """It lies in a compartment; the recipient has not been told yet."""
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    """The recipient was told, and the time to collect runs."""
    COLLECTING = "COLLECTING"
    """The door was unlocked for its holder."""
    COLLECTED = "COLLECTED"
    """Taken out by its holder, on evidence."""
    EXPIRED = "EXPIRED"
    """The time to collect is over; it is still there."""
    AT_HUB = "AT_HUB"
    """Behind the counter of a hub."""
    RETURNING = "RETURNING"
    """On its way back."""
    RETURNED = "RETURNED"
    """Back with its sender."""
    ON_HOLD = "ON_HOLD"
    """Something is wrong; a person decides."""
    DISPUTED = "DISPUTED"
    """Somebody says that the collection was not theirs or not whole."""
    LOST = "LOST"
    """Given up by two persons."""
    DISPOSED = "DISPOSED"
    """Spoiled and thrown away."""
    CANCELLED = "CANCELLED"
    """Called off before anybody had it."""


TERMINAL = frozenset(
    {
        ParcelState.COLLECTED,
        ParcelState.RETURNED,
        ParcelState.LOST,
        ParcelState.DISPOSED,
        ParcelState.CANCELLED,
    }
)
"""No intent leaves these but a dispute (P29); facts may (F1, F2)."""

IN_COMPARTMENT = frozenset(
    {
        ParcelState.DROPPED_OFF,
        ParcelState.DEPOSITED,
        ParcelState.READY_FOR_PICKUP,
        ParcelState.COLLECTING,
        ParcelState.EXPIRED,
        ParcelState.ON_HOLD,
    }
)
"""States in which a parcel may have a stay; EXPIRED and ON_HOLD may also be at a counter."""


class Party(StrEnum):
    """Who causes a transition (DOMAIN 2)."""

    SRV = "SRV"
    """A rule or timer of the server."""
    AGT = "AGT"
    """A fact of the locker."""
    REC = "REC"
    """The recipient."""
    DEL = "DEL"
    """Somebody the recipient shared the parcel with."""
    SND = "SND"
    """The sender."""
    COU = "COU"
    """A courier."""
    CAR = "CAR"
    """A carrier's system."""
    STA = "STA"
    """Staff of a hub."""
    TEC = "TEC"
    """A technician."""
    OPR = "OPR"
    """The operator of the network."""


class Authority(StrEnum):
    """What stands behind a transition."""

    INTENT = "INTENT"
    """Somebody or a rule wanted it, and the server said so."""
    FACT = "FACT"
    """A locker observed it and signed."""


class Trigger(StrEnum):
    """What happened, in one word, before the table says what it means."""

    ANNOUNCE = "ANNOUNCE"
    OFFER_DROPOFF = "OFFER_DROPOFF"
    CANCEL = "CANCEL"
    LAPSE_DROPOFF = "LAPSE_DROPOFF"
    PASS_THROUGH = "PASS_THROUGH"
    SCAN = "SCAN"
    LOAD = "LOAD"
    FAIL_STOP = "FAIL_STOP"
    HAND_TO_HUB = "HAND_TO_HUB"
    SETTLE_NOTICE = "SETTLE_NOTICE"
    CHANGE_DEADLINE = "CHANGE_DEADLINE"
    REDIRECT = "REDIRECT"
    HOLD = "HOLD"
    RESOLVE_HOLD = "RESOLVE_HOLD"
    EXPIRE = "EXPIRE"
    REVIVE = "REVIVE"
    TAKE_FOR_RETURN = "TAKE_FOR_RETURN"
    DISPOSE = "DISPOSE"
    HAND_OVER = "HAND_OVER"
    SCAN_RETURN = "SCAN_RETURN"
    DISPUTE = "DISPUTE"
    RESOLVE_DISPUTE = "RESOLVE_DISPUTE"
    REFUSE = "REFUSE"
    LOSE = "LOSE"
    REPORT_STATUS = "REPORT_STATUS"
    OBJECT = "OBJECT"
    DEPOSITED = "DEPOSITED"
    WITHDRAWN = "WITHDRAWN"
    REMOVED = "REMOVED"
    OPEN_ACCEPTED = "OPEN_ACCEPTED"
    NOT_TAKEN = "NOT_TAKEN"
    COLLECTED = "COLLECTED"
    CLOSE_OVERDUE = "CLOSE_OVERDUE"
    FOUND_EMPTY = "FOUND_EMPTY"
    UNEXPECTED_OPEN = "UNEXPECTED_OPEN"
    OVERRULE = "OVERRULE"
    """A late fact takes back what was decided since; it stands in no row of the table."""


class Removal(StrEnum):
    """What a REMOVE grant was issued for."""

    ONWARD = "ONWARD"
    """To be carried on: after a drop-off, or out of a temporary locker."""
    TO_COUNTER = "TO_COUNTER"
    """To the counter of the same hub."""
    RETURN = "RETURN"
    """Back to the sender."""
    DISPOSAL = "DISPOSAL"
    """To be thrown away."""
