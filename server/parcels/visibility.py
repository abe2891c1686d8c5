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
    carriers: frozenset[uuid.UUID] = frozenset()
    hubs: frozenset[uuid.UUID] = frozenset()
    parcels: frozenset[uuid.UUID] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be seen, so that nothing need be asked."""
        return not (self.everything or self.recipient or self.carriers or self.hubs or self.parcels)


def visibility_of(actor: Actor, permission: Permission = Permission.PARCEL_TRACK) -> Visibility:
    """What the permission lets this actor see: their own, their carrier's, their hubs', or all."""
    scopes = {scope for granted, scope, _ in actor.grants if granted is permission}
    return Visibility(
        everything=Scope.NETWORK in scopes,
        recipient=actor.person_id if Scope.SELF in scopes else None,
        carriers=actor.subjects(permission, Scope.CARRIER, Scope.ROUTE),
        hubs=actor.subjects(permission, Scope.HUB),
        parcels=actor.subjects(permission, Scope.DELEGATED),
    )


def reaches(  # the four ways in which a parcel can be somebody's
    visibility: Visibility,
    *,
    parcel_id: uuid.UUID,
    recipient_id: uuid.UUID | None,
    carrier_id: uuid.UUID,
    hub_id: uuid.UUID,
) -> bool:
    """Whether a parcel is among those that can be seen; the same rule as the row filter."""
    return (
        visibility.everything
        or (recipient_id is not None and recipient_id == visibility.recipient)
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
