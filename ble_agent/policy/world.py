"""What the locker knows at one instant, as frozen values: compartments, stays, keys, time.

`policy` judges against it and `evidence` draws conclusions from it; both are pure because of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from schema.ids import StayId
    from schema.keys import KeySet

MAX_PULSES = 20
"""Pulses per stay, or per `cti` and compartment, before COMPARTMENT_FAULT (PROTOCOL 6)."""

REOPEN_S = 300
"""A session may open its closed door again this long after the first opening (PROTOCOL 4)."""

TAKE_BACK_S = 120
"""A closed deposit opens again to its session or token this long after its first close."""

OPEN_DETECT_S = 10
"""A pulse without an opening for this long is OPEN_NOT_DETECTED (PROTOCOL 4)."""


class Phase(StrEnum):
    """How far an accepted opening has come."""

    ACCEPTED = "accepted"
    """The intent is durable, the bolt was or will be pulsed, the door has not opened."""
    OPENED = "opened"
    """The door was seen open and not yet closed."""
    CLOSED = "closed"
    """The door has closed; the same session may still ask for it again."""
    NOT_DETECTED = "not_detected"
    """The door never opened; nothing was used up."""


BUSY_PHASES = frozenset({Phase.ACCEPTED, Phase.OPENED})


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who was let in by what: the last holder's key and a digest of the token (or PIN's stay)."""

    holder: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """The newest acceptance at a compartment, kept until another takes its place.

    `accepted_seq` is the journal line of the acceptance and names this opening. `first_closed_s`
    is that of a deposit, once a close has used its token up. Instants are uptime seconds of the
    start of the machine that wrote them; None after another such start.
    """

    comp: int
    op: Operation
    bearer: Bearer
    cti: bytes | None
    second_cti: bytes | None
    stay: StayId
    exp: int
    phase: Phase
    accepted_seq: int
    occupied_before: bool | None = None
    first_opened_s: float | None = None
    first_closed_s: float | None = None
    is_overdue: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether it still keeps the compartment busy for others."""
        return self.phase in BUSY_PHASES

    @property
    def count_subject(self) -> bytes | tuple[bytes, int]:
        """What its pulses are counted by: the stay, or the token at this compartment."""
        if self.stay and self.op in {Operation.OPEN, Operation.DEPOSIT}:
            return self.stay
        return (self.cti or b"", self.comp)


@dataclass(frozen=True, slots=True)
class Compartment:
    """One compartment as it is durably known: its stay, the last one that ended, its opening."""

    number: int
    stay: StayId | None = None
    last_ended: StayId | None = None
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """The newest revocation list and the highest `min_iat` of any signer that is still trusted."""

    seq: int = 0
    ids: frozenset[bytes] = frozenset()
    min_iat: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """Everything a decision depends on besides the request itself.

    `open_doors` and `occupied` are what the sensors say; a compartment that `occupied` leaves out
    has a silent sensor, or none. `used` holds `(cti, compartment)` of consumed uses and
    `(cti, None)` of a consumed deposit token; `pulses` counts by stay, or by
    `(cti, compartment)`. Both hold at least what the request at hand can ask for. `room` is the
    share of storage that is left, from 0 to 1.
    """

    audience: str
    now: int
    clockq: int
    uptime_s: float
    keys: KeySet
    compartments: Mapping[int, Compartment]
    open_doors: Container[int] = frozenset()
    occupied: Mapping[int, bool] = field(default_factory=dict)
    revoked: Revoked = field(default_factory=Revoked)
    used: frozenset[tuple[bytes, int | None]] = frozenset()
    pulses: Mapping[bytes | tuple[bytes, int], int] = field(default_factory=dict)
    presence_code: int | None = None
    room: float = 1.0

    def find_stay(self, stay: StayId) -> Compartment | None:
        """The compartment where this stay is stored."""
        return next((c for c in self.compartments.values() if c.stay == stay), None)

    def has_ended(self, stay: StayId) -> bool:
        """Whether this is the last stay that ended in some compartment."""
        return any(c.last_ended == stay for c in self.compartments.values())
