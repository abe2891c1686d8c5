"""SQL of lockers, compartments, enrolments, key sets, reservations and incidents.

Who locks several rows locks the locker first, then the parcel, the compartment, the reservation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case, delete, func, or_, tuple_, update
from sqlmodel import col, select

from schema.compartments import DoorState
from schema.ids import EVERY_LOCKER, KEY_ID_SIZE, KeyId, LockerId
from server.hubs.tables import Hub
from server.kit.db import held, insert_new, upsert
from server.kit.live import touch
from server.lockers.occupancy import Look
from server.lockers.rules import Allocation, LockerState, ServiceState
from server.lockers.tables import (
    Compartment,
    CompartmentEvent,
    DoorCheck,
    Enrolment,
    Incident,
    Locker,
    OccupancySlot,
    Reservation,
    SignedKeySet,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from sqlalchemy import ColumnElement
    from sqlmodel.sql.expression import Select

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.lockers.closing import DoorVisit
    from server.lockers.incidents import IncidentKind


async def find_locker(session: Session, locker_id: uuid.UUID) -> Locker | None:
    """The locker of this row id."""
    return await session.get(Locker, locker_id)


async def get_locker(session: Session, locker_id: uuid.UUID) -> Locker:
    """The locker of this row id, which was written before."""
    return await session.get_one(Locker, locker_id)


async def find_locker_by_lid(session: Session, lid: LockerId) -> Locker | None:
    """The locker of this protocol id."""
    return (await session.exec(select(Locker).where(Locker.lid == lid))).first()


async def find_twin(
    session: Session, *, lid: LockerId, noise_public: bytes, sign_public: bytes, serial: str | None
) -> Locker | None:
    """A locker that shares its id, a key or, where one is given, its serial with these."""
    statement = select(Locker).where(
        or_(
            col(Locker.lid) == lid,
            col(Locker.noise_public) == noise_public,
            col(Locker.sign_public) == sign_public,
            col(Locker.serial) == serial,
        )
    )
    return (await session.exec(statement)).first()


async def insert_locker(session: Session, locker: Locker) -> bool:
    """Whether the locker is new; False when another was faster with its id, a key or its serial."""
    return await insert_new(session, Locker, **locker.model_dump())


async def lock_locker(session: Session, locker_id: uuid.UUID) -> Locker | None:
    """The locker, kept from changing until the end of the transaction."""
    statement = held(select(Locker).where(Locker.id == locker_id))
    return (await session.exec(statement)).first()


async def lock_lockers_of_hub(session: Session, hub_id: uuid.UUID) -> Sequence[Locker]:
    """The lockers of a hub, in the order of their ids, so that two who lock them never cross."""
    statement = held(select(Locker).where(Locker.hub_id == hub_id).order_by(col(Locker.id)))
    return (await session.exec(statement)).all()


async def list_lockers_by_ids(
    session: Session, locker_ids: Collection[uuid.UUID]
) -> Sequence[Locker]:
    """Lockers of these row ids, in no order."""
    return (await session.exec(select(Locker).where(col(Locker.id).in_(locker_ids)))).all()


async def list_lockers_of_hubs(
    session: Session, hub_ids: Collection[uuid.UUID], *, limit: int
) -> Sequence[Locker]:
    """At most `limit` lockers of each hub that are in the network, by id."""
    place = (
        func.row_number()
        .over(partition_by=col(Locker.hub_id), order_by=col(Locker.id))
        .label("place")
    )
    ranked = (
        select(col(Locker.id).label("id"), place)
        .where(col(Locker.hub_id).in_(hub_ids), col(Locker.state) != LockerState.RETIRED)
        .subquery()
    )
    statement = (
        select(Locker)
        .join(ranked, col(Locker.id) == ranked.c.id)
        .where(ranked.c.place <= limit)
        .order_by(col(Locker.id))
    )
    return (await session.exec(statement)).all()


async def list_lockers_heard_before(
    session: Session, *, state: LockerState, instant: datetime, limit: int
) -> Sequence[Locker]:
    """Lockers in this state last heard of before the instant, kept from changing.

    One that was never heard of counts from its enrolment.
    """
    heard_at = func.coalesce(col(Locker.last_fact_at), col(Locker.created_at))
    statement = held(
        select(Locker)
        .where(col(Locker.state) == state, heard_at < instant)
        .order_by(col(Locker.id))
        .limit(limit),
        skip_locked=True,
    )
    return (await session.exec(statement)).all()


async def list_sealed_elsewhere(
    session: Session, kid: KeyId, *, after: uuid.UUID | None, limit: int
) -> Sequence[Locker]:
    """Lockers whose PIN secret is sealed to another key than this one, by id, kept from changing.

    Those that were replaced count no more; what others have locked is left for the next time.
    """
    statement = select(Locker).where(
        func.substr(col(Locker.sealed_pin_secret), 1, KEY_ID_SIZE) != kid,
        col(Locker.replaced_by).is_(None),
    )
    if after is not None:
        statement = statement.where(col(Locker.id) > after)
    statement = held(statement.order_by(col(Locker.id)).limit(limit), skip_locked=True)
    return (await session.exec(statement)).all()


async def lock_compartment_by_id(session: Session, compartment_id: uuid.UUID) -> Compartment | None:
    """The compartment of this row id, kept from changing until the end of the transaction."""
    statement = held(select(Compartment).where(Compartment.id == compartment_id))
    return (await session.exec(statement)).first()


async def lock_compartment(
    session: Session, locker_id: uuid.UUID, number: int
) -> Compartment | None:
    """The compartment of this number, kept from changing until the end of the transaction."""
    statement = held(
        select(Compartment).where(Compartment.locker_id == locker_id, Compartment.number == number)
    )
    return (await session.exec(statement)).first()


async def list_compartments(
    session: Session, locker_ids: Collection[uuid.UUID]
) -> Sequence[Compartment]:
    """Compartments of these lockers by number; a locker has at most 255."""
    statement = (
        select(Compartment)
        .where(col(Compartment.locker_id).in_(locker_ids))
        .order_by(col(Compartment.number))
        .execution_options(populate_existing=True)
    )
    return (await session.exec(statement)).all()


async def list_compartments_by_ids(
    session: Session, compartment_ids: Collection[uuid.UUID]
) -> Sequence[Compartment]:
    """Compartments of these row ids, in no order."""
    statement = select(Compartment).where(col(Compartment.id).in_(compartment_ids))
    return (await session.exec(statement)).all()


async def find_predecessor(session: Session, locker_id: uuid.UUID) -> Locker | None:
    """The locker that this one took the place of."""
    return (await session.exec(select(Locker).where(Locker.replaced_by == locker_id))).first()


async def move_compartments(session: Session, *, old: uuid.UUID, new: uuid.UUID) -> None:
    """Every compartment of one locker is the other's from now on."""
    await session.exec(
        update(Compartment).where(col(Compartment.locker_id) == old).values(locker_id=new)
    )


