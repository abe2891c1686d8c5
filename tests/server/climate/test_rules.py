"""For how long goods are safe: the obvious model agrees, whatever excursions there were."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.compartments import ClimateZone
from schema.journal import CONFIRM_S, ExcursionPhase
from server.climate.rules import BUDGET, CONFIRMATION, Lying, Word, find_limit
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CHILLED, FROZEN = ClimateZone.CHILLED, ClimateZone.FROZEN
LEFT, BACK, FAULT = ExcursionPhase
MINUTE = timedelta(minutes=1)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def word(hours: float, phase: ExcursionPhase, decidegrees: int, seq: int = 0) -> Word:
    """Written so that what it tells of is known to have begun at that hour."""
    return Word(at(hours) + CONFIRMATION, phase, decidegrees, key_of("locker"), seq)


def limit(
    *words: Word, zone: ClimateZone = CHILLED, start: float = 0, end: float | None = None
) -> datetime | None:
    lying = Lying(at(start), None if end is None else at(end), words)
    found = find_limit(zone, [lying])
    return None if found is None else found.at


def test_goods_that_were_never_warm_have_no_end() -> None:
    assert limit() is None
    assert limit(word(0, BACK, 40)) is None


def test_chilled_goods_bear_four_hours_from_the_first_warm_reading() -> None:
    assert limit(word(1, LEFT, 70)) == at(5)
    assert limit(word(1, LEFT, 70), word(3, FAULT, 90)) == at(5)


def test_an_excursion_that_ended_in_time_leaves_what_is_left() -> None:
    back = word(3, BACK, 40)
    assert limit(word(1, LEFT, 70), back) is None
    assert limit(word(1, LEFT, 70), back, word(10, LEFT, 60)) == at(12)
    assert limit(word(1, LEFT, 70), back, word(10, LEFT, 60), word(11, BACK, 50)) is None


def test_what_is_over_is_not_undone_by_cold() -> None:
    assert limit(word(1, LEFT, 70), word(6, BACK, 40)) == at(5)
    assert limit(word(1, LEFT, 70), word(5, BACK, 40)) is None


def test_goods_put_in_during_an_excursion_count_from_then() -> None:
    words = (word(-3, LEFT, 70), word(-2, FAULT, 90))
    assert limit(*words, start=1) == at(5)
    assert limit(word(-3, LEFT, 70), word(-1, BACK, 40), start=1) is None


def test_what_was_taken_out_is_not_judged_by_what_came_later() -> None:
    assert limit(word(5, LEFT, 70), end=4) is None
    assert limit(word(1, LEFT, 70), end=4) is None
    assert limit(word(1, LEFT, 70), end=6) == at(5)


def test_hours_in_several_compartments_add_up() -> None:
    first = Lying(at(0), at(10), (word(1, LEFT, 70), word(4, BACK, 40)))
    second = Lying(at(20), None, (word(21, LEFT, 70),))
    found = find_limit(CHILLED, [second, first])
    assert found is not None
    assert (found.at, found.cause) == (at(22), second.words[0])


def test_too_cold_is_no_warmth() -> None:
    assert limit(word(1, LEFT, 0)) is None
    assert limit(word(1, LEFT, 0), word(2, BACK, 90), word(2, LEFT, 90)) == at(6)
    assert limit(word(1, LEFT, 90), word(3, LEFT, 0), word(9, LEFT, 90)) == at(11)


def test_chilled_goods_that_nobody_measures_count_as_warm() -> None:
    assert limit(word(1, FAULT, 40)) == at(5)


def test_frozen_goods_are_over_once_they_thaw() -> None:
    assert limit(word(1, LEFT, -150), zone=FROZEN) is None
    assert limit(word(1, LEFT, -150), word(2, FAULT, -150), zone=FROZEN) is None
    thawed = word(3, FAULT, -110)
    assert limit(word(1, LEFT, -150), word(2, FAULT, -150), thawed, zone=FROZEN) == at(3)
    assert limit(thawed, word(4, BACK, -200), zone=FROZEN) == at(3)
    assert limit(thawed, word(4, BACK, -200), zone=FROZEN, start=5) is None


def test_a_clock_set_back_counts_nothing_twice() -> None:
    words = (word(5, LEFT, 70, 1), word(2, BACK, 40, 2), word(4, LEFT, 70, 3))
    assert limit(*words) == at(8)


TOLD = st.lists(
    st.tuples(st.integers(1, 200), st.sampled_from(ExcursionPhase), st.integers(-300, 200)),
    max_size=12,
)


def tell(told: Sequence[tuple[int, ExcursionPhase, int]]) -> list[Word]:
    """So many minutes after one another."""
    words, minute = list[Word](), 0
    for seq, (later, phase, decidegrees) in enumerate(told):
        minute += later
        when = START + minute * MINUTE
        words.append(Word(when, phase, decidegrees, key_of("locker"), seq))
    return words


@pytest.mark.parametrize("zone", [CHILLED, FROZEN])
@given(told=TOLD, start=st.integers(0, 600), lasts=st.none() | st.integers(1, 1500))
def test_minute_by_minute_comes_to_the_same(
    zone: ClimateZone,
    told: list[tuple[int, ExcursionPhase, int]],
    start: int,
    lasts: int | None,
) -> None:
    words = tell(told)
    end = None if lasts is None else START + (start + lasts) * MINUTE
    found = find_limit(zone, [Lying(START + start * MINUTE, end, words)])
    assert (None if found is None else found.at) == count_minutes(zone, words, start, end)


def count_minutes(
    zone: ClimateZone, words: list[Word], start: int, end: datetime | None
) -> datetime | None:
    """Each minute in the compartment is warm or not; goods bear so many warm ones."""
    confirm = CONFIRM_S // 60
    bears = int(BUDGET / MINUTE) if zone is CHILLED else 0
    suffering = {(word.at - START) // MINUTE - confirm: suffers(zone, word) for word in words}
    warm, is_warm = 0, False
    for minute in range(-confirm, 5000):
        is_warm = is_warm if suffering.get(minute) is None else bool(suffering[minute])
        now = START + minute * MINUTE
        if minute >= start and (end is None or now < end) and is_warm:
            if warm == bears:
                return now
            warm += 1
    return None


def suffers(zone: ClimateZone, word: Word) -> bool | None:
    """Whether goods suffer from then on; None for a word that leaves it as it is."""
    if word.phase is BACK:
        return False
    if zone is FROZEN:
        return True if word.decidegrees > -120 else None
    if word.decidegrees < 20:
        return False
    is_warm = word.decidegrees > 50 or word.phase is FAULT
    return True if is_warm else None


@given(told=TOLD, seed=st.integers(0, 1000))
def test_goods_are_never_good_for_longer_by_one_word_of_warmth_more(
    told: list[tuple[int, ExcursionPhase, int]], seed: int
) -> None:
    words = tell(told)
    before = find_limit(CHILLED, [Lying(START, None, words)])
    chance = random.Random(seed)
    at_place = chance.randint(0, len(words))
    moment = words[at_place - 1].at if at_place else START
    warmer = [*words[:at_place], Word(moment, LEFT, 90, key_of("locker"), 99), *words[at_place:]]
    after = find_limit(CHILLED, [Lying(START, None, warmer)])
    assert before is None or (after is not None and after.at <= before.at)
