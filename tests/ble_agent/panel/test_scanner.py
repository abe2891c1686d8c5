"""Scans and presses, told apart by their pace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ble_agent.panel.intents import Choice, Choose, Confirm, Digit, Erase, Intent, Linger, Shown
from ble_agent.panel.scanner import GAP_MS, LEAST, MOST, Scanner

TEXT = "SLK1:6BF+70 X$%"


def feed(scanner: Scanner, keys: list[str], *, pace_ms: float, start_ms: float = 0) -> list[Intent]:
    out: list[Intent] = []
    for at, key in enumerate(keys):
        out += scanner.feed(key, start_ms + at * pace_ms)
    return out


@pytest.mark.parametrize("pace_ms", [0, 2, GAP_MS])
def test_fast_burst_with_an_end_key_is_one_scan(pace_ms: float) -> None:
    assert feed(Scanner(), [*TEXT, "Enter"], pace_ms=pace_ms) == [Shown(TEXT)]


def test_keys_pressed_along_do_not_disturb_a_scan() -> None:
    keys = [key for letter in TEXT for key in ("Shift", letter)]
    assert feed(Scanner(), [*keys, "Enter"], pace_ms=10) == [Shown(TEXT)]


def test_slow_keys_are_presses() -> None:
    scanner = Scanner()
    keys = ["1", "2", "Backspace", "x", "Enter", "Escape"]
    pressed = [Digit("1"), Digit("2"), Erase(), Linger(), Confirm(), Choose(Choice.HOME)]
    assert feed(scanner, keys, pace_ms=GAP_MS + 1) == pressed
    assert feed(scanner, ["7"], pace_ms=1, start_ms=9000) == []
    assert scanner.is_undecided
    assert scanner.settle() == [Digit("7")]


def test_quick_fingers_are_no_scan() -> None:
    assert feed(Scanner(), [*"123", "Enter"], pace_ms=30) == [*map(Digit, "123"), Confirm()]


def test_burst_without_an_end_is_forgotten() -> None:
    scanner = Scanner()
    assert feed(scanner, list(TEXT), pace_ms=5) == []
    assert feed(scanner, [*TEXT, "Enter"], pace_ms=5, start_ms=60_000) == [Shown(TEXT)]


def test_endless_burst_is_bounded_and_means_nothing() -> None:
    scanner = Scanner()
    assert feed(scanner, ["A"] * (2 * MOST) + ["Enter"], pace_ms=1) == []
    assert feed(scanner, [*TEXT, "Enter"], pace_ms=1, start_ms=1e6) == [Shown(TEXT)]


KEYS = st.one_of(
    st.characters(), st.sampled_from(["Enter", "Shift", "Backspace", "F5", "1", "2", "Escape"])
)


@settings(max_examples=60)
@given(st.lists(st.tuples(KEYS, st.floats(-1e9, 1e9)), max_size=60))
def test_whatever_is_typed_no_short_scan_is_made_of_it(keys: list[tuple[str, float]]) -> None:
    scanner = Scanner()
    for key, at_ms in keys:
        for intent in scanner.feed(key, at_ms):
            assert not isinstance(intent, Shown) or len(intent.text) >= LEAST
