"""The table of anchors: what is to be written to a chain, what was, and what stands there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel

from server.kit.db import enum_text


class AnchorState(StrEnum):
    """How far a head is on its way to a chain."""

    QUEUED = "QUEUED"
    """To be sent."""
    SENT = "SENT"
    """A transaction is, or was about to be, on its way."""
    CONFIRMED = "CONFIRMED"
    """The chain holds it, as deep as the settings ask."""
    PASSED = "PASSED"
    """The chain holds a larger one and can never take it."""
    FOREIGN = "FOREIGN"
    """The chain holds this head, and the log never signed it: an alarm."""


class LogAnchor(SQLModel, table=True):
    """A head of the log on one contract of one chain. Written before anything is sent."""

    __tablename__ = "log_anchors"
    __table_args__ = (Index("ix_log_anchors_place", "chain_id", "contract", "place"),)

    chain_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    contract: str = Field(primary_key=True, max_length=42)
    size: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    root: bytes
    state: AnchorState = Field(sa_type=enum_text(AnchorState))
    queued_at: datetime
    not_before: datetime
    attempts: int = 0
    nonce: int | None = Field(default=None, sa_type=BigInteger)
    fee_wei: int | None = Field(default=None, sa_type=BigInteger)
    tip_wei: int | None = Field(default=None, sa_type=BigInteger)
    tx_hash: bytes | None = None
    sent_at: datetime | None = None
    """When this fee was first offered."""
    reason: str | None = Field(default=None, sa_type=Text)
    place: int | None = Field(default=None, sa_type=BigInteger)
    """Where the contract keeps it, the first at 0, once it is settled."""
    block_at: datetime | None = None
