"""SQL of parcels, stays, history and facts.

Who locks a parcel has locked its locker before, if it needs that at all; stays come after lockers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, delete, false, func, or_, true
from sqlmodel import col, select, update

from server.kit.db import held, insert_new, is_one_of
from server.lockers.tables import Compartment
from server.parcels.states import TERMINAL, ParcelState, Party, Trigger
from server.parcels.tables import (
    Assistance,
    Beat,
    Dispute,
    Handover,
    Outage,
    Parcel,
    ParcelEvent,
    ParcelExtension,
    ParcelFact,
    ParcelPause,
    Stay,
    StayParcel,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlmodel.sql.expression import SelectOfScalar

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.parcels.tables import PauseCause
    from server.parcels.visibility import Visibility


class PlacedParcel(NamedTuple):
    """A parcel with the compartment that it lies in, if it lies in one."""

    parcel: Parcel
    compartment: Compartment | None


async def insert_parcel(session: Session, parcel: Parcel) -> bool:
    """Whether the parcel is new; False when its tracking number or its code is taken."""
    return await insert_new(session, Parcel, **parcel.model_dump())


async def find_announced(
    session: Session, *, carrier_id: uuid.UUID, tracking_no: str
) -> Parcel | None:
    """The parcel that a carrier announced under this number."""
    statement = select(Parcel).where(
        Parcel.carrier_id == carrier_id, Parcel.tracking_no == tracking_no
    )
    return (await session.exec(statement)).first()


async def get_parcel(session: Session, parcel_id: uuid.UUID) -> Parcel:
    """The parcel of this id, which was written before."""
    return await session.get_one(Parcel, parcel_id)


async def find_parcel(session: Session, parcel_id: uuid.UUID) -> Parcel | None:
    """The parcel of this id, whoever asks."""
    return await session.get(Parcel, parcel_id)


async def find_visible(
    session: Session, parcel_id: uuid.UUID, visibility: Visibility
) -> PlacedParcel | None:
    """The parcel, if the actor may see it."""
    statement = (
        select(Parcel, Compartment)
        .outerjoin(Stay, col(Stay.id) == col(Parcel.stay_id))
        .outerjoin(Compartment, col(Compartment.id) == col(Stay.compartment_id))
        .where(Parcel.id == parcel_id, _is_visible(visibility))
    )
    row = (await session.exec(statement)).first()
    return None if row is None else PlacedParcel(*row)


async def find_compartment_of(session: Session, parcel: Parcel) -> Compartment | None:
    """The compartment that the parcel lies in, if it lies in one."""
    statement = (
        select(Compartment)
        .join(Stay, col(Stay.compartment_id) == col(Compartment.id))
        .where(Stay.id == parcel.stay_id)
    )
    return (await session.exec(statement)).first()


async def lock_visible(
    session: Session, parcel_id: uuid.UUID, visibility: Visibility
) -> Parcel | None:
    """The parcel, if the actor may see it, kept from changing until the transaction ends."""
    statement = held(select(Parcel).where(Parcel.id == parcel_id, _is_visible(visibility)))
    return (await session.exec(statement)).first()


async def lock_all_visible(
    session: Session, parcel_ids: Collection[uuid.UUID], visibility: Visibility
) -> Sequence[Parcel]:
    """Those of the parcels that the actor may see, locked in the order of their ids, so that two
    who lock several never cross.
    """
    statement = held(
        select(Parcel)
        .where(col(Parcel.id).in_(parcel_ids), _is_visible(visibility))
        .order_by(col(Parcel.id))
    )
    return (await session.exec(statement)).all()


async def lock_parcel(session: Session, parcel_id: uuid.UUID) -> Parcel | None:
    """The parcel, kept from changing until the transaction ends."""
    statement = held(select(Parcel).where(Parcel.id == parcel_id))
    return (await session.exec(statement)).first()


async def list_parcels(
    session: Session,
    page: Page,
    *,
    visibility: Visibility,
    states: Collection[ParcelState] | None,
    hub_id: uuid.UUID | None = None,
) -> Sequence[PlacedParcel]:
    """One more than the page of what can be seen, the newest first."""
    statement = (
        select(Parcel, Compartment)
        .outerjoin(Stay, col(Stay.id) == col(Parcel.stay_id))
        .outerjoin(Compartment, col(Compartment.id) == col(Stay.compartment_id))
        .where(_is_visible(visibility))
    )
    if states is not None:
        statement = statement.where(col(Parcel.state).in_(states))
    if hub_id is not None:
        statement = statement.where(Parcel.hub_id == hub_id)
    if page.after is not None:
        statement = statement.where(col(Parcel.id) < page.after)
    statement = statement.order_by(col(Parcel.id).desc()).limit(page.limit)
    return [PlacedParcel(*row) for row in (await session.exec(statement)).all()]


async def list_parcels_by_ids(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Parcel]:
    """The parcels of these ids that exist."""
    rows = await session.exec(select(Parcel).where(col(Parcel.id).in_(parcel_ids)))
    return {row.id: row for row in rows}


async def lock_parcels(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Parcel]:
    """The same, kept from changing until the transaction ends; by id, so that nobody deadlocks."""
    query = select(Parcel).where(col(Parcel.id).in_(parcel_ids)).order_by(col(Parcel.id))
    return {row.id: row for row in await session.exec(held(query))}


async def list_ids_for(
    session: Session,
    recipient_id: uuid.UUID,
    *,
    states: Collection[ParcelState],
    after: uuid.UUID | None,
    limit: int,
) -> Sequence[uuid.UUID]:
    """Ids of the recipient's parcels in these states, in their order, those later than `after`."""
    query = select(Parcel.id).where(
        Parcel.recipient_id == recipient_id, col(Parcel.state).in_(states)
    )
    if after is not None:
        query = query.where(col(Parcel.id) > after)
    return (await session.exec(query.order_by(col(Parcel.id)).limit(limit))).all()


