"""Which way a notice takes next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.notices.rules import (
    GIVE_UP_AFTER,
    LETTERS_AFTER,
    NoticeKind,
    NoticeState,
    Over,
    Send,
    Step,
    Wait,
    combine,
    decide,
    pause_s,
)
from server.people.preferences import Channel

READY, NEW_DEVICE = NoticeKind.READY, NoticeKind.NEW_DEVICE
PUSH, EMAIL, SMS = Channel.PUSH, Channel.EMAIL, Channel.SMS
QUEUED, ACCEPTED, FAILED = NoticeState.QUEUED, NoticeState.ACCEPTED, NoticeState.FAILED
ALL = frozenset(Channel)
AT_ONCE = timedelta(0)


def next_step(
    kind: NoticeKind,
    past: dict[Channel, NoticeState],
    *,
    reach: frozenset[Channel] = ALL,
    tried: frozenset[Channel] = frozenset(),
    waited: timedelta = AT_ONCE,
) -> Step:
    return decide(kind, past, reach=reach, tried=tried, waited=waited)


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
