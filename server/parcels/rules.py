"""Every transition a parcel may make (DOMAIN 2.1), as one table and the function that reads it.

Knows no database and no time: what guards ask is in `Situation`, judged by whoever knows when the
event happened. A fact of the locker is never refused here; it finds its row, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.kit.errors import BrokenPromise
from server.parcels.states import TERMINAL, Authority, ParcelState, Party, Removal, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the guards ask about one parcel at that moment; what nobody vouches for is False."""

    is_in_compartment: bool = False
    """It has a stay that has not ended."""
    is_pass_through: bool = False
    """It became ready without leaving the compartment of its drop-off (P6b)."""
    is_from_counter: bool = False
    """It was deposited from the counter of its hub (P11b)."""
    is_temporary: bool = False
    """The locker is not the one planned for it."""
    is_at_destination: bool = False
    """The locker it lies in is the one planned for it."""
    is_token_valid: bool = False
    """The token was valid when the locker took it."""
    is_past_deadline: bool = False
    is_paused: bool = False
    is_past_safe_until: bool = False
    is_in_dispute_window: bool = False
    is_identity_checked: bool = False
    is_found_inside: bool = False
    has_reason: bool = False
    has_second_person: bool = False
    has_proof: bool = False
    """A fact or a signed admission shows that its holder took it."""
    removal: Removal | None = None
    wanted: ParcelState | None = None
    """The outcome that the deciding person chose."""