async def list_parcels_of_stay(session: Session, stay_id: uuid.UUID) -> Sequence[Parcel]:
    """The parcels that a stay holds, in the order of their ids."""
    return (await session.exec(_parcels_of_stay(stay_id))).all()


async def lock_parcels_of_stay(session: Session, stay_id: uuid.UUID) -> Sequence[Parcel]:
    """The same, kept from changing until the transaction ends."""
    return (await session.exec(held(_parcels_of_stay(stay_id), of=Parcel))).all()


async def lock_parcels_to_come(session: Session, stay_id: uuid.UUID) -> Sequence[Parcel]:
    """The parcels that a stay was minted for, kept from changing until the transaction ends."""
    query = (
        select(Parcel)
        .join(StayParcel, col(StayParcel.parcel_id) == col(Parcel.id))
        .where(StayParcel.stay_id == stay_id)
        .order_by(col(Parcel.id))
    )
    return (await session.exec(held(query, of=Parcel))).all()


async def put_in(
    session: Session, *, stay_id: uuid.UUID, parcel_id: uuid.UUID, at: datetime
) -> bool:
    """Notes that a door closed on the parcel under this stay; False if that was known."""
    kept = await session.get(StayParcel, (stay_id, parcel_id))
    if kept is None:
        kept = StayParcel(stay_id=stay_id, parcel_id=parcel_id)
    if kept.put_in_at is not None:
        return False
    kept.put_in_at = at
    session.add(kept)
    await session.flush()
    return True


async def take_out(
    session: Session, *, stay_id: uuid.UUID, at: datetime, parcel_id: uuid.UUID | None = None
) -> None:
    """Notes that a parcel, or every one, is not inside any more."""
    inside = (
        col(StayParcel.stay_id) == stay_id,
        col(StayParcel.put_in_at).is_not(None),
        col(StayParcel.left_at).is_(None),
    )
    query = update(StayParcel).where(*inside).values(left_at=at)
    if parcel_id is not None:
        query = query.where(col(StayParcel.parcel_id) == parcel_id)
    await session.exec(query)


