"""SQL of what is kept about a person, whichever part of the house keeps it.

A table that has somebody's id and is not here is named, with the reason, by the tests.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import col, or_, select, tuple_

from server.access.tables import Grant, GuestLink, IssuedPass, IssuedToken, PassedOn
from server.lockers.tables import Incident, Reservation
from server.notices.tables import DisputeEvidence, Notice, Reminder
from server.notices.takeout.rules import MOST_ROWS
from server.parcels.tables import (
    Assistance,
    Dispute,
    Handover,
    Parcel,
    ParcelEvent,
    ParcelExtension,
    ParcelPause,
    Stay,
    StayParcel,
)
from server.people.tables import (
    ContactAddress,
    Device,
    Membership,
    Person,
    SignInRequest,
    StoredPreferences,
)
from server.pickups.tables import ArrivalForecast, HabitCounts, HabitPast, PickupWindow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Mapping, Sequence

    from sqlmodel import SQLModel

    from server.kit.db import Session

OF_PERSON: Final[Mapping[str, tuple[type[SQLModel], str]]] = MappingProxyType(
    {
        "account": (Person, "id"),
        "addresses": (ContactAddress, "person_id"),
        "devices": (Device, "person_id"),
        "roles": (Membership, "person_id"),
        "preferences": (StoredPreferences, "person_id"),
        "habits": (HabitPast, "person_id"),
        "habitCounts": (HabitCounts, "subject_id"),
        "notices": (Notice, "person_id"),
    }
)
"""Sections of the account: the table, and its column that names the person."""

OF_PARCEL: Final[Mapping[str, tuple[type[SQLModel], str]]] = MappingProxyType(
    {
        "history": (ParcelEvent, "parcel_id"),
        "stays": (StayParcel, "parcel_id"),
        "reservations": (Reservation, "parcel_id"),
        "pauses": (ParcelPause, "parcel_id"),
        "extensions": (ParcelExtension, "parcel_id"),
        "handovers": (Handover, "parcel_id"),
        "disputes": (Dispute, "parcel_id"),
        "evidence": (DisputeEvidence, "parcel_id"),
        "incidents": (Incident, "subject_id"),
        "windows": (PickupWindow, "parcel_id"),
        "forecasts": (ArrivalForecast, "parcel_id"),
        "links": (GuestLink, "parcel_id"),
        "reminders": (Reminder, "parcel_id"),
    }
)
"""The same of each parcel that is for the person, or that they send."""

OF_GRANT: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {"tokens": IssuedToken, "passes": IssuedPass, "delegations": PassedOn}
)
"""What was issued for a right that the person holds, or passed on of it."""

SINGLY: Final[tuple[type[SQLModel], ...]] = (SignInRequest, Parcel, Stay, Assistance, Grant)
"""Tables of this document with a question of their own."""


async def list_of(
    session: Session, table: type[SQLModel], column: str, keys: Collection[uuid.UUID]
) -> Sequence[Any]:
    """Rows of the table whose column names one of these, at most one more than a page holds."""
    key: Any = getattr(table, column)
    return (await session.exec(select(table).where(key.in_(keys)).limit(MOST_ROWS + 1))).all()


async def list_sign_ins(session: Session, person_id: uuid.UUID) -> Sequence[SignInRequest]:
    """Requests for codes to the person's addresses, which are kept for a few minutes."""
    own = select(col(ContactAddress.kind), col(ContactAddress.address)).where(
        ContactAddress.person_id == person_id
    )
    asked = tuple_(col(SignInRequest.kind), col(SignInRequest.address))
    query = select(SignInRequest).where(asked.in_(own)).limit(MOST_ROWS + 1)
    return (await session.exec(query)).all()


async def list_parcels(
    session: Session, person_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
) -> Sequence[Parcel]:
    """Parcels for the person, and those that they send, by id."""
    query = select(Parcel).where(
        or_(col(Parcel.recipient_id) == person_id, col(Parcel.sender_id) == person_id)
    )
    if after is not None:
        query = query.where(col(Parcel.id) > after)
    return (await session.exec(query.order_by(col(Parcel.id)).limit(limit))).all()


async def list_stays(session: Session, stay_ids: Collection[uuid.UUID]) -> Sequence[Stay]:
    """These stays."""
    return (await session.exec(select(Stay).where(col(Stay.id).in_(stay_ids)))).all()


async def list_assistances(
    session: Session, stay_ids: Collection[uuid.UUID]
) -> Sequence[Assistance]:
    """Who was helped at the door of these stays."""
    query = select(Assistance).where(col(Assistance.stay_id).in_(stay_ids))
    return (await session.exec(query.limit(MOST_ROWS + 1))).all()


async def list_grants(
    session: Session, person_id: uuid.UUID, parcel_ids: Collection[uuid.UUID]
) -> Sequence[Grant]:
    """Rights that the person holds, or held, at these parcels."""
    query = select(Grant).where(Grant.holder_id == person_id, col(Grant.parcel_id).in_(parcel_ids))
    return (await session.exec(query.limit(MOST_ROWS + 1))).all()
