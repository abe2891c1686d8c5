"""The table of notices: one row for each channel that a notice took, without any address."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from server.kit.db import enum_text
from server.notices.rules import NoticeKind, NoticeState
from server.people.preferences import Channel

RECEIPT_CHARACTERS = 200
"""Longest name of a provider for a message, or reason of a failure, that is kept; a cut is fine."""


class Notice(SQLModel, table=True):
    """One notice on one channel. `attempts` grows each time it is about to be sent.

    Its key is what makes it go out once: the subject (a parcel, a device), the kind, the version of
    the deadline that it tells about, the channel.
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("subject", "kind", "version", "channel"),
        Index(None, "person_id", "id"),
    )

    id: uuid.UUID = Field(primary_key=True)
    person_id: uuid.UUID = Field(foreign_key="people.id")
    subject: uuid.UUID
    kind: NoticeKind = Field(sa_type=enum_text(NoticeKind))
    version: int = Field(sa_type=BigInteger)
    channel: Channel = Field(sa_type=enum_text(Channel))
    state: NoticeState = Field(default=NoticeState.QUEUED, sa_type=enum_text(NoticeState))
    is_fallback: bool = False
    """Another channel was tried before, and did not do."""
    created_at: datetime
    settled_at: datetime | None = None
    attempts: int = 0
    receipt: str | None = Field(default=None, max_length=RECEIPT_CHARACTERS)
    reason: str | None = Field(default=None, max_length=RECEIPT_CHARACTERS)


class Reminder(SQLModel, table=True):
    """The next reminder of a parcel that waits; it has none once the last was due."""

    __tablename__ = "reminders"

    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id")
    kind: NoticeKind = Field(sa_type=enum_text(NoticeKind))
    due_at: datetime = Field(index=True)


class DisputeEvidence(SQLModel, table=True):
    """What was told of a dispute when it was opened, and the file of it once the log proves it.

    `told` never changes: an entry of the server's own chain holds `told_digest`. Both texts are
    gone once the person was erased; the digests stay.
    """

    __tablename__ = "dispute_evidence"
    __table_args__ = (
        Index(
            "ix_dispute_evidence_sealing",
            "dispute_id",
            postgresql_where=text("file_digest IS NULL"),
            sqlite_where=text("file_digest IS NULL"),
        ),
    )

    dispute_id: uuid.UUID = Field(primary_key=True, foreign_key="disputes.id")
    parcel_id: uuid.UUID = Field(foreign_key="parcels.id", index=True)
    frozen_at: datetime
    told: str | None = Field(default=None, sa_type=Text)
    told_digest: bytes
    sealed_at: datetime | None = None
    file: bytes | None = None
    file_digest: bytes | None = None
