"""What the panel says, by key; the pages' word files have a text in each language for each.

Nothing here names a person, a parcel or what lies behind another door.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ble_agent.doors.prompts import Prompt
from schema.codes import Code, DoorEvent

if TYPE_CHECKING:
    from collections.abc import Mapping


class Say(StrEnum):
    """One thing to say."""

    WELCOME = "welcome"
    ASK_COMPARTMENT = "ask_compartment"
    ASK_PIN = "ask_pin"
    ASK_CODE = "ask_code"
    HELP = "help"

    OPENING = "opening"
    PRESS = "press"
    OPEN = "open"
    SHUT = "shut"
    """The door stands open, and is to be shut."""
    EMPTY = "empty"
    """Shut, and nothing is left inside: the end of a visit."""
    LEFT = "left"
    """Shut, and something is still inside."""
    CLOSED = "closed"
    """Shut; nothing tells what is inside."""
    STUCK = "stuck"

    WRONG = "wrong"
    LOCKED = "locked"
    OLD = "old"
    """A code of another minute."""
    USED = "used"
    EXPIRED = "expired"
    EARLY = "early"
    WITHDRAWN = "withdrawn"
    STRANGE = "strange"
    """Nothing that this locker can read."""
    ELSEWHERE = "elsewhere"
    CLOCK = "clock"
    PHONE = "phone"
    """Only a phone brings what is missing."""
    BUSY = "busy"
    FAULT = "fault"
    POWER = "power"
    CHECKED = "checked"
    """The compartment is closed for a check."""
    CLIMATE = "climate"
    HOST = "host"
    FULL = "full"
    NO = "no"
    """Refused for a reason that helps nobody who stands here."""


OF_CODE: Mapping[Code, Say] = {
    Code.OK: Say.OPENING,
    Code.BAD_FORMAT: Say.STRANGE,
    Code.BAD_SIGNATURE: Say.STRANGE,
    Code.WRONG_LOCKER: Say.ELSEWHERE,
    Code.EXPIRED: Say.EXPIRED,
    Code.NOT_YET_VALID: Say.EARLY,
    Code.REVOKED: Say.WITHDRAWN,
    Code.USED: Say.USED,
    Code.OUT_OF_SCOPE: Say.NO,
    Code.HOLDER_PROOF_FAILED: Say.WRONG,
    Code.CLOCK_UNTRUSTED: Say.CLOCK,
    Code.REVOCATIONS_NEEDED: Say.PHONE,
    Code.BAD_DELEGATION: Say.NO,
    Code.COMPARTMENT_BUSY: Say.BUSY,
    Code.COMPARTMENT_FAULT: Say.FAULT,
    Code.RATE_LIMITED: Say.LOCKED,
    Code.POWER_CRITICAL: Say.POWER,
    Code.QUARANTINED: Say.CHECKED,
    Code.CLIMATE_HOLD: Say.CLIMATE,
    Code.HOST_CLOSED: Say.HOST,
    Code.PRESENCE_CODE_WRONG: Say.PHONE,
    Code.STORAGE_FULL: Say.FULL,
}

OF_DOOR: Mapping[DoorEvent, Say] = {
    DoorEvent.DOOR_OPENED: Say.OPEN,
    DoorEvent.CLOSED_EMPTY: Say.EMPTY,
    DoorEvent.CLOSED_OCCUPIED: Say.LEFT,
    DoorEvent.CLOSED_UNKNOWN: Say.CLOSED,
    DoorEvent.OPEN_NOT_DETECTED: Say.STUCK,
    DoorEvent.CLOSE_OVERDUE: Say.SHUT,
}

OF_PROMPT: Mapping[Prompt, Say] = {Prompt.PRESS: Say.PRESS, Prompt.SHUT: Say.SHUT}

ENDS = frozenset({Say.EMPTY, Say.LEFT, Say.CLOSED, Say.STUCK})
"""After these nothing more is to come from the door."""


def say_refusal(code: Code, *, is_code: bool) -> Say:
    """Why somebody is not let in; a shown code without proof is one of another minute."""
    if is_code and code is Code.HOLDER_PROOF_FAILED:
        return Say.OLD
    return OF_CODE[code]
