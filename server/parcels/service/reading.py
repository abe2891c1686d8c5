"""Parcels as others read them: only what the actor may see, and no more of it than they may."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.kit.auth import Actor, Permission
from server.parcels import queries
from server.parcels.queries import PlacedParcel
from server.parcels.visibility import Visibility, reaches, short_name, visibility_of, work_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.parcels.states import ParcelState
    from server.parcels.tables import Dispute, Parcel, ParcelEvent, ParcelExtension


@dataclass(frozen=True, slots=True)
class RecipientView:
    """What the actor may know of a parcel's recipient."""

    name: str | None
    contact: str | None


async def find_parcel(session: Session, actor: Actor, parcel_id: uuid.UUID) -> PlacedParcel | None:
    """The parcel with its compartment; None also for one that the actor may not see."""
    return await queries.find_visible(session, parcel_id, visibility_of(actor))


async def find_own_parcel(
    session: Session, person_id: uuid.UUID, parcel_id: uuid.UUID
) -> PlacedParcel | None:
    """The parcel, if this person is its recipient."""
    return await queries.find_visible(session, parcel_id, Visibility(recipient=person_id))


async def list_own_parcels(
    session: Session,
    person_id: uuid.UUID,
    *,
    page: Page,
    states: Collection[ParcelState] | None = None,
) -> Sequence[PlacedParcel]:
    """One more than the page of a recipient's parcels, newest first."""
    own = Visibility(recipient=person_id)
    return await queries.list_parcels(session, page, visibility=own, states=states)


async def list_sent_parcels(
    session: Session, person_id: uuid.UUID, *, page: Page
) -> Sequence[PlacedParcel]:
    """One more than the page of the parcels that a person sends, newest first."""
    return await queries.list_parcels(
        session, page, visibility=Visibility(sender=person_id), states=None
    )


async def list_visible_parcels(
    session: Session,
    actor: Actor,
    *,
    page: Page,
    states: Collection[ParcelState] | None = None,
    hub_id: uuid.UUID | None = None,
) -> Sequence[PlacedParcel]:
    """One more than the page of what staff, couriers and carriers follow, newest first.

    Their own parcels as recipients are not in it.
    """
    work = work_of(actor)
    if work.is_empty:
        return []
    return await queries.list_parcels(session, page, visibility=work, states=states, hub_id=hub_id)


async def with_place(session: Session, parcel: Parcel) -> PlacedParcel:
    """The parcel with the compartment that it lies in."""
    if parcel.stay_id is None:
        return PlacedParcel(parcel, None)
    return PlacedParcel(parcel, await queries.find_compartment_of(session, parcel))


async def list_histories(
    session: Session, parcel_ids: Collection[uuid.UUID], *, page: Page
) -> dict[uuid.UUID, list[ParcelEvent]]:
    """One line more than the page of each history, oldest first, in one statement."""
    histories: dict[uuid.UUID, list[ParcelEvent]] = defaultdict(list)
    for event in await queries.list_events(session, parcel_ids, page):
        histories[event.parcel_id].append(event)
    return histories


async def list_unknown_statuses(
    session: Session, actor: Actor, *, limit: int
) -> Sequence[tuple[str, str, int]]:
    """Foreign words that nobody has mapped yet, with how often they came, most first.

    Empty for all but those who follow the whole network.
    """
    if not visibility_of(actor).everything:
        return []
    return await queries.count_unknown_statuses(session, limit=limit)


def recipient_view(actor: Actor, parcel: Parcel) -> RecipientView:
    """Name and address for the recipient and whoever may read contacts; others see a short name."""
    contacts = visibility_of(actor, Permission.PARCEL_READ_CONTACT)
    may_read = reaches(
        contacts,
        parcel_id=parcel.id,
        recipient_id=parcel.recipient_id,
        sender_id=parcel.sender_id,
        carrier_id=parcel.carrier_id,
        hub_id=parcel.hub_id,
    )
    if may_read:
        return RecipientView(parcel.recipient_name, parcel.recipient_contact)
    name = None if parcel.recipient_name is None else short_name(parcel.recipient_name)
    return RecipientView(name, None)


async def list_extensions(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> Sequence[ParcelExtension]:
    """What more time was given for parcels that the caller may see, the earliest first."""
    return await queries.list_extensions(session, parcel_ids)


async def list_disputes(session: Session, parcel_ids: Collection[uuid.UUID]) -> Sequence[Dispute]:
    """What was said of the collections of parcels that the caller may see, the earliest first."""
    return await queries.list_disputes(session, parcel_ids)
