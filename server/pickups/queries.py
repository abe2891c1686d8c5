"""SQL of habits and chosen windows.

Whoever counts for everybody locks the pool's row first; a collection does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func
from sqlmodel import col, select

from server.kit.db import held, insert_new, one_of
from server.parcels.tables import Parcel
from server.pickups.habits import Counts, Level, Pool
from server.pickups.keys import OF_PERSON, Key, restore_pool, store_pool
from server.pickups.tables import (
    ArrivalForecast,
    ForecastScore,
    HabitCounts,
    HabitPast,
    HabitPool,
    Lesson,
    PickupWindow,
    TaughtParcel,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from server.kit.db import Session

POOL = 1


async def list_counts(session: Session, keys: Collection[Key]) -> dict[Key, HabitCounts]:
    """The rows of these keys that exist."""
    names = (col(HabitCounts.level), col(HabitCounts.subject_id), col(HabitCounts.part))
    statement = select(HabitCounts).where(one_of(names, keys))
    rows = (await session.exec(statement)).all()
    return {Key(row.level, row.subject_id, row.part): row for row in rows}


def as_counts(row: HabitCounts) -> Counts:
    """The row as the arithmetic knows it."""
    counts = Counts(len(row.counted), day=row.day)
    counts.values, counts.total = list(row.counted), row.total
    return counts


async def save_counts(session: Session, key: Key, counts: Counts, row: HabitCounts | None) -> None:
    """Writes the counts into their row, or into a new one."""
    row = row or HabitCounts(**key._asdict(), counted=[], total=0.0, day=0)
    row.counted, row.total, row.day = counts.values, counts.total, counts.day
    session.add(row)


async def find_pool(session: Session) -> Pool:
    """The pool as it was last left; the first one before anybody taught it."""
    row = await session.get(HabitPool, POOL)
    return Pool() if row is None else restore_pool(row.kept)


async def lock_pool(session: Session) -> HabitPool:
    """The pool's row, kept from changing until the end of the transaction."""
    await insert_new(session, HabitPool, id=POOL, kept=store_pool(Pool()))
    return (await session.exec(held(select(HabitPool).where(HabitPool.id == POOL)))).one()


async def find_past(session: Session, person_id: uuid.UUID) -> HabitPast | None:
    """When in the day the person last came."""
    return await session.get(HabitPast, person_id)


async def insert_taught(session: Session, parcel_id: uuid.UUID, *, at: datetime) -> bool:
    """Whether nobody has looked at this parcel's collection before."""
    return await insert_new(session, TaughtParcel, parcel_id=parcel_id, at=at)


async def list_lessons(session: Session, *, limit: int) -> Sequence[Lesson]:
    """What is still to be counted, the oldest first."""
    return (await session.exec(select(Lesson).order_by(col(Lesson.id)).limit(limit))).all()


async def delete_lessons(session: Session, lessons: Collection[Lesson]) -> None:
    """Remove these lessons."""
    done = col(Lesson.id).in_([one.id for one in lessons])
    await session.exec(delete(Lesson).where(done))


async def take_forecast(session: Session, parcel_id: uuid.UUID) -> list[float] | None:
    """What was foreseen when the parcel became ready, which is kept no longer."""
    row = await session.get(ArrivalForecast, parcel_id)
    if row is not None:
        await session.delete(row)
    return None if row is None else row.probabilities


async def insert_forecast(
    session: Session, parcel_id: uuid.UUID, *, at: datetime, probabilities: list[float]
) -> None:
    """Keeps what is foreseen; the first for a parcel stays."""
    values = {"parcel_id": parcel_id, "at": at, "probabilities": probabilities}
    await insert_new(session, ArrivalForecast, **values)


