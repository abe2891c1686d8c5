"""The parcel table against DOMAIN 2.1, copied here by hand; random walks stay inside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.errors import BrokenPromise
from server.parcels.rules import TABLE, Situation, find_move, get_move
from server.parcels.states import TERMINAL, Authority, ParcelState, Party, Removal, Trigger

S = ParcelState
RUNNING = set(S) - TERMINAL
NEW: set[S | None] = {None}

DOMAIN: dict[str, set[tuple[S | None, S]]] = {
    "P1": {(None, S.ANNOUNCED)},
    "P2": {(None, S.AWAITING_DROPOFF)},
    "P3": {(S.ANNOUNCED, S.CANCELLED), (S.AWAITING_DROPOFF, S.CANCELLED)},
    "P4": {(S.AWAITING_DROPOFF, S.DROPPED_OFF)},
    "P4b": {(S.DROPPED_OFF, S.AWAITING_DROPOFF), (S.READY_FOR_PICKUP, S.AWAITING_DROPOFF)},
    "P5": {(S.AWAITING_DROPOFF, S.CANCELLED)},
    "P6": {(S.DROPPED_OFF, S.IN_TRANSIT)},
    "P6b": {(S.DROPPED_OFF, S.READY_FOR_PICKUP)},
    "P7": {(S.ANNOUNCED, S.IN_TRANSIT)},
    "P8": {(S.IN_TRANSIT, S.OUT_FOR_DELIVERY)},
    "P9": {(S.OUT_FOR_DELIVERY, S.IN_TRANSIT)},
    "P10": {(S.OUT_FOR_DELIVERY, S.DEPOSITED)},
    "P10b": {(S.ANNOUNCED, S.DEPOSITED), (S.IN_TRANSIT, S.DEPOSITED)},
    "P11": {(S.OUT_FOR_DELIVERY, S.AT_HUB)},
    "P11b": {(S.AT_HUB, S.DEPOSITED)},
    "P12": {(S.DEPOSITED, S.READY_FOR_PICKUP)},
    "P13": {
        (a, b) for a in (S.DEPOSITED, S.READY_FOR_PICKUP) for b in (S.OUT_FOR_DELIVERY, S.AT_HUB)
    },
    "P14": {(S.DEPOSITED, S.IN_TRANSIT), (S.READY_FOR_PICKUP, S.IN_TRANSIT)},
    "P15": {(S.DEPOSITED, S.COLLECTING), (S.READY_FOR_PICKUP, S.COLLECTING)},
    "P16": {(S.COLLECTING, S.COLLECTED)},
    "P17": {(S.COLLECTING, S.READY_FOR_PICKUP)},
    "P18": {(S.COLLECTING, S.ON_HOLD)},
    "P19": {(S.READY_FOR_PICKUP, S.READY_FOR_PICKUP), (S.AT_HUB, S.AT_HUB)},
    "P19b": {(S.ANNOUNCED, S.ANNOUNCED), (S.IN_TRANSIT, S.IN_TRANSIT)},
    "P20": {
        (one, S.ON_HOLD)
        for one in (S.DROPPED_OFF, S.DEPOSITED, S.READY_FOR_PICKUP, S.EXPIRED, S.AT_HUB)
    },
    "P21": {
        (S.ON_HOLD, one)
        for one in (
            S.DROPPED_OFF,
            S.READY_FOR_PICKUP,
            S.AT_HUB,
            S.RETURNING,
            S.DISPOSED,
            S.LOST,
            S.COLLECTED,
        )
    },
    "P22": {(S.READY_FOR_PICKUP, S.EXPIRED), (S.AT_HUB, S.EXPIRED)},
    "P23": {(S.EXPIRED, S.READY_FOR_PICKUP), (S.EXPIRED, S.AT_HUB)},
    "P24": {(S.EXPIRED, S.AT_HUB)},
    "P25": {(S.EXPIRED, S.RETURNING), (S.AT_HUB, S.RETURNING)},
    "P26": {(S.EXPIRED, S.DISPOSED), (S.ON_HOLD, S.DISPOSED)},
    "P27": {(S.AT_HUB, S.COLLECTED)},
    "P28": {(S.RETURNING, S.RETURNED)},
    "P29": {(S.COLLECTED, S.DISPUTED)},
    "P30": {(S.DISPUTED, one) for one in (S.COLLECTED, S.LOST, S.RETURNED, S.READY_FOR_PICKUP)},
    "P30b": {(S.READY_FOR_PICKUP, S.DEPOSITED)},
    "P31": {(S.READY_FOR_PICKUP, S.EXPIRED)},
    "P32": {(one, S.LOST) for one in RUNNING},
    "P33": {(one, one) for one in S},
    "F1": {
        (one, S.COLLECTED)
        for one in (S.DEPOSITED, S.READY_FOR_PICKUP, S.EXPIRED, S.ON_HOLD, S.LOST)
    },
    "F2": {(S.CANCELLED, S.ON_HOLD), (S.LOST, S.ON_HOLD)},
    "F3": {(one, S.ON_HOLD) for one in (S.DROPPED_OFF, S.DEPOSITED, S.READY_FOR_PICKUP, S.EXPIRED)},
    "F4": {
        (one, S.ON_HOLD)
        for one in (S.DROPPED_OFF, S.DEPOSITED, S.READY_FOR_PICKUP, S.COLLECTING, S.EXPIRED)
    },
}

FACTS = {
    "P4",
    "P4b",
    "P6",
    "P10",
    "P10b",
    "P11b",
    "P30b",
    "P13",
    "P14",
    "P15",
    "P16",
    "P17",
    "P24",
} | {
    "F1",
    "F2",
    "F3",
    "F4",
}
MIXED = {"P18", "P25", "P26"}
"""A fact from a compartment, a person's word otherwise."""

