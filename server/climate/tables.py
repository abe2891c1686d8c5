"""The table of what lockers told of their cooling."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel


class ClimateFact(SQLModel, table=True):
    """One EXCURSION entry about a cooled compartment; never changed."""

    __tablename__ = "climate_facts"
    __table_args__ = (Index("ix_climate_facts_compartment_id", "compartment_id", "at"),)

    locker_id: uuid.UUID = Field(primary_key=True, foreign_key="lockers.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    compartment_id: uuid.UUID = Field(foreign_key="compartments.id")
    at: datetime
    """By the locker's clock."""
    clock_quality: int
    phase: int
    decidegrees: int
    recorded_at: datetime
