"""Reminders of ten thousand waits fall where a slow, obvious model puts them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.notices.cadence import Reminder, Waiting, find_next, plan_reminders
from server.notices.rules import NoticeKind
from server.people.preferences import DailySpan

PARCELS = 10_000
GROUPS = 10
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ZONES = (
    "Europe/Tallinn",
    "Europe/Paris",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "UTC",
)
"""Some change their clocks, one by half an hour, some are off by three quarters."""

CHANGES = (datetime(2026, 3, 28), datetime(2026, 10, 24), datetime(2026, 7, 1))  # noqa: DTZ001
"""Around the nights in which clocks change in Europe, and a summer's day."""

NIGHT = DailySpan(22 * 60, 8 * 60)


def is_quiet(waiting: Waiting, at: datetime) -> bool:
    """By the clock on the person's wall."""
    if waiting.quiet is None:
        return False
    wall = at.astimezone(waiting.zone)
    minute = wall.hour * 60 + wall.minute
    start, end = waiting.quiet.starts_minute, waiting.quiet.ends_minute
    return start <= minute < end if start < end else minute >= start or minute < end


def wanted_of(waiting: Waiting) -> list[tuple[NoticeKind, datetime]]:
    """The table of the rules, the more important first."""
    since, through = waiting.since, waiting.through
    if waiting.is_cooled:
        return [
            (NoticeKind.COOL_3, through - 4 * HOUR),
            (NoticeKind.COOL_1, since + 2 * HOUR),
            (NoticeKind.COOL_2, since + 8 * HOUR),
        ]
    return [
        (NoticeKind.REMIND_2, through - 12 * HOUR),
        (NoticeKind.REMIND_3, through - 3 * HOUR),
        (NoticeKind.REMIND_1, since + 24 * HOUR),
    ]


def slow_plan(waiting: Waiting) -> list[Reminder]:
    """Minute by minute back to before the quiet; then what is far enough from the rest."""
    kept: list[Reminder] = []
    for kind, wanted in wanted_of(waiting):
        at, breaks = wanted, False
        if is_quiet(waiting, at):
            near_end = waiting.through - at < 4 * HOUR
            breaks = kind is NoticeKind.COOL_3 or (
                kind is NoticeKind.REMIND_3 and near_end and not waiting.has_reached
            )
        if is_quiet(waiting, at) and not breaks:
            while is_quiet(waiting, at):
                at -= MINUTE
            at -= 14 * MINUTE
        inside = waiting.since < at < waiting.through
        others = [waiting.since, *(other.at for other in kept)]
        if inside and all(abs(at - other) >= 2 * HOUR for other in others):
            kept.append(Reminder(kind, at, breaks))
    return sorted(kept, key=lambda one: one.at)


def random_wait(chance: random.Random) -> Waiting:
    zone = ZoneInfo(chance.choice(ZONES))
    day = chance.choice(CHANGES).replace(tzinfo=UTC)
    since = day + timedelta(minutes=chance.randrange(-3 * 1440, 3 * 1440))
    is_cooled = chance.random() < 0.3
    hours = chance.choice((6, 12, 24)) if is_cooled else chance.choice((14, 36, 72, 168))
    quiet = None
    if chance.random() < 0.9:
        start = chance.randrange(1440)
        quiet = DailySpan(start, (start + chance.randrange(30, 18 * 60)) % 1440 or 1440)
    return Waiting(
        since=since,
        through=since + timedelta(hours=hours, minutes=chance.randrange(180)),
        zone=zone,
        is_cooled=is_cooled,
        quiet=quiet,
        has_reached=chance.random() < 0.5,
    )


def skips_an_hour(waiting: Waiting) -> bool:
    """Whether the clock on the wall jumps near the wait: there minutes and instants part."""
    start, end = waiting.since - 24 * HOUR, waiting.through
    return waiting.zone.utcoffset(start) != waiting.zone.utcoffset(end)


