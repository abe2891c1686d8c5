"""Counting what collections taught about everybody: by one hand, in their order, soon afterwards.

A collection writes its lesson and waits for nobody. Whoever folds holds the pool's row meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.pickups import queries
from server.pickups.habits import (
    HALF_LIFE_DAYS,
    SLOTS,
    Counts,
    Forecast,
    learn,
    size_of,
)
from server.pickups.keys import restore_pool, shared_keys, store_pool
from server.pickups.scores import restore_score, store_score, sum_scores
from server.pickups.tables import ForecastScore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Database, Session
    from server.kit.metrics import Metrics
    from server.pickups.habits import Pool
    from server.pickups.keys import Key
    from server.pickups.tables import HabitCounts, Lesson

FOLDED = 200
"""Lessons counted in one transaction."""

SCORED_DAYS = 30
"""Days of which the metrics tell how well was foreseen."""

KEPT_DAYS = 400
"""Scores of a day are kept for so long: a year can be compared with the one before."""


async def fold_lessons(session: Session) -> int:
    """Counts at most two hundred lessons, the oldest first; how many.

    If we crash before the commit nothing was counted and all of them are there.
    """
    if not await queries.list_lessons(session, limit=1):
        return 0
    row = await queries.lock_pool(session)
    lessons = await queries.list_lessons(session, limit=FOLDED)
    pool = restore_pool(row.kept)
    rows = await queries.list_counts(session, {key for one in lessons for key in _keys_of(one)})
    counts = {key: queries.as_counts(kept) for key, kept in rows.items()}
    for lesson in lessons:
        _count(pool, counts, lesson)
    row.kept = store_pool(pool)
    await _save(session, counts, rows)
    await _score(session, lessons)
    await queries.delete_lessons(session, lessons)
    return len(lessons)


async def forget_scores(session: Session, *, now: datetime) -> int:
    """Deletes scores of days long ago; how many."""
    return await queries.prune_scores(session, before=now.date().toordinal() - KEPT_DAYS)


def read_windows(metrics: Metrics, database: Database) -> None:
    """Tell how well the last thirty scored days had been foreseen, as the bench measures it."""
    gauge = metrics.gauge(
        "windows", "How forecasts shown at arrival came true: log_loss, top1, top3, ece.", "figure"
    )
    cases = metrics.gauge("windows_cases", "Collections that these figures are about.")

    async def read() -> None:
        async with database.read() as session:
            rows = await queries.list_scores(session, limit=SCORED_DAYS)
        score = sum_scores(restore_score(row.kept) for row in rows)
        gauge.clear()
        for name, value in score.figures().items():
            gauge.labels(name).set(value)
        cases.set(score.cases)

    metrics.add_reading(read)


def _count(pool: Pool, counts: dict[Key, Counts], lesson: Lesson) -> None:
    made = Forecast(lesson.pooled, lesson.pooled, tuple(lesson.votes))
    learn(pool, made, lesson.delay, day=lesson.collected_day)
    for key in _keys_of(lesson):
        size = size_of(key.level)
        one = counts.setdefault(key, Counts(size, day=lesson.collected_day))
        outcome = lesson.collected_slot if size == SLOTS else lesson.delay
        one.add(outcome, day=lesson.collected_day, half_life_days=HALF_LIFE_DAYS[key.level])


def _keys_of(lesson: Lesson) -> tuple[Key, ...]:
    return shared_keys(lesson.hub_id, lesson.arrived_slot)


async def _save(session: Session, counts: dict[Key, Counts], rows: dict[Key, HabitCounts]) -> None:
    for key, one in counts.items():
        await queries.save_counts(session, key, one, rows.get(key))
    await session.flush()


async def _score(session: Session, lessons: Sequence[Lesson]) -> None:
    """Adds what was shown at arrival to the score of the day on which it came true."""
    for lesson in lessons:
        if lesson.shown is None:
            continue
        row = await queries.find_score(session, lesson.collected_day)
        row = row or ForecastScore(day=lesson.collected_day, kept={})
        score = restore_score(row.kept)
        score.add(lesson.shown, lesson.delay)
        row.kept = store_score(score)
        session.add(row)
        await session.flush()
