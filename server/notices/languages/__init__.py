"""Sentences in the languages that notices are written in, and times as people there write them.

Each catalogue is a gettext source file beside this one, read as it is: there is nothing to compile.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel import dates
from babel.messages.pofile import read_po

from server.people.preferences import Language

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FOLDER = Path(__file__).parent

_WHEN = {
    Language.EN: "EEEE d MMMM, HH:mm",
    Language.DE: "EEEE, d. MMMM, HH:mm",
    Language.FR: "EEEE d MMMM 'à' HH:mm",
    Language.ES: "EEEE d 'de' MMMM, HH:mm",
}
"""Patterns of Unicode's CLDR: no year, since no parcel waits so long."""


def say(sentence: str, language: Language, **facts: str) -> str:
    """The English sentence in the language, with its facts filled in; in English if it has none."""
    return read_catalogue(language).get(sentence, sentence).format(**facts)


def tell_time(at: datetime, language: Language) -> str:
    """The instant by the clock of its own zone, to the minute, in words."""
    pattern = _WHEN[language]
    return dates.format_datetime(at, pattern, tzinfo=at.tzinfo, locale=language.value)


@cache
def read_catalogue(language: Language) -> Mapping[str, str]:
    """The language's sentences by their English ones; none for English itself."""
    if language is Language.EN:
        return {}
    with (FOLDER / f"{language.value}.po").open("rb") as file:
        catalogue = read_po(file, locale=language.value, abort_invalid=True)
    return {str(one.id): str(one.string) for one in catalogue if one.id and one.string}
