"""What a recipient has ruled out is refused with a way on, and nothing else is."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codes import ProblemCode
from schema.compartments import ReachBand
from server.kit.errors import Refusal
from server.parcels.consent import Limits
from server.people.preferences import Preferences

HUB, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
TODAY = date(2026, 5, 4)

bands = st.tuples(st.integers(0, 2500), st.integers(0, 2500)).map(
    lambda pair: ReachBand(min(pair), max(pair))
)


def limits(*, is_uncooled_food: bool = False, **wanted: Any) -> Limits:
    return Limits(replace(Preferences(), **wanted), HUB, TODAY, is_uncooled_food)


@pytest.mark.parametrize(
    "allowed",
    [
        limits(),
        limits(is_uncooled_food=True),
        limits(never_ambient_if_perishable=True),
        limits(allowed_hubs=(OTHER, HUB)),
        limits(hold_until=TODAY),
        limits(favourite_hubs=(OTHER,)),
    ],
)
def test_what_is_not_ruled_out_is_not_refused(allowed: Limits) -> None:
    assert allowed.object_to_lockers() is None
    assert allowed.object_to_locker(has_keypad=False) is None


@pytest.mark.parametrize(
    ("ruled_out", "word"),
    [
        (limits(allowed_hubs=(OTHER,)), "this hub"),
        (limits(counter_only=True), "a locker"),
        (limits(hold_until=TODAY + timedelta(days=1)), "2026-05-05"),
        (limits(never_ambient_if_perishable=True, is_uncooled_food=True), "perishables"),
    ],
)
def test_what_is_ruled_out_is_refused_with_a_way_on(ruled_out: Limits, word: str) -> None:
    refused = ruled_out.object_to_lockers()
    assert refused is not None
    assert refused.code is ProblemCode.CONSENT_MISSING
    assert word in refused.message
    assert refused.next


def test_who_needs_a_keypad_gets_a_locker_with_one() -> None:
    wanted = limits(never_app_only=True)
    assert wanted.object_to_lockers() is None
    assert wanted.object_to_locker(has_keypad=True) is None
    refused = wanted.object_to_locker(has_keypad=False)
    assert refused is not None
    assert refused.code is ProblemCode.CONSENT_MISSING


@given(st.none() | bands, st.none() | bands, st.integers(0, 2500))
def test_a_height_is_within_reach_if_everybody_reaches_it(
    own: ReachBand | None, asked: ReachBand | None, sill: int
) -> None:
    wanted = limits(reach=own)
    narrowed = wanted.narrow(asked)
    is_reached = wanted.allows_sill(sill) and (asked is None or asked.holds(sill))
    if isinstance(narrowed, Refusal):
        assert not is_reached
    else:
        assert (narrowed is None or narrowed.holds(sill)) == is_reached
