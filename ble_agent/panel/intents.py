"""What a person at the panel means, whatever they used: a finger, a key, a scanner.

One small set, so that one state machine judges every input. Knows no page and no screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Choice(StrEnum):
    """Something to go to."""

    HOME = "home"
    """Back to the start, and forget what was typed."""
    PIN = "pin"
    CODE = "code"
    HELP = "help"
    AGAIN = "again"
    """Once more from where it was refused."""


class Language(StrEnum):
    """What the panel speaks: the languages of the notices."""

    EN = "en"
    DE = "de"
    FR = "fr"
    ES = "es"


class Ease(StrEnum):
    """What makes the panel easier for some people; each is switched on and off by one press."""

    CONTRAST = "contrast"
    LARGE = "large"
    SLOW = "slow"
    """Nothing goes away as quickly as it does for others."""


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit of whatever is asked for."""

    digit: str


@dataclass(frozen=True, slots=True)
class Erase:
    """Take the last digit away."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """What was typed is whole."""


@dataclass(frozen=True, slots=True)
class Choose:
    """Go somewhere."""

    choice: Choice


@dataclass(frozen=True, slots=True)
class Shown:
    """A code was held before the scanner. The text opens doors: it is never logged or shown."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak this language from now on."""

    language: Language


@dataclass(frozen=True, slots=True)
class Adjust:
    """Switch an ease on, or off again."""

    ease: Ease


@dataclass(frozen=True, slots=True)
class Linger:
    """Somebody is still there: a touch that means nothing else."""


Intent = Digit | Erase | Confirm | Choose | Shown | Speak | Adjust | Linger

_DIGITS = frozenset("0123456789")
_KEYS: Mapping[str, Intent] = {
    "Backspace": Erase(),
    "Delete": Erase(),
    "Enter": Confirm(),
    "Escape": Choose(Choice.HOME),
}
_PLAIN: Mapping[str, Intent] = {"erase": Erase(), "confirm": Confirm(), "linger": Linger()}
_OF_WORD: Mapping[str, Callable[[str], Intent]] = {
    "digit": lambda word: Digit(_check_digit(word)),
    "choose": lambda word: Choose(Choice(word)),
    "speak": lambda word: Speak(Language(word)),
    "adjust": lambda word: Adjust(Ease(word)),
}


def find_intent(name: object, word: object = None) -> Intent | None:
    """The intent that a page names, with its one word; None when there is no such.

    No page can show a code: that is the scanner's alone.
    """
    if not isinstance(name, str):
        return None
    if name in _PLAIN:
        return _PLAIN[name]
    make = _OF_WORD.get(name)
    if make is None or not isinstance(word, str):
        return None
    try:
        return make(word)
    except ValueError:
        return None


def intent_of_key(key: str) -> Intent:
    """What a key means that somebody pressed by hand; any other is a sign of life."""
    if key in _DIGITS:
        return Digit(key)
    return _KEYS.get(key, Linger())


def _check_digit(word: str) -> str:
    if word not in _DIGITS:
        raise ValueError(word)
    return word
