"""The panel's one state machine: screen and event and time give the next screen. Pure.

Every screen but the start ends by itself, and nothing but an attempt that `codes` has judged
ever comes near a door.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

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
from ble_agent.panel.sentences import ENDS, OF_DOOR, OF_PROMPT, Say, say_refusal
from schema.codes import Code
from schema.tokens.passes import PIN_DIGITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.doors.prompts import Prompt
    from schema.codes import DoorEvent

COMPARTMENT_DIGITS: Final = 3
"""A locker has at most 255 compartments."""

SLOWER: Final = 4
"""So many times longer everything stays for whoever has asked for it."""


class Screen(StrEnum):
    """Where a person is."""

    HOME = "home"
    COMPARTMENT = "compartment"
    PIN = "pin"
    CODE = "code"
    HELP = "help"
    DOOR = "door"
    REFUSED = "refused"


IDLE_S: Final[Mapping[Screen, float]] = {
    Screen.HOME: 30,  # until what somebody has switched on is as it was
    Screen.COMPARTMENT: 40,
    Screen.PIN: 40,
    Screen.CODE: 60,
    Screen.HELP: 90,
    Screen.DOOR: 120,
    Screen.REFUSED: 25,
}
"""Seconds after which a screen that nobody touches goes back to the start."""

END_S: Final = 12
"""A visit that has come to its end makes room for the next person sooner."""

DOUBT_S: Final = 30
"""A shut door with something behind it leaves time to ask for it again."""


@dataclass(frozen=True, slots=True)
class PinTyped:
    """An attempt by number and PIN."""

    comp: int
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeShown:
    """An attempt by a shown code."""

    text: str = field(repr=False)


Attempt = PinTyped | CodeShown


@dataclass(frozen=True, slots=True)
class Answered:
    """What `codes` said to an attempt; `wait_s` is how long the PIN stays locked."""

    attempt: Attempt
    code: Code
    comp: int | None
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class DoorTold:
    """What became of a door that an attempt opened."""

    event: DoorEvent
    comp: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the locker asks at a door, or asks no more."""

    comp: int
    prompt: Prompt | None


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed, and nothing else."""


Happening = Intent | Answered | DoorTold | Asked | Passed


@dataclass(frozen=True, slots=True)
class State:
    """One moment of the panel.

    `ends_at_s` is when it goes home by itself; None only for the start as it is for everybody.
    """

    screen: Screen = Screen.HOME
    say: Say = Say.WELCOME
    comp: str = ""
    digits: str = field(default="", repr=False)
    free_at_s: float | None = None
    is_code: bool = False
    """Whether it was a shown code that led here."""
    language: Language = Language.EN
    eases: frozenset[Ease] = frozenset()
    ends_at_s: float | None = None

    @property
    def is_end(self) -> bool:
        """Whether the door has told its last."""
        return self.screen is Screen.DOOR and self.say in ENDS

    @property
    def can_again(self) -> bool:
        """Whether the same attempt makes sense once more."""
        if self.screen is Screen.REFUSED:
            return self.is_code or self.say is not Say.LOCKED
        return self.screen is Screen.DOOR and self.say in {Say.LEFT, Say.STUCK, Say.CLOSED}


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, and the attempt that is to be judged now, if any."""

    state: State
    attempt: Attempt | None = None


def step(state: State, happening: Happening, now_s: float, start: State) -> Step:
    """What follows, at this moment of an uptime clock.

    A state whose time is over has gone back to `start`, the plain home of this locker, before
    anything else happens.
    """
    if state.ends_at_s is not None and now_s >= state.ends_at_s:
        state = start
    taken = _take(state, happening, now_s)
    if taken.state == state and not isinstance(happening, Intent):
        return taken
    return replace(taken, state=_with_end(taken.state, start, now_s))


def _with_end(state: State, start: State, now_s: float) -> State:
    if replace(state, ends_at_s=None) == start:
        return start
    stays_s = IDLE_S[state.screen]
    if state.is_end:
        stays_s = DOUBT_S if state.can_again else END_S
    factor = SLOWER if Ease.SLOW in state.eases else 1
    return replace(state, ends_at_s=now_s + stays_s * factor)


