"""SQL of notices."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, or_
from sqlmodel import col, delete, func, select, update

from server.kit.db import held, insert_all_new, insert_or_count, is_one_of, update_all
from server.kit.live import touch
from server.notices.cadence import REMINDERS
from server.notices.rules import NoticeKind, NoticeState
from server.notices.tables import DisputeEvidence, Notice, Reminder
from server.parcels.states import ParcelState
from server.parcels.tables import Dispute, Parcel
from server.people.preferences import Channel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.kit.ids import Ids


class Topic(NamedTuple):
    """What notices are about; with a channel it is the key of one."""

    subject: uuid.UUID
    kind: NoticeKind
    version: int


class Try(NamedTuple):
    """One attempt to send a notice."""

    notice_id: uuid.UUID
    attempt: int


class Beginning(NamedTuple):
    """What is about to be sent on a channel, and to whom."""

    topic: Topic
    channel: Channel
    person_id: uuid.UUID
    is_fallback: bool


class Ending(NamedTuple):
    """What became of an attempt."""

    attempt: Try
    person_id: uuid.UUID
    state: NoticeState
    receipt: str | None
    reason: str | None


async def list_notices(
    session: Session, topics: Collection[Topic]
) -> Mapping[Topic, Sequence[Notice]]:
    """The notices about each topic that has any, one for each channel that was tried."""
    subjects = {topic.subject for topic in topics}
    kinds = {topic.kind for topic in topics}
    query = select(Notice).where(col(Notice.subject).in_(subjects), col(Notice.kind).in_(kinds))
    told: dict[Topic, list[Notice]] = {}
    for notice in (await session.exec(query)).all():
        told.setdefault(Topic(notice.subject, notice.kind, notice.version), []).append(notice)
    return told


async def count_notices(session: Session) -> Sequence[tuple[str, str, str, int]]:
    """How many there are of each kind, channel and state."""
    key = (col(Notice.kind), col(Notice.channel), col(Notice.state))
    rows = await session.exec(select(*key, func.count()).group_by(*key))
    return [(kind.value, channel.value, state.value, count) for kind, channel, state, count in rows]


async def begin_tries(
    session: Session, beginnings: Sequence[Beginning], *, ids: Ids, now: datetime
) -> list[Try]:
    """Counts an attempt of each, of different topics; the notice is made by the first one."""
    rows = [
        {
            "id": ids.new(),
            "person_id": one.person_id,
            **one.topic._asdict(),
            "channel": one.channel,
            "state": NoticeState.QUEUED,
            "is_fallback": one.is_fallback,
            "created_at": now,
            "attempts": 1,
        }
        for one in beginnings
    ]
    for one in beginnings:
        touch(session, notices_topic(one.person_id))
    key = (col(Notice.subject), col(Notice.kind), col(Notice.version), col(Notice.channel))
    counted = await insert_or_count(session, Notice, rows, key=key, counter="attempts")
    begun = {(*key,): Try(notice_id, attempt) for notice_id, attempt, *key in counted}
    return [begun[(*one.topic, one.channel)] for one in beginnings]


async def end_tries(session: Session, endings: Sequence[Ending], *, now: datetime) -> None:
    """Writes what became of attempts, but of those after which a later one has begun."""
    rows = [
        {
            "of_id": one.attempt.notice_id,
            "of_attempt": one.attempt.attempt,
            "to_state": one.state,
            "to_receipt": one.receipt,
            "to_reason": one.reason,
            "to_settled_at": None if one.state is NoticeState.QUEUED else now,
        }
        for one in endings
    ]
    ours = and_(
        col(Notice.id) == bindparam("of_id"),
        col(Notice.attempts) == bindparam("of_attempt"),
        col(Notice.state) == NoticeState.QUEUED,
    )
    told = ("state", "receipt", "reason", "settled_at")
    values: dict[str, Any] = {name: bindparam(f"to_{name}") for name in told}
    await update_all(session, Notice, ours, rows, **values)
    for one in endings:
        touch(session, notices_topic(one.person_id))


async def suppress(session: Session, topic: Topic, *, now: datetime) -> None:
    """Gives up what no provider has taken yet of this topic."""
    ours = and_(
        col(Notice.subject) == topic.subject,
        col(Notice.kind) == topic.kind,
        col(Notice.version) == topic.version,
    )
    await _settle(session, ours, state=NoticeState.SUPPRESSED, settled_at=now)


async def list_of_person(session: Session, person_id: uuid.UUID, page: Page) -> Sequence[Notice]:
    """One more than the page of what a person was told, the newest first."""
    return await _list_page(session, Notice.person_id == person_id, page)


async def list_of_subject(session: Session, subject: uuid.UUID, page: Page) -> Sequence[Notice]:
    """One more than the page of the notices about this, the newest first."""
    return await _list_page(session, Notice.subject == subject, page)


async def list_newest_about(
    session: Session, subject: uuid.UUID, *, limit: int
) -> Sequence[Notice]:
    """The newest notices about this, the newest first."""
    query = select(Notice).where(Notice.subject == subject)
    return (await session.exec(query.order_by(col(Notice.id).desc()).limit(limit))).all()


async def list_evidence(session: Session, parcel_id: uuid.UUID) -> Sequence[DisputeEvidence]:
    """What was fixed of disputes about the parcel."""
    query = select(DisputeEvidence).where(DisputeEvidence.parcel_id == parcel_id)
    return (await session.exec(query)).all()


async def list_told(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> Sequence[DisputeEvidence]:
    """What is still told of disputes about these parcels."""
    query = select(DisputeEvidence).where(
        col(DisputeEvidence.parcel_id).in_(parcel_ids), col(DisputeEvidence.told).is_not(None)
    )
    return (await session.exec(query)).all()


async def list_decided_evidence(
    session: Session, *, before: datetime, limit: int
) -> Sequence[DisputeEvidence]:
    """What is still told of disputes that were decided before then."""
    query = (
        select(DisputeEvidence)
        .join(Dispute, col(Dispute.id) == col(DisputeEvidence.dispute_id))
        .where(col(DisputeEvidence.told).is_not(None), col(Dispute.resolved_at) < before)
    )
    return (await session.exec(query.limit(limit))).all()


async def list_unsealed(
    session: Session, *, after: uuid.UUID | None, limit: int
) -> Sequence[DisputeEvidence]:
    """Evidence whose file is not written yet, by dispute; others do not write it meanwhile."""
    query = select(DisputeEvidence).where(col(DisputeEvidence.file_digest).is_(None))
    if after is not None:
        query = query.where(col(DisputeEvidence.dispute_id) > after)
    order = query.order_by(col(DisputeEvidence.dispute_id)).limit(limit)
    return (await session.exec(held(order, skip_locked=True))).all()


async def delete_of_person(session: Session, person_id: uuid.UUID) -> None:
    """Removes what the person was told, and what became of it."""
    await session.exec(delete(Notice).where(col(Notice.person_id) == person_id))


def notices_topic(person_id: uuid.UUID) -> str:
    """The live topic of all that a person is told."""
    return f"notices:{person_id}"


async def _list_page(
    session: Session, wanted: ColumnElement[bool] | bool, page: Page
) -> Sequence[Notice]:
    query = select(Notice).where(wanted)
    if page.after is not None:
        query = query.where(col(Notice.id) < page.after)
    return (await session.exec(query.order_by(col(Notice.id).desc()).limit(page.limit))).all()


async def _settle(session: Session, ours: ColumnElement[bool], **values: Any) -> None:
    """Changes those of the notices that no provider has taken yet."""
    told = await session.exec(
        update(Notice)
        .where(ours, col(Notice.state) == NoticeState.QUEUED)
        .values(**values)
        .returning(col(Notice.person_id))
    )
    for person_id in set(told.scalars()):
        touch(session, notices_topic(person_id))


async def lock_reminders(session: Session, parcel_ids: Collection[uuid.UUID]) -> None:
    """Keeps the next reminders of these parcels from changing until the transaction ends."""
    query = select(Reminder).where(col(Reminder.parcel_id).in_(parcel_ids))
    await session.exec(held(query.order_by(col(Reminder.parcel_id))))


async def lock_due_reminders(
    session: Session, *, now: datetime, limit: int
) -> Sequence[tuple[uuid.UUID, datetime]]:
    """Parcels whose reminder is due, and since when, the longest waiting first.

    What others hold is left out.
    """
    query = (
        select(Reminder.parcel_id, Reminder.due_at)
        .where(Reminder.due_at <= now)
        .order_by(col(Reminder.due_at), col(Reminder.parcel_id))
        .limit(limit)
    )
    return (await session.exec(held(query, skip_locked=True))).all()


async def list_unplanned(
    session: Session, *, after: tuple[datetime, uuid.UUID], limit: int
) -> Sequence[tuple[datetime, uuid.UUID]]:
    """Parcels whose time to collect runs and that have no next reminder, by the end of that time.

    Those later in this order than `after`.
    """
    end, parcel_id = col(Parcel.available_through), col(Parcel.id)
    query = (
        select(Parcel.available_through, Parcel.id)
        .where(
            is_one_of(col(Parcel.state), [ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB]),
            end >= after[0],
            or_(end > after[0], parcel_id > after[1]),
            col(Parcel.pause_cause).is_(None),
            parcel_id.not_in(select(Reminder.parcel_id)),
        )
        .order_by(end, parcel_id)
        .limit(limit)
    )
    return [(through, one) for through, one in await session.exec(query) if through is not None]


async def list_reminded(
    session: Session, parcel_ids: Collection[uuid.UUID]
) -> set[tuple[uuid.UUID, int]]:
    """Of these parcels those, with the version of the deadline, of which a reminder was taken."""
    query = select(Notice.subject, Notice.version).where(
        col(Notice.subject).in_(parcel_ids),
        col(Notice.kind).in_(REMINDERS),
        Notice.state == NoticeState.ACCEPTED,
    )
    return {(subject, version) for subject, version in await session.exec(query)}


async def replace_reminders(
    session: Session, parcel_ids: Collection[uuid.UUID], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Takes the reminders of these parcels away and writes down the next ones."""
    gone = delete(Reminder).where(col(Reminder.parcel_id).in_(parcel_ids))
    # Nobody looks at the rows that this session knows any more.
    await session.exec(gone.execution_options(synchronize_session=False))
    if rows:
        await insert_all_new(session, Reminder, rows)
