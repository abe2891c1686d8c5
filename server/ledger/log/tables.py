"""Tables of the public log. Leaves and checkpoints never change; tiles grow at their end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, SmallInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


class WaitingLeaf(SQLModel, table=True):
    """An entry that the tree does not hold yet; written in the commit that took the entry."""

    __tablename__ = "log_waiting"
    __table_args__ = (
        Index("ix_log_waiting_queued_at", "queued_at"),
        # Each row is written once and deleted once: a tree less to do it in.
        {"sqlite_with_rowid": False},
    )

    lid: bytes = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    head: bytes
    queued_at: datetime


class LogLeaf(SQLModel, table=True):
    """A leaf of the tree by its number from the left, and what it commits to."""

    __tablename__ = "log_leaves"
    __table_args__ = (UniqueConstraint("lid", "seq"),)

    number: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    lid: bytes
    seq: int = Field(sa_type=BigInteger)
    head: bytes


class LogTile(SQLModel, table=True):
    """Up to 256 hashes in a row, as clients get them."""

    __tablename__ = "log_tiles"

    level: int = Field(
        primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False}
    )
    number: int = Field(primary_key=True, sa_type=BigInteger)
    hashes: bytes


class LogCheckpoint(SQLModel, table=True):
    """A signed head: one for each size that was ever signed, so that no size has two roots.

    `published` is the note with the cosignatures that were asked for; nobody sees it before.
    """

    __tablename__ = "log_checkpoints"

    size: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    root: bytes
    note: str = Field(sa_type=Text)
    signed_at: datetime
    published: str | None = Field(default=None, sa_type=Text)


class LogHead(SQLModel, table=True):
    """How many leaves the tree has. Its one row is held by whoever lets the tree grow."""

    __tablename__ = "log_head"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    size: int = Field(default=0, sa_type=BigInteger)
