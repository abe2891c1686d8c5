"""Every notice in every language: whole, with the same facts, and fit for a locked screen."""

from __future__ import annotations

import string
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from server.notices.languages import FOLDER, read_catalogue, tell_time
from server.notices.rules import NoticeKind
from server.notices.wording import (
    CODE_SENTENCES,
    CODE_TITLE,
    KEEP_LINK,
    LINK,
    NOTICES,
    WHERE,
    Facts,
    add_link,
    hide_hub,
    write_code_letter,
    write_notice,
)
from server.people.preferences import Language

LONGEST_TITLE = 65
"""What a locked screen shows without cutting."""

LONGEST_BODY = 240
"""What a phone shows of a push when it is unfolded; two text messages."""

UNTIL = datetime(2026, 5, 6, 18, 30, tzinfo=ZoneInfo("Europe/Paris"))
FACTS = Facts("Corner Shop", UNTIL)
SENTENCES = {
    *(part for one in NOTICES.values() for part in (one.title, one.body)),
    LINK,
    KEEP_LINK,
    WHERE,
    CODE_TITLE,
    *CODE_SENTENCES,
}
TRANSLATED = sorted(set(Language) - {Language.EN})


def fields_of(sentence: str) -> set[str | None]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}


def test_every_kind_has_words() -> None:
    assert NOTICES.keys() == set(NoticeKind)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_has_every_sentence_and_no_other(language: Language) -> None:
    assert read_catalogue(language).keys() == SENTENCES


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_tell_the_same_facts(language: Language) -> None:
    for source, translated in read_catalogue(language).items():
        assert fields_of(translated) == fields_of(source), translated
        assert translated != source


def test_there_is_no_catalogue_that_nobody_can_choose() -> None:
    assert {path.stem for path in FOLDER.glob("*.po")} == {one.value for one in TRANSLATED}


@pytest.mark.parametrize(("kind", "language"), [*product(NoticeKind, Language)])
def test_notices_fit_a_locked_screen_and_leave_nothing_open(
    kind: NoticeKind, language: Language
) -> None:
    wording = write_notice(kind, language, FACTS)
    assert 0 < len(wording.title) <= LONGEST_TITLE
    assert 0 < len(wording.body) <= LONGEST_BODY
    assert "{" not in wording.title + wording.body
    assert not fields_of(NOTICES[kind].title + NOTICES[kind].body) - {"hub", "until"}


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.EN, "Wednesday 6 May, 18:30"),
        (Language.DE, "Mittwoch, 6. Mai, 18:30"),
        (Language.FR, "mercredi 6 mai à 18:30"),
        (Language.ES, "miércoles 6 de mayo, 18:30"),
    ],
)
def test_times_are_told_as_people_there_write_them(language: Language, told: str) -> None:
    assert tell_time(UNTIL, language) == told
    assert told in write_notice(NoticeKind.REMIND_1, language, FACTS).body


@pytest.mark.parametrize("language", Language)
def test_a_code_is_not_in_the_title_nor_in_the_first_line(language: Language) -> None:
    letter = write_code_letter("12345678", UNTIL, language)
    assert "12345678" not in letter.title
    assert "12345678" not in letter.body.splitlines()[0]
    assert "12345678" in letter.body
    assert "18:30" in letter.body


@pytest.mark.parametrize("language", Language)
def test_a_link_is_not_in_the_title_nor_in_the_first_line(language: Language) -> None:
    letter = add_link(write_notice(NoticeKind.READY, language, FACTS), "https://l/x", language)
    assert "https://l/x" not in letter.body.splitlines()[0]
    assert "https://l/x" in letter.body.splitlines()


@pytest.mark.parametrize(("kind", "language"), [*product(NoticeKind, Language)])
def test_a_discreet_screen_does_not_name_the_hub(kind: NoticeKind, language: Language) -> None:
    whole = write_notice(kind, language, FACTS)
    hidden = hide_hub(whole, kind, language)
    assert FACTS.hub not in hidden.title + hidden.body
    assert (hidden == whole) is (FACTS.hub not in whole.body)
