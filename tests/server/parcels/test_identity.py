"""Digits for a counter: one parcel's own, of today and yesterday, and nobody else's."""

from __future__ import annotations

import uuid

from server.kit.keyring import Purpose
from server.parcels.identity import counter_digits, is_pass_right
from tests.fakes.sources import DerivedKeyring, MovableClock

PARCEL, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
DAY = 20_000
KEYRING = DerivedKeyring("counter", MovableClock())
KEYS = KEYRING.list_keys(Purpose.CODES)


def test_digits_are_good_on_their_day_and_on_the_next() -> None:
    digits = counter_digits(KEYS[0], PARCEL, DAY)
    assert len(digits) == 8
    assert digits.isdigit()
    right = [is_pass_right(digits, KEYS, PARCEL, day=day) for day in range(DAY - 1, DAY + 3)]
    assert right == [False, True, True, False]


def test_digits_of_another_parcel_or_key_are_wrong() -> None:
    digits = counter_digits(KEYS[0], PARCEL, DAY)
    other = DerivedKeyring("another", MovableClock()).list_keys(Purpose.CODES)
    assert not is_pass_right(digits, KEYS, OTHER, day=DAY)
    assert not is_pass_right(digits, other, PARCEL, day=DAY)
    assert not is_pass_right("", KEYS, PARCEL, day=DAY)
    assert not is_pass_right("٣" * 8, KEYS, PARCEL, day=DAY)


def test_a_key_that_was_followed_by_another_still_counts() -> None:
    digits = counter_digits(KEYS[0], PARCEL, DAY)
    KEYRING.rotate(Purpose.CODES)
    assert is_pass_right(f" {digits} ", KEYRING.list_keys(Purpose.CODES), PARCEL, day=DAY)
