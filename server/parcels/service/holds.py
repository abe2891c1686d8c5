"""Holding a parcel when something is wrong with where it lies (P20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.parcels import queries
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.states import Party, Trigger

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.incidents import Fact
    from server.parcels.rules import Move
    from server.parcels.tables import Parcel, PauseCause, Stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong, since when, and who said so; a rule of the server where nobody did."""

    reason: str
    pause: PauseCause
    at: datetime
    actor_id: uuid.UUID | None = None
    fact: Fact | None = None
    """The journal entry that shows it."""
    incident_id: uuid.UUID | None = None
    """What somebody looks into because of it, where no journal tells."""


async def hold(
    session: Session, parcel: Parcel, trouble: Trouble, *, ids: Ids, now: datetime
) -> Move | None:
    """Holds a locked parcel and stops its time to collect; None where no row takes it.

    One that is held already, or is not there any more, stays as it is.
    """
    happened = Occurrence(
        trigger=Trigger.HOLD,
        party=Party.SRV,
        at=trouble.at,
        actor_id=trouble.actor_id,
        reason=trouble.reason,
        shown_by=trouble.fact,
        incident_id=trouble.incident_id,
        pause=trouble.pause,
    )
    situation = situation_of(parcel, trouble.at, Situation(has_reason=True))
    return await move(session, parcel, happened, situation, ids=ids, now=now)


async def hold_all(
    session: Session, stay: Stay, trouble: Trouble, *, ids: Ids, now: datetime
) -> Sequence[Parcel]:
    """Holds every parcel of a running stay; all of them, held or not."""
    inside = await queries.lock_parcels_of_stay(session, stay.id)
    for parcel in inside:
        await hold(session, parcel, trouble, ids=ids, now=now)
    return inside
