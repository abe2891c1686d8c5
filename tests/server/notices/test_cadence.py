"""Reminders of ten thousand waits fall where a slow, obvious model puts them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.notices.cadence import (
    REMINDERS,
    Reminder,
    Waiting,
    find_next,
    is_outdated,
    may_break_quiet,
    plan_reminders,
    split_plan,
)
from server.notices.rules import NoticeKind
from server.people.preferences import DailySpan, UsualWindow

PARCELS = 10_000
GROUPS = 10
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ZONES = {
    "Europe/Tallinn": ("2026-03-29", "2026-10-25"),
    "Europe/Dublin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "America/Santiago": ("2026-04-04", "2026-09-06"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
    "Pacific/Chatham": ("2026-04-05", "2026-09-27"),
    "Asia/Beirut": ("2026-03-29", "2026-10-25"),
    "Asia/Kathmandu": ("2026-07-01",),
}
"""Zones and the days on which their clocks change: at midnight in two, by half an hour in one, the
other way round in two; one is off by three quarters and never changes.
"""

NIGHT = DailySpan(22 * 60, 8 * 60)
EVENINGS = UsualWindow((0, 1, 2, 3, 4), DailySpan(18 * 60, 20 * 60))


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clock on the wall first shows this; what it skips comes as if it did not."""
    offsets = [zone.utcoffset(wall + days) for days in (timedelta(-1), timedelta(1))]
    instants = [wall.replace(tzinfo=UTC) - offset for offset in offsets if offset is not None]
    shown = [at for at in sorted(instants) if at.astimezone(zone).replace(tzinfo=None) == wall]
    return (shown or instants)[0]


def quiet_of(waiting: Waiting) -> list[tuple[datetime, datetime]]:
    """Every quiet from before the wait to its end, night by night."""
    if waiting.quiet is None:
        return []
    start, end = waiting.quiet.starts_minute, waiting.quiet.ends_minute
    last = end if end > start else end + 1440
    spans = []
    day = waiting.since.astimezone(waiting.zone).replace(hour=0, minute=0, tzinfo=None)
    for days in range(-3, 10):
        midnight = day + timedelta(days=days)
        spans.append(
            (
                instant_of(midnight + start * MINUTE, waiting.zone),
                instant_of(midnight + last * MINUTE, waiting.zone),
            )
        )
    return spans


def is_quiet(waiting: Waiting, at: datetime) -> bool:
    """Whether any night says so."""
    return any(start <= at < end for start, end in quiet_of(waiting))


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
    """Minute by minute back to a quarter before the quiet; then what is far from the rest."""
    nights, kept = quiet_of(waiting), list[Reminder]()
    for kind, wanted in wanted_of(waiting):
        at, breaks = wanted, False
        if kind is NoticeKind.COOL_3 or (kind is NoticeKind.REMIND_3 and not waiting.has_reached):
            breaks = is_quiet(waiting, at)
        night = next((one for one in nights if one[0] <= at < one[1]), None)
        if night is not None and not breaks:
            while night[0] <= at:
                at -= MINUTE
            at -= 14 * MINUTE
        inside = waiting.since < at < waiting.through
        others = [waiting.since, *(other.at for other in kept)]
        if inside and all(abs(at - other) >= 2 * HOUR for other in others):
            kept.append(Reminder(kind, at, breaks))
    return sorted(kept, key=lambda one: one.at)


def random_wait(chance: random.Random) -> Waiting:
    name = chance.choice(list(ZONES))
    zone, day = ZoneInfo(name), datetime.fromisoformat(f"{chance.choice(ZONES[name])}T00:00Z")
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


@pytest.mark.parametrize("group", range(GROUPS))
def test_reminders_fall_where_a_slow_model_puts_them(group: int) -> None:
    chance = random.Random(group)
    for _ in range(PARCELS // GROUPS):
        waiting = random_wait(chance)
        assert plan_reminders(waiting) == slow_plan(waiting), waiting


waits = st.integers(0, 2**32).map(lambda seed: random_wait(random.Random(seed)))


@given(waits)
def test_no_reminder_is_heard_in_the_quiet_but_the_last_word(waiting: Waiting) -> None:
    for reminder in plan_reminders(waiting):
        last_words = {NoticeKind.REMIND_3, NoticeKind.COOL_3}
        assert reminder.kind in last_words or not reminder.breaks_quiet
        if not reminder.breaks_quiet:
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
        since=since, through=since + 72 * HOUR, zone=zone, quiet=NIGHT, usual=(EVENINGS,)
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


def test_usual_window_of_another_weekday_moves_nothing() -> None:
    since = datetime(2026, 5, 8, 12, 0, tzinfo=ZoneInfo("Europe/Paris"))
    plain = Waiting(since=since, through=since + 72 * HOUR, zone=ZoneInfo("Europe/Paris"))
    assert plan_reminders(replace(plain, usual=(EVENINGS,))) == plan_reminders(plain)


@given(waits, st.integers(0, 240), st.integers(0, 240))
def test_of_several_that_are_due_the_newest_is_told(
    waiting: Waiting, hours: int, more: int
) -> None:
    since = waiting.since + hours * HOUR
    now = since + more * HOUR
    due, following = split_plan(waiting, since=since, now=now)
    passed = [one for one in plan_reminders(waiting) if since <= one.at <= now]
    assert following == find_next(waiting, after=now)
    if now >= waiting.through or not passed:
        assert due is None
    else:
        assert due == max(passed, key=lambda one: one.at)


@given(waits)
def test_reminder_that_is_sent_at_once_is_not_outdated_and_is_before_the_next(
    waiting: Waiting,
) -> None:
    plan = plan_reminders(waiting)
    for one, following in pairwise(plan):
        near = following.at - HOUR
        assert not is_outdated(waiting, told_at=one.at, now=one.at + 59 * MINUTE)
        assert is_outdated(waiting, told_at=one.at, now=near)
        assert not is_outdated(waiting, told_at=one.at, now=near - MINUTE)
    for one in plan[-1:]:
        assert is_outdated(waiting, told_at=one.at, now=waiting.through)


@given(waits, st.integers(0, 10_000))
def test_only_last_words_are_heard_at_night_and_only_to_who_heard_nothing(
    waiting: Waiting, minutes: int
) -> None:
    now = waiting.through - minutes * MINUTE
    kinds = {kind for kind in REMINDERS if may_break_quiet(kind, waiting, now)}
    last = {NoticeKind.REMIND_3} if minutes < 240 and not waiting.has_reached else set()
    assert kinds == {NoticeKind.COOL_3} | last
