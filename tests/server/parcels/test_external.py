"""Foreign words for our states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.parcels.external import (
    MEANINGS,
    Source,
    StopReason,
    find_source,
    find_stop_reason,
    map_status,
)
from server.parcels.states import ParcelState

S = ParcelState


@pytest.mark.parametrize(
    ("system", "code", "current", "mapped"),
    [
        ("inpost", "taken_by_courier", S.ANNOUNCED, S.IN_TRANSIT),
        ("InPost", "delivered", S.READY_FOR_PICKUP, S.COLLECTED),
        ("aftership", "InTransit_007", S.ANNOUNCED, S.IN_TRANSIT),
        ("aftership", "AvailableForPickup_001", S.DEPOSITED, S.READY_FOR_PICKUP),
        ("aftership", "AvailableForPickup_003", S.DEPOSITED, S.AT_HUB),
        ("epcis", "storing/in_progress", S.IN_TRANSIT, S.AT_HUB),
        ("epcis", "destroying/destroyed", S.EXPIRED, S.DISPOSED),
        ("restante", "stop_failed/FULL", S.OUT_FOR_DELIVERY, S.IN_TRANSIT),
    ],
)
def test_known_code_is_mapped_most_specific_first(
    system: str, code: str, current: S, mapped: S
) -> None:
    assert map_status(system, code, current) is mapped


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("inpost", "sent_from_source_branch"),
        ("inpost", "delivered_to_neighbour"),
        ("aftership", "FailedAttempt"),
        ("epcis", "collecting/in_progress"),
        ("epcis", "stocking/in_progress"),
        ("someone-else", "delivered"),
        ("", ""),
    ],
)
def test_code_without_a_match_is_unknown_and_never_guessed(system: str, code: str) -> None:
    assert all(map_status(system, code, state) is None for state in S)


def test_word_for_several_states_settles_nothing_but_agrees_with_the_present_one() -> None:
    assert map_status("aftership", "Exception_004", S.ON_HOLD) is S.ON_HOLD
    assert map_status("aftership", "Exception_004", S.IN_TRANSIT) is None
    assert map_status("inpost", "undelivered_no_mailbox", S.LOST) is S.LOST
    assert map_status("inpost", "undelivered_no_mailbox", S.IN_TRANSIT) is None


@given(system=st.text(max_size=20), code=st.text(max_size=60), current=st.sampled_from(S))
def test_any_text_maps_to_a_state_or_to_nothing(system: str, code: str, current: S) -> None:
    assert map_status(system, code, current) in {None, *S}


def test_every_foreign_vocabulary_is_there() -> None:
    assert set(MEANINGS) == set(Source)
    assert find_source("EPCIS") is Source.EPCIS


def test_reason_of_a_failed_stop_is_read_from_our_own_code_only() -> None:
    assert find_stop_reason("restante", "stop_failed/HUB_CLOSED") is StopReason.HUB_CLOSED
    assert find_stop_reason("restante", "stop_failed/RAIN") is None
    assert find_stop_reason("restante", "stop_failed") is None
    assert find_stop_reason("inpost", "stop_failed/FULL") is None
