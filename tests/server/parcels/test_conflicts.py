"""Late facts against what was decided since: intents give way, facts and final states never."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.parcels.conflicts import (
    OVERRULED,
    Finding,
    Overruling,
    Step,
    is_overtaken,
    judge,
)
from server.parcels.removals import removals_of
from server.parcels.rules import TABLE, Move, Situation, find_move
from server.parcels.states import TERMINAL, Authority, ParcelState, Party, Removal, Trigger
from tests.fakes.sources import START

S = ParcelState
HERE, THERE = uuid.UUID(int=1), uuid.UUID(int=2)

situations = st.builds(
    Situation,
    **{name: st.booleans() for name in Situation.__slots__ if name not in {"removal", "wanted"}},
    removal=st.none() | st.sampled_from(Removal),
    wanted=st.none() | st.sampled_from(S),
)
events = st.tuples(
    st.sampled_from(Trigger), st.sampled_from(Party), situations, st.integers(-60, 60)
)
facts = st.tuples(
    st.sampled_from([Trigger.DEPOSITED, Trigger.WITHDRAWN, Trigger.REMOVED, Trigger.COLLECTED]),
    situations,
)


def step(
    number: int,
    trigger: Trigger,
    source: S,
    target: S,
    *,
    minutes: int = 5,
    authority: Authority = Authority.INTENT,
    locker_id: uuid.UUID | None = None,
) -> Step:
    at = START + timedelta(minutes=minutes)
    return Step(number, "row", trigger, source, target, authority, at, locker_id)


def walk(steps: list[tuple[Trigger, Party, Situation, int]]) -> tuple[S, list[Step]]:
    """A history that the table allows, each line at its own time, from a new parcel on."""
    state = S.ANNOUNCED
    lines: list[Step] = []
    for trigger, party, situation, minutes in steps:
        move = find_move(state, trigger, party, situation)
        if move is None:
            continue
        authority = Authority.FACT if party is Party.AGT else Authority.INTENT
        number = len(lines) + 1
        lines.append(
            step(number, trigger, state, move.target, minutes=minutes, authority=authority)
        )
        state = move.target
    return state, lines


def judged(
    state: S, lines: list[Step], trigger: Trigger, situation: Situation
) -> Move | Overruling | None:
    later = [line for line in lines if line.at > START]
    found = Finding(trigger, Party.AGT, START, situation)
    return judge(state, found, later, lines=len(lines))


@given(steps=st.lists(events, max_size=25), fact=facts)
def test_whatever_a_fact_does_is_a_row_of_the_table(
    steps: list[tuple[Trigger, Party, Situation, int]], fact: tuple[Trigger, Situation]
) -> None:
    state, lines = walk(steps)
    verdict = judged(state, lines, *fact)
    move = verdict.move if isinstance(verdict, Overruling) else verdict
    assert move is None or move.row in TABLE
    assert move is None or move.row.authority is Authority.FACT


@given(steps=st.lists(events, max_size=25), fact=facts)
def test_only_intents_of_after_the_fact_are_taken_back_and_newest_first(
    steps: list[tuple[Trigger, Party, Situation, int]], fact: tuple[Trigger, Situation]
) -> None:
    state, lines = walk(steps)
    verdict = judged(state, lines, *fact)
    if isinstance(verdict, Overruling):
        count = len(verdict.overruled)
        assert list(verdict.overruled) == lines[::-1][:count]
        assert all(one.authority is Authority.INTENT for one in verdict.overruled)
        assert all(one.at > START for one in verdict.overruled)
        assert (verdict.undo.source, verdict.undo.target) == (state, verdict.move.source)


@given(steps=st.lists(events, max_size=25), fact=facts)
def test_terminal_state_is_left_by_the_rows_of_the_table_alone(
    steps: list[tuple[Trigger, Party, Situation, int]], fact: tuple[Trigger, Situation]
) -> None:
    state, lines = walk(steps)
    if state in TERMINAL:
        assert not isinstance(judged(state, lines, *fact), Overruling)


@given(steps=st.lists(events, max_size=25), fact=facts)
def test_fact_that_came_in_time_is_judged_by_the_table_alone(
    steps: list[tuple[Trigger, Party, Situation, int]], fact: tuple[Trigger, Situation]
) -> None:
    state, lines = walk([(trigger, party, now, -1) for trigger, party, now, _ in steps])
    trigger, situation = fact
    assert judged(state, lines, trigger, situation) == find_move(
        state, trigger, Party.AGT, situation
    )


def test_compensating_line_stands_in_no_row_of_the_table() -> None:
    assert OVERRULED not in TABLE
    assert all(row.trigger is not Trigger.OVERRULE for row in TABLE)


@pytest.mark.parametrize(
    ("last", "trigger", "removal", "row"),
    [
        ((Trigger.REVIVE, S.EXPIRED, S.READY_FOR_PICKUP), Trigger.REMOVED, "RETURN", "P25"),
        ((Trigger.HOLD, S.EXPIRED, S.ON_HOLD), Trigger.REMOVED, "TO_COUNTER", "P24"),
        ((Trigger.EXPIRE, S.READY_FOR_PICKUP, S.EXPIRED), Trigger.WITHDRAWN, None, "P13"),
        ((Trigger.HOLD, S.DROPPED_OFF, S.ON_HOLD), Trigger.WITHDRAWN, None, "P4b"),
        ((Trigger.FAIL_STOP, S.OUT_FOR_DELIVERY, S.IN_TRANSIT), Trigger.DEPOSITED, None, "P10"),
        ((Trigger.HAND_TO_HUB, S.OUT_FOR_DELIVERY, S.AT_HUB), Trigger.DEPOSITED, None, "P10"),
        ((Trigger.EXPIRE, S.AT_HUB, S.EXPIRED), Trigger.DEPOSITED, None, "P11b"),
    ],
)
def test_contrary_intent_is_overruled(
    last: tuple[Trigger, S, S], trigger: Trigger, removal: str | None, row: str
) -> None:
    situation = Situation(removal=None if removal is None else Removal(removal))
    verdict = judged(last[2], [step(1, *last)], trigger, situation)
    assert isinstance(verdict, Overruling)
    assert (verdict.move.row.name, verdict.undo.target) == (row, last[1])


def test_collection_takes_back_no_objection() -> None:
    lines = [step(1, Trigger.OBJECT, S.COLLECTING, S.ON_HOLD)]
    assert judged(S.ON_HOLD, lines, Trigger.COLLECTED, Situation()) is None


def test_scan_that_came_late_contradicts_no_deposit() -> None:
    lines = [step(1, Trigger.LOAD, S.IN_TRANSIT, S.OUT_FOR_DELIVERY)]
    verdict = judged(S.OUT_FOR_DELIVERY, lines, Trigger.DEPOSITED, Situation())
    assert isinstance(verdict, Move)
    assert verdict.row.name == "P10"


def test_failed_stop_before_the_deposit_is_no_contradiction() -> None:
    lines = [step(1, Trigger.FAIL_STOP, S.OUT_FOR_DELIVERY, S.IN_TRANSIT, minutes=-5)]
    verdict = judged(S.IN_TRANSIT, lines, Trigger.DEPOSITED, Situation())
    assert isinstance(verdict, Move)
    assert verdict.row.name == "P10b"


def test_nothing_behind_another_fact_is_taken_back() -> None:
    lines = [
        step(1, Trigger.REVIVE, S.EXPIRED, S.READY_FOR_PICKUP),
        step(
            2,
            Trigger.OPEN_ACCEPTED,
            S.READY_FOR_PICKUP,
            S.COLLECTING,
            authority=Authority.FACT,
            locker_id=HERE,
        ),
    ]
    removed = Situation(removal=Removal.RETURN)
    assert judged(S.COLLECTING, lines, Trigger.REMOVED, removed) is None


def test_fact_is_overtaken_by_another_lockers_later_one_only() -> None:
    here = step(
        1, Trigger.DEPOSITED, S.IN_TRANSIT, S.DEPOSITED, locker_id=HERE, authority=Authority.FACT
    )
    there = step(
        1, Trigger.DEPOSITED, S.IN_TRANSIT, S.DEPOSITED, locker_id=THERE, authority=Authority.FACT
    )
    before = step(
        1,
        Trigger.DEPOSITED,
        S.IN_TRANSIT,
        S.DEPOSITED,
        minutes=-5,
        locker_id=THERE,
        authority=Authority.FACT,
    )
    intent = step(1, Trigger.REVIVE, S.EXPIRED, S.READY_FOR_PICKUP, locker_id=THERE)
    assert is_overtaken(HERE, START, [there])
    for line in (here, before, intent):
        assert not is_overtaken(HERE, START, [line])


def removals(state: S, party: Party, *, temporary: bool = False, there: bool = False) -> list[str]:
    return [
        one.value
        for one in removals_of(state, party, is_temporary=temporary, is_at_destination=there)
    ]


def test_what_nobody_collected_goes_back_or_to_the_counter() -> None:
    assert removals(S.EXPIRED, Party.COU) == ["RETURN", "TO_COUNTER"]
    assert removals(S.EXPIRED, Party.STA) == ["TO_COUNTER", "RETURN"]


def test_drop_off_is_carried_on_by_couriers_unless_it_is_there_already() -> None:
    assert removals(S.DROPPED_OFF, Party.COU, temporary=True) == ["ONWARD"]
    assert removals(S.DROPPED_OFF, Party.STA, temporary=True) == []
    assert removals(S.DROPPED_OFF, Party.COU, there=True) == []


@pytest.mark.parametrize("party", [Party.COU, Party.STA])
def test_what_waits_is_moved_on_only_out_of_a_temporary_locker(party: Party) -> None:
    for state in (S.DEPOSITED, S.READY_FOR_PICKUP):
        assert removals(state, party, temporary=True) == ["ONWARD"]
        assert removals(state, party) == []


@given(
    state=st.sampled_from(S), party=st.sampled_from(Party), flags=st.tuples(*[st.booleans()] * 2)
)
def test_every_removal_that_is_granted_has_its_row(
    state: S, party: Party, flags: tuple[bool, bool]
) -> None:
    temporary, there = flags
    for removal in removals_of(state, party, is_temporary=temporary, is_at_destination=there):
        situation = Situation(
            is_in_compartment=True, is_temporary=temporary, is_at_destination=there, removal=removal
        )
        assert find_move(state, Trigger.REMOVED, Party.AGT, situation) is not None
