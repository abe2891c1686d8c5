"""Tables of habits, of the pool that weighs them, and of chosen windows.

A habit is a decayed count: which collection added to it cannot be read from it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from server.kit.db import enum_text
from server.pickups.habits import Level


class HabitCounts(SQLModel, table=True):
    """One row of counts (`pickups.habits.Counts`). A person has at most 23 of them, a hub 7."""

    __tablename__ = "habit_counts"

    level: Level = Field(primary_key=True, sa_type=enum_text(Level))
    subject_id: uuid.UUID = Field(primary_key=True)
    """The person or hub that it is about; `EVERYBODY` for all."""
    part: int = Field(primary_key=True)
    """The slot of arrival and, where the level asks, whether it is a weekend (`pickups.keys`)."""
    counted: list[float] = Field(sa_type=JSON)
    total: float
    day: int
    """The ordinal of the local day as of which the counts weigh what they say."""


class HabitPast(SQLModel, table=True):
    """The parts of the day, without a date, in which a person last came: at most nine."""

    __tablename__ = "habit_pasts"

    person_id: uuid.UUID = Field(primary_key=True, foreign_key="people.id")
    slots: list[int] = Field(sa_type=JSON)


class HabitPool(SQLModel, table=True):
    """How the levels are weighed (`pickups.habits.Pool`); the only row is number 1."""

    __tablename__ = "habit_pools"

    id: int = Field(primary_key=True)
    kept: dict[str, Any] = Field(sa_type=JSON)


class Lesson(SQLModel, table=True):
    """What one collection tells about everybody, until it is counted; it names no person.

    `shown` is what was foreseen when the parcel became ready, where that is known.
    """

    __tablename__ = "lessons"

    id: uuid.UUID = Field(primary_key=True)
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    arrived_day: int
    arrived_slot: int
    collected_day: int
    collected_slot: int
    delay: int
    pooled: list[float] = Field(sa_type=JSON)
    votes: list[list[float]] = Field(sa_type=JSON)
    shown: list[float] | None = Field(default=None, sa_type=JSON)


class ArrivalForecast(SQLModel, table=True):
    """What was foreseen of a parcel when it became ready; gone when it was collected."""

    __tablename__ = "arrival_forecasts"
    __table_args__ = (Index(None, "at"),)

    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id")
    at: datetime
    probabilities: list[float] = Field(sa_type=JSON)


class ForecastScore(SQLModel, table=True):
    """How well one day's collections had been foreseen (`pickups.scores.Score`)."""

    __tablename__ = "forecast_scores"

    day: int = Field(primary_key=True)
    kept: dict[str, Any] = Field(sa_type=JSON)


class TaughtParcel(SQLModel, table=True):
    """A parcel whose collection was counted, or was seen not to count: it is looked at once."""

    __tablename__ = "taught_parcels"
    __table_args__ = (Index(None, "at"),)

    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id")
    at: datetime


class PickupWindow(SQLModel, table=True):
    """The window that a recipient chose for a parcel; one each.

    `choice` is new each time.
    """

    __tablename__ = "pickup_windows"
    __table_args__ = (Index(None, "hub_id", "starts_at"), Index(None, "ends_at"))

    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id")
    choice: uuid.UUID
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    chosen_at: datetime
    starts_at: datetime
    ends_at: datetime