Guard = Callable[[Situation], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. A new parcel has the source None; without targets the state stays."""

    name: str
    trigger: Trigger
    sources: frozenset[ParcelState | None]
    targets: frozenset[ParcelState]
    parties: frozenset[Party]
    authority: Authority
    guard: Guard | None = None

    def takes(
        self, state: ParcelState | None, trigger: Trigger, party: Party, situation: Situation
    ) -> bool:
        """Whether this event in this state is what the line is about, guard included."""
        return (
            trigger is self.trigger
            and state in self.sources
            and party in self.parties
            and (len(self.targets) < 2 or situation.wanted in self.targets)
            and (self.guard is None or self.guard(situation))
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A line of the table that was taken, with the states before and after."""

    row: Row
    source: ParcelState | None
    target: ParcelState


def find_move(
    state: ParcelState | None, trigger: Trigger, party: Party, situation: Situation
) -> Move | None:
    """The transition that this event causes, or None if no line of the table takes it."""
    for row in TABLE:
        if row.takes(state, trigger, party, situation):
            return Move(row, state, _target(row, state, situation))
    return None


def get_move(
    state: ParcelState | None, trigger: Trigger, party: Party, situation: Situation
) -> Move:
    """The transition that this event causes; BrokenPromise when no line of the table takes it."""
    move = find_move(state, trigger, party, situation)
    if move is None:
        message = f"no row of the parcel table takes {trigger} by {party} in {state}"
        raise BrokenPromise(message)
    return move


def _target(row: Row, state: ParcelState | None, situation: Situation) -> ParcelState:
    if len(row.targets) == 1:
        return next(iter(row.targets))
    if row.targets and situation.wanted is not None:
        return situation.wanted
    if state is None:
        message = f"row {row.name} has neither a source nor a target"
        raise BrokenPromise(message)
    return state


def _for(purpose: Removal) -> Guard:
    return lambda now: now.removal is purpose


def _is_moved_on(now: Situation) -> bool:
    return now.is_temporary and now.removal is Removal.ONWARD


def _is_for_courier(now: Situation) -> bool:
    return not (now.is_pass_through or now.is_from_counter)


def _is_for_counter(now: Situation) -> bool:
    return now.is_from_counter and not now.is_pass_through


def _is_pass_through(now: Situation) -> bool:
    return now.is_pass_through


def _is_at_destination(now: Situation) -> bool:
    return now.is_at_destination


def _is_inside(now: Situation) -> bool:
    return now.is_in_compartment


def _is_outside(now: Situation) -> bool:
    return not now.is_in_compartment


def _has_reason(now: Situation) -> bool:
    return now.has_reason


def _has_two_persons(now: Situation) -> bool:
    return now.has_reason and now.has_second_person


def _is_over(now: Situation) -> bool:
    return now.is_past_deadline and not now.is_paused


def _is_spoiled(now: Situation) -> bool:
    return now.is_past_safe_until and _is_outside(now) and _has_two_persons(now)


def _is_identity_checked(now: Situation) -> bool:
    return now.is_identity_checked


def _is_disputable(now: Situation) -> bool:
    return now.is_in_dispute_window


def _is_token_valid(now: Situation) -> bool:
    return now.is_token_valid


def _may_resolve_hold(now: Situation) -> bool:
    match now.wanted:
        case ParcelState.LOST | ParcelState.DISPOSED:
            return _has_two_persons(now)
        case ParcelState.COLLECTED:
            return now.has_reason and now.has_proof
        case _:
            return now.has_reason


def _may_resolve_dispute(now: Situation) -> bool:
    return now.wanted is not ParcelState.READY_FOR_PICKUP or now.is_found_inside


def _row(
    name: str,
    trigger: Trigger,
    sources: str,
    targets: str,
    parties: str,
    guard: Guard | None = None,
) -> Row:
    """A line as DOMAIN writes it; `-` is a new parcel as source, an unchanged state as target."""
    who = frozenset(Party(party) for party in parties.split())
    return Row(
        name,
        trigger,
        frozenset(None if one == "-" else ParcelState(one) for one in sources.split()),
        frozenset(ParcelState(one) for one in targets.split() if one != "-"),
        who,
        Authority.FACT if Party.AGT in who else Authority.INTENT,
        guard,
    )


_ALL = " ".join(ParcelState)
_RUNNING = " ".join(state for state in ParcelState if state not in TERMINAL)

TABLE: tuple[Row, ...] = (
    _row("P1", Trigger.ANNOUNCE, "-", "ANNOUNCED", "CAR SRV"),
    _row("P2", Trigger.OFFER_DROPOFF, "-", "AWAITING_DROPOFF", "SND REC"),
    _row("P3", Trigger.CANCEL, "ANNOUNCED AWAITING_DROPOFF", "CANCELLED", "SND OPR"),
    _row("P4", Trigger.DEPOSITED, "AWAITING_DROPOFF", "DROPPED_OFF", "AGT"),
    _row("P4b", Trigger.WITHDRAWN, "DROPPED_OFF", "AWAITING_DROPOFF", "AGT"),
    _row("P4b", Trigger.WITHDRAWN, "READY_FOR_PICKUP", "AWAITING_DROPOFF", "AGT", _is_pass_through),
    _row("P5", Trigger.LAPSE_DROPOFF, "AWAITING_DROPOFF", "CANCELLED", "SRV"),
    _row("P6", Trigger.REMOVED, "DROPPED_OFF", "IN_TRANSIT", "AGT", _for(Removal.ONWARD)),
    _row("P6b", Trigger.PASS_THROUGH, "DROPPED_OFF", "READY_FOR_PICKUP", "SRV", _is_at_destination),
    _row("P7", Trigger.SCAN, "ANNOUNCED", "IN_TRANSIT", "CAR COU"),
    _row("P8", Trigger.LOAD, "IN_TRANSIT", "OUT_FOR_DELIVERY", "COU"),
    _row("P9", Trigger.FAIL_STOP, "OUT_FOR_DELIVERY", "IN_TRANSIT", "COU SRV", _has_reason),
    _row("P10", Trigger.DEPOSITED, "OUT_FOR_DELIVERY", "DEPOSITED", "AGT"),
    _row("P10b", Trigger.DEPOSITED, "ANNOUNCED IN_TRANSIT", "DEPOSITED", "AGT"),
    _row("P11", Trigger.HAND_TO_HUB, "OUT_FOR_DELIVERY", "AT_HUB", "COU STA"),
    _row("P11b", Trigger.DEPOSITED, "AT_HUB", "DEPOSITED", "AGT"),
    _row("P12", Trigger.SETTLE_NOTICE, "DEPOSITED", "READY_FOR_PICKUP", "SRV"),
    _row(
        "P13",
        Trigger.WITHDRAWN,
        "DEPOSITED READY_FOR_PICKUP",
        "OUT_FOR_DELIVERY",
        "AGT",
        _is_for_courier,
    ),
    _row("P13", Trigger.WITHDRAWN, "DEPOSITED READY_FOR_PICKUP", "AT_HUB", "AGT", _is_for_counter),
    _row("P14", Trigger.REMOVED, "DEPOSITED READY_FOR_PICKUP", "IN_TRANSIT", "AGT", _is_moved_on),
    _row("P15", Trigger.OPEN_ACCEPTED, "DEPOSITED READY_FOR_PICKUP", "COLLECTING", "AGT"),
    _row("P16", Trigger.COLLECTED, "COLLECTING", "COLLECTED", "AGT SRV"),
    _row("P17", Trigger.NOT_TAKEN, "COLLECTING", "READY_FOR_PICKUP", "AGT SRV"),
    _row("P18", Trigger.CLOSE_OVERDUE, "COLLECTING", "ON_HOLD", "AGT"),
    _row("P18", Trigger.OBJECT, "COLLECTING", "ON_HOLD", "REC DEL"),
    _row("P19", Trigger.CHANGE_DEADLINE, "READY_FOR_PICKUP AT_HUB", "-", "REC SRV"),
    _row("P19b", Trigger.REDIRECT, "ANNOUNCED IN_TRANSIT", "-", "REC"),
    _row(
        "P20",
        Trigger.HOLD,
        "DROPPED_OFF DEPOSITED READY_FOR_PICKUP EXPIRED AT_HUB",
        "ON_HOLD",
        "SRV OPR",
        _has_reason,
    ),
    _row(
        "P21",
        Trigger.RESOLVE_HOLD,
        "ON_HOLD",
        "DROPPED_OFF READY_FOR_PICKUP AT_HUB RETURNING DISPOSED LOST COLLECTED",
        "OPR STA",
        _may_resolve_hold,
    ),
    _row("P22", Trigger.EXPIRE, "READY_FOR_PICKUP AT_HUB", "EXPIRED", "SRV", _is_over),
    _row("P23", Trigger.REVIVE, "EXPIRED", "READY_FOR_PICKUP", "REC SRV OPR", _is_inside),
    _row("P23", Trigger.REVIVE, "EXPIRED", "AT_HUB", "REC SRV OPR", _is_outside),
    _row("P24", Trigger.REMOVED, "EXPIRED", "AT_HUB", "AGT", _for(Removal.TO_COUNTER)),
    _row("P25", Trigger.REMOVED, "EXPIRED", "RETURNING", "AGT", _for(Removal.RETURN)),
    _row("P25", Trigger.TAKE_FOR_RETURN, "EXPIRED AT_HUB", "RETURNING", "COU STA", _is_outside),
    _row("P26", Trigger.REMOVED, "EXPIRED ON_HOLD", "DISPOSED", "AGT", _for(Removal.DISPOSAL)),
    _row("P26", Trigger.DISPOSE, "EXPIRED ON_HOLD", "DISPOSED", "STA OPR", _is_spoiled),
    _row("P27", Trigger.HAND_OVER, "AT_HUB", "COLLECTED", "STA", _is_identity_checked),
    _row("P28", Trigger.SCAN_RETURN, "RETURNING", "RETURNED", "CAR"),
    _row("P29", Trigger.DISPUTE, "COLLECTED", "DISPUTED", "REC SND COU", _is_disputable),
    _row(
        "P30",
        Trigger.RESOLVE_DISPUTE,
        "DISPUTED",
        "COLLECTED LOST RETURNED READY_FOR_PICKUP",
        "OPR",
        _may_resolve_dispute,
    ),
    _row("P30b", Trigger.DEPOSITED, "READY_FOR_PICKUP", "DEPOSITED", "AGT", _is_outside),
    _row("P31", Trigger.REFUSE, "READY_FOR_PICKUP", "EXPIRED", "REC"),
    _row("P32", Trigger.LOSE, _RUNNING, "LOST", "OPR", _has_two_persons),
    _row("P33", Trigger.REPORT_STATUS, _ALL, "-", "SRV"),
    _row(
        "F1",
        Trigger.COLLECTED,
        "DEPOSITED READY_FOR_PICKUP EXPIRED ON_HOLD LOST",
        "COLLECTED",
        "AGT SRV",
        _is_token_valid,
    ),
    _row("F2", Trigger.DEPOSITED, "CANCELLED LOST", "ON_HOLD", "AGT"),
    _row(
        "F3",
        Trigger.UNEXPECTED_OPEN,
        "DROPPED_OFF DEPOSITED READY_FOR_PICKUP EXPIRED",
        "ON_HOLD",
        "AGT",
        _is_inside,
    ),
    _row(
        "F4",
        Trigger.FOUND_EMPTY,
        "DROPPED_OFF DEPOSITED READY_FOR_PICKUP COLLECTING EXPIRED",
        "ON_HOLD",
        "AGT",
    ),
    _row(
        "F4",
        Trigger.CLOSE_OVERDUE,
        "DROPPED_OFF DEPOSITED READY_FOR_PICKUP EXPIRED",
        "ON_HOLD",
        "AGT",
    ),
)
"""DOMAIN 2.1 line by line; a line reached in two ways, or with two outcomes, stands twice.

Where DOMAIN names a person beside the agent (`COU + AGT`), the agent's fact moves the parcel; the
person is whoever held the grant. Photos are asked for where the REMOVE grant is issued: a removal
that has happened cannot be refused for want of one.
"""
