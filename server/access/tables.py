"""Tables of grants, of the tokens issued for them, and of signed statements with their counters."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from server.access.rules import Action, GrantState
from server.kit.db import enum_text
from server.kit.errors import BrokenPromise
from server.lockers.closing import DoorVisit
from server.parcels.states import Removal


class Grant(SQLModel, table=True):
    """Who may do what with one stay of one locker, and until when. `version` grows with each turn.

    A grant of the server itself has no `granted_by`. One to inspect is about no parcel and no stay.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index("ix_grants_parcel_id_action", "parcel_id", "action"),
        Index("ix_grants_stay", "stay"),
        Index(
            "ix_grants_lapsing",
            "not_after",
            postgresql_where=text("state IN ('ISSUED', 'ACTIVE')"),
            sqlite_where=text("state IN ('ISSUED', 'ACTIVE')"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    version: int = 1
    action: Action = Field(sa_type=enum_text(Action))
    state: GrantState = Field(sa_type=enum_text(GrantState))
    parcel_id: uuid.UUID | None = Field(default=None, foreign_key="parcels.id")
    locker_id: uuid.UUID = Field(foreign_key="lockers.id")
    stay: bytes
    compartment: int | None = None
    """Its number, where the grant is for that door alone."""
    removal: Removal | None = Field(default=None, sa_type=enum_text(Removal))
    """What a REMOVE is for."""
    reason: str | None = Field(default=None, sa_type=Text)
    """Why somebody wants to look, where they inspect."""
    holder_id: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    granted_by: uuid.UUID | None = None
    not_before: datetime
    not_after: datetime | None = None
    """None: as long as the stay."""
    ended_at: datetime | None = None
    ended_by: uuid.UUID | None = None
    """The person or carrier that ended it, where one did."""

    @property
    def parcel(self) -> uuid.UUID:
        """The parcel that it is about; BrokenPromise for one that is about none."""
        if self.parcel_id is None:
            raise BrokenPromise(f"grant {self.id} is about no parcel")
        return self.parcel_id


class IssuedToken(SQLModel, table=True):
    """A token that left the house. It opens nothing without the device key that it names.

    Times are Unix seconds, as the token itself says them.
    """

    __tablename__ = "issued_tokens"
    __table_args__ = (
        Index("ix_issued_tokens_grant_id_device_id", "grant_id", "device_id"),
        Index("ix_issued_tokens_device_id", "device_id"),
        Index(
            "ix_issued_tokens_revoked",
            "lid",
            "exp",
            postgresql_where=text("revoked_at IS NOT NULL"),
            sqlite_where=text("revoked_at IS NOT NULL"),
        ),
    )

    cti: bytes = Field(primary_key=True)
    grant_id: uuid.UUID = Field(foreign_key="grants.id")
    device_id: uuid.UUID
    lid: bytes
    kid: bytes
    iat: int = Field(sa_type=BigInteger)
    exp: int = Field(sa_type=BigInteger)
    comps: list[int] = Field(sa_type=JSON)
    raw: bytes
    revoked_at: datetime | None = None


class PassedOn(SQLModel, table=True):
    """A delegation that we know of: its giver registered it, or a locker let somebody in by it.

    `exp` is in Unix seconds, as the delegation itself says it.
    """

    __tablename__ = "delegations"
    __table_args__ = (Index("ix_delegations_grant_id_id", "grant_id", "id"),)

    id: uuid.UUID = Field(primary_key=True)
    name: bytes = Field(unique=True)
    """The 8 bytes by which lists of revocations name it."""
    created_at: datetime
    grant_id: uuid.UUID = Field(foreign_key="grants.id")
    cti: bytes = Field(foreign_key="issued_tokens.cti", index=True)
    parent: bytes | None = None
    """Name of the delegation that it was made from; None where that is the token."""
    holder: bytes
    """Public key of the phone that it was made for."""
    exp: int = Field(sa_type=BigInteger)
    registered_at: datetime | None = None
    """When its giver told us; None for one that we know from a journal alone."""
    first_used_at: datetime | None = None
    """The locker's time when it first let somebody in by it."""
    revoked_at: datetime | None = None


class RegisteredToken(SQLModel, table=True):
    """A token that a service or hub key signed offline, and that somebody vouched for here."""

    __tablename__ = "registered_tokens"

    cti: bytes = Field(primary_key=True)
    lid: bytes
    kid: bytes
    exp: int = Field(sa_type=BigInteger)
    raw: bytes
    registered_at: datetime
    registered_by: uuid.UUID | None = None


class EmergencyOpening(SQLModel, table=True):
    """That doors are to be opened which only holders open: why, and the two persons who say so.

    Without `compartment` it is about every door of the locker.
    """

    __tablename__ = "emergency_openings"
    __table_args__ = (Index("ix_emergency_openings_locker_id_id", "locker_id", "id"),)

    id: uuid.UUID = Field(primary_key=True)
    locker_id: uuid.UUID = Field(foreign_key="lockers.id")
    compartment: int | None = None
    reason: str = Field(sa_type=Text)
    asked_at: datetime
    asked_by: uuid.UUID = Field(foreign_key="people.id")
    confirmed_at: datetime | None = None
    confirmed_by: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    expires_at: datetime
    """When it allows nothing any more; four hours from its confirmation, or from its asking."""
    used_at: datetime | None = None
    """The locker's time when it first let somebody in by it."""
    used_seq: int | None = Field(default=None, sa_type=BigInteger)


class StaffOpening(SQLModel, table=True):
    """That a locker let staff in without a stay; without `compartment`: at every door."""

    __tablename__ = "staff_openings"
    __table_args__ = (Index("ix_staff_openings_door", "locker_id", "compartment", "seq"),)

    locker_id: uuid.UUID = Field(primary_key=True, foreign_key="lockers.id")
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime
    compartment: int | None = None
    visit: DoorVisit = Field(sa_type=enum_text(DoorVisit))
    person_id: uuid.UUID | None = None
    """Who was granted it, or vouched for the token."""
    granted_at: datetime
    grant_id: uuid.UUID | None = Field(default=None, foreign_key="grants.id")
    emergency_id: uuid.UUID | None = Field(default=None, foreign_key="emergency_openings.id")


class IssuedPass(SQLModel, table=True):
    """That a phone was given a PIN; the digits are nowhere. `day` counts days of Unix time.

    Each one that a guest's link gave has a row of its own, without `device_id`.
    """

    __tablename__ = "issued_passes"
    __table_args__ = (UniqueConstraint("grant_id", "device_id", "day"),)

    id: uuid.UUID = Field(primary_key=True)
    issued_at: datetime
    grant_id: uuid.UUID = Field(foreign_key="grants.id")
    device_id: uuid.UUID | None = None
    day: int


class GuestLink(SQLModel, table=True):
    """How the links to one parcel stand. No link is kept: one is worked out from this and a key.

    Only links of the newest `series` count, and none once it was withdrawn or is over.
    """

    __tablename__ = "guest_links"

    parcel_id: uuid.UUID = Field(primary_key=True, foreign_key="parcels.id")
    series: int
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: uuid.UUID | None = None
    passes: int = 0
    """PINs given so far, by links of every series."""
    passes_allowed: int
    """How many there may ever be; each new series adds to it."""
    adopted_at: datetime | None = None
    adopted_by: uuid.UUID | None = Field(default=None, foreign_key="people.id")
    """The account that made the parcel its own by a link."""


class SignedStatement(SQLModel, table=True):
    """A list of revocations or a configuration; the highest `seq` for a locker counts."""

    __tablename__ = "signed_statements"
    __table_args__ = (Index("ix_signed_statements_audience", "audience", "kind", "seq"),)

    kind: int = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    audience: bytes
    kid: bytes
    raw: bytes
    made_at: datetime


class StatementCounter(SQLModel, table=True):
    """The last `seq` drawn for a kind of statement, whichever locker it was for."""

    __tablename__ = "statement_counters"

    kind: int = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
