"""What is wrong with a parcel or its door, as whoever waits for it is told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from server.lockers.incidents import IncidentKind, NextStep, steps_for_holder
from server.lockers.rules import ServiceState
from server.parcels.states import ParcelState

if TYPE_CHECKING:
    from server.lockers.tables import Incident
    from server.parcels.queries import PlacedParcel


@strawberry.type(description="Something wrong with a parcel or the door it lies behind.")
class Trouble:
    """Without what is known about others; those who resolve it see the incident."""

    kind: IncidentKind = strawberry.field(description="What is wrong.")
    since: datetime = strawberry.field(description="When the server noticed.")
    next_steps: list[NextStep] = strawberry.field(
        description="What whoever waits for the parcel can do, the nearest first."
    )


def as_trouble(incident: Incident, placed: PlacedParcel) -> Trouble:
    """The incident as GraphQL tells it to whoever sees the parcel."""
    door = placed.compartment
    is_broken = door is not None and door.service is ServiceState.OUT_OF_SERVICE
    is_held = placed.parcel.state is ParcelState.ON_HOLD
    steps = steps_for_holder(incident.kind, is_broken=is_broken, is_held=is_held)
    return Trouble(kind=incident.kind, since=incident.opened_at, next_steps=[*steps])