def _take(state: State, happening: Happening, now_s: float) -> Step:
    match happening:
        case Passed() | Linger():
            return Step(state)
        case Answered():
            return Step(_on_answer(state, happening, now_s))
        case DoorTold() | Asked():
            return Step(_on_door(state, happening))
        case Speak(language):
            return Step(replace(state, language=language))
        case Adjust(ease):
            return Step(replace(state, eases=state.eases ^ {ease}))
        case Shown(text):
            return Step(_go(state, Screen.CODE, is_code=True), CodeShown(text))
        case Choose(choice):
            return Step(_choose(state, choice))
        case Digit() | Erase() | Confirm():
            return _type(state, happening)
        case _:
            assert_never(happening)


def _go(state: State, screen: Screen, *, comp: str = "", is_code: bool = False) -> State:
    """Another screen for the same person; digits never come along."""
    return State(
        screen,
        _OPENINGS[screen],
        comp=comp,
        is_code=is_code,
        language=state.language,
        eases=state.eases,
    )


_OPENINGS: Final[Mapping[Screen, Say]] = {
    Screen.HOME: Say.WELCOME,
    Screen.COMPARTMENT: Say.ASK_COMPARTMENT,
    Screen.PIN: Say.ASK_PIN,
    Screen.CODE: Say.ASK_CODE,
    Screen.HELP: Say.HELP,
    Screen.DOOR: Say.OPENING,
    Screen.REFUSED: Say.NO,
}
"""What a screen says first."""


def _choose(state: State, choice: Choice) -> State:
    match choice:
        case Choice.HOME:
            return _go(state, Screen.HOME)
        case Choice.PIN:
            return _go(state, Screen.COMPARTMENT)
        case Choice.CODE:
            return _go(state, Screen.CODE, is_code=True)
        case Choice.HELP:
            return _go(state, Screen.HELP)
        case Choice.AGAIN:
            if not state.can_again:
                return state
            if state.is_code:
                return _go(state, Screen.CODE, is_code=True)
            return _go(state, Screen.PIN, comp=state.comp)
        case _:
            assert_never(choice)


def _type(state: State, pressed: Digit | Erase | Confirm) -> Step:
    match state.screen:
        case Screen.HOME if isinstance(pressed, Digit):
            # Whoever has a keypad only begins to type.
            return Step(_go(state, Screen.COMPARTMENT, comp=pressed.digit))
        case Screen.COMPARTMENT:
            return Step(_type_compartment(state, pressed))
        case Screen.PIN:
            return _type_pin(state, pressed)
        case _:
            return Step(state)


def _type_compartment(state: State, pressed: Digit | Erase | Confirm) -> State:
    match pressed:
        case Digit(digit):
            return replace(state, comp=(state.comp + digit)[:COMPARTMENT_DIGITS])
        case Erase():
            return replace(state, comp=state.comp[:-1])
        case Confirm():
            return _go(state, Screen.PIN, comp=state.comp) if state.comp else state


def _type_pin(state: State, pressed: Digit | Erase | Confirm) -> Step:
    match pressed:
        case Digit(digit):
            return Step(replace(state, digits=(state.digits + digit)[:PIN_DIGITS]))
        case Erase() if not state.digits:
            return Step(_go(state, Screen.COMPARTMENT, comp=state.comp))
        case Erase():
            return Step(replace(state, digits=state.digits[:-1]))
        case Confirm() if len(state.digits) < PIN_DIGITS:
            return Step(state)
        case Confirm():
            attempt = PinTyped(int(state.comp), state.digits)
            return Step(replace(state, digits=""), attempt)


def _on_answer(state: State, answered: Answered, now_s: float) -> State:
    attempt, is_code = answered.attempt, isinstance(answered.attempt, CodeShown)
    if answered.code is Code.OK:
        comp = "" if answered.comp is None else f"{answered.comp}"
        return _go(state, Screen.DOOR, comp=comp, is_code=is_code)
    comp = f"{attempt.comp}" if isinstance(attempt, PinTyped) else ""
    refused = _go(state, Screen.REFUSED, comp=comp, is_code=is_code)
    if answered.wait_s:
        # Also right after the try that filled the row: it was wrong, and the next one has to wait.
        return replace(refused, say=Say.LOCKED, free_at_s=now_s + answered.wait_s)
    return replace(refused, say=say_refusal(answered.code, is_code=is_code))


def _on_door(state: State, told: DoorTold | Asked) -> State:
    """What is said of the door that this person has opened; of others nothing."""
    if state.screen is not Screen.DOOR or state.comp != f"{told.comp}" or state.is_end:
        return state
    if isinstance(told, DoorTold):
        return replace(state, say=OF_DOOR[told.event])
    # A question that is taken away has been answered by the door, which is told by itself.
    return state if told.prompt is None else replace(state, say=OF_PROMPT[told.prompt])