async def lock_due(
    session: Session,
    *,
    before: datetime,
    states: Sequence[ParcelState],
    limit: int,
    pause: PauseCause | None = None,
) -> Sequence[Parcel]:
    """Parcels whose time to collect ended before and pauses for this, or not at all; the longest
    over first.

    Those that somebody else is changing right now are left to them.
    """
    statement = held(
        select(Parcel)
        .where(
            is_one_of(col(Parcel.state), states),
            col(Parcel.available_through) < before,
            col(Parcel.pause_cause).is_not_distinct_from(pause),
        )
        .order_by(col(Parcel.available_through), col(Parcel.id))
        .limit(limit),
        skip_locked=True,
    )
    return (await session.exec(statement)).all()


async def lock_lapsed(session: Session, *, before: datetime, limit: int) -> Sequence[Parcel]:
    """Parcels that nobody brought until then, the longest over first; others' locks are skipped."""
    statement = held(
        select(Parcel)
        .where(
            is_one_of(col(Parcel.state), [ParcelState.AWAITING_DROPOFF]),
            col(Parcel.dropoff_through) < before,
        )
        .order_by(col(Parcel.dropoff_through), col(Parcel.id))
        .limit(limit),
        skip_locked=True,
    )
    return (await session.exec(statement)).all()


async def count_returns(
    session: Session, parcel_id: uuid.UUID, *, states: Collection[ParcelState]
) -> int:
    """How many parcels in these states were to send this one back."""
    statement = (
        select(func.count())
        .select_from(Parcel)
        .where(Parcel.returns_id == parcel_id, col(Parcel.state).in_(states))
    )
    return (await session.exec(statement)).one()


async def get_stay(session: Session, stay_id: uuid.UUID) -> Stay:
    """The stay of this row id, which another row names."""
    return await session.get_one(Stay, stay_id)


async def find_stay(session: Session, name: bytes) -> Stay | None:
    """The stay that the protocol names so."""
    return (await session.exec(select(Stay).where(Stay.name == name))).first()


async def lock_stay(session: Session, name: bytes) -> Stay | None:
    """The stay of this name, kept from changing until the transaction ends."""
    return (await session.exec(held(select(Stay).where(Stay.name == name)))).first()


async def find_running_stay(session: Session, compartment_id: uuid.UUID) -> Stay | None:
    """The stay that the compartment holds now; there is at most one."""
    statement = select(Stay).where(
        Stay.compartment_id == compartment_id,
        col(Stay.begun_at).is_not(None),
        col(Stay.ended_at).is_(None),
    )
    return (await session.exec(statement)).first()


async def find_running_stay_at(session: Session, locker_id: uuid.UUID, number: int) -> Stay | None:
    """The stay that the compartment of this number holds now."""
    statement = (
        select(Stay)
        .join(Compartment, col(Compartment.id) == col(Stay.compartment_id))
        .where(
            Compartment.locker_id == locker_id,
            Compartment.number == number,
            col(Stay.begun_at).is_not(None),
            col(Stay.ended_at).is_(None),
        )
    )
    return (await session.exec(statement)).first()


