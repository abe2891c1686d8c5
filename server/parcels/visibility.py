"""Whose parcels an actor may see, as a row filter, and what of them. Knows no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.kit.auth import Actor, Permission, Scope

if TYPE_CHECKING:
    import uuid


@dataclass(frozen=True, slots=True)
class Visibility:
    """The parcels that an actor may follow: those that any of the fields names."""

    everything: bool = False
    recipient: uuid.UUID | None = None
    sender: uuid.UUID | None = None
    carriers: frozenset[uuid.UUID] = frozenset()
    hubs: frozenset[uuid.UUID] = frozenset()
    parcels: frozenset[uuid.UUID] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be seen, so that nothing need be asked."""
        people = self.recipient or self.sender
        return not (self.everything or people or self.carriers or self.hubs or self.parcels)


OF_SENDERS = frozenset(
    {
        Permission.PARCEL_TRACK,
        Permission.PARCEL_READ_CONTACT,
        Permission.PARCEL_CANCEL,
        Permission.PARCEL_DEPOSIT,
        Permission.RECEIPT_READ,
    }
)
"""What reaches the parcels that a person sends, besides those that are sent to them."""

_OF_SENDERS_ALONE = frozenset({Permission.PARCEL_CANCEL, Permission.PARCEL_DEPOSIT})


def visibility_of(actor: Actor, permission: Permission = Permission.PARCEL_TRACK) -> Visibility:
    """What the permission lets this actor see: their own, their carrier's, their hubs', or all."""
    scopes = {scope for granted, scope, _ in actor.grants if granted is permission}
    own = actor.person_id if Scope.SELF in scopes else None
    return Visibility(
        everything=Scope.NETWORK in scopes,
        recipient=None if permission in _OF_SENDERS_ALONE else own,
        sender=own if permission in OF_SENDERS else None,
        carriers=actor.subjects(permission, Scope.CARRIER, Scope.ROUTE),
        hubs=actor.subjects(permission, Scope.HUB),
        parcels=actor.subjects(permission, Scope.DELEGATED),
    )


def work_of(actor: Actor, permission: Permission = Permission.PARCEL_TRACK) -> Visibility:
    """The same without the actor's own parcels: what they carry, or keep, for others."""
    seen = visibility_of(actor, permission)
    return Visibility(everything=seen.everything, carriers=seen.carriers, hubs=seen.hubs)


def reaches(  # the ways in which a parcel can be somebody's
    visibility: Visibility,
    *,
    parcel_id: uuid.UUID,
    recipient_id: uuid.UUID | None,
    sender_id: uuid.UUID | None,
    carrier_id: uuid.UUID,
    hub_id: uuid.UUID,
) -> bool:
    """Whether a parcel is among those that can be seen; the same rule as the row filter."""
    return (
        visibility.everything
        or (recipient_id is not None and recipient_id == visibility.recipient)
        or (sender_id is not None and sender_id == visibility.sender)
        or carrier_id in visibility.carriers
        or hub_id in visibility.hubs
        or parcel_id in visibility.parcels
    )


def short_name(full_name: str) -> str:
    """First name and the initial of the last one: all that hub staff see of a recipient."""
    parts = full_name.split()
    if len(parts) < 2:
        return full_name.strip()
    return f"{parts[0]} {parts[-1][0]}."
