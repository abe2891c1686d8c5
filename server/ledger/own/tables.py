"""Whom entries of the server's own chain are about. The entries lie with those of lockers."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class OwnSubject(SQLModel, table=True):
    """That an entry of the own chain is about a person's keys; gone once the person is erased."""

    __tablename__ = "own_subjects"

    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    person_id: uuid.UUID = Field(index=True)
