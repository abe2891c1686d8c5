"""What can be chosen, how it is stored, and that nothing else gets in."""

from __future__ import annotations

import uuid
import zoneinfo
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codes import ProblemCode
from schema.compartments import MAX_SIDE_MM, ReachBand
from server.people.preferences import (
    LONGEST_ABSENCE,
    LONGEST_QUIET_MINUTES,
    MAX_HUBS,
    MAX_WINDOWS,
    Channel,
    DailySpan,
    Language,
    Preferences,
    UsualWindow,
    check_preferences,
    restore,
    store,
)

TODAY = date(2026, 5, 4)
SPRING = datetime(2026, 3, 1, tzinfo=UTC)
DAY = DailySpan(8 * 60, 18 * 60)
HUBS = tuple(uuid.UUID(int=n) for n in range(MAX_HUBS + 1))

spans = (
    st.tuples(st.integers(0, 1439), st.integers(1, 1440))
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: DailySpan(*pair))
)
hubs = st.lists(st.sampled_from(HUBS), unique=True, max_size=MAX_HUBS).map(tuple)
windows = st.builds(
    UsualWindow,
    st.lists(st.integers(0, 6), unique=True, min_size=1).map(tuple),
    spans,
)
choices = st.builds(
    Preferences,
    version=st.just(0),
    language=st.sampled_from(Language),
    time_zone=st.sampled_from([None, "Europe/Paris", "America/St_Johns", "Asia/Kathmandu"]),
    channels=st.lists(st.sampled_from(Channel), unique=True, min_size=1).map(tuple),
    quiet=st.none()
    | spans.filter(
        lambda one: 0 < (one.ends_minute - one.starts_minute) % 1440 <= LONGEST_QUIET_MINUTES
    ),
    may_cooled_break_quiet=st.booleans(),
    hold_until=st.none() | st.dates(date(2020, 1, 1), TODAY + LONGEST_ABSENCE),
    reach=st.none()
    | st.tuples(st.integers(0, 900), st.integers(901, MAX_SIDE_MM)).map(lambda it: ReachBand(*it)),
    counter_only=st.booleans(),
    never_app_only=st.booleans(),
    never_ambient_if_perishable=st.booleans(),
    allowed_hubs=hubs,
    favourite_hubs=hubs,
    usual_windows=st.lists(windows, max_size=MAX_WINDOWS).map(tuple),
    learns=st.booleans(),
    keeps_past=st.booleans(),
    names_hub_on_screen=st.booleans(),
)


@given(choices, st.integers(1, 9))
def test_everything_allowed_comes_back_from_the_store_as_it_was(
    wanted: Preferences, version: int
) -> None:
    assert check_preferences(wanted, today=TODAY) is None
    assert restore(version, store(wanted)) == replace(wanted, version=version)


def test_what_a_later_version_has_stored_is_left_out() -> None:
    assert restore(3, {**store(Preferences()), "colour": "green"}) == Preferences(version=3)


def test_what_an_older_version_has_not_stored_is_the_default() -> None:
    assert restore(3, {"language": "de"}) == Preferences(version=3, language=Language.DE)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("timeZone", {"time_zone": "Mars/Olympus"}),
        ("timeZone", {"time_zone": "../etc/passwd"}),
        ("channels", {"channels": ()}),
        ("channels", {"channels": (Channel.SMS, Channel.SMS)}),
        ("quiet", {"quiet": DailySpan(0, 1440)}),
        ("quiet", {"quiet": DailySpan(8 * 60, 8 * 60 - 1)}),
        ("reach", {"reach": ReachBand(1000, 400)}),
        ("reach", {"reach": ReachBand(-1, 400)}),
        ("reach", {"reach": ReachBand(0, MAX_SIDE_MM + 1)}),
        ("holdUntil", {"hold_until": TODAY + LONGEST_ABSENCE + timedelta(days=1)}),
        ("allowedHubs", {"allowed_hubs": HUBS}),
        ("allowedHubs", {"allowed_hubs": (HUBS[0], HUBS[0])}),
        ("favouriteHubs", {"favourite_hubs": HUBS}),
        ("usualWindows", {"usual_windows": (UsualWindow((7,), DAY),)}),
        ("usualWindows", {"usual_windows": (UsualWindow((), DAY),)}),
        ("usualWindows", {"usual_windows": (UsualWindow((1, 1), DAY),)}),
        ("usualWindows", {"usual_windows": (UsualWindow((1,), DAY),) * (MAX_WINDOWS + 1)}),
    ],
)
def test_what_cannot_be_kept_names_its_field(field: str, changes: dict[str, Any]) -> None:
    refused = check_preferences(replace(Preferences(), **changes), today=TODAY)
    assert refused is not None
    assert (refused.code, refused.field) == (ProblemCode.POLICY_INVALID, field)


def test_a_person_lives_by_their_own_zone_or_by_that_of_the_hub() -> None:
    assert Preferences().zone("Europe/Berlin").key == "Europe/Berlin"
    assert Preferences(time_zone="Asia/Tokyo").zone("Europe/Berlin").key == "Asia/Tokyo"


@given(
    spans,
    st.integers(0, 270 * 1440).map(lambda minutes: SPRING + timedelta(minutes=minutes)),
    st.sampled_from(("Europe/Paris", "America/Santiago", "Asia/Beirut", "Australia/Lord_Howe")),
)
def test_span_of_an_instant_is_the_one_that_holds_it(
    span: DailySpan, at: datetime, name: str
) -> None:
    zone, day = zoneinfo.ZoneInfo(name), timedelta(days=1)
    around = span.spans_between(at - 2 * day, at + 2 * day, zone)
    expected = next(((start, end) for start, end in around if start <= at < end), None)
    assert span.find_span(at, zone) == expected
