"""Tables of people, their devices and rights, and of carriers with their API keys."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from server.kit.db import enum_text
from server.kit.live import rights_topic
from server.people.roles import Role
from server.people.rules import Confirmation, ContactKind, DeviceTrust, PushKind


class Person(SQLModel, table=True):
    """An account. It exists from the first parcel or sign-in on; it has no name: none is needed."""

    __tablename__ = "people"
    __table_args__ = (
        Index(
            "ix_people_erasing",
            "id",
            postgresql_where=text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
            sqlite_where=text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
        ),
    )

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    erasure_asked_at: datetime | None = None
    """When all about them was to be erased; what is not settled keeps it waiting."""
    erased_at: datetime | None = None
    """When it was: since then the row names nobody, and others may still point to it."""


class ContactAddress(SQLModel, table=True):
    """An address under which a person signs in and is written to; it belongs to one person."""

    __tablename__ = "contact_addresses"
    __table_args__ = (UniqueConstraint("kind", "address"),)

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    person_id: uuid.UUID = Field(foreign_key="people.id", index=True)
    kind: ContactKind = Field(sa_type=enum_text(ContactKind))
    address: str = Field(max_length=255)
    verified_at: datetime | None = None


class Device(SQLModel, table=True):
    """A phone, known by its Ed25519 key. A removed one stays as a row; its key is spent."""

    __tablename__ = "devices"

    id: uuid.UUID = Field(primary_key=True)
    person_id: uuid.UUID = Field(foreign_key="people.id", index=True)
    public_key: bytes
    thumbprint: str = Field(max_length=64, unique=True)
    name: str = Field(default="", max_length=80)
    registered_at: datetime
    confirmed_at: datetime | None = None
    confirmation: Confirmation | None = Field(default=None, sa_type=enum_text(Confirmation))
    confirmed_by: uuid.UUID | None = None
    last_seen_at: datetime
    signed_out_at: datetime | None = None
    revoked_at: datetime | None = None
    push_kind: PushKind | None = Field(default=None, sa_type=enum_text(PushKind))
    push_target: str | None = Field(default=None, max_length=512)

    @property
    def trust(self) -> DeviceTrust:
        """What `people.rules` judges the device by."""
        return DeviceTrust(self.registered_at, self.confirmed_at)


class SignInRequest(SQLModel, table=True):
    """A one-time code that was asked for. The code itself is derived from the id, never stored."""

    __tablename__ = "sign_in_requests"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    kind: ContactKind = Field(sa_type=enum_text(ContactKind))
    address: str = Field(max_length=255)
    expires_at: datetime = Field(index=True)
    tries_left: int
    used_at: datetime | None = None


class Membership(SQLModel, table=True):
    """A role that a person holds: at one hub, in one carrier, or in the network (no subject)."""

    __tablename__ = "memberships"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    person_id: uuid.UUID = Field(foreign_key="people.id", index=True)
    role: Role = Field(sa_type=enum_text(Role))
    subject: uuid.UUID | None = None
    given_by: uuid.UUID | None = None

    def live_topics(self) -> tuple[str, ...]:
        """The connections of the person, whose rights change."""
        return (rights_topic(self.person_id),)


class Carrier(SQLModel, table=True):
    """A company that brings parcels; its name is unique."""

    __tablename__ = "carriers"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    name: str = Field(max_length=80, unique=True)


class ApiKey(SQLModel, table=True):
    """A key of a carrier's system. Only a digest of its secret is kept."""

    __tablename__ = "api_keys"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    carrier_id: uuid.UUID = Field(foreign_key="carriers.id", index=True)
    name: str = Field(max_length=80)
    digest: bytes
    permissions: list[str] = Field(sa_type=JSON)
    revoked_at: datetime | None = None


class StoredPreferences(SQLModel, table=True):
    """What a person has chosen, as `people.preferences` stores it; no row for who chose nothing."""

    __tablename__ = "preferences"

    person_id: uuid.UUID = Field(primary_key=True, foreign_key="people.id")
    version: int
    changed_at: datetime
    wishes: dict[str, Any] = Field(sa_type=JSON)
