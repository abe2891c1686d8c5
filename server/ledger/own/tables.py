"""Whom entries of the server's own chain are about. The entries lie with those of lockers."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class OwnSubject(SQLModel, table=True):
    """Whose keys an entry of the own chain is about, or which dispute; gone once that is erased."""

    __tablename__ = "own_subjects"

    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    subject_id: uuid.UUID = Field(index=True)