async def list_stays_of_recipient(
    session: Session, locker_id: uuid.UUID, recipient_id: uuid.UUID, *, limit: int
) -> Sequence[Stay]:
    """Running stays of a locker in which something lies for this person, the newest first."""
    statement = (
        select(Stay)
        .where(
            Stay.locker_id == locker_id,
            col(Stay.begun_at).is_not(None),
            col(Stay.ended_at).is_(None),
            col(Stay.id).in_(select(Parcel.stay_id).where(Parcel.recipient_id == recipient_id)),
        )
        .order_by(col(Stay.id).desc())
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def list_running_stays(session: Session, locker_id: uuid.UUID) -> Sequence[tuple[int, bytes]]:
    """What each compartment of a locker holds now: its number and the stay's name, in order."""
    statement = (
        select(Compartment.number, Stay.name)
        .join(Stay, col(Stay.compartment_id) == col(Compartment.id))
        .where(
            Compartment.locker_id == locker_id,
            col(Stay.begun_at).is_not(None),
            col(Stay.ended_at).is_(None),
        )
        .order_by(col(Compartment.number))
    )
    return (await session.exec(statement)).all()


async def move_running_stays(session: Session, *, old: uuid.UUID, new: uuid.UUID) -> None:
    """What one locker holds is held by the other from now on; what has ended stays where it was."""
    running = (col(Stay.begun_at).is_not(None), col(Stay.ended_at).is_(None))
    await session.exec(
        update(Stay).where(col(Stay.locker_id) == old, *running).values(locker_id=new)
    )


async def find_unused_stay(
    session: Session,
    *,
    parcel_id: uuid.UUID,
    locker_id: uuid.UUID,
    besides: uuid.UUID | None = None,
) -> Stay | None:
    """The oldest stay minted for this parcel at this locker that has not begun, but `besides`."""
    statement = (
        select(Stay)
        .join(StayParcel, col(StayParcel.stay_id) == col(Stay.id))
        .where(
            StayParcel.parcel_id == parcel_id,
            Stay.locker_id == locker_id,
            col(Stay.begun_at).is_(None),
            col(Stay.ended_at).is_(None),
        )
        .order_by(col(Stay.id))
        .limit(1)
    )
    if besides is not None:
        statement = statement.where(Stay.id != besides)
    return (await session.exec(statement)).first()


async def find_last_handover(session: Session, parcel_id: uuid.UUID) -> Handover | None:
    """The newest handing over of a parcel at a counter."""
    statement = (
        select(Handover)
        .where(Handover.parcel_id == parcel_id)
        .order_by(col(Handover.at).desc(), col(Handover.id).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_of(
    session: Session, parcel_id: uuid.UUID, trigger: Trigger
) -> ParcelEvent | None:
    """The newest line of a parcel's history that this caused."""
    statement = (
        select(ParcelEvent)
        .where(ParcelEvent.parcel_id == parcel_id, ParcelEvent.trigger == trigger)
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_into(
    session: Session, parcel_id: uuid.UUID, state: ParcelState
) -> ParcelEvent | None:
    """The newest line of a parcel's history by which it came into this state."""
    statement = (
        select(ParcelEvent)
        .where(
            ParcelEvent.parcel_id == parcel_id,
            ParcelEvent.target == state,
            col(ParcelEvent.source).is_distinct_from(state),
        )
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_assistance(
    session: Session, stay: bytes, *, since: datetime, until: datetime
) -> Assistance | None:
    """The newest help at the door of the stay in that time."""
    statement = (
        select(Assistance)
        .join(Stay, col(Stay.id) == col(Assistance.stay_id))
        .where(Stay.name == stay, col(Assistance.at).between(since, until))
        .order_by(col(Assistance.at).desc(), col(Assistance.id).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_last_stay(session: Session, parcel_id: uuid.UUID) -> Stay | None:
    """The stay of a parcel that began last, ended or not."""
    statement = (
        select(Stay)
        .join(StayParcel, col(StayParcel.stay_id) == col(Stay.id))
        .where(StayParcel.parcel_id == parcel_id, col(StayParcel.put_in_at).is_not(None))
        .order_by(col(Stay.begun_at).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def has_later_stay(session: Session, stay: Stay) -> bool:
    """Whether another stay has begun in the compartment of one that has ended."""
    statement = select(Stay.id).where(
        Stay.compartment_id == stay.compartment_id,
        Stay.id != stay.id,
        col(Stay.begun_at) >= stay.begun_at,
    )
    return (await session.exec(statement.limit(1))).first() is not None


async def find_dispute(session: Session, parcel_id: uuid.UUID, party: Party) -> Dispute | None:
    """What this party says, or said, of the parcel's collection."""
    statement = select(Dispute).where(Dispute.parcel_id == parcel_id, Dispute.party == party)
    return (await session.exec(statement)).first()


async def list_disputes(session: Session, parcel_ids: Collection[uuid.UUID]) -> Sequence[Dispute]:
    """What was said of the collections of these parcels, the earliest first."""
    query = select(Dispute).where(col(Dispute.parcel_id).in_(parcel_ids))
    return (await session.exec(query.order_by(col(Dispute.opened_at), col(Dispute.id)))).all()


async def take_fact(
    session: Session,
    *,
    locker_id: uuid.UUID,
    seq: int,
    at: datetime,
    trigger: Trigger,
    stay: bytes | None,
) -> bool:
    """Whether this journal entry is heard of for the first time."""
    return await insert_new(
        session, ParcelFact, locker_id=locker_id, seq=seq, at=at, trigger=trigger, stay=stay
    )


async def find_last_event(session: Session, parcel_id: uuid.UUID) -> ParcelEvent | None:
    """The newest line of a parcel's history."""
    statement = (
        select(ParcelEvent)
        .where(ParcelEvent.parcel_id == parcel_id)
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def find_event(session: Session, parcel_id: uuid.UUID, *, number: int) -> ParcelEvent | None:
    """This line of the parcel's history."""
    statement = select(ParcelEvent).where(
        ParcelEvent.parcel_id == parcel_id, ParcelEvent.number == number
    )
    return (await session.exec(statement)).first()


async def find_deposit(session: Session, parcel_id: uuid.UUID) -> ParcelEvent | None:
    """The newest line of a parcel's history in which a locker stored it."""
    statement = (
        select(ParcelEvent)
        .where(ParcelEvent.parcel_id == parcel_id, ParcelEvent.trigger == Trigger.DEPOSITED)
        .order_by(col(ParcelEvent.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def list_later_events(
    session: Session, parcel_id: uuid.UUID, *, after: datetime
) -> Sequence[ParcelEvent]:
    """The lines of a parcel's history that happened after an instant, in the order of numbers."""
    statement = (
        select(ParcelEvent)
        .where(ParcelEvent.parcel_id == parcel_id, ParcelEvent.at > after)
        .order_by(col(ParcelEvent.number))
    )
    return (await session.exec(statement)).all()


async def list_last_events(
    session: Session, parcel_id: uuid.UUID, *, limit: int
) -> Sequence[ParcelEvent]:
    """The last lines of a parcel's history at which its state changed, oldest first."""
    statement = (
        select(ParcelEvent)
        .where(
            ParcelEvent.parcel_id == parcel_id,
            or_(
                col(ParcelEvent.source).is_(None),
                col(ParcelEvent.source) != col(ParcelEvent.target),
            ),
        )
        .order_by(col(ParcelEvent.number).desc())
        .limit(limit)
    )
    return list(reversed((await session.exec(statement)).all()))


async def list_events(
    session: Session, parcel_ids: Collection[uuid.UUID], page: Page
) -> Sequence[ParcelEvent]:
    """One line more than the page of each history, oldest first.

    A cursor belongs to one parcel; for the others it stands before the first line.
    """
    place = func.row_number().over(
        partition_by=col(ParcelEvent.parcel_id), order_by=col(ParcelEvent.number)
    )
    ranked: Select[uuid.UUID, int] = select(
        col(ParcelEvent.id).label("id"), place.label("place")
    ).where(col(ParcelEvent.parcel_id).in_(parcel_ids))
    if page.after is not None:
        reached = select(ParcelEvent).where(ParcelEvent.id == page.after).subquery()
        ranked = ranked.outerjoin(reached, reached.c.parcel_id == col(ParcelEvent.parcel_id)).where(
            or_(reached.c.number.is_(None), col(ParcelEvent.number) > reached.c.number)
        )
    chosen = ranked.subquery()
    statement = (
        select(ParcelEvent)
        .join(chosen, chosen.c.id == col(ParcelEvent.id))
        .where(chosen.c.place <= page.limit)
        .order_by(col(ParcelEvent.parcel_id), col(ParcelEvent.number))
    )
    return (await session.exec(statement)).all()


async def count_unknown_statuses(session: Session, *, limit: int) -> Sequence[tuple[str, str, int]]:
    """System, code and number of reports of foreign words that we could not read, most first."""
    count = func.count().label("count")
    statement = (
        select(col(ParcelEvent.source_system), col(ParcelEvent.source_code), count)
        .where(
            col(ParcelEvent.source_code).is_not(None),
            col(ParcelEvent.source_system).is_not(None),
            col(ParcelEvent.mapped).is_(None),
        )
        .group_by(col(ParcelEvent.source_system), col(ParcelEvent.source_code))
        .order_by(count.desc(), col(ParcelEvent.source_system), col(ParcelEvent.source_code))
        .limit(limit)
    )
    return [
        (system, code, number)
        for system, code, number in (await session.exec(statement)).all()
        if system is not None and code is not None
    ]


def _parcels_of_stay(stay_id: uuid.UUID) -> SelectOfScalar[Parcel]:
    return (
        select(Parcel)
        .join(StayParcel, col(StayParcel.parcel_id) == col(Parcel.id))
        .where(
            StayParcel.stay_id == stay_id,
            col(StayParcel.put_in_at).is_not(None),
            col(StayParcel.left_at).is_(None),
        )
        .order_by(col(Parcel.id))
    )


def _is_visible(visibility: Visibility) -> ColumnElement[bool]:
    if visibility.everything:
        return true()
    ways: list[ColumnElement[bool]] = []
    if visibility.recipient is not None:
        ways.append(col(Parcel.recipient_id) == visibility.recipient)
    if visibility.sender is not None:
        ways.append(col(Parcel.sender_id) == visibility.sender)
    for column, subjects in (
        (col(Parcel.carrier_id), visibility.carriers),
        (col(Parcel.hub_id), visibility.hubs),
        (col(Parcel.id), visibility.parcels),
    ):
        if subjects:
            ways.append(column.in_(subjects))
    return or_(false(), *ways)


async def list_pauses(session: Session, parcel_ids: Collection[uuid.UUID]) -> Sequence[ParcelPause]:
    """What has stopped the time of these parcels, the earliest first."""
    query = select(ParcelPause).where(col(ParcelPause.parcel_id).in_(parcel_ids))
    order = (col(ParcelPause.started_at), col(ParcelPause.id))
    return (await session.exec(query.order_by(*order))).all()


async def end_pauses(session: Session, parcel_id: uuid.UUID, *, at: datetime) -> None:
    """Lets the parcel's time run again from then on; never before a pause began."""
    still = and_(col(ParcelPause.parcel_id) == parcel_id, col(ParcelPause.ended_at).is_(None))
    begun = col(ParcelPause.started_at)
    end = case((begun > at, begun), else_=at)
    await session.exec(update(ParcelPause).where(still).values(ended_at=end))


async def rest_pauses(
    session: Session, parcel_id: uuid.UUID, incident_id: uuid.UUID | None
) -> None:
    """What stops the parcel's time now, and rests on nothing yet, rests on this incident."""
    running = and_(
        col(ParcelPause.parcel_id) == parcel_id,
        col(ParcelPause.ended_at).is_(None),
        col(ParcelPause.incident_id).is_(None),
        col(ParcelPause.seq).is_(None),
    )
    await session.exec(update(ParcelPause).where(running).values(incident_id=incident_id))


async def list_extensions(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> Sequence[ParcelExtension]:
    """What more time was given for these parcels, the earliest first."""
    query = select(ParcelExtension).where(col(ParcelExtension.parcel_id).in_(parcel_ids))
    order = (col(ParcelExtension.at), col(ParcelExtension.id))
    return (await session.exec(query.order_by(*order))).all()


async def list_unsettled(session: Session, person_id: uuid.UUID, *, limit: int) -> Sequence[Parcel]:
    """Parcels for the person or sent by them that are not over, the oldest first."""
    theirs = or_(col(Parcel.recipient_id) == person_id, col(Parcel.sender_id) == person_id)
    query = select(Parcel).where(theirs, col(Parcel.state).not_in(TERMINAL))
    return (await session.exec(query.order_by(col(Parcel.id)).limit(limit))).all()


async def list_settled_ids(session: Session, person_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Parcels for the person that are over."""
    query = select(Parcel.id).where(
        Parcel.recipient_id == person_id, col(Parcel.state).in_(TERMINAL)
    )
    return (await session.exec(query)).all()


async def list_ended_stays(
    session: Session, person_id: uuid.UUID, parcel_ids: Collection[uuid.UUID]
) -> Sequence[bytes]:
    """Names of stays of these parcels that hold nothing any more, and held nobody else's."""
    others = (
        select(StayParcel.stay_id)
        .join(Parcel, col(Parcel.id) == col(StayParcel.parcel_id))
        .where(
            StayParcel.stay_id == Stay.id,
            or_(
                col(Parcel.recipient_id).is_distinct_from(person_id),
                col(Parcel.state).not_in(TERMINAL),
            ),
        )
    )
    query = (
        select(Stay.name)
        .join(StayParcel, col(StayParcel.stay_id) == col(Stay.id))
        .where(
            col(StayParcel.parcel_id).in_(parcel_ids),
            or_(col(Stay.ended_at).is_not(None), col(Stay.begun_at).is_(None)),
            ~others.exists(),
        )
        .distinct()
    )
    return (await session.exec(query)).all()


async def forget_names(session: Session, parcel_ids: Collection[uuid.UUID]) -> None:
    """Removes what names somebody from these parcels, and from their histories."""
    words = col(ParcelEvent.parcel_id).in_(parcel_ids)
    await session.exec(update(ParcelEvent).where(words).values(source_text=None))
    blank = {
        "recipient_name": None,
        "recipient_contact": None,
        "content_hash": b"",
        "forget_at": None,
    }
    await session.exec(update(Parcel).where(col(Parcel.id).in_(parcel_ids)).values(**blank))


async def lock_forgettable(session: Session, *, now: datetime, limit: int) -> Sequence[Parcel]:
    """Parcels of which somebody is to look whether their names are kept, the longest due first."""
    query = select(Parcel).where(col(Parcel.forget_at) <= now)
    order = (col(Parcel.forget_at), col(Parcel.id))
    return (await session.exec(held(query.order_by(*order).limit(limit), skip_locked=True))).all()


async def forget_sooner(session: Session, person_id: uuid.UUID, *, at: datetime) -> None:
    """Has the person's parcels that are over, and kept their names, looked at again."""
    kept = (
        col(Parcel.recipient_id) == person_id,
        col(Parcel.over_at).is_not(None),
        col(Parcel.forget_at).is_(None),
        col(Parcel.recipient_contact).is_not(None),
    )
    await session.exec(update(Parcel).where(*kept).values(forget_at=at))


async def has_recent(session: Session, person_id: uuid.UUID, *, since: datetime) -> bool:
    """Whether a parcel for the person, or sent by them, is not over, or was not until then."""
    theirs = or_(col(Parcel.recipient_id) == person_id, col(Parcel.sender_id) == person_id)
    recent = or_(col(Parcel.over_at).is_(None), col(Parcel.over_at) > since)
    return (
        await session.exec(select(Parcel.id).where(theirs, recent).limit(1))
    ).first() is not None


async def list_outages(session: Session, *, since: datetime, until: datetime) -> Sequence[Outage]:
    """Spans between these instants in which the service did not work, the earliest first.

    No limit: each is longer than ten minutes, and so far from the next (`parcels.service.timing`).
    """
    query = select(Outage).where(Outage.ended_at > since, Outage.started_at < until)
    return (await session.exec(query.order_by(col(Outage.ended_at)))).all()


async def find_last_outage(session: Session, *, since: datetime) -> Outage | None:
    """The newest outage, if it ended later than that."""
    query = select(Outage).where(Outage.ended_at > since)
    return (await session.exec(query.order_by(col(Outage.ended_at).desc()).limit(1))).first()


async def forget_outages(session: Session, *, before: datetime) -> None:
    """Deletes the outages that were over by then."""
    await session.exec(delete(Outage).where(col(Outage.ended_at) < before))


async def lock_beat(session: Session, name: str) -> Beat | None:
    """The last sign of the service at work, kept from changing."""
    return (await session.exec(held(select(Beat).where(Beat.name == name)))).one_or_none()


async def lock_waiting(
    session: Session, *, hub_id: uuid.UUID | None, after: uuid.UUID | None, limit: int
) -> Sequence[Parcel]:
    """Parcels whose time to collect has begun, at a hub or anywhere, by id."""
    states = (ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB, ParcelState.EXPIRED)
    query = select(Parcel).where(
        col(Parcel.state).in_(states), col(Parcel.available_from).is_not(None)
    )
    if hub_id is not None:
        query = query.where(Parcel.hub_id == hub_id)
    if after is not None:
        query = query.where(col(Parcel.id) > after)
    return (await session.exec(held(query.order_by(col(Parcel.id)).limit(limit)))).all()