async def prune_forecasts(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` forecasts that are older; how many."""
    old = (
        select(col(ArrivalForecast.parcel_id)).where(col(ArrivalForecast.at) < before).limit(limit)
    )
    gone = await session.exec(
        delete(ArrivalForecast).where(col(ArrivalForecast.parcel_id).in_(old))
    )
    return int(gone.rowcount)


async def find_score(session: Session, day: int) -> ForecastScore | None:
    """How well that day was foreseen, as far as it is counted."""
    return await session.get(ForecastScore, day)


async def list_scores(session: Session, *, limit: int) -> Sequence[ForecastScore]:
    """The newest days that were scored."""
    newest = select(ForecastScore).order_by(col(ForecastScore.day).desc()).limit(limit)
    return (await session.exec(newest)).all()


async def prune_scores(session: Session, *, before: int) -> int:
    """Delete the scores of earlier days; how many."""
    gone = await session.exec(delete(ForecastScore).where(col(ForecastScore.day) < before))
    return int(gone.rowcount)


async def prune_taught(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` marks that are older; how many."""
    old = select(col(TaughtParcel.parcel_id)).where(col(TaughtParcel.at) < before).limit(limit)
    gone = await session.exec(delete(TaughtParcel).where(col(TaughtParcel.parcel_id).in_(old)))
    return int(gone.rowcount)


async def delete_habits(session: Session, person_id: uuid.UUID) -> None:
    """Remove every row that is about the person."""
    await session.exec(
        delete(HabitCounts).where(
            col(HabitCounts.subject_id) == person_id, col(HabitCounts.level).in_(OF_PERSON)
        )
    )
    await session.exec(delete(HabitPast).where(col(HabitPast.person_id) == person_id))
    theirs = select(col(Parcel.id)).where(Parcel.recipient_id == person_id)
    await session.exec(delete(ArrivalForecast).where(col(ArrivalForecast.parcel_id).in_(theirs)))


async def sum_habits(session: Session, person_id: uuid.UUID) -> dict[int, float]:
    """How much the person's collections still weigh, by the slot of arrival."""
    statement = select(HabitCounts).where(
        HabitCounts.subject_id == person_id, HabitCounts.level == Level.HABIT
    )
    weights: dict[int, float] = {}
    for row in (await session.exec(statement)).all():
        slot = row.part // 2
        weights[slot] = weights.get(slot, 0.0) + row.total
    return weights


async def list_hub_counts_of(
    session: Session, person_id: uuid.UUID, *, limit: int
) -> Sequence[HabitCounts]:
    """The counts of at most `limit` hubs at which the person had parcels, the latest first."""
    hubs = (
        select(col(Parcel.hub_id))
        .where(Parcel.recipient_id == person_id)
        .group_by(col(Parcel.hub_id))
        .order_by(func.max(col(Parcel.created_at)).desc())
        .limit(limit)
    )
    statement = select(HabitCounts).where(
        HabitCounts.level == Level.HUB, col(HabitCounts.subject_id).in_(hubs)
    )
    return (await session.exec(statement)).all()


async def delete_counts(session: Session, rows: Collection[HabitCounts]) -> None:
    """Remove these rows of counts."""
    for row in rows:
        await session.delete(row)
    await session.flush()


async def find_window(session: Session, parcel_id: uuid.UUID) -> PickupWindow | None:
    """What was chosen for the parcel; it may be over."""
    return await session.get(PickupWindow, parcel_id)


async def delete_window(session: Session, parcel_id: uuid.UUID) -> bool:
    """Whether something was chosen, which is no more."""
    chosen = delete(PickupWindow).where(col(PickupWindow.parcel_id) == parcel_id)
    return bool((await session.exec(chosen)).rowcount)


async def delete_windows_of(session: Session, person_id: uuid.UUID) -> None:
    """Removes what was chosen for the person's parcels."""
    theirs = select(col(Parcel.id)).where(Parcel.recipient_id == person_id)
    await session.exec(delete(PickupWindow).where(col(PickupWindow.parcel_id).in_(theirs)))


async def list_window_starts(
    session: Session, hub_id: uuid.UUID, *, now: datetime, until: datetime
) -> Sequence[tuple[datetime, int]]:
    """When chosen windows at a hub begin that are not over, and how many at each such time."""
    statement = (
        select(PickupWindow.starts_at, func.count())
        .where(
            PickupWindow.hub_id == hub_id,
            col(PickupWindow.ends_at) > now,
            col(PickupWindow.starts_at) < until,
        )
        .group_by(col(PickupWindow.starts_at))
        .order_by(col(PickupWindow.starts_at))
    )
    return (await session.exec(statement)).all()


async def prune_windows(session: Session, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` windows that ended before; how many."""
    old = select(col(PickupWindow.parcel_id)).where(col(PickupWindow.ends_at) < before).limit(limit)
    gone = await session.exec(delete(PickupWindow).where(col(PickupWindow.parcel_id).in_(old)))
    return int(gone.rowcount)
