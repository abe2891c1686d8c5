"""Every window has its sentence in every language."""

from __future__ import annotations

import pytest

from server.hubs.dayslots import DaySlot
from server.people.preferences import Language
from server.pickups.rules import Origin, Reason, Window
from server.pickups.wording import explain
from tests.fakes.sources import START

LANGUAGES = pytest.mark.parametrize("language", [*Language])


def window(origin: Origin, slot: DaySlot | None = None) -> Window:
    reason = None if slot is None else Reason(slot, 6, 9)
    return Window(START, START, 0.5, origin, reason)


def test_a_reason_is_counted_in_plain_words() -> None:
    assert (
        explain(window(Origin.LEARNED, DaySlot.EVENING), Language.EN)
        == "You fetched 6 of your last 9 in the evening."
    )


@LANGUAGES
def test_each_part_of_the_day_has_words_of_its_own(language: Language) -> None:
    told = [explain(window(Origin.LEARNED, slot), language) for slot in DaySlot]
    assert len(set(told)) == len(DaySlot)
    assert all("6" in one and "9" in one and "{" not in one for one in told)


@LANGUAGES
def test_what_was_chosen_or_is_the_hubs_says_so(language: Language) -> None:
    told = {explain(window(origin), language) for origin in (Origin.CHOSEN, Origin.DEFAULT)}
    assert len(told) == 2
