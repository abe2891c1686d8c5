"""When a head is anchored, and what is offered for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.ledger.anchors.port import Fee, Reading
from server.ledger.anchors.rules import (
    LONGEST_PAUSE,
    STUCK_AFTER,
    Offer,
    find_send,
    is_anchor_due,
    is_spent,
    pause_after,
)
from tests.fakes.sources import START

HOUR = timedelta(hours=1)
READING = Reading(first=0, heads=(), count=0, settled=0, nonce=4, fee=Fee(100, 10))
QUEUED = Offer(7, b"r" * 32, 0, START, None, None, None)
SENT = QUEUED._replace(nonce=4, fee=Fee(80, 8), sent_at=START)


@pytest.mark.parametrize(
    ("age", "due"),
    [
        (timedelta(0), False),
        (HOUR - timedelta(microseconds=1), False),
        (HOUR, True),
        (timedelta(microseconds=-1), True),
    ],
)
def test_an_anchor_is_due_after_its_time_or_when_the_clock_was_set_back(
    age: timedelta, due: bool
) -> None:
    assert is_anchor_due(START - age, every=HOUR, now=START) is due
    assert is_anchor_due(None, every=HOUR, now=START)


def test_pauses_double_up_to_a_limit() -> None:
    pauses = [pause_after(attempts) for attempts in range(12)]
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_after(10_000) == LONGEST_PAUSE


def test_a_new_transaction_takes_the_free_nonce_and_a_fee_within_the_cap() -> None:
    send = find_send(QUEUED, READING, cap_wei=60, now=START)
    assert send == (7, b"r" * 32, 4, Fee(60, 10), 0)
    dear = replace(READING, fee=Fee(100, 90))
    assert find_send(QUEUED, dear, cap_wei=60, now=START) == (7, b"r" * 32, 4, Fee(60, 60), 0)


def test_nothing_is_sent_in_a_pause() -> None:
    waiting = QUEUED._replace(not_before=START + timedelta(seconds=1))
    assert find_send(waiting, READING, cap_wei=60, now=START) is None


def test_the_same_transaction_is_sent_again_until_it_is_stuck() -> None:
    soon = START + STUCK_AFTER - timedelta(microseconds=1)
    again = find_send(SENT, READING, cap_wei=200, now=soon)
    assert again is not None
    assert (again.nonce, again.fee) == (4, Fee(80, 8))


@pytest.mark.parametrize(
    ("usual", "cap_wei", "fee"),
    [
        (Fee(50, 5), 200, Fee(100, 10)),
        (Fee(150, 9), 200, Fee(150, 10)),
        (Fee(50, 5), 99, Fee(80, 8)),
        (Fee(300, 5), 200, Fee(200, 10)),
    ],
)
def test_a_stuck_transaction_offers_a_quarter_more_but_never_more_than_the_cap(
    usual: Fee, cap_wei: int, fee: Fee
) -> None:
    send = find_send(SENT, replace(READING, fee=usual), cap_wei=cap_wei, now=START + STUCK_AFTER)
    assert send is not None
    assert send.fee == fee


@pytest.mark.parametrize(("nonce", "spent"), [(None, False), (3, True), (4, False), (5, False)])
def test_a_transaction_is_spent_when_its_nonce_is(nonce: int | None, spent: bool) -> None:
    assert is_spent(SENT._replace(nonce=nonce), READING) is spent


def test_a_nonce_that_a_reorganisation_freed_is_taken_again() -> None:
    send = find_send(SENT._replace(nonce=6), READING, cap_wei=200, now=START)
    assert send is not None
    assert (send.nonce, send.fee) == (4, READING.fee)
