"""Opening hours across weeks, closures and summer time; distances."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.hubs.rules import (
    Closure,
    Opening,
    Position,
    Timetable,
    check_week,
    join_closures,
)

WARSAW = ZoneInfo("Europe/Warsaw")
OFFICE = tuple(Opening(weekday, 8 * 60, 18 * 60) for weekday in range(5))
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def warsaw(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=WARSAW)  # type: ignore[misc, arg-type] # year to minute only


def spans() -> st.SearchStrategy[Opening]:
    ends = st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True).map(sorted)
    return st.builds(lambda day, pair: Opening(day, *pair), st.integers(0, 6), ends)


def test_hub_is_open_from_the_first_minute_until_before_the_last() -> None:
    hours = Timetable(WARSAW, OFFICE)
    at = [warsaw(2026, 3, 2, 7, 59), warsaw(2026, 3, 2, 8), warsaw(2026, 3, 2, 18)]
    assert [hours.is_open(one) for one in at] == [False, True, False]


def test_friday_evening_waits_for_monday_morning() -> None:
    hours = Timetable(WARSAW, OFFICE)
    assert hours.next_opening(warsaw(2026, 3, 6, 18, 30)) == warsaw(2026, 3, 9, 8)


def test_an_open_hub_opens_now() -> None:
    at = warsaw(2026, 3, 2, 12)
    assert Timetable(WARSAW, OFFICE).next_opening(at) == at


def test_a_closure_shuts_both_its_ends() -> None:
    closure = Closure(date(2026, 3, 9), date(2026, 3, 10), "flood", is_planned=False)
    hours = Timetable(WARSAW, OFFICE, (closure,))
    assert not hours.is_open(warsaw(2026, 3, 10, 12))
    assert hours.next_opening(warsaw(2026, 3, 6, 18, 30)) == warsaw(2026, 3, 11, 8)


def test_no_weekly_hours_mean_always_open() -> None:
    hours = Timetable(WARSAW)
    assert hours.is_open(warsaw(2026, 3, 1, 3, 30))
    assert hours.is_open(warsaw(2026, 3, 1, 23, 59))


def test_a_hub_closed_for_longer_than_a_year_has_no_next_opening() -> None:
    closure = Closure(date(2026, 1, 1), date(2028, 1, 1))
    assert Timetable(WARSAW, OFFICE, (closure,)).next_opening(warsaw(2026, 3, 2, 12)) is None


def test_a_night_is_two_spans_without_a_hole() -> None:
    hours = Timetable(WARSAW, (Opening(4, 20 * 60, 1440), Opening(5, 0, 6 * 60)))
    assert all(hours.is_open(warsaw(2026, 3, 6, 20) + timedelta(hours=h)) for h in range(10))
    assert not hours.is_open(warsaw(2026, 3, 7, 6))


def test_wall_clock_hours_follow_summer_time() -> None:
    hours = Timetable(WARSAW, (Opening(6, 8 * 60, 9 * 60),))
    assert hours.next_opening(datetime(2026, 3, 22, tzinfo=UTC)) == datetime(
        2026, 3, 22, 7, tzinfo=UTC
    )
    assert hours.next_opening(datetime(2026, 3, 29, tzinfo=UTC)) == datetime(
        2026, 3, 29, 6, tzinfo=UTC
    )


def test_a_span_inside_the_skipped_hour_does_not_open() -> None:
    hours = Timetable(WARSAW, (Opening(6, 2 * 60 + 30, 3 * 60),))
    assert hours.next_opening(warsaw(2026, 3, 29, 0)) == warsaw(2026, 4, 5, 2, 30)


@given(week=st.lists(spans(), max_size=8), at=INSTANTS)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    week: list[Opening], at: datetime
) -> None:
    hours = Timetable(WARSAW, week)
    opening = hours.next_opening(at)
    if opening is not None:
        assert opening >= at
        assert hours.is_open(opening)
        assert opening == at or not hours.is_open(at)
        assert opening == at or not hours.is_open(opening - timedelta(microseconds=1))


@pytest.mark.parametrize("parts", [(7, 0, 1), (-1, 0, 1), (0, 5, 5), (0, 9, 8), (0, 0, 1441)])
def test_impossible_span_is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"weekday|span"):
        Opening(*parts)


def test_overlapping_spans_of_one_day_are_refused() -> None:
    check_week([Opening(0, 60, 120), Opening(0, 120, 180), Opening(1, 60, 120)])
    with pytest.raises(ValueError, match="overlap"):
        check_week([Opening(0, 60, 121), Opening(0, 120, 180)])


def test_closure_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="on or after"):
        Closure(date(2026, 3, 2), date(2026, 3, 1))


def test_distance_crosses_the_date_line_the_short_way() -> None:
    assert Position(0, 179.9).distance_m(Position(0, -179.9)) == pytest.approx(22_239, rel=0.01)
    assert Position(52.2297, 21.0122).distance_m(Position(50.0647, 19.945)) == pytest.approx(
        252_000, rel=0.01
    )


@pytest.mark.parametrize("place", [(91, 0), (0, 181), (float("nan"), 0), (0, float("inf"))])
def test_place_off_the_globe_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="degrees"):
        Position(*place)


KINDS = st.sampled_from([(True, True), (True, False), (False, True), (False, False)])
CLOSURES = st.builds(
    lambda day, length, kind: Closure(
        date(2026, 3, 1) + timedelta(days=day),
        date(2026, 3, 1) + timedelta(days=day + length),
        f"{day}",
        *kind,
    ),
    st.integers(0, 30),
    st.integers(0, 5),
    KINDS,
)


def shut_days(closures: list[Closure]) -> set[tuple[date, bool, bool]]:
    return {
        (one.first_day + timedelta(days=day), one.is_planned, one.shifts_deadlines)
        for one in closures
        for day in range((one.last_day - one.first_day).days + 1)
    }


@given(st.lists(CLOSURES, max_size=12))
def test_joined_closures_shut_the_same_days_with_gaps_between(closures: list[Closure]) -> None:
    joined = join_closures(closures)
    assert shut_days(joined) == shut_days(closures)
    assert sum((one.last_day - one.first_day).days + 1 for one in joined) == len(shut_days(joined))
    assert join_closures(joined) == joined
    assert {one.reason for one in joined} <= {one.reason for one in closures}
