"""Which way a notice takes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.notices.rules import (
    GIVE_UP_AFTER,
    LETTERS_AFTER,
    SOUNDLESS,
    URGENT,
    Case,
    NoticeKind,
    NoticeState,
    Over,
    Rest,
    Send,
    Step,
    Wait,
    combine,
    decide,
    find_quiet_end,
    find_waited,
    pause_s,
)
from server.people.preferences import LONGEST_QUIET_MINUTES, Channel, DailySpan

READY, NEW_DEVICE = NoticeKind.READY, NoticeKind.NEW_DEVICE
PUSH, EMAIL, SMS = Channel.PUSH, Channel.EMAIL, Channel.SMS
QUEUED, ACCEPTED, FAILED = NoticeState.QUEUED, NoticeState.ACCEPTED, NoticeState.FAILED
ALL = frozenset(Channel)
AT_ONCE = timedelta(0)
DAY = timedelta(days=1)
THEN = datetime(2025, 1, 1, tzinfo=UTC)


def next_step(
    kind: NoticeKind,
    past: dict[Channel, NoticeState],
    *,
    reach: frozenset[Channel] = ALL,
    tried: frozenset[Channel] = frozenset(),
    waited: timedelta = AT_ONCE,
) -> Step:
    return decide(kind, Case(past=past, reach=reach, tried=tried, waited=waited))


def test_push_comes_first() -> None:
    assert next_step(READY, {}) == Send(PUSH)


def test_person_without_push_gets_a_letter_at_once() -> None:
    assert next_step(READY, {}, reach=frozenset({EMAIL, SMS})) == Send(EMAIL)


def test_failed_push_is_followed_by_a_letter_at_once() -> None:
    assert next_step(READY, {PUSH: FAILED}, tried=frozenset({PUSH})) == Send(EMAIL)


def test_unanswered_push_is_waited_for() -> None:
    assert next_step(READY, {PUSH: QUEUED}, tried=frozenset({PUSH})) == Wait()
    assert next_step(READY, {PUSH: QUEUED}) == Send(PUSH)


def test_push_unanswered_for_minutes_is_overtaken_by_letters() -> None:
    past = {PUSH: QUEUED}
    assert next_step(READY, past, waited=LETTERS_AFTER) == Send(EMAIL)
    tried = frozenset({EMAIL, SMS})
    past |= {EMAIL: QUEUED, SMS: QUEUED}
    assert next_step(READY, past, tried=tried, waited=LETTERS_AFTER) == Send(PUSH)
    assert next_step(READY, past, tried=ALL, waited=LETTERS_AFTER) == Wait()


@pytest.mark.parametrize("channel", Channel)
def test_one_acceptance_is_enough_for_ready(channel: Channel) -> None:
    assert next_step(READY, {channel: ACCEPTED}) == Over(reached=True)


@pytest.mark.parametrize("kind", NoticeKind)
def test_person_without_any_address_is_not_reached(kind: NoticeKind) -> None:
    assert next_step(kind, {}, reach=frozenset()) == Over(reached=False)


@pytest.mark.parametrize("kind", NoticeKind)
def test_person_is_not_reached_when_every_way_failed(kind: NoticeKind) -> None:
    assert next_step(kind, dict.fromkeys(Channel, FAILED)) == Over(reached=False)


@pytest.mark.parametrize("kind", NoticeKind)
def test_silent_providers_are_given_up_in_the_end(kind: NoticeKind) -> None:
    past = dict.fromkeys(Channel, QUEUED)
    assert next_step(kind, past, waited=GIVE_UP_AFTER) == Over(reached=False)


def test_way_that_was_never_tried_is_tried_once_however_late_it_is() -> None:
    late = 2 * GIVE_UP_AFTER
    step = next_step(NoticeKind.READY, {}, waited=late)
    assert isinstance(step, Send)
    assert next_step(NoticeKind.READY, {Channel.PUSH: QUEUED}, waited=late) != Over(reached=False)


def test_new_device_is_told_on_every_way() -> None:
    past: dict[Channel, NoticeState] = {}
    for channel in Channel:
        assert next_step(NEW_DEVICE, past, tried=frozenset(past)) == Send(channel)
        past[channel] = ACCEPTED
    assert next_step(NEW_DEVICE, past, tried=ALL) == Over(reached=True)


def test_silent_way_does_not_keep_a_new_device_from_the_others() -> None:
    past = {PUSH: QUEUED}
    assert next_step(NEW_DEVICE, past, tried=frozenset({PUSH})) == Send(EMAIL)
    past |= {EMAIL: ACCEPTED, SMS: FAILED}
    assert next_step(NEW_DEVICE, past, tried=ALL) == Wait()


TAKEN, SILENT, NEVER = Accepted("r"), Later("silence"), Refused("no")


@pytest.mark.parametrize(
    ("kind", "deliveries", "combined"),
    [
        (READY, [NEVER, SILENT, TAKEN], TAKEN),
        (READY, [Gone(), SILENT], SILENT),
        (READY, [Gone(), NEVER], Gone()),
        (NEW_DEVICE, [TAKEN, SILENT], SILENT),
        (NEW_DEVICE, [NEVER, TAKEN], TAKEN),
    ],
)
def test_answers_of_one_channel_become_one(
    kind: NoticeKind, deliveries: list[Delivery], combined: Delivery
) -> None:
    assert combine(kind, deliveries) == combined


def test_wish_of_a_provider_does_not_keep_letters_waiting() -> None:
    assert pause_s(READY, Later("quota", 17)) == 17
    assert pause_s(READY, Later("quota", 3_600)) == LETTERS_AFTER.total_seconds()
    assert pause_s(NEW_DEVICE, Later("quota", 3_600)) == 3_600
    assert pause_s(READY, Later("silence")) is None


TALLINN = ZoneInfo("Europe/Tallinn")
cases = st.builds(
    Case,
    past=st.dictionaries(st.sampled_from(Channel), st.sampled_from(NoticeState)),
    reach=st.frozensets(st.sampled_from(Channel)),
    tried=st.frozensets(st.sampled_from(Channel)),
    order=st.lists(st.sampled_from(Channel), unique=True, min_size=1).map(tuple),
    waited=st.timedeltas(AT_ONCE, 2 * GIVE_UP_AFTER),
    is_quiet=st.booleans(),
)


@given(st.sampled_from(NoticeKind), cases)
def test_nothing_is_heard_in_quiet_hours_but_what_is_urgent(kind: NoticeKind, case: Case) -> None:
    step = decide(kind, case)
    if case.is_quiet and kind not in URGENT and isinstance(step, Send):
        assert step.is_silent
        assert step.channel is PUSH or kind in SOUNDLESS
        assert step.channel is not SMS


@given(st.sampled_from(NoticeKind), cases)
def test_a_step_uses_a_way_that_leads_to_the_person_and_may_still_work(
    kind: NoticeKind, case: Case
) -> None:
    step = decide(kind, case)
    if isinstance(step, Send):
        assert step.channel in case.reach - case.tried
        assert case.past.get(step.channel) in {None, QUEUED}
    if isinstance(step, Rest):
        assert case.is_quiet


@given(
    st.none() | st.tuples(st.integers(0, 1439), st.integers(1, 1440)),
    st.integers(0, 2 * 366 * 1440).map(lambda it: THEN + timedelta(minutes=it)),
)
def test_quiet_ends_when_the_clock_on_the_wall_says_so(
    minutes: tuple[int, int] | None, now: datetime
) -> None:
    assume(minutes is None or 0 < (minutes[1] - minutes[0]) % 1440 <= LONGEST_QUIET_MINUTES)
    quiet = None if minutes is None else DailySpan(*minutes)
    end = find_quiet_end(quiet, now, TALLINN)
    if end is None or minutes is None:
        assert quiet is None or not any(
            start <= now < stop
            for start, stop in quiet.spans_between(now - DAY, now + DAY, TALLINN)
        )
        return
    wall = end.astimezone(TALLINN)
    assert now < end <= now + DAY
    assert find_quiet_end(quiet, end, TALLINN) is None
    # An hour that summer time skips or repeats may move the end by so much.
    told = wall.hour * 60 + wall.minute
    assert min((told - minutes[1]) % 1440, (minutes[1] - told) % 1440) <= 60


def test_nights_do_not_count_as_waiting() -> None:
    night = DailySpan(22 * 60, 8 * 60)
    evening = datetime(2026, 5, 4, 21, 0, tzinfo=TALLINN)
    morning = datetime(2026, 5, 5, 9, 0, tzinfo=TALLINN)
    assert find_waited(night, since=evening, now=morning, zone=TALLINN) == timedelta(hours=2)
    assert find_waited(None, since=evening, now=morning, zone=TALLINN) == timedelta(hours=12)
    assert find_waited(night, since=morning, now=evening, zone=TALLINN) == AT_ONCE
