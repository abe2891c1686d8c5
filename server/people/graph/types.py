"""The types of people as clients see them, and how they are found by global id."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.types import Info

from server.kit.auth import Permission
from server.kit.errors import BrokenPromise
from server.kit.graph import Context, Node, NodeLoader, context_of, described, global_id
from server.people import queries, tables
from server.people.graph.preferences import Preferences, as_preferences
from server.people.roles import Role
from server.people.rules import Confirmation, PushKind
from server.people.service.preferences import get_preferences

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

described(
    Confirmation,
    description="Why a device does not wait any more.",
    members={
        Confirmation.FIRST: "It was the account's first device.",
        Confirmation.OLDER_DEVICE: "An older device of the account confirmed it.",
        Confirmation.CLERK: "A hub clerk checked the person's identity.",
    },
)
described(
    PushKind,
    description="What kind of address a push target is.",
    members={
        PushKind.FCM_TOKEN: "A registration token of Firebase Cloud Messaging.",
        PushKind.FCM_INSTALLATION: "A Firebase installation id.",
    },
)
described(
    Role,
    description="A bundle of permissions held for a hub, a carrier or the network.",
    members={
        Role.RECIPIENT: "Everybody with an account.",
        Role.COURIER: "Brings and takes away a carrier's parcels.",
        Role.CARRIER_ADMIN: "Runs a carrier: its parcels, its people, its keys.",
        Role.HUB_CLERK: "Serves people at a hub.",
        Role.HUB_MANAGER: "Runs a hub.",
        Role.HUB_OWNER: "Owns a hub: hours, staff, accounts.",
        Role.TECHNICIAN: "Repairs lockers.",
        Role.OPERATOR: "Runs the network.",
        Role.AUDITOR: "Reads what is needed to verify.",
        Role.SUPPORT: "Helps people; never opens a door.",
    },
)


@strawberry.type(description="A phone of an account, known by its Ed25519 key.")
class Device(Node):
    """As its owner sees it. The key itself and the push target are not told."""

    thumbprint: str = strawberry.field(
        description="Of its key (RFC 7638), to be looked for in `keyHistory`."
    )
    name: str = strawberry.field(description="Given by its owner; may be empty.")
    registered_at: datetime = strawberry.field(description="When its key signed in first.")
    confirmed_at: datetime | None = strawberry.field(description="When its waiting was ended.")
    confirmation: Confirmation | None = strawberry.field(description="Why its waiting ended.")
    waits_until: datetime | None = strawberry.field(
        description="Until when it gets no pass for parcels older than itself; null if it does not."
    )
    last_seen_at: datetime = strawberry.field(description="When it was last used, to the hour.")
    is_signed_in: bool = strawberry.field(description="Whether it may refresh its access.")
    is_this: bool = strawberry.field(description="Whether it is the device that asks.")
    has_push: bool = strawberry.field(description="Whether push messages go to it.")


@strawberry.type(description="A role that a person holds.")
class HeldRole:
    """One membership."""

    role: Role = strawberry.field(description="The bundle of permissions.")
    place: strawberry.ID | None = strawberry.field(
        description="Global id of the hub or carrier; null for the whole network."
    )


@strawberry.type(description="A company that brings parcels.")
class Carrier(Node):
    """As its own people and operators see it."""

    name: str = strawberry.field(description="Unique name.")


@strawberry.type(description="The signed-in person.")
class Me(Node):
    """The part that is about the account; other verticals add what it has (see `kit.graph`)."""

    @strawberry.field(description="E-mail addresses and phone numbers of the account.")
    async def addresses(self, info: Info[Context, None]) -> list[str]:
        """All addresses, oldest first."""
        async with context_of(info).database.read() as session:
            rows = await queries.list_contacts(session, _me(info))
        return [row.address for row in rows]

    @strawberry.field(description="Devices that were not removed, oldest first; at most 20.")
    async def devices(self, info: Info[Context, None]) -> list[Device]:
        """The account's devices."""
        context = context_of(info)
        async with context.database.read() as session:
            rows = await queries.list_devices(session, _me(info))
        return [as_device(row, context) for row in rows]

    @strawberry.field(description="Roles held besides that of a recipient.")
    async def roles(self, info: Info[Context, None]) -> list[HeldRole]:
        """The account's memberships."""
        async with context_of(info).database.read() as session:
            rows = await queries.list_memberships(session, _me(info))
        return [HeldRole(role=row.role, place=_place(row)) for row in rows]

    @strawberry.field(description="What the person prefers, and their hard limits.")
    async def preferences(self, info: Info[Context, None]) -> Preferences:
        """The defaults where nothing was chosen."""
        async with context_of(info).database.read() as session:
            return as_preferences(await get_preferences(session, _me(info)))


def as_device(row: tables.Device, context: Context) -> Device:
    """The device as GraphQL tells it at this moment."""
    is_waiting = row.trust.is_waiting(context.clock.now())
    return Device(
        id=global_id("Device", row.id),
        thumbprint=row.thumbprint,
        name=row.name,
        registered_at=row.registered_at,
        confirmed_at=row.confirmed_at,
        confirmation=row.confirmation,
        waits_until=row.trust.waits_until if is_waiting else None,
        last_seen_at=row.last_seen_at,
        is_signed_in=row.signed_out_at is None and row.revoked_at is None,
        is_this=row.id == context.actor.device_id,
        has_push=row.push_target is not None,
    )


def as_carrier(row: tables.Carrier) -> Carrier:
    """The carrier as GraphQL tells it."""
    return Carrier(id=global_id("Carrier", row.id), name=row.name)


async def _load_device(context: Context, key: uuid.UUID) -> Any:
    async with context.database.read() as session:
        row = await queries.find_device(session, key)
    is_own = row is not None and row.person_id == context.actor.person_id
    return as_device(row, context) if row is not None and is_own and not row.revoked_at else None


async def _load_carrier(context: Context, key: uuid.UUID) -> Any:
    actor = context.actor
    if actor.carrier_id != key and not actor.can(Permission.PARCEL_TRACK, carrier=key):
        return None
    async with context.database.read() as session:
        row = await queries.find_carrier(session, key)
    return as_carrier(row) if row else None


NODE_TYPES: tuple[type, ...] = (Device, Carrier)

NODES: Mapping[str, NodeLoader] = {"Device": _load_device, "Carrier": _load_carrier}


def _me(info: Info[Context, None]) -> uuid.UUID:
    person_id = context_of(info).actor.person_id
    if person_id is None:
        raise BrokenPromise("`me` was resolved for nobody")
    return person_id


def _place(row: tables.Membership) -> strawberry.ID | None:
    if row.subject is None:
        return None
    is_carrier = row.role in {Role.COURIER, Role.CARRIER_ADMIN}
    return global_id("Carrier" if is_carrier else "Hub", row.subject)
