"""States of grants, lives of tokens, lists of revocations."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from schema.ids import KeyId
from schema.keys import KeyEntry, Operation, Role
from schema.statements import MAX_REVOCATIONS
from server.access.rules import (
    LIVING,
    Action,
    GrantState,
    Revoked,
    Span,
    Turn,
    find_grant_state,
    fit_span,
    is_fresh_enough,
    list_revocations,
    on_the_wire,
    recipient_end,
)
from tests.fakes.sources import START

DAY_S = 86_400
NOW_S = 1_000_000
KEY = KeyEntry(KeyId(b"\x00\x01"), bytes(32), 23, 7 * DAY_S, NOW_S - DAY_S, NOW_S + 10 * DAY_S)

LINES = {
    (GrantState.ISSUED, Turn.BEGIN): GrantState.ACTIVE,
    (GrantState.ACTIVE, Turn.USE_UP): GrantState.USED,
    (GrantState.ISSUED, Turn.EXPIRE): GrantState.EXPIRED,
    (GrantState.ACTIVE, Turn.EXPIRE): GrantState.EXPIRED,
    (GrantState.ISSUED, Turn.REVOKE): GrantState.REVOKED,
    (GrantState.ACTIVE, Turn.REVOKE): GrantState.REVOKED,
    (GrantState.ISSUED, Turn.SUPERSEDE): GrantState.SUPERSEDED,
    (GrantState.ACTIVE, Turn.SUPERSEDE): GrantState.SUPERSEDED,
}


@pytest.mark.parametrize(("state", "turn"), list(product(GrantState, Turn)))
def test_grant_takes_the_lines_of_its_table_and_no_others(state: GrantState, turn: Turn) -> None:
    assert find_grant_state(state, turn) is LINES.get((state, turn))


def test_final_states_have_no_way_out() -> None:
    for state in set(GrantState) - LIVING:
        assert all(find_grant_state(state, turn) is None for turn in Turn)


def test_every_action_has_a_form_on_the_wire() -> None:
    assert {action: on_the_wire(action) for action in Action} == {
        Action.DEPOSIT: (Operation.DEPOSIT, Role.COURIER),
        Action.OPEN: (Operation.OPEN, Role.RECIPIENT),
        Action.DROPOFF: (Operation.DEPOSIT, Role.COURIER),
        Action.REMOVE: (Operation.OPEN, Role.COURIER),
        Action.INSPECT: (Operation.INSPECT, Role.HUB),
        Action.SERVICE: (Operation.SERVICE, Role.TECHNICIAN),
    }


@pytest.mark.parametrize(
    ("through_h", "is_low", "life_h"),
    [(None, False, 24), (None, True, 168), (72, False, 24), (72, True, 74), (5, False, 7)],
)
def test_recipients_token_ends_with_deadline_and_grace_or_its_longest_life(
    through_h: int | None, is_low: bool, life_h: int
) -> None:
    through = None if through_h is None else START + timedelta(hours=through_h)
    end = recipient_end(START, available_through=through, is_low_connectivity=is_low)
    assert end == START + timedelta(hours=life_h)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (NOW_S + 600, Span(NOW_S, NOW_S + 600)),
        (NOW_S + 8 * DAY_S, Span(NOW_S, NOW_S + 7 * DAY_S)),
        (NOW_S, None),
        (NOW_S - 1, None),
    ],
)
def test_span_stays_within_the_longest_life_of_the_key(end: int, expected: Span | None) -> None:
    assert fit_span(NOW_S, end, KEY) == expected


def test_span_ends_with_the_key() -> None:
    now = KEY.exp - 60
    assert fit_span(now, now + DAY_S, KEY) == Span(now, KEY.exp)
    assert fit_span(KEY.exp, KEY.exp + DAY_S, KEY) is None
    assert fit_span(KEY.nbf - 1, NOW_S, KEY) is None


@pytest.mark.parametrize(
    ("exp", "wanted", "is_given_again"),
    [
        (NOW_S + 100, NOW_S + 100, True),
        (NOW_S + 50, NOW_S + 100, True),
        (NOW_S + 49, NOW_S + 100, False),
        (NOW_S + 101, NOW_S + 100, False),
    ],
)
def test_token_is_given_again_while_half_its_life_is_left(
    exp: int, wanted: int, is_given_again: bool
) -> None:
    assert is_fresh_enough(exp=exp, wanted=wanted, now=NOW_S) is is_given_again


def revoked(number: int, *, iat: int = NOW_S - 10, exp: int = NOW_S + 10) -> Revoked:
    return Revoked(number.to_bytes(8, "big"), iat, exp)


def test_list_leaves_out_what_is_over_or_dead_anyway() -> None:
    listed = list_revocations(
        [revoked(1), revoked(2, exp=NOW_S - 1), revoked(3, iat=NOW_S - 99)],
        min_iat=NOW_S - 50,
        now=NOW_S,
    )
    assert listed.min_iat == NOW_S - 50
    assert listed.entries == ((bytes(7) + b"\x01", NOW_S + 10),)


def test_full_list_is_still_a_list() -> None:
    listed = list_revocations(map(revoked, range(MAX_REVOCATIONS)), min_iat=0, now=NOW_S)
    assert (listed.min_iat, len(listed.entries)) == (0, MAX_REVOCATIONS)


def test_overflowing_list_raises_the_oldest_issue_instead() -> None:
    listed = list_revocations(map(revoked, range(MAX_REVOCATIONS + 1)), min_iat=0, now=NOW_S)
    assert (listed.min_iat, listed.entries) == (NOW_S, ())


def test_overflow_keeps_what_was_issued_this_very_second() -> None:
    many = [*map(revoked, range(MAX_REVOCATIONS)), revoked(99, iat=NOW_S)]
    listed = list_revocations(many, min_iat=0, now=NOW_S)
    assert [entry[0] for entry in listed.entries] == [revoked(99).id]
