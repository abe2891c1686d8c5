"""What a late fact does to what was decided since it happened (DOMAIN 3, conflict rule).

A fact is judged by the state of its own time where the present one contradicts it: the intents in
between are overruled, never another fact. Pure; the caller writes down what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.parcels.rules import Move, Row, Situation, find_move
from server.parcels.states import TERMINAL, Authority, ParcelState, Party, Trigger

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence
    from datetime import datetime

OVERRULED = Row(
    "CR",
    Trigger.OVERRULE,
    frozenset(ParcelState),
    frozenset(ParcelState),
    frozenset({Party.AGT}),
    Authority.FACT,
)
"""The compensating line: a fact takes back intents that came after it. No event causes it alone."""

_MOVING = frozenset({Trigger.DEPOSITED, Trigger.WITHDRAWN, Trigger.REMOVED})
"""Facts that say where a parcel is. What F1 to F4 say of the others is all that they overrule."""

_CONTRADICTED = {Trigger.DEPOSITED: frozenset({Trigger.FAIL_STOP, Trigger.HAND_TO_HUB})}
"""Intents that a fact contradicts although a row takes it in the state that they left."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a parcel's history, as far as it decides what a late fact may do.

    `number` counts the lines of the parcel in the order in which they were written.
    """

    number: int
    row: str
    trigger: Trigger
    source: ParcelState | None
    target: ParcelState
    authority: Authority
    at: datetime
    locker_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact as it is judged: what happened, by the rules and at the time of its locker."""

    trigger: Trigger
    party: Party
    at: datetime
    situation: Situation


@dataclass(frozen=True, slots=True)
class Overruling:
    """Intents that a fact takes back, newest first, and the move that it then makes."""

    overruled: tuple[Step, ...]
    undo: Move
    move: Move


def judge(
    state: ParcelState, finding: Finding, later: Sequence[Step], *, lines: int
) -> Move | Overruling | None:
    """What a fact does to a parcel in `state` whose history has so many lines.

    `later` are those that happened after the fact, in the order of their numbers. None when no row
    takes it, neither now nor in the state of its own time. A terminal state is left, and a
    collection is judged, by the rows of the table alone.
    """
    move = find_move(state, finding.trigger, finding.party, finding.situation)
    if state in TERMINAL or finding.trigger not in _MOVING:
        return move
    intents = tuple(_intents(later, lines))
    contradicted = _CONTRADICTED.get(finding.trigger, frozenset())
    if move is not None and not any(step.trigger in contradicted for step in intents):
        return move
    return _find_overruling(state, finding, intents, contradicted) or move


def is_overtaken(locker_id: uuid.UUID, at: datetime, later: Sequence[Step]) -> bool:
    """Whether another locker has told where the parcel was after this locker's fact."""
    return any(
        step.authority is Authority.FACT
        and step.locker_id is not None
        and step.locker_id != locker_id
        and step.at > at
        for step in later
    )


def _find_overruling(
    state: ParcelState,
    finding: Finding,
    intents: Sequence[Step],
    contradicted: frozenset[Trigger],
) -> Overruling | None:
    """The fewest intents whose end lets a row take the fact, all that contradict it among them."""
    for count, step in enumerate(intents, 1):
        if step.source is None or any(one.trigger in contradicted for one in intents[count:]):
            continue
        move = find_move(step.source, finding.trigger, finding.party, finding.situation)
        if move is not None:
            undo = Move(OVERRULED, state, step.source)
            return Overruling(tuple(intents[:count]), undo, move)
    return None


def _intents(later: Sequence[Step], lines: int) -> Iterator[Step]:
    """The newest lines, newest first, as long as all of them are intents of after the fact.

    Nothing is taken back that stands behind another fact, or behind a line of before this one.
    """
    for number, step in zip(range(lines, 0, -1), reversed(later), strict=False):
        if step.number != number or step.authority is Authority.FACT:
            return
        yield step
