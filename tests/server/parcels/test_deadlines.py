"""When the time to collect starts and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schema.compartments import ClimateZone
from server.hubs.rules import Closure, Opening, Timetable
from server.parcels.deadlines import (
    AFTER_OPENING,
    COUNTER_HOLD,
    GRACE,
    HOLD,
    MOST_PAUSED,
    Pause,
    end_of_wait,
    explain_wait,
    is_past,
    start_deadline,
)

ALWAYS = Timetable(ZoneInfo("Europe/Warsaw"))
DAYTIME = Timetable(
    ZoneInfo("Europe/Warsaw"), tuple(Opening(day, 8 * 60, 18 * 60) for day in range(7))
)
NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)  # 12:00 in Warsaw


def test_hold_depends_on_the_climate() -> None:
    hours = {zone: HOLD[zone] / timedelta(hours=1) for zone in ClimateZone}
    assert hours == {ClimateZone.AMBIENT: 72, ClimateZone.CHILLED: 24, ClimateZone.FROZEN: 24}
    assert timedelta(days=7) == COUNTER_HOLD


def test_time_runs_from_the_notice_where_the_hub_is_always_open() -> None:
    deadline = start_deadline(NOON, hold=HOLD[ClimateZone.AMBIENT], hours=ALWAYS)
    assert deadline.available_from == NOON
    assert deadline.available_through == NOON + timedelta(hours=72)


def test_time_starts_when_the_hub_can_first_be_reached() -> None:
    late = NOON + timedelta(hours=8)
    deadline = start_deadline(late, hold=timedelta(hours=4), hours=DAYTIME)
    assert deadline.available_from == datetime(2026, 3, 3, 7, tzinfo=UTC)
    assert deadline.available_through == datetime(2026, 3, 3, 11, tzinfo=UTC)


def test_deadline_in_closed_hours_moves_two_hours_behind_the_next_opening() -> None:
    deadline = start_deadline(NOON, hold=timedelta(hours=12), hours=DAYTIME)
    assert deadline.available_through == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_hub_that_never_opens_again_keeps_the_plain_sum() -> None:
    closure = Closure(NOON.date(), NOON.date() + timedelta(days=1000))
    shut = Timetable(DAYTIME.zone, DAYTIME.week, (closure,))
    deadline = start_deadline(NOON, hold=timedelta(hours=1), hours=shut)
    assert deadline.available_through == NOON + timedelta(hours=1)


def test_grace_belongs_to_the_person() -> None:
    assert not is_past(NOON, NOON + GRACE)
    assert is_past(NOON, NOON + GRACE + timedelta(seconds=1))


MINUTE = timedelta(minutes=1)
minutes = st.integers(0, 6 * 1440)
pauses = st.lists(st.tuples(minutes, minutes | st.none()), max_size=6).map(
    lambda pairs: [
        Pause(
            NOON + start * MINUTE - timedelta(days=1),
            None if length is None else NOON + (start + length) * MINUTE - timedelta(days=1),
        )
        for start, length in pairs
    ]
)
times = st.integers(1, 5 * 1440).map(lambda it: it * MINUTE)


def slow_end(time: timedelta, stops: list[Pause]) -> datetime:
    """Minute by minute: a minute counts unless a pause holds it, up to thirty days of such."""
    at, ran, stood = NOON, timedelta(0), timedelta(0)
    while ran < time:
        is_paused = any(one.start <= at and (one.end is None or at < one.end) for one in stops)
        if is_paused and stood < MOST_PAUSED:
            stood += MINUTE
        else:
            ran += MINUTE
        at += MINUTE
    return at


@settings(max_examples=60)
@given(times, pauses)
def test_time_runs_as_a_slow_clock_says_that_stands_still_in_pauses(
    time: timedelta, stops: list[Pause]
) -> None:
    assert end_of_wait(NOON, time=time, pauses=stops, hours=ALWAYS) == slow_end(time, stops)


@given(times, pauses)
def test_nobody_loses_a_minute_and_nobody_waits_for_ever(
    time: timedelta, stops: list[Pause]
) -> None:
    end = end_of_wait(NOON, time=time, pauses=stops, hours=DAYTIME)
    assert end >= NOON + time
    assert end <= NOON + time + MOST_PAUSED + timedelta(days=1)
    fewer = end_of_wait(NOON, time=time, pauses=stops[:-1], hours=DAYTIME)
    # An end in closed hours moves to two hours after the opening, one just after it does not.
    assert fewer <= end + AFTER_OPENING


@given(times, pauses, st.integers(0, 5))
def test_a_pause_told_twice_counts_once(time: timedelta, stops: list[Pause], again: int) -> None:
    twice = [*stops, *stops[again:]]
    once = end_of_wait(NOON, time=time, pauses=stops, hours=ALWAYS)
    assert end_of_wait(NOON, time=time, pauses=twice, hours=ALWAYS) == once


@given(times, pauses)
def test_each_pause_is_told_with_what_it_did_to_the_end(
    time: timedelta, stops: list[Pause]
) -> None:
    told = explain_wait(NOON, time=time, pauses=stops, hours=DAYTIME)
    ends = [end_of_wait(NOON, time=time, pauses=[], hours=DAYTIME)]
    ends += [one.through_after or one.through_before for one in told]
    assert [one.through_before for one in told] == ends[: len(told)]
    assert all(stops[one.index].end is None for one in told if one.through_after is None)
    if all(one.through_after for one in told):
        assert ends[-1] == end_of_wait(NOON, time=time, pauses=stops, hours=DAYTIME)


def test_unplanned_closures_stop_the_time_and_planned_ones_do_not() -> None:
    day = NOON.date() + timedelta(days=1)
    for is_planned, shifts, more in ((False, True, 24), (True, True, 0), (False, False, 0)):
        closure = Closure(day, day, "", is_planned, shifts)
        hours = Timetable(ALWAYS.zone, (), (closure,))
        deadline = start_deadline(NOON, hold=timedelta(hours=72), hours=hours)
        assert deadline.available_through == NOON + timedelta(hours=72 + more)
