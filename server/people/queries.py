"""Every SQL statement about people, devices, codes, roles and carriers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import tuple_
from sqlmodel import col, delete, func, select, update

from server.kit.db import held
from server.people.tables import (
    ApiKey,
    Carrier,
    ContactAddress,
    Device,
    Membership,
    Person,
    SignInRequest,
    StoredPreferences,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession

    from server.people.roles import Role
    from server.people.rules import Contact


async def find_contact(session: AsyncSession, contact: Contact) -> ContactAddress | None:
    """The row of an address, whoever it belongs to."""
    query = select(ContactAddress).where(
        ContactAddress.kind == contact.kind, ContactAddress.address == contact.address
    )
    return (await session.exec(query)).one_or_none()


async def list_contacts(session: AsyncSession, person_id: uuid.UUID) -> Sequence[ContactAddress]:
    """A person's addresses in the order they came."""
    query = select(ContactAddress).where(ContactAddress.person_id == person_id)
    return (await session.exec(query.order_by(col(ContactAddress.id)))).all()


async def find_person(session: AsyncSession, person_id: uuid.UUID) -> Person | None:
    """The account of this id."""
    return await session.get(Person, person_id)


async def find_device(session: AsyncSession, device_id: uuid.UUID) -> Device | None:
    """The device of this id, removed ones too."""
    return await session.get(Device, device_id)


async def find_device_by_key(session: AsyncSession, thumbprint: str) -> Device | None:
    """The device that was ever registered with this key, for update."""
    query = select(Device).where(Device.thumbprint == thumbprint)
    return (await session.exec(held(query))).one_or_none()


async def find_owner_of_key(session: AsyncSession, thumbprint: str) -> uuid.UUID | None:
    """The person whose device was ever registered with this key."""
    query = select(Device.person_id).where(Device.thumbprint == thumbprint)
    return (await session.exec(query)).one_or_none()


async def is_known_key(session: AsyncSession, thumbprint: str) -> bool:
    """Whether any device was ever registered with this key."""
    return (
        await session.exec(select(Device.id).where(Device.thumbprint == thumbprint))
    ).first() is not None


async def list_devices(session: AsyncSession, person_id: uuid.UUID) -> Sequence[Device]:
    """A person's devices that were not removed, oldest first."""
    query = select(Device).where(Device.person_id == person_id, col(Device.revoked_at).is_(None))
    return (await session.exec(query.order_by(col(Device.registered_at), col(Device.id)))).all()


async def list_devices_of(session: AsyncSession, people: Collection[uuid.UUID]) -> Sequence[Device]:
    """The devices of these people that were not removed, of each the oldest first."""
    theirs = (col(Device.person_id).in_(people), col(Device.revoked_at).is_(None))
    order = (col(Device.registered_at), col(Device.id))
    return (await session.exec(select(Device).where(*theirs).order_by(*order))).all()


async def list_contacts_of(
    session: AsyncSession, people: Collection[uuid.UUID]
) -> Sequence[ContactAddress]:
    """The addresses of these people, of each in the order they came."""
    query = select(ContactAddress).where(col(ContactAddress.person_id).in_(people))
    return (await session.exec(query.order_by(col(ContactAddress.id)))).all()


async def release_push_target(
    session: AsyncSession, target: str, *, keeper: uuid.UUID | None
) -> None:
    """Takes a push target away from every device but one, or from all."""
    statement = update(Device).where(col(Device.push_target) == target, col(Device.id) != keeper)
    await session.exec(statement.values(push_target=None, push_kind=None))


async def count_devices_ever(session: AsyncSession, person_id: uuid.UUID) -> int:
    """How many devices the account ever had, removed ones too."""
    query = select(func.count()).select_from(Device).where(Device.person_id == person_id)
    return (await session.exec(query)).one()


async def lock_person(session: AsyncSession, person_id: uuid.UUID) -> None:
    """Makes other changes to this account's devices wait until the end of the transaction."""
    await session.exec(held(select(Person.id).where(Person.id == person_id)))


async def get_locked_person(session: AsyncSession, person_id: uuid.UUID) -> Person | None:
    """The account, kept from changing until the end of the transaction."""
    return (await session.exec(held(select(Person).where(Person.id == person_id)))).one_or_none()