async def lock_enrolment(session: Session, code_hash: bytes) -> Enrolment | None:
    """The enrolment of this code, kept from being used twice at once."""
    statement = held(select(Enrolment).where(Enrolment.code_hash == code_hash))
    return (await session.exec(statement)).first()


async def find_key_set(session: Session, seq: int) -> SignedKeySet | None:
    """The key set of this number, whoever it is for."""
    return (await session.exec(select(SignedKeySet).where(SignedKeySet.seq == seq))).first()


async def insert_key_set(session: Session, row: SignedKeySet) -> bool:
    """Whether the key set is new; False when its number is taken."""
    return await insert_new(session, SignedKeySet, **row.model_dump())


async def find_newest_key_set(session: Session, lid: LockerId) -> SignedKeySet | None:
    """The key set with the highest number among those for this locker and those for all."""
    statement = (
        select(SignedKeySet)
        .where(col(SignedKeySet.audience).in_([lid, EVERY_LOCKER]))
        .order_by(col(SignedKeySet.seq).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_newest_key_set_for(session: Session, audience: LockerId) -> SignedKeySet | None:
    """The key set with the highest number among those for exactly this audience."""
    statement = (
        select(SignedKeySet)
        .where(SignedKeySet.audience == audience)
        .order_by(col(SignedKeySet.seq).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_key_set_seq(session: Session) -> int:
    """The highest number of any key set, 0 without one: all audiences draw from one counter."""
    return (await session.exec(select(func.max(col(SignedKeySet.seq))))).one() or 0


async def lock_live_reservation(
    session: Session, parcel_id: uuid.UUID
) -> tuple[Reservation, Compartment] | None:
    """What holds a compartment for this parcel, expired or not, and the compartment, both locked.

    The compartment first, as facts do, so that the two never wait for each other. The caller has
    locked the parcel, so nothing else begins to hold one for it meanwhile.
    """
    is_live = (col(Reservation.parcel_id) == parcel_id, col(Reservation.ended_at).is_(None))
    seen = await session.exec(select(Reservation.compartment_id).where(*is_live))
    compartment_id = seen.first()
    if compartment_id is None:
        return None
    compartment = await lock_compartment_by_id(session, compartment_id)
    standing = (await session.exec(held(select(Reservation).where(*is_live)))).first()
    return None if compartment is None or standing is None else (standing, compartment)


async def find_live_reservation(
    session: Session, locker_id: uuid.UUID, number: int
) -> Reservation | None:
    """What the compartment of this number is kept for; its time may be over."""
    statement = (
        select(Reservation)
        .join(Compartment, col(Compartment.id) == col(Reservation.compartment_id))
        .where(
            Compartment.locker_id == locker_id,
            Compartment.number == number,
            col(Reservation.ended_at).is_(None),
        )
    )
    return (await session.exec(statement)).first()


async def list_reservations(
    session: Session, parcel_ids: Collection[uuid.UUID], *, now: datetime
) -> Sequence[tuple[Reservation, Compartment]]:
    """Reservations that hold for these parcels at this moment, with their compartments."""
    statement = (
        select(Reservation, Compartment)
        .join(Compartment, col(Compartment.id) == col(Reservation.compartment_id))
        .where(
            col(Reservation.parcel_id).in_(parcel_ids),
            col(Reservation.ended_at).is_(None),
            col(Reservation.expires_at) > now,
        )
    )
    return (await session.exec(statement)).all()


async def list_expired_reservations(
    session: Session, *, now: datetime, limit: int, locker_id: uuid.UUID | None = None
) -> Sequence[tuple[Reservation, Compartment]]:
    """Live reservations whose time is over, with their compartments, kept from changing.

    While a door stands open somebody is at it, and it stays reserved (C2). Those that somebody
    else is changing right now are left to them.
    """
    statement = held(
        select(Reservation, Compartment)
        .join(Compartment, col(Compartment.id) == col(Reservation.compartment_id))
        .where(
            col(Reservation.ended_at).is_(None),
            col(Reservation.expires_at) <= now,
            col(Compartment.door) != DoorState.OPEN,
        )
        .order_by(col(Reservation.expires_at), col(Reservation.id))
        .limit(limit),
        skip_locked=True,
    )
    if locker_id is not None:
        statement = statement.where(col(Compartment.locker_id) == locker_id)
    return (await session.exec(statement)).all()


async def end_reservations(session: Session, compartment_id: uuid.UUID, *, now: datetime) -> None:
    """End whatever holds this compartment."""
    await session.exec(
        update(Reservation)
        .where(
            col(Reservation.compartment_id) == compartment_id,
            col(Reservation.ended_at).is_(None),
        )
        .values(ended_at=now)
    )


async def insert_incident(session: Session, incident: Incident) -> bool:
    """Whether this is the first incident of its kind that this fact opens about its subject."""
    touch(session, f"hub:{incident.hub_id}")
    return await insert_new(session, Incident, **incident.model_dump())


async def find_open_incident(
    session: Session, kind: IncidentKind, subject_id: uuid.UUID
) -> Incident | None:
    """The incident of this kind about the subject that nobody has resolved yet."""
    statement = (
        select(Incident)
        .where(
            Incident.kind == kind,
            Incident.subject_id == subject_id,
            col(Incident.resolved_at).is_(None),
        )
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def end_incidents(
    session: Session, kind: IncidentKind, subject_id: uuid.UUID, *, resolution: str, now: datetime
) -> None:
    """Resolve whatever of this kind is open about the subject."""
    ended = await session.exec(
        update(Incident)
        .where(
            col(Incident.kind) == kind,
            col(Incident.subject_id) == subject_id,
            col(Incident.resolved_at).is_(None),
        )
        .values(resolved_at=now, resolution=resolution)
        .returning(col(Incident.hub_id))
    )
    for hub_id in set(ended.scalars()):
        touch(session, f"hub:{hub_id}")


async def list_open_incidents_about(
    session: Session,
    subject_ids: Collection[uuid.UUID],
    kinds: Collection[IncidentKind],
    *,
    limit: int,
) -> Sequence[Incident]:
    """At most `limit` that are open of these kinds about these subjects, by id."""
    statement = (
        select(Incident)
        .where(
            col(Incident.subject_id).in_(subject_ids),
            col(Incident.kind).in_(kinds),
            col(Incident.resolved_at).is_(None),
        )
        .order_by(col(Incident.id))
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def find_incident(session: Session, incident_id: uuid.UUID) -> Incident | None:
    """The incident of this id, open or not."""
    return await session.get(Incident, incident_id)


async def lock_incident(session: Session, incident_id: uuid.UUID) -> Incident | None:
    """The incident of this id, kept from changing until the end of the transaction."""
    return (await session.exec(held(select(Incident).where(Incident.id == incident_id)))).first()


async def list_incidents(
    session: Session, page: Page, *, hub_ids: Collection[uuid.UUID] | None
) -> Sequence[Incident]:
    """Open incidents by id, one more than the page; of all hubs when `hub_ids` is None."""
    statement = select(Incident).where(col(Incident.resolved_at).is_(None))
    if hub_ids is not None:
        statement = statement.where(col(Incident.hub_id).in_(hub_ids))
    if page.after is not None:
        statement = statement.where(col(Incident.id) > page.after)
    return (await session.exec(statement.order_by(col(Incident.id)).limit(page.limit))).all()


async def insert_compartment_event(session: Session, event: CompartmentEvent) -> bool:
    """Whether the line is new; False when the same journal entry has written it."""
    return await insert_new(session, CompartmentEvent, **event.model_dump())


async def list_compartment_events(
    session: Session, page: Page, *, locker_id: uuid.UUID, number: int
) -> Sequence[CompartmentEvent]:
    """One more line than the page of what was decided about a compartment, newest first."""
    statement = (
        select(CompartmentEvent)
        .join(Compartment, col(Compartment.id) == col(CompartmentEvent.compartment_id))
        .where(Compartment.locker_id == locker_id, Compartment.number == number)
    )
    if page.after is not None:
        statement = statement.where(col(CompartmentEvent.id) < page.after)
    statement = statement.order_by(col(CompartmentEvent.id).desc()).limit(page.limit)
    return (await session.exec(statement)).all()


async def insert_check(session: Session, check: DoorCheck) -> bool:
    """Whether this opening is new."""
    return await insert_new(session, DoorCheck, **check.model_dump())


async def find_open_check(session: Session, compartment_id: uuid.UUID) -> DoorCheck | None:
    """The newest opening of staff, if its door was not shut since."""
    statement = (
        select(DoorCheck)
        .where(DoorCheck.compartment_id == compartment_id)
        .order_by(col(DoorCheck.id).desc())
        .limit(1)
    )
    newest = (await session.exec(statement)).first()
    return newest if newest is not None and newest.closed_seq is None else None


async def find_last_check(
    session: Session, compartment_id: uuid.UUID, visits: Collection[DoorVisit]
) -> DoorCheck | None:
    """The whole door cycle of staff by one of these rights that was granted last."""
    statement = (
        select(DoorCheck)
        .where(
            DoorCheck.compartment_id == compartment_id,
            col(DoorCheck.visit).in_(visits),
            col(DoorCheck.closed_seq).is_not(None),
        )
        .order_by(col(DoorCheck.granted_at).desc(), col(DoorCheck.id).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def list_looks(
    session: Session, *, after: uuid.UUID | None, limit: int
) -> list[tuple[uuid.UUID, str, Look]]:
    """How full the lockers of at most `limit` hubs are now, by hub id: hub, its zone, the look.

    Hubs without a compartment in service are left out.
    """
    statement = _looks().order_by(col(Hub.id)).limit(limit)
    if after is not None:
        statement = statement.where(col(Hub.id) > after)
    rows = (await session.exec(statement)).all()
    return [(hub_id, zone, Look(in_use, usable)) for hub_id, zone, in_use, usable in rows]


async def find_look(session: Session, hub_id: uuid.UUID) -> Look | None:
    """How full this hub's lockers are now; None without a compartment in service."""
    row = (await session.exec(_looks().where(col(Hub.id) == hub_id))).first()
    return None if row is None else Look(row[2], row[3])


def _looks() -> Select[uuid.UUID, str, int, int]:
    full = case((col(Compartment.allocation) == Allocation.FREE, 0), else_=1)
    in_use: ColumnElement[int] = func.sum(full)
    return (
        select(col(Hub.id), col(Hub.time_zone), in_use, func.count())
        .join(Locker, col(Locker.hub_id) == col(Hub.id))
        .join(Compartment, col(Compartment.locker_id) == col(Locker.id))
        .where(
            col(Locker.state).not_in([LockerState.PROVISIONING, LockerState.RETIRED]),
            col(Compartment.service).not_in(
                [ServiceState.QUARANTINED, ServiceState.OUT_OF_SERVICE]
            ),
        )
        .group_by(col(Hub.id), col(Hub.time_zone))
    )


async def add_looks(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add each look to its slot, unless that slot has seen one of its number or a later one."""
    await upsert(
        session,
        OccupancySlot,
        rows,
        sums=("looks", "in_use", "usable"),
        newest="last_look",
    )


async def list_occupancy(
    session: Session, hub_id: uuid.UUID, *, first: date, last: date
) -> Sequence[OccupancySlot]:
    """The slots of a hub from one day to another, both included, in order."""
    statement = (
        select(OccupancySlot)
        .where(
            OccupancySlot.hub_id == hub_id,
            col(OccupancySlot.day) >= first,
            col(OccupancySlot.day) <= last,
        )
        .order_by(col(OccupancySlot.day), col(OccupancySlot.slot))
    )
    return (await session.exec(statement)).all()


async def prune_occupancy(session: Session, *, before: date, limit: int) -> int:
    """Delete at most `limit` slots of days before this one; how many."""
    key = (col(OccupancySlot.hub_id), col(OccupancySlot.day), col(OccupancySlot.slot))
    old = select(*key).where(col(OccupancySlot.day) < before).limit(limit)
    gone = await session.exec(delete(OccupancySlot).where(tuple_(*key).in_(old)))
    return int(gone.rowcount)
