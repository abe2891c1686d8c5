"""PINs by day and QR codes by minute: the windows, the forms, and base45 beside its own twin."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed
from schema.ids import LIMIT, StayId
from schema.tokens.passes import (
    PIN_WINDOW_S,
    QR_PREFIX,
    QR_STEP_S,
    is_pin_right,
    parse_shown_token,
    pin,
    show_token,
)
from tests.schema.crafted import LETTERS, base45
from tests.schema.makers import NOW, STAY, make_chain, make_token, seed, signing_key

SECRET = seed("pin secret")
DEVICE = signing_key("device")
DAY = NOW // PIN_WINDOW_S


@given(st.binary(min_size=8, max_size=8).map(StayId), st.integers(0, 2**32 - 1))
def test_pin_is_eight_digits_of_the_truncated_mac(stay: StayId, window: int) -> None:
    key = hmac.digest(SECRET, b"SLK1-pin" + stay, hashlib.sha256)
    mac = hmac.digest(key, window.to_bytes(4, "big"), hashlib.sha256)
    at = mac[31] & 15
    number = (int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF) % 100_000_000
    assert pin(SECRET, stay, window) == str(number).zfill(8)


@pytest.mark.parametrize(("days_ago", "right"), [(-1, False), (0, True), (1, True), (2, False)])
def test_pin_of_today_and_yesterday_opens(days_ago: int, *, right: bool) -> None:
    assert is_pin_right(SECRET, STAY, pin(SECRET, STAY, DAY - days_ago), NOW) is right


def test_pin_changes_at_midnight_utc() -> None:
    midnight = DAY * PIN_WINDOW_S
    former = pin(SECRET, STAY, DAY - 2)
    assert is_pin_right(SECRET, STAY, former, midnight - 1)
    assert not is_pin_right(SECRET, STAY, former, midnight)


@pytest.mark.parametrize("now", [0, PIN_WINDOW_S - 1])
def test_first_day_of_all_has_no_yesterday(now: int) -> None:
    assert is_pin_right(SECRET, STAY, pin(SECRET, STAY, 0), now)


@pytest.mark.parametrize("now", [PIN_WINDOW_S << 32, LIMIT - 1])
def test_no_pin_is_right_when_the_clock_was_thrown_beyond_the_last_window(now: int) -> None:
    assert not is_pin_right(SECRET, STAY, pin(SECRET, STAY, DAY), now)


def test_pin_of_another_stay_or_locker_is_wrong() -> None:
    other = StayId(seed("another stay")[:8])
    assert not is_pin_right(SECRET, other, pin(SECRET, STAY, DAY), NOW)
    assert not is_pin_right(seed("another secret"), STAY, pin(SECRET, STAY, DAY), NOW)


@pytest.mark.parametrize(
    "typed", ["\ud800", "\ud800" * 8, "\uff11" * 8], ids=["half", "halves", "wide"]
)
def test_letters_that_no_keypad_has_are_wrong_and_break_nothing(typed: str) -> None:
    assert not is_pin_right(SECRET, STAY, typed, NOW)


def test_on_the_first_day_of_all_the_second_has_not_come() -> None:
    assert not is_pin_right(SECRET, STAY, pin(SECRET, STAY, 1), 0)


@given(st.text(max_size=12))
def test_whatever_else_is_typed_is_wrong(typed: str) -> None:
    right = {pin(SECRET, STAY, DAY), pin(SECRET, STAY, DAY - 1)}
    assert is_pin_right(SECRET, STAY, typed, NOW) is (typed in right)


@pytest.mark.parametrize(
    ("steps_later", "proved"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_shown_token_is_proved_in_its_minute_and_its_neighbours(
    steps_later: int, *, proved: bool
) -> None:
    shown = parse_shown_token(show_token(make_token(), DEVICE, NOW))
    assert shown.token.raw == make_token()
    assert shown.step == NOW // QR_STEP_S
    assert shown.is_proved_at(NOW + steps_later * QR_STEP_S) is proved


def test_shown_token_of_another_device_is_not_proved() -> None:
    shown = parse_shown_token(show_token(make_token(), signing_key("thief"), NOW))
    assert not shown.is_proved_at(NOW)


@given(st.integers(0, 2**32 - 1))
def test_code_is_base45_of_token_signature_and_step(step: int) -> None:
    token = make_token()
    text = show_token(token, DEVICE, step * QR_STEP_S)
    big_endian = step.to_bytes(4, "big")
    signature = DEVICE.sign(b"SLK1-qr" + big_endian + token)
    assert text == QR_PREFIX + base45(token + signature + big_endian)
    assert len(parse_shown_token(text).signature) == 64


@given(st.binary(min_size=69, max_size=400))
def test_code_around_other_bytes_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_shown_token(QR_PREFIX + base45(data))


@given(st.text(max_size=300) | st.text(LETTERS, max_size=300))
def test_any_other_text_is_malformed(text: str) -> None:
    for code in (text, QR_PREFIX + text):
        with pytest.raises(Malformed):
            parse_shown_token(code)


@given(st.data())
def test_changed_letter_is_malformed_or_not_proved(data: st.DataObject) -> None:
    text = show_token(make_token(), DEVICE, NOW)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(LETTERS.replace(text[at], "")))
    try:
        shown = parse_shown_token(text[:at] + letter + text[at + 1 :])
    except Malformed:
        return
    assert not shown.is_proved_at(NOW)


WRONG_CODES = {
    "another prefix": "slk1:" + base45(make_token()),
    "no prefix": show_token(make_token(), DEVICE, NOW).removeprefix(QR_PREFIX),
    "no token": QR_PREFIX + base45(bytes(68)),
    "empty": QR_PREFIX,
    "delegation in its place": QR_PREFIX + base45(make_chain("friend")[1] + bytes(68)),
    "three letters above 65535": QR_PREFIX + "GGX",
    "two letters above 255": QR_PREFIX + "::",
    "one letter left over": QR_PREFIX + "0000",
    "letter outside the alphabet": QR_PREFIX + "00_",
    "beyond every token": QR_PREFIX + "0" * 2049,
}


@pytest.mark.parametrize("form", WRONG_CODES)
def test_code_of_another_form_is_malformed(form: str) -> None:
    with pytest.raises(Malformed):
        parse_shown_token(WRONG_CODES[form])
