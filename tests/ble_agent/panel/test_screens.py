"""The panel's state machine: never stuck, and no door without a judged attempt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ble_agent.doors.prompts import Prompt
from ble_agent.panel.intents import (
    Adjust,
    Choice,
    Choose,
    Confirm,
    Digit,
    Ease,
    Erase,
    Intent,
    Language,
    Linger,
    Shown,
    Speak,
)
from ble_agent.panel.screens import (
    END_S,
    IDLE_S,
    SLOWER,
    Answered,
    Asked,
    CodeShown,
    DoorTold,
    Happening,
    Passed,
    PinTyped,
    Screen,
    State,
    step,
)
from ble_agent.panel.sentences import OF_CODE, OF_DOOR, OF_PROMPT, Say
from schema.codes import Code, DoorEvent

START = State(language=Language.FR)
TYPED, SCANNED = PinTyped(1, "12345678"), CodeShown("SLK1:")
COMPS = st.integers(1, 3)

INTENTS = st.one_of(
    st.sampled_from("0123456789").map(Digit),
    st.just(Erase()),
    st.just(Confirm()),
    st.sampled_from(Choice).map(Choose),
    st.just(Shown("SLK1:")),
    st.sampled_from(Language).map(Speak),
    st.sampled_from(Ease).map(Adjust),
    st.just(Linger()),
)
TOLD = st.one_of(
    st.builds(DoorTold, st.sampled_from(DoorEvent), COMPS),
    st.builds(Asked, COMPS, st.sampled_from([*Prompt, None])),
    st.just(Passed()),
)
ANSWERS = st.builds(
    Answered,
    st.sampled_from([TYPED, SCANNED]),
    st.sampled_from(Code),
    st.one_of(st.none(), COMPS),
    st.sampled_from([0, 900]),
)
MOMENTS = st.lists(st.tuples(st.one_of(INTENTS, TOLD, ANSWERS), st.floats(0, 300)), max_size=30)


def run(*happenings: Happening, state: State = START, now_s: float = 0.0) -> State:
    for happening in happenings:
        state = step(state, happening, now_s, START).state
    return state


def typed(digits: str) -> list[Intent]:
    return [Digit(digit) for digit in digits]


@settings(max_examples=60)
@given(MOMENTS)
def test_from_any_screen_idle_leads_home_and_forgets_everything(
    moments: list[tuple[Happening, float]],
) -> None:
    state, now_s = START, 0.0
    for happening, after_s in moments:
        now_s += after_s
        state = step(state, happening, now_s, START).state
        assert (state.ends_at_s is None) == (state == START)
    longest_s = max(IDLE_S.values()) * SLOWER
    assert step(state, Passed(), now_s + longest_s, START).state == START


@settings(max_examples=60)
@given(st.lists(st.one_of(INTENTS, TOLD), max_size=40))
def test_no_input_reaches_a_door_without_a_judged_attempt(happenings: list[Happening]) -> None:
    state = START
    for happening in happenings:
        before = state
        taken = step(before, happening, 0.0, START)
        state = taken.state
        assert state.screen not in {Screen.DOOR, Screen.REFUSED}
        if isinstance(taken.attempt, PinTyped):
            assert happening == Confirm()
            assert (before.screen, before.digits) == (Screen.PIN, taken.attempt.digits)
            assert (before.comp.lstrip("0") or "0") == f"{taken.attempt.comp}"
            assert len(taken.attempt.digits) == 8
        elif taken.attempt is not None:
            assert isinstance(happening, Shown)


@settings(max_examples=40)
@given(MOMENTS, INTENTS)
def test_digits_live_on_the_screen_that_asks_for_them_alone(
    moments: list[tuple[Happening, float]], last: Intent
) -> None:
    state = run(*(happening for happening, _ in moments), last)
    assert not state.digits or state.screen is Screen.PIN
    assert len(state.digits) <= 8
    assert "digits" not in repr(state)


def test_number_and_pin_become_one_attempt() -> None:
    state = run(Choose(Choice.PIN), *typed("012"), Confirm(), *typed("123456789"), Erase(), Erase())
    assert (state.screen, state.comp, state.digits) == (Screen.PIN, "012", "123456")
    assert step(state, Confirm(), 0.0, START).attempt is None
    taken = step(run(*typed("78"), state=state), Confirm(), 0.0, START)
    assert taken.attempt == PinTyped(12, "12345678")
    assert taken.state.digits == ""


def test_whoever_has_only_a_keypad_begins_by_typing() -> None:
    state = run(*typed("7"))
    assert (state.screen, state.comp) == (Screen.COMPARTMENT, "7")
    assert run(Erase(), Confirm(), state=state).screen is Screen.COMPARTMENT


def test_erasing_at_an_empty_pin_goes_back_to_the_number() -> None:
    state = run(*typed("7"), Confirm(), *typed("1"), Erase(), Erase())
    assert (state.screen, state.comp) == (Screen.COMPARTMENT, "7")


def test_door_is_followed_to_its_end_and_the_screen_goes_home_sooner() -> None:
    state = run(Answered(TYPED, Code.OK, 1))
    assert (state.screen, state.say, state.comp) == (Screen.DOOR, Say.OPENING, "1")
    for event, say in OF_DOOR.items():
        if event is not DoorEvent.OPEN_NOT_DETECTED:
            assert run(DoorTold(event, 1), state=state).say is say
    state = run(Asked(1, Prompt.PRESS), state=state)
    assert state.say is Say.PRESS
    state = run(
        DoorTold(DoorEvent.DOOR_OPENED, 1), Asked(1, None), Asked(1, Prompt.SHUT), state=state
    )
    assert state.say is Say.SHUT
    state = run(DoorTold(DoorEvent.CLOSED_EMPTY, 1), Asked(1, Prompt.SHUT), state=state, now_s=50)
    assert (state.say, state.ends_at_s) == (Say.EMPTY, 50 + END_S)


def test_other_doors_change_nothing_and_keep_no_screen_alive() -> None:
    state = run(Answered(TYPED, Code.OK, 1))
    others = [DoorTold(event, 2) for event in DoorEvent] + [Asked(2, Prompt.SHUT)]
    assert run(*others, state=state, now_s=60) == state


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_every_refusal_says_why_and_what_next(code: Code) -> None:
    by_pin, by_code = run(Answered(TYPED, code, None)), run(Answered(SCANNED, code, None))
    assert {by_pin.screen, by_code.screen} == {Screen.REFUSED}
    assert by_pin.say is OF_CODE[code]
    assert by_code.say is (Say.OLD if code is Code.HOLDER_PROOF_FAILED else OF_CODE[code])
    assert run(Choose(Choice.AGAIN), state=by_code).screen is Screen.CODE
    if code is not Code.RATE_LIMITED:
        again = run(Choose(Choice.AGAIN), state=by_pin)
        assert (again.screen, again.comp, again.digits) == (Screen.PIN, "1", "")


def test_try_that_fills_the_row_tells_of_the_lock_at_once() -> None:
    state = run(Answered(TYPED, Code.HOLDER_PROOF_FAILED, None, wait_s=900), now_s=7)
    assert (state.say, state.free_at_s) == (Say.LOCKED, 907)
    assert run(Choose(Choice.AGAIN), state=state, now_s=8).screen is Screen.REFUSED


def test_stuck_door_can_be_tried_again_and_an_empty_one_not() -> None:
    opening = run(Answered(TYPED, Code.OK, 1))
    stuck = run(DoorTold(DoorEvent.OPEN_NOT_DETECTED, 1), state=opening)
    assert run(Choose(Choice.AGAIN), state=stuck).screen is Screen.PIN
    empty = run(DoorTold(DoorEvent.CLOSED_EMPTY, 1), state=opening)
    assert run(Choose(Choice.AGAIN), state=empty).screen is Screen.DOOR


def test_eases_and_language_last_for_one_visitor() -> None:
    state = run(Adjust(Ease.SLOW), Adjust(Ease.LARGE), Speak(Language.ES), Choose(Choice.PIN))
    assert state.language is Language.ES
    assert state.eases == frozenset({Ease.SLOW, Ease.LARGE})
    assert state.ends_at_s == IDLE_S[Screen.COMPARTMENT] * SLOWER
    assert run(Passed(), state=state, now_s=state.ends_at_s) == START
    assert run(Adjust(Ease.SLOW), Adjust(Ease.SLOW), Linger()) == START


def test_every_prompt_has_its_words() -> None:
    assert OF_PROMPT.keys() == {*Prompt}
    assert OF_CODE.keys() == {*Code}
    assert OF_DOOR.keys() == {*DoorEvent}
