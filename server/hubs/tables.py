"""Tables of partners, hubs and their hours."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from server.hubs.extensions import ExtensionRule
from server.hubs.rules import HubKind
from server.kit.db import enum_text

NAME_CHARACTERS = 120
"""Longest name of a partner or a hub."""

LINE_CHARACTERS = 120
"""Longest line of an address."""


class Partner(SQLModel, table=True):
    """A business that hosts hubs."""

    __tablename__ = "partners"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    legal_name: str = Field(max_length=NAME_CHARACTERS, unique=True)


class Hub(SQLModel, table=True):
    """A community location. `version` grows with each change of the row or of its hours."""

    __tablename__ = "hubs"

    id: uuid.UUID = Field(primary_key=True)
    created_at: datetime
    version: int = 1
    partner_id: uuid.UUID = Field(foreign_key="partners.id", index=True)
    name: str = Field(max_length=NAME_CHARACTERS)
    kind: HubKind = Field(sa_type=enum_text(HubKind))
    time_zone: str = Field(max_length=64)
    street: str = Field(max_length=LINE_CHARACTERS)
    postal_code: str = Field(max_length=16)
    city: str = Field(max_length=LINE_CHARACTERS)
    country: str = Field(max_length=2)
    latitude: float
    longitude: float
    wheelchair_access: bool = False
    low_connectivity: bool = False
    rule_version: int = 0
    """Grows with each change of the rule for more time; 0 while it is the network's."""
    further_extensions: int = 0
    """How often a parcel here gets more time again after the first."""
    further_below_percent: int = 0
    """While less of the compartments than this is expected to be in use."""

    @property
    def extension_rule(self) -> ExtensionRule:
        """Its own rule for more time, or the network's."""
        if self.rule_version == 0:
            return ExtensionRule()
        return ExtensionRule(self.rule_version, self.further_extensions, self.further_below_percent)


class HubOpening(SQLModel, table=True):
    """One weekly span of a hub, in minutes of its local day."""

    __tablename__ = "hub_openings"
    __table_args__ = (
        UniqueConstraint("hub_id", "weekday", "opens_minute"),
        CheckConstraint("opens_minute < closes_minute", name="span"),
    )

    id: uuid.UUID = Field(primary_key=True)
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    weekday: int
    opens_minute: int
    closes_minute: int


class HubClosure(SQLModel, table=True):
    """Days on which a hub stays shut, both ends included."""

    __tablename__ = "hub_closures"
    __table_args__ = (
        Index(None, "hub_id", "last_day"),
        CheckConstraint("first_day <= last_day", name="days"),
    )

    id: uuid.UUID = Field(primary_key=True)
    hub_id: uuid.UUID = Field(foreign_key="hubs.id")
    first_day: date
    last_day: date
    reason: str = Field(sa_type=Text)
    is_planned: bool
    shifts_deadlines: bool