async def list_erasing(
    session: AsyncSession, *, after: uuid.UUID | None, limit: int
) -> Sequence[uuid.UUID]:
    """People whose erasure was asked for and is not done, by id."""
    waiting = (col(Person.erasure_asked_at).is_not(None), col(Person.erased_at).is_(None))
    query = select(Person.id).where(*waiting)
    if after is not None:
        query = query.where(col(Person.id) > after)
    return (await session.exec(query.order_by(col(Person.id)).limit(limit))).all()


async def list_account_holders(
    session: AsyncSession, people: Collection[uuid.UUID]
) -> Sequence[uuid.UUID]:
    """Those of these people who ever signed in on a phone, or hold a role."""
    phones = select(Device.person_id).where(col(Device.person_id).in_(people))
    roles = select(Membership.person_id).where(col(Membership.person_id).in_(people))
    return [*(await session.exec(phones)).all(), *(await session.exec(roles)).all()]


async def list_devices_ever(session: AsyncSession, person_id: uuid.UUID) -> Sequence[Device]:
    """All devices that the account ever had."""
    return (await session.exec(select(Device).where(Device.person_id == person_id))).all()


async def delete_account_rows(session: AsyncSession, person_id: uuid.UUID) -> None:
    """Removes addresses, requests for codes to them, and preferences of a person."""
    own = col(ContactAddress.person_id) == person_id
    pairs = select(col(ContactAddress.kind), col(ContactAddress.address)).where(own)
    asked = tuple_(col(SignInRequest.kind), col(SignInRequest.address))
    await session.exec(delete(SignInRequest).where(asked.in_(pairs)))
    await session.exec(delete(ContactAddress).where(own))
    theirs = col(StoredPreferences.person_id) == person_id
    await session.exec(delete(StoredPreferences).where(theirs))


async def find_sign_in_request(
    session: AsyncSession, request_id: uuid.UUID, *, for_update: bool = False
) -> SignInRequest | None:
    """The request for a code of this id."""
    query = select(SignInRequest).where(SignInRequest.id == request_id)
    return (await session.exec(held(query) if for_update else query)).one_or_none()


async def prune_sign_in_requests(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Forgets at most `limit` requests that expired before then, addresses and all; how many."""
    old = select(SignInRequest.id).where(SignInRequest.expires_at < before).limit(limit)
    gone = await session.exec(delete(SignInRequest).where(col(SignInRequest.id).in_(old)))
    return gone.rowcount


async def list_memberships(session: AsyncSession, person_id: uuid.UUID) -> Sequence[Membership]:
    """The roles that a person holds."""
    query = select(Membership).where(Membership.person_id == person_id)
    return (await session.exec(query.order_by(col(Membership.id)))).all()


async def find_membership(
    session: AsyncSession, *, person_id: uuid.UUID, role: Role, subject: uuid.UUID | None
) -> Membership | None:
    """The row that gives this person this role for this subject."""
    query = select(Membership).where(Membership.person_id == person_id, Membership.role == role)
    query = query.where(
        col(Membership.subject).is_(None) if subject is None else Membership.subject == subject
    )
    return (await session.exec(query)).first()


async def find_carrier(session: AsyncSession, carrier_id: uuid.UUID) -> Carrier | None:
    """The carrier of this id."""
    return await session.get(Carrier, carrier_id)


async def get_carrier_by_name(session: AsyncSession, name: str) -> Carrier:
    """The carrier of exactly this name, which must exist."""
    return (await session.exec(select(Carrier).where(Carrier.name == name))).one()


async def find_api_key(session: AsyncSession, key_id: uuid.UUID) -> ApiKey | None:
    """The API key of this id, revoked ones too."""
    return await session.get(ApiKey, key_id)


async def find_preferences(session: AsyncSession, person_id: uuid.UUID) -> StoredPreferences | None:
    """What a person has chosen, if anything."""
    return await session.get(StoredPreferences, person_id)


async def list_preferences(
    session: AsyncSession, people: Collection[uuid.UUID]
) -> Sequence[StoredPreferences]:
    """What these people have chosen; those who chose nothing have no row."""
    query = select(StoredPreferences).where(col(StoredPreferences.person_id).in_(people))
    return (await session.exec(query)).all()