@pytest.mark.parametrize("group", range(GROUPS))
def test_reminders_fall_where_a_slow_model_puts_them(group: int) -> None:
    chance = random.Random(group)
    compared = 0
    for _ in range(PARCELS // GROUPS):
        waiting = random_wait(chance)
        expected, planned = slow_plan(waiting), plan_reminders(waiting)
        if planned != expected and skips_an_hour(waiting):
            # A quiet that begins or ends in an hour that is skipped or told twice reads two ways.
            assert_close(planned, expected)
        else:
            assert planned == expected, waiting
            compared += 1
    assert compared > PARCELS // GROUPS * 0.95


def assert_close(planned: list[Reminder], expected: list[Reminder]) -> None:
    """The same but for an hour, or for one that this hour brought too near to another."""
    assert abs(len(planned) - len(expected)) <= 1
    times = {one.kind: one.at for one in expected}
    for one in planned:
        assert one.kind not in times or abs(one.at - times[one.kind]) <= HOUR


waits = st.integers(0, 2**32).map(lambda seed: random_wait(random.Random(seed)))


@given(waits)
def test_no_reminder_is_heard_in_the_quiet_but_the_last_word(waiting: Waiting) -> None:
    for reminder in plan_reminders(waiting):
        last_words = {NoticeKind.REMIND_3, NoticeKind.COOL_3}
        assert reminder.kind in last_words or not reminder.breaks_quiet
        if not reminder.breaks_quiet and not skips_an_hour(waiting):
            assert not is_quiet(waiting, reminder.at)


@given(waits)
def test_no_reminder_comes_later_than_its_time_or_outside_of_the_wait(waiting: Waiting) -> None:
    times = dict(wanted_of(waiting))
    for reminder in plan_reminders(waiting):
        assert reminder.at <= times[reminder.kind]
        assert waiting.since < reminder.at < waiting.through


@given(waits)
def test_one_after_the_other_they_are_the_plan(waiting: Waiting) -> None:
    at, told = waiting.since, []
    while (reminder := find_next(waiting, after=at)) is not None:
        told.append(reminder)
        at = reminder.at
    assert told == plan_reminders(waiting)


def test_an_ordinary_wait_of_three_days() -> None:
    zone = ZoneInfo("Europe/Paris")
    since = datetime(2026, 5, 4, 12, 0, tzinfo=zone)
    waiting = Waiting(since=since, through=since + 72 * HOUR, zone=zone, quiet=NIGHT)
    told = [
        (one.kind.value, f"{one.at.astimezone(zone):%d %H:%M}") for one in plan_reminders(waiting)
    ]
    # Half a day before the end would be midnight: it comes before the night instead.
    assert told == [("REMIND_1", "05 12:00"), ("REMIND_2", "06 21:45"), ("REMIND_3", "07 09:00")]


def test_who_usually_comes_in_the_evening_is_first_reminded_then() -> None:
    zone = ZoneInfo("Europe/Paris")
    since = datetime(2026, 5, 4, 12, 0, tzinfo=zone)
    waiting = Waiting(
        since=since, through=since + 72 * HOUR, zone=zone, quiet=NIGHT, usual_minute=18 * 60
    )
    first, second, _ = plan_reminders(waiting)
    assert (first.kind, first.at.astimezone(zone).hour) == (NoticeKind.REMIND_1, 18)
    assert second.kind is NoticeKind.REMIND_2


def test_last_word_breaks_the_night_only_for_who_heard_nothing_before() -> None:
    zone = ZoneInfo("Europe/Paris")
    since = datetime(2026, 5, 4, 9, 0, tzinfo=zone)
    for has_reached in (False, True):
        waiting = Waiting(
            since=since,
            through=since + 72 * HOUR,
            zone=zone,
            quiet=DailySpan(0, 8 * 60),
            has_reached=has_reached,
        )
        last = plan_reminders(waiting)[-1]
        assert last.kind is NoticeKind.REMIND_3
        assert last.breaks_quiet is not has_reached
        assert is_quiet(waiting, last.at) is not has_reached
