"""Tables of the ledger: entries, a chain head per journal, signed heads, readings, contradictions.

Only the heads change, and the judgement of what contradicts; an erased entry loses its bytes. The
locker's own time stands in the keys, so that the large tables can be parted by month.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class JournalEntry(SQLModel, table=True):
    """One entry as the locker wrote it. `comp`, `stay` and `cti` repeat what its body names.

    One row for each (lid, seq): the chain head's row is held by whoever writes here. Once somebody
    whom it names was erased, `raw` is None, and `cti` with it; `head` proves it as before.
    """

    __tablename__ = "journal_entries"
    __table_args__ = (
        Index("ix_journal_entries_lid_comp_seq", "lid", "comp", "seq"),
        Index("ix_journal_entries_stay", "stay"),
        Index(
            "ix_journal_entries_cti",
            "cti",
            postgresql_where=text("cti IS NOT NULL"),
            sqlite_where=text("cti IS NOT NULL"),
        ),
    )

    lid: bytes = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    t: int = Field(primary_key=True, sa_type=BigInteger)
    clockq: int
    kind: int = Field(sa_type=BigInteger)
    boot: int = Field(sa_type=BigInteger)
    prev_head: bytes
    head: bytes
    comp: int | None = None
    stay: bytes | None = None
    cti: bytes | None = None
    raw: bytes | None = None
    received_at: datetime


class ChainHead(SQLModel, table=True):
    """How far a locker's journal is stored without a gap; all up to `seq` has had its effect.

    From `forked_at` on nothing of this locker is taken: it has contradicted the chain, and nobody
    has inspected it since.
    """

    __tablename__ = "chain_heads"

    lid: bytes = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    head: bytes
    forked_at: datetime | None = None


class ContradictingEntry(SQLModel, table=True):
    """An entry that a locker signed and that does not fit its journal: evidence, without effect.

    Of one that is known by a signed head alone `raw` is empty.

    `judged_at` is when somebody vouched for the locker again; what comes of it after that is
    refused, and no news.
    """

    __tablename__ = "contradicting_entries"

    lid: bytes = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    head: bytes = Field(primary_key=True)
    raw: bytes | None = None
    found_at: datetime
    judged_at: datetime | None = None
    judged_by: uuid.UUID | None = None
    reason: str = Field(default="", sa_type=Text)


class SignedHead(SQLModel, table=True):
    """A locker's own signature on its journal up to an entry, as somebody at its door got it.

    The entry may arrive later; one that does not fit is a contradiction.
    """

    __tablename__ = "signed_heads"

    lid: bytes = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    head: bytes
    signature: bytes
    received_at: datetime


class LockerReading(SQLModel, table=True):
    """One measured value in scaled integers, taken once by its whole key."""

    __tablename__ = "locker_readings"

    lid: bytes = Field(primary_key=True)
    t: int = Field(primary_key=True, sa_type=BigInteger)
    channel: int = Field(primary_key=True, sa_type=BigInteger)
    kind: int = Field(primary_key=True, sa_type=BigInteger)
    value: int = Field(sa_type=BigInteger)
    received_at: datetime
