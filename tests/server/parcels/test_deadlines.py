"""When the time to collect starts and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schema.compartments import ClimateZone
from server.hubs.rules import Closure, Opening, Timetable
from server.parcels.deadlines import COUNTER_HOLD, GRACE, HOLD, is_past, start_deadline

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
