"""How many people mean to come to a hub, slot by slot: counts for its staff, and nobody's name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server.hubs.dayslots import slot_after, slot_of
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission
from server.pickups import queries

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session

AHEAD = timedelta(days=7)
"""How far staff can see."""


@dataclass(frozen=True, slots=True)
class ExpectedPickups:
    """How many chosen windows begin in one slot of the hub's day."""

    start: datetime
    end: datetime
    chosen: int


async def expect_pickups(
    session: Session, actor: Actor, hub_id: uuid.UUID, *, now: datetime
) -> list[ExpectedPickups] | None:
    """The slots of the next week in which somebody means to come; None for all but its staff.

    A window that has begun counts in the slot of its beginning until it is over.
    """
    if not actor.can(Permission.PARCEL_TRACK, hub=hub_id):
        return None
    hub = await find_hub(session, hub_id)
    if hub is None:
        return None
    zone = ZoneInfo(hub.time_zone)
    counted: Counter[tuple[datetime, datetime]] = Counter()
    starts = await queries.list_window_starts(session, hub_id, now=now, until=now + AHEAD)
    for at, many in starts:
        counted[slot_after(slot_of(at, zone), 0, zone)[2]] += many
    return [ExpectedPickups(*span, many) for span, many in sorted(counted.items())]
