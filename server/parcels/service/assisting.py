"""Staff of a hub help a holder at the door: with the holder's own phone or code, never a key of
their own. Who helped is kept, and the collection is of assurance C.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.parcels import queries
from server.parcels.states import ParcelState
from server.parcels.tables import Assistance, Parcel
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Session
    from server.kit.ids import Ids

BEFORE = timedelta(minutes=30)
"""How long after somebody said that they help, an opening counts as helped."""

AFTER = timedelta(minutes=2)
"""How much later they may say so: as far as clocks may differ (PROTOCOL 4)."""

ASSISTED = "Helped by staff of the hub."

_OPENABLE = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP, ParcelState.COLLECTING})


async def record_assistance(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, ids: Ids, now: datetime
) -> Parcel | Refusal:
    """Writes down that the caller helps the holder of this parcel at its door now.

    It opens nothing: that takes the holder's token or pass. WRONG_STATE for a parcel that nobody
    can collect at a door.
    """
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    parcel = seen.parcel
    may = actor.can(Permission.PARCEL_ASSIST_OPEN, hub=parcel.hub_id)
    if not may or actor.person_id is None:
        return deny(actor)
    if parcel.stay_id is None or parcel.state not in _OPENABLE:
        return Refusal(ProblemCode.WRONG_STATE, "There is no door to help at.", "parcel")
    session.add(Assistance(id=ids.new(), stay_id=parcel.stay_id, at=now, staff_id=actor.person_id))
    await session.flush()
    return parcel


async def find_helper(session: Session, stay: bytes, *, at: datetime) -> uuid.UUID | None:
    """Who of the hub helped when the door of this stay was opened at that time."""
    help_given = await queries.find_assistance(session, stay, since=at - BEFORE, until=at + AFTER)
    return None if help_given is None else help_given.staff_id