GENEROUS = Situation(
    is_in_compartment=True,
    is_at_destination=True,
    is_temporary=True,
    is_token_valid=True,
    is_past_deadline=True,
    is_past_safe_until=True,
    is_in_dispute_window=True,
    is_identity_checked=True,
    is_found_inside=True,
    has_reason=True,
    has_second_person=True,
    has_proof=True,
)

situations = st.builds(
    Situation,
    **{name: st.booleans() for name in Situation.__slots__ if name not in {"removal", "wanted"}},
    removal=st.none() | st.sampled_from(Removal),
    wanted=st.none() | st.sampled_from(S),
)
events = st.tuples(st.sampled_from(Trigger), st.sampled_from(Party), situations)


def test_table_has_every_line_of_the_domain_and_no_other() -> None:
    assert {row.name for row in TABLE} == set(DOMAIN)


@pytest.mark.parametrize("name", sorted(DOMAIN))
def test_line_joins_exactly_the_states_that_the_domain_names(name: str) -> None:
    joined = {
        (source, target)
        for row in TABLE
        if row.name == name
        for source in row.sources
        for target in (row.targets or {source})
    }
    assert joined == DOMAIN[name]


@pytest.mark.parametrize("name", sorted(set(DOMAIN) - MIXED))
def test_authority_of_a_line_is_the_lockers_exactly_for_facts(name: str) -> None:
    authorities = {row.authority for row in TABLE if row.name == name}
    assert authorities == {Authority.FACT if name in FACTS else Authority.INTENT}


def test_fact_lines_are_the_agents_and_intent_lines_never() -> None:
    for row in TABLE:
        assert (Party.AGT in row.parties) == (row.authority is Authority.FACT)


@given(walk=st.lists(events, max_size=40))
def test_random_events_never_leave_the_table(
    walk: list[tuple[Trigger, Party, Situation]],
) -> None:
    state: S | None = None
    for trigger, party, situation in walk:
        move = find_move(state, trigger, party, situation)
        if move is not None:
            assert (state, move.target) in DOMAIN[move.row.name]
            assert party in move.row.parties
            state = move.target


@given(events=st.lists(events, max_size=60), state=st.sampled_from(sorted(TERMINAL)))
def test_no_intent_but_a_dispute_leaves_a_terminal_state(
    events: list[tuple[Trigger, Party, Situation]], state: S
) -> None:
    for trigger, party, situation in events:
        move = find_move(state, trigger, party, situation)
        if move is not None and move.target is not state:
            assert move.row.authority is Authority.FACT or move.row.name == "P29"


def test_every_line_can_be_reached() -> None:
    reached = set()
    for row in TABLE:
        for state in row.sources:
            for target in row.targets or {None}:
                for change in (
                    GENEROUS,
                    replace(GENEROUS, is_in_compartment=False),
                    replace(GENEROUS, is_pass_through=True),
                    replace(GENEROUS, is_from_counter=True),
                    *(replace(GENEROUS, removal=one) for one in Removal),
                ):
                    situation = replace(change, wanted=target)
                    for party in row.parties:
                        if row.takes(state, row.trigger, party, situation):
                            reached.add((row.name, state, target))
    wanted = {(row.name, s, t) for row in TABLE for s in row.sources for t in row.targets or {None}}
    assert reached == wanted


