"""What a door that closed on parcels does: a stay begins, or one more parcel joins it (C4, C6).

The newest deposit says where a parcel is, in whatever order the lockers' journals arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.lockers.incidents import IncidentKind
from server.lockers.queries import find_live_reservation, list_compartments_by_ids
from server.lockers.rules import Change
from server.lockers.service import facts as lockers
from server.lockers.service import reservations
from server.parcels import queries
from server.parcels.conflicts import is_overtaken
from server.parcels.consent import OUT_OF_REACH
from server.parcels.rules import Situation, find_move
from server.parcels.service.consenting import Agreed, agree, find_limits
from server.parcels.service.moving import (
    Occurrence,
    is_at_destination,
    move,
    record,
    situation_of,
)
from server.parcels.service.reserving import wish_of
from server.parcels.service.scenes import Scene, enter, list_later, occurrence, report, take
from server.parcels.states import Party, Removal, Trigger
from server.parcels.tables import LocationKind, Parcel, Stay

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.incidents import Fact
    from server.lockers.tables import Compartment, Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Putting:
    """What the acceptance behind a deposit says: which parcel, by whom, from where.

    Without `parcel_id` it is every parcel that the stay was minted for. `left_by` is the removal
    that its holder was granted where the parcel lay, if there was one.
    """

    parcel_id: uuid.UUID | None = None
    depositor_id: uuid.UUID | None = None
    left_by: Removal | None = None


async def begin_stay(scene: Scene, putting: Putting) -> None:
    """The stay begins in the compartment of the fact, and with it a place for its parcels."""
    session, stay = scene.session, scene.stay
    kept = await find_live_reservation(session, scene.locker.id, scene.fact.compartment)
    compartment = await lockers.change_allocation(session, scene.fact, Change.STORE)
    if compartment is None or stay is None or stay.begun_at is not None:
        await report(scene, IncidentKind.FACT_WITHOUT_PARCEL, "a deposit out of nowhere")
        return
    await _end_forgotten(scene, compartment)
    stay.compartment_id, stay.begun_at = compartment.id, scene.fact.at
    await session.flush()
    for parcel in await _parcels_of(session, stay, putting):
        await _put_in(scene, stay, parcel, putting)
    await _rebook(scene, kept)


async def on_added(
    session: Session,
    fact: Fact,
    *,
    stay: bytes,
    putting: Putting,
    ids: Ids,
    now: datetime,
) -> bool:
    """DOOR_CLOSED, not sensed empty, under a DEPOSIT token whose stay is stored there (C6).

    False, and nothing happens, for the close of a first deposit, which DEPOSITED tells of, and for
    a parcel that is inside already: its door was opened again and left as it was.
    """
    kept = await queries.find_stay(session, stay)
    is_running = kept is not None and kept.begun_at is not None and kept.ended_at is None
    if not is_running or putting.parcel_id is None:
        return False
    scene = await enter(session, fact, Trigger.DEPOSITED, stay, ids=ids, now=now)
    if scene is None or scene.stay is None:
        return False
    parcel = await queries.lock_parcel(session, putting.parcel_id)
    if parcel is None or parcel.stay_id == scene.stay.id:
        return False
    await _put_in(scene, scene.stay, parcel, putting)
    return True


async def _parcels_of(session: Session, stay: Stay, putting: Putting) -> Sequence[Parcel]:
    if putting.parcel_id is None:
        return await queries.lock_parcels_to_come(session, stay.id)
    parcel = await queries.lock_parcel(session, putting.parcel_id)
    return [] if parcel is None else [parcel]


async def _put_in(scene: Scene, stay: Stay, parcel: Parcel, putting: Putting) -> None:
    """One parcel that a door has closed on."""
    session, at = scene.session, scene.fact.at
    if not await queries.put_in(session, stay_id=stay.id, parcel_id=parcel.id, at=at):
        return
    if is_overtaken(scene.locker.id, at, await list_later(scene, parcel)):
        # It has been elsewhere since: what this locker tells of it is the past.
        await queries.take_out(session, stay_id=stay.id, parcel_id=parcel.id, at=at)
        return
    if parcel.stay_id is not None:
        await _leave_former(scene, await queries.get_stay(session, parcel.stay_id), parcel, putting)
    happened = occurrence(scene, Trigger.DEPOSITED, putting.depositor_id)
    moved = await take(scene, parcel, happened, Situation())
    if moved is None:
        if parcel.stay_id is not None:
            # It lies elsewhere: whatever was put in here, this stay does not hold it.
            await queries.take_out(session, stay_id=stay.id, parcel_id=parcel.id, at=at)
        return
    _place(scene, parcel, stay)
    await reservations.release(session, parcel.id, now=scene.now)
    await _check_consent(scene, stay, parcel)
    if moved.row.name == "F2":
        await report(scene, IncidentKind.LATE_FACT, f"deposited while {moved.source}", parcel)
    await _pass_through(scene, parcel)


async def _check_consent(scene: Scene, stay: Stay, parcel: Parcel) -> None:
    """A parcel that lies where its recipient did not want it is collected there, and looked into.

    Its courier's token was made before the recipient changed their mind.
    """
    session, locker, at = scene.session, scene.locker, scene.fact.at
    limits = (await find_limits(session, [parcel], hub_id=locker.hub_id, now=at))[parcel.id]
    refused = limits.object_to_lockers() or limits.object_to_locker(has_keypad=locker.has_keypad)
    place = [stay.compartment_id] if stay.compartment_id else []
    doors = await list_compartments_by_ids(session, place)
    if refused is None and not all(limits.allows_sill(one.sill_height_mm) for one in doors):
        refused = OUT_OF_REACH
    if refused is not None:
        await report(scene, IncidentKind.CONSENT_BROKEN, refused.message, parcel)


async def _leave_former(scene: Scene, former: Stay, parcel: Parcel, putting: Putting) -> None:
    """It lies here now, so it has left where we believe it, though that locker has not told yet.

    This very locker would have told: there it cannot be in two places, and it stays in the first.
    """
    if former.locker_id == scene.locker.id:
        return
    trigger = Trigger.WITHDRAWN if putting.left_by is None else Trigger.REMOVED
    at = scene.fact.at
    situation = situation_of(parcel, at, Situation(removal=putting.left_by))
    found = find_move(parcel.state, trigger, Party.AGT, situation)
    if found is None:
        return
    left = Occurrence(
        trigger=trigger,
        party=Party.AGT,
        at=at,
        locker_id=scene.locker.id,
        reason=f"Implied by entry {scene.fact.seq} of the locker that it is in now.",
    )
    if putting.left_by is None:
        detail = f"deposited elsewhere while {parcel.state} in another compartment"
        await report(scene, IncidentKind.LATE_FACT, detail, parcel)
    await record(scene.session, parcel, found, left, ids=scene.ids, now=scene.now)
    await queries.take_out(scene.session, stay_id=former.id, parcel_id=parcel.id, at=at)
    parcel.stay_id = None


async def _pass_through(scene: Scene, parcel: Parcel) -> None:
    """What was dropped off where its recipient collects is ready without a courier (P6b)."""
    if not is_at_destination(parcel):
        return
    happened = Occurrence(trigger=Trigger.PASS_THROUGH, party=Party.SRV, at=scene.now)
    situation = situation_of(parcel, scene.now)
    await move(scene.session, parcel, happened, situation, ids=scene.ids, now=scene.now)


def _place(scene: Scene, parcel: Parcel, stay: Stay) -> None:
    is_planned = parcel.planned_hub_id == scene.locker.hub_id
    parcel.location_kind = LocationKind.PLANNED if is_planned else LocationKind.TEMPORARY
    parcel.hub_id = scene.locker.hub_id
    parcel.stay_id = stay.id
    scene.session.add(parcel)


async def _end_forgotten(scene: Scene, compartment: Compartment) -> None:
    """A stay that we believe in the compartment is over: the locker has stored another."""
    former = await queries.find_running_stay(scene.session, compartment.id)
    if former is None:
        return
    former.ended_at = scene.fact.at
    for parcel in await queries.lock_parcels_of_stay(scene.session, former.id):
        parcel.stay_id = None
        detail = f"another parcel was deposited in its place while {parcel.state}"
        await report(scene, IncidentKind.FACT_WITHOUT_ROW, detail, parcel)
    await queries.take_out(scene.session, stay_id=former.id, at=scene.fact.at)
    await scene.session.flush()


async def _rebook(scene: Scene, kept: Reservation | None) -> None:
    """Another parcel was to have this compartment: it is kept another one of the locker (C3).

    If none fits, its courier finds no room here and reports that as a failed stop.
    """
    if kept is None or await _holds(scene, kept.parcel_id):
        return
    parcel = await queries.get_parcel(scene.session, kept.parcel_id)
    agreed = await agree(scene.session, parcel, [scene.locker], now=scene.now)
    if isinstance(agreed, Agreed):
        wish = wish_of(parcel, kept.purpose, kept.created_by, reach=agreed.reach)
        await reservations.reserve(
            scene.session, [scene.locker], wish, ids=scene.ids, now=scene.now
        )


async def _holds(scene: Scene, parcel_id: uuid.UUID) -> bool:
    """Whether the parcel is the one that the fact is about."""
    parcel = await queries.get_parcel(scene.session, parcel_id)
    return scene.stay is not None and parcel.stay_id == scene.stay.id
