"""Which rows of counts a parcel's forecast reads and its collection adds to, and their stored form.

Pure: storage hands the rows in.
"""

from __future__ import annotations

import uuid
from copy import deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from server.pickups.habits import Counts, Evidence, Level, Pool, Trust, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.pickups.habits import Arrival

EVERYBODY = uuid.UUID(int=0)
"""Stands for all people and all hubs; no row of either has this id."""

OF_PERSON = frozenset({Level.PERSON, Level.HABIT, Level.LATELY, Level.HOURS})
"""Levels whose rows are about one person, and go when their habits are forgotten."""


class Key(NamedTuple):
    """The name of one row of counts."""

    level: Level
    subject_id: uuid.UUID
    part: int


def keys_for(person_id: uuid.UUID, hub_id: uuid.UUID, arrival: Arrival) -> tuple[Key, ...]:
    """The seven rows behind the forecast of a parcel that became ready at this hub, in order."""
    slot = arrival.slot
    return (
        Key(Level.EVERYONE, EVERYBODY, slot),
        Key(Level.HUB, hub_id, slot),
        Key(Level.PERSON, person_id, 0),
        Key(Level.HABIT, person_id, 2 * slot + arrival.is_weekend),
        Key(Level.LATELY, person_id, slot),
        Key(Level.HOURS, person_id, 0),
        Key(Level.ALL_HOURS, EVERYBODY, 0),
    )


def shared_keys(hub_id: uuid.UUID, slot: int) -> tuple[Key, ...]:
    """Of these rows, for an arrival in this slot, those that are about many people."""
    return (
        Key(Level.EVERYONE, EVERYBODY, slot),
        Key(Level.HUB, hub_id, slot),
        Key(Level.ALL_HOURS, EVERYBODY, 0),
    )


def evidence_of(keys: tuple[Key, ...], rows: Mapping[Key, Counts]) -> Evidence:
    """What these rows tell; one that nobody wrote yet is empty."""
    found = {key.level: rows.get(key) or Counts(size_of(key.level)) for key in keys}
    return Evidence(
        everyone=found[Level.EVERYONE],
        hub=found[Level.HUB],
        person=found[Level.PERSON],
        habit=found[Level.HABIT],
        lately=found[Level.LATELY],
        hours=found[Level.HOURS],
        all_hours=found[Level.ALL_HOURS],
    )


def store_pool(pool: Pool) -> dict[str, Any]:
    """The pool as JSON knows values; every float comes back as it was."""
    return asdict(pool)


def restore_pool(kept: dict[str, Any]) -> Pool:
    """What `store_pool` has kept, in lists of its own: to learn does not change what was kept."""
    own = deepcopy(kept)
    return Pool(**{**own, "trust": Trust(**own["trust"])})
