"""Tables of what witnesses said. Cosignatures never change; a witness has one trouble."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class LogCosignature(SQLModel, table=True):
    """A witness's signature line for the head of one size, verified before it was kept."""

    __tablename__ = "log_cosignatures"

    witness: str = Field(primary_key=True, sa_type=Text)
    size: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    line: str = Field(sa_type=Text)
    seen_at: int = Field(sa_type=BigInteger)
    """When the witness saw the head by its own clock, in Unix seconds."""
    kept_at: datetime


class WitnessTrouble(SQLModel, table=True):
    """Why a witness, named by its key, refuses our heads: since when, and the last time."""

    __tablename__ = "log_troubles"

    witness: str = Field(primary_key=True, sa_type=Text)
    is_split: bool
    """It knows another log under our name: stays until an operator has looked into it."""
    size: int = Field(sa_type=BigInteger)
    reason: str = Field(sa_type=Text)
    since_at: datetime
    last_at: datetime
    times: int
