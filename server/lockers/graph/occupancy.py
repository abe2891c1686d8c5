"""How full a hub is and will be, for its staff."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import strawberry
from strawberry.types import Info

from server.kit.auth import Permission
from server.kit.graph import Context, context_of, read_id
from server.lockers.service import occupancy

AHEAD = timedelta(days=3)
"""How far staff can see."""


@strawberry.type(description="One part of a day and how full a hub is expected to be in it.")
class OccupancySlot:
    """Shares of the compartments in service, 0 to 1."""

    start: datetime = strawberry.field(description="From when.")
    end: datetime = strawberry.field(description="Until when.")
    mean: float = strawberry.field(description="Share expected to be in use.")
    low: float = strawberry.field(description="Lower end of what holds in 80 % of cases.")
    high: float = strawberry.field(description="Upper end of it.")


@strawberry.type(description="How full the lockers of a hub are and will be.")
class HubOccupancy:
    """Shares of the compartments in service."""

    now: float | None = strawberry.field(
        description="Share in use at this moment; null where none is in service."
    )
    forecast: list[OccupancySlot] = strawberry.field(
        description="The parts of the next three days; none without enough past."
    )


@strawberry.type
class OccupancyQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="How full a hub is and will be; null for all but its staff and the network's."
    )
    async def hub_occupancy(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
    ) -> HubOccupancy | None:
        """How many doors are full is nobody else's business."""
        context, key = context_of(info), read_id("Hub", hub)
        if key is None or not context.actor.can(Permission.TELEMETRY_READ, hub=key):
            return None
        now = context.clock.now()
        async with context.database.read() as session:
            share = await occupancy.find_share(session, key)
            slots = await occupancy.foresee_slots(
                session, key, since=now, until=now + AHEAD, now=now
            )
        return HubOccupancy(now=share, forecast=[_as_slot(one) for one in slots])


def _as_slot(slot: occupancy.SlotForecast) -> OccupancySlot:
    expected = slot.expected
    return OccupancySlot(
        start=slot.start, end=slot.end, mean=expected.mean, low=expected.low, high=expected.high
    )