def test_unknown_transition_raises_when_the_caller_insists() -> None:
    with pytest.raises(BrokenPromise, match="SCAN by CAR in COLLECTED"):
        get_move(S.COLLECTED, Trigger.SCAN, Party.CAR, Situation())


def take(
    state: S | None, trigger: Trigger, party: Party, situation: Situation
) -> tuple[str, S] | None:
    move = find_move(state, trigger, party, situation)
    return None if move is None else (move.row.name, move.target)


def test_withdrawal_goes_back_where_the_parcel_came_from() -> None:
    withdraw = (Trigger.WITHDRAWN, Party.AGT)
    assert take(S.DEPOSITED, *withdraw, Situation()) == ("P13", S.OUT_FOR_DELIVERY)
    assert take(S.DEPOSITED, *withdraw, Situation(is_from_counter=True)) == ("P13", S.AT_HUB)
    passed = Situation(is_pass_through=True, is_from_counter=True)
    assert take(S.READY_FOR_PICKUP, *withdraw, passed) == ("P4b", S.AWAITING_DROPOFF)


def test_overdue_door_holds_the_parcel_whether_or_not_collecting_was_seen() -> None:
    overdue = (Trigger.CLOSE_OVERDUE, Party.AGT, Situation(is_token_valid=True))
    assert take(S.COLLECTING, *overdue) == ("P18", S.ON_HOLD)
    assert take(S.READY_FOR_PICKUP, *overdue) == ("F4", S.ON_HOLD)


def test_late_collection_beats_expiry_loss_and_hold_only_under_a_valid_token() -> None:
    for state in (S.EXPIRED, S.LOST, S.ON_HOLD):
        valid = Situation(is_token_valid=True)
        assert take(state, Trigger.COLLECTED, Party.AGT, valid) == ("F1", S.COLLECTED)
        assert take(state, Trigger.COLLECTED, Party.AGT, Situation()) is None


def test_two_persons_are_needed_to_write_a_parcel_off() -> None:
    alone = Situation(has_reason=True, wanted=S.LOST, has_proof=True)
    assert take(S.ON_HOLD, Trigger.RESOLVE_HOLD, Party.OPR, alone) is None
    assert take(S.READY_FOR_PICKUP, Trigger.LOSE, Party.OPR, alone) is None
    both = replace(alone, has_second_person=True)
    assert take(S.ON_HOLD, Trigger.RESOLVE_HOLD, Party.OPR, both) == ("P21", S.LOST)
    assert take(S.READY_FOR_PICKUP, Trigger.LOSE, Party.OPR, both) == ("P32", S.LOST)


def test_a_hold_is_resolved_as_collected_only_with_proof() -> None:
    wanted = Situation(has_reason=True, has_second_person=True, wanted=S.COLLECTED)
    assert take(S.ON_HOLD, Trigger.RESOLVE_HOLD, Party.STA, wanted) is None
    proved = replace(wanted, has_proof=True)
    assert take(S.ON_HOLD, Trigger.RESOLVE_HOLD, Party.STA, proved) == ("P21", S.COLLECTED)


def test_paused_parcel_does_not_expire() -> None:
    late = Situation(is_past_deadline=True)
    assert take(S.READY_FOR_PICKUP, Trigger.EXPIRE, Party.SRV, late) == ("P22", S.EXPIRED)
    assert (
        take(S.READY_FOR_PICKUP, Trigger.EXPIRE, Party.SRV, replace(late, is_paused=True)) is None
    )
    assert take(S.COLLECTING, Trigger.EXPIRE, Party.SRV, late) is None


def test_removal_moves_a_parcel_only_for_the_purpose_of_its_grant() -> None:
    gone = {
        purpose: take(S.EXPIRED, Trigger.REMOVED, Party.AGT, Situation(removal=purpose))
        for purpose in (*Removal, None)
    }
    assert gone == {
        Removal.ONWARD: None,
        Removal.TO_COUNTER: ("P24", S.AT_HUB),
        Removal.RETURN: ("P25", S.RETURNING),
        Removal.DISPOSAL: ("P26", S.DISPOSED),
        None: None,
    }


def test_a_dispute_is_resolved_as_ready_only_if_the_parcel_was_found_inside() -> None:
    wanted = Situation(wanted=S.READY_FOR_PICKUP)
    assert take(S.DISPUTED, Trigger.RESOLVE_DISPUTE, Party.OPR, wanted) is None
    found = replace(wanted, is_found_inside=True)
    assert take(S.DISPUTED, Trigger.RESOLVE_DISPUTE, Party.OPR, found) == (
        "P30",
        S.READY_FOR_PICKUP,
    )
