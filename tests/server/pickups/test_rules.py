"""Windows keep every mask, are the likeliest that remain, and say why they are offered."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.hubs.dayslots import DaySlot, slot_of
from server.hubs.rules import Closure, Opening, Timetable
from server.people.preferences import DailySpan, UsualWindow
from server.pickups.habits import DELAYS
from server.pickups.rules import (
    LEAST,
    OFFERED,
    Mask,
    Origin,
    Past,
    Reason,
    Window,
    delay_between,
    propose,
)

TALLINN = ZoneInfo("Europe/Tallinn")
ZONES = [ZoneInfo(name) for name in ("Europe/Tallinn", "America/New_York", "Asia/Kolkata", "UTC")]
NOON = datetime(2026, 3, 4, 10, tzinfo=UTC)  # 12:00 in Tallinn, a Wednesday
FLAT = [1 / DELAYS] * DELAYS

instants = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2026, 12, 31),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)
daily = st.builds(DailySpan, st.integers(0, 1439), st.integers(1, 1440)).filter(
    lambda one: one.starts_minute != one.ends_minute
)


@st.composite
def spans_of_minutes(draw: st.DrawFn) -> DailySpan:
    starts = draw(st.integers(0, 1439))
    ends = draw(st.integers(1, 1440).filter(lambda minute: minute != starts))
    return DailySpan(starts, ends)


def usual_windows() -> st.SearchStrategy[UsualWindow]:
    days = st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple)
    return st.builds(UsualWindow, days, spans_of_minutes())


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    ends = st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True).map(sorted)
    week = draw(
        st.lists(
            st.builds(lambda day, pair: Opening(day, *pair), st.integers(0, 6), ends),
            max_size=7,
            unique_by=lambda opening: opening.weekday,
        )
    )
    start = draw(instants)
    closed = draw(st.booleans())
    day = start.date() + timedelta(days=1)
    return Mask(
        hours=Timetable(draw(st.sampled_from(ZONES)), week, (Closure(day, day),) if closed else ()),
        not_before=start,
        not_after=start + timedelta(hours=draw(st.integers(0, 200))),
        zone=draw(st.sampled_from(ZONES)),
        quiet=draw(st.none() | spans_of_minutes()),
        wanted=tuple(draw(st.lists(usual_windows(), max_size=3))),
    )


probabilities = st.lists(st.floats(0.001, 1), min_size=DELAYS, max_size=DELAYS).map(
    lambda values: [value / sum(values) for value in values]
)
pasts = st.builds(Past, st.lists(st.sampled_from(DaySlot), max_size=12).map(tuple))


def mask(**changes: object) -> Mask:
    usual: dict[str, object] = {
        "hours": Timetable(TALLINN),
        "not_before": NOON,
        "not_after": NOON + timedelta(hours=72),
        "zone": TALLINN,
    }
    return Mask(**(usual | changes))  # type: ignore[arg-type] # the fields of Mask


def offered(of: Mask, likely: list[float] = FLAT, past: Past | None = None) -> list[Window]:
    arrival = slot_of(of.not_before, of.hours.zone)
    return propose(likely, arrival, mask=of, past=past or Past())


def minute_of(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return local.hour * 60 + local.minute


def is_inside(span: DailySpan, minute: int) -> bool:
    if span.starts_minute < span.ends_minute:
        return span.starts_minute <= minute < span.ends_minute
    return minute >= span.starts_minute or minute < span.ends_minute


def is_usual(usual: UsualWindow, at: datetime, zone: ZoneInfo) -> bool:
    local, minute = at.astimezone(zone), minute_of(at, zone)
    began = local.date()
    if usual.span.ends_minute <= usual.span.starts_minute and minute < usual.span.ends_minute:
        began -= timedelta(days=1)
    return is_inside(usual.span, minute) and began.weekday() in usual.weekdays


@given(masks(), probabilities, pasts)
def test_no_window_breaks_a_mask(one: Mask, likely: list[float], past: Past) -> None:
    for window in offered(one, likely, past):
        assert one.not_before <= window.start < window.end <= one.not_after
        assert window.end - window.start >= LEAST
        at = window.start
        while at < window.end:
            assert one.hours.is_open(at)
            minute = minute_of(at, one.zone)
            assert one.quiet is None or not is_inside(one.quiet, minute)
            assert not one.wanted or any(is_usual(usual, at, one.zone) for usual in one.wanted)
            at += timedelta(minutes=7)


@given(masks(), probabilities, pasts)
def test_windows_are_few_apart_and_in_order_of_merit(
    one: Mask, likely: list[float], past: Past
) -> None:
    windows = offered(one, likely, past)
    chances = [window.probability for window in windows]
    assert len(windows) <= OFFERED
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1 or math.isclose(sum(chances), 1)
    ordered = sorted(windows, key=lambda window: window.start)
    assert all(a.end <= b.start for a, b in pairwise(ordered))


def test_what_the_mask_forbids_gives_its_chance_to_the_rest() -> None:
    likely = [0.0] * DELAYS
    likely[DaySlot.NIGHT - DaySlot.NOON + 7] = 0.6  # tomorrow's night, when the shop is shut
    likely[1], likely[2] = 0.3, 0.1
    shop = Timetable(TALLINN, tuple(Opening(weekday, 480, 1260) for weekday in range(7)))
    first, second = offered(mask(hours=shop), likely)
    assert [first.probability, second.probability] == pytest.approx([0.75, 0.25])


def test_a_window_ends_with_the_deadline() -> None:
    until = NOON + timedelta(hours=1)
    (only,) = offered(mask(not_after=until))
    assert (only.start, only.end, only.probability) == (NOON, until, 1)


def test_nothing_is_offered_when_nothing_is_possible() -> None:
    assert offered(mask(not_after=NOON)) == []
    assert (
        offered(
            mask(
                wanted=(UsualWindow(tuple(range(7)), DailySpan(600, 720)),),
                quiet=DailySpan(540, 780),
            )
        )
        == []
    )


def test_the_reason_counts_the_last_nine() -> None:
    past = Past((DaySlot.NIGHT,) * 4 + (DaySlot.EVENING,) * 6 + (DaySlot.NOON,) * 3)
    likely = [0.01] * DELAYS
    likely[DaySlot.EVENING - DaySlot.NOON] = 0.9
    first, *_ = offered(mask(), likely, past)
    assert first.reason == Reason(DaySlot.EVENING, 6, 9)
    assert first.origin is Origin.LEARNED


def test_without_a_past_a_window_says_that_it_is_a_default() -> None:
    assert {window.origin for window in offered(mask())} == {Origin.DEFAULT}


def test_a_quiet_night_crosses_midnight() -> None:
    night = DailySpan(22 * 60, 8 * 60)
    spans = night.spans_between(NOON, NOON + timedelta(hours=24), TALLINN)
    assert spans == [
        (datetime(2026, 3, 4, 20, tzinfo=UTC), datetime(2026, 3, 5, 6, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("minutes", [(0, 0), (600, 600), (-1, 5), (0, 1441), (1440, 10)])
def test_a_span_of_impossible_minutes_is_refused(minutes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="span"):
        DailySpan(*minutes)


@given(instants, instants, st.sampled_from(ZONES))
def test_a_delay_leads_from_the_arrival_to_the_collection(
    first: datetime, second: datetime, zone: ZoneInfo
) -> None:
    came, went = sorted((first, second))
    delay = delay_between(slot_of(came, zone), slot_of(went, zone))
    slots = 7 * (went.astimezone(zone).date() - came.astimezone(zone).date()).days
    slots += slot_of(went, zone)[1] - slot_of(came, zone)[1]
    assert delay == min(slots, DELAYS - 1)


def test_a_collection_before_its_arrival_counts_as_at_once() -> None:
    day = date(2026, 3, 4)
    assert delay_between((day, DaySlot.NOON), (day, DaySlot.MORNING)) == 0
