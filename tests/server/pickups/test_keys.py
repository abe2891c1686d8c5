"""Seven rows behind each forecast, and a pool that comes back from storage as it went."""

from __future__ import annotations

import json
import random

from server.pickups.habits import DELAYS, Arrival, Level, Pool, forecast, learn
from server.pickups.keys import OF_PERSON, evidence_of, keys_for, restore_pool, store_pool
from tests.fakes.town import key_of

PERSON, HUB = key_of("person"), key_of("hub")


def test_a_person_has_at_most_23_rows_and_a_hub_7() -> None:
    keys = {
        key
        for day in range(1, 8)
        for slot in range(7)
        for key in keys_for(PERSON, HUB, Arrival(day, slot))
    }
    assert len([key for key in keys if key.subject_id == PERSON]) == 23
    assert len([key for key in keys if key.subject_id == HUB]) == 7
    assert {key.level for key in keys if key.subject_id == PERSON} == OF_PERSON


def test_weekends_have_rows_of_their_own() -> None:
    friday, saturday = (keys_for(PERSON, HUB, Arrival(day, 3)) for day in (5, 6))
    assert [key.level for key in set(friday) ^ set(saturday)] == [Level.HABIT] * 2


def test_a_pool_comes_back_as_it_was_and_shares_nothing_with_what_was_kept() -> None:
    dice, pool, arrival = random.Random(1), Pool(), Arrival(700_000, 2)
    keys = keys_for(PERSON, HUB, arrival)
    made = forecast(evidence_of(keys, {}), pool, arrival)
    for _ in range(20):
        learn(pool, made, dice.randrange(DELAYS), day=700_000)
    kept = store_pool(pool)
    text = json.dumps(kept)
    back = restore_pool(json.loads(text))
    assert back == pool
    learn(restore_pool(kept), made, 1, day=700_001)
    assert json.dumps(kept) == text
